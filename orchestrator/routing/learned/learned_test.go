package learned

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sample is a small model: "hard" in a prompt is bad for weak and nothing to strong, and so are long prompts.
func sample(t testing.TB) *Artefact {
	t.Helper()
	s := NewScratch()
	hard := s.Read("hard")
	rarity := make([]byte, Slots)
	for i := range rarity {
		rarity[i] = 16
	}
	ones := make([]float32, Slots)
	for i := range ones {
		ones[i] = 1
	}
	a := &Artefact{
		Format: Format, Active: true, Verdict: "it is good", Features: FeatureVersion, Rarity: rarity, Near: 0.05,
		Trained: Origin{Date: "2026-11-22", Data: "d", Prompts: 200, Groups: 1, Folds: 5, HeldOut: "prompt", Seed: 1},
		Test:    Test{Weak: "weak", Strong: "strong", Advantage: Figure{.02, .01, .03}, ByCalls: Figure{.02, .01, .03}},
	}
	for range ShapeSize {
		a.Thresholds = append(a.Thresholds, []float32{})
	}
	a.Thresholds[statChars] = []float32{3, 6}
	for i, name := range []string{"weak", "strong"} {
		weights := make([]float64, Slots)
		shape := make([][]float32, ShapeSize)
		for stat := range shape {
			shape[stat] = make([]float32, len(a.Thresholds[stat]))
		}
		if i == 0 {
			for k, slot := range hard.Slots[:1] {
				weights[slot] = -4 * float64(hard.Values[k])
			}
			shape[statChars] = []float32{-.25, -1}
		}
		packed, scale := PackWeights(weights)
		a.Targets = append(a.Targets, Target{
			Name: name, Prompts: 200, Mean: .7, Intercept: .5, Near: .25, Weights: packed, Scale: scale, Shape: shape,
			Bins: []Bin{{UpTo: .5, Prompts: 100, Mean: .4}, {UpTo: 1, Prompts: 100, Mean: .8}},
		})
	}
	var keys []Key
	var scores [][]float64
	for i := range 200 {
		row := s.Read(fmt.Sprintf("a question about number %d and what it is worth in letters", i))
		keys = append(keys, row.Key(ones))
		scores = append(scores, []float64{float64(i % 2), 1})
	}
	a.Keys, a.Outcomes = PackKeys(keys), Pack(scores)
	return a
}

func load(t testing.TB, a *Artefact) *Model {
	t.Helper()
	data, err := a.Encode()
	if err != nil {
		t.Fatal(err)
	}
	m, err := Load(data)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestPredictions(t *testing.T) {
	m := load(t, sample(t))
	easy := m.Predict("a question about number 17", nil)
	hard := m.Predict("a hard question about number 17", nil)
	if !(hard[0].Quality < easy[0].Quality-0.05) {
		t.Errorf("weak on a hard prompt: %v, on an easy one: %v", hard[0], easy[0])
	}
	if math.Abs(hard[1].Quality-easy[1].Quality) > 0.02 {
		t.Errorf("strong on a hard prompt: %v, on an easy one: %v", hard[1], easy[1])
	}
	long := m.Predict("a question about number 17 "+strings.Repeat("and what it is worth ", 50), nil)
	if !(long[0].Quality < easy[0].Quality-0.05) {
		t.Errorf("weak on a long prompt: %v, on a short one: %v", long[0], easy[0])
	}
	for _, p := range slices.Concat(easy, hard, long) {
		if !(0 <= p.Low && p.Low <= p.Quality && p.Quality <= p.High && p.High <= 1) {
			t.Errorf("%v: the quality is not in its interval", p)
		}
		if p.Abstained != "" {
			t.Errorf("%v: it abstains of a prompt that is near to others", p)
		}
	}
}

func TestAbstains(t *testing.T) {
	a := sample(t)
	a.Targets[1].Prompts = 49
	m := load(t, a)
	for _, c := range []struct {
		prompt       string
		weak, strong Abstention
	}{
		{"a question about number 17", "", Wide},
		{"zyx wvu tsr", FarOff, FarOff},
		{"", Empty, Empty},
		{" \n\t", Empty, Empty},
	} {
		p := m.Predict(c.prompt, nil)
		if p[0].Abstained != c.weak || p[1].Abstained != c.strong {
			t.Errorf("%q: %q and %q, want %q and %q", c.prompt, p[0].Abstained, p[1].Abstained, c.weak, c.strong)
		}
	}
}

func TestFeaturesOfManyLanguages(t *testing.T) {
	s := NewScratch()
	for _, c := range []struct{ a, b, far string }{
		{"Wie hoch ist die Miete?", "WIE HOCH IST DIE MIETE?", "Das Wetter morgen"},
		{"ما هو سعر الغرفة؟", "ما هو سعر الغرفه؟", "كيف حالك اليوم"},
		{"東京の天気は", "東京の天気", "量子力学入門"},
		{"Какая погода в Москве", "какая погода в москве", "решите уравнение"},
	} {
		rarity := make([]float32, Slots)
		for i := range rarity {
			rarity[i] = 1
		}
		row := func(text string) Row { return s.Read(text) }
		n := NewNeighbours([]Key{ptr(row(c.b)).Key(rarity), ptr(row(c.far)).Key(rarity)}, [][]float64{{1}, {0}}, []float64{.5})
		logits := make([]float64, 1)
		n.Ask(ptr(row(c.a)), rarity, logits)
		if logits[0] <= 0 {
			t.Errorf("%q is not nearer to %q than to %q", c.a, c.b, c.far)
		}
	}
}

func ptr[T any](v T) *T { return &v }

func TestReadingLeavesNothingBehind(t *testing.T) {
	s := NewScratch()
	texts := []string{"one two three", strings.Repeat("long ", 9000), "1. a\n2. b\nx²  = 1,024.5", "\xff\xfe", "東京 ok", strings.Repeat("é", 20000)}
	want := make([]Row, len(texts))
	for i, text := range texts {
		want[i] = NewScratch().Read(text)
	}
	for range 3 {
		for i, text := range texts {
			if diff := cmp.Diff(want[i], s.Read(text)); diff != "" {
				t.Fatalf("text %d, read again (-want +got):\n%s", i, diff)
			}
		}
	}
}

func TestShape(t *testing.T) {
	row := NewScratch().Read("Is 1,024.5 more than x2? Yes.\nA. one\nB. two")
	got := map[string]float32{}
	for i, v := range row.Shape {
		got[ShapeName(i)] = v
	}
	for name, want := range map[string]float64{"numbers": 2, "list items": 2, "questions": 1, "lines": 3} {
		if math.Abs(float64(got[name])-math.Log1p(want)) > 1e-6 {
			t.Errorf("%s: %v, want ln(1+%v)", name, got[name], want)
		}
	}
}

func TestTheFileSurvives(t *testing.T) {
	a := sample(t)
	data, err := a.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, got); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil {
		t.Fatal(err)
	}
	if _, err := Decode(compact.Bytes()); err != nil {
		t.Errorf("without its white space: %v", err)
	}
}

// seal writes what Encode would refuse to or never makes, with a right hash.
func seal(t *testing.T, a *Artefact) []byte {
	t.Helper()
	data, err := a.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(*Artefact)
	}{
		{"not active", "not active: too few", func(a *Artefact) { a.Active, a.Verdict = false, "too few" }},
		{"active without its test", "own test was not passed", func(a *Artefact) { a.Test.Advantage.Low = -.01 }},
		{"active without its other test", "own test was not passed", func(a *Artefact) { a.Test.ByCalls.Low = 0 }},
		{"another format", "format is", func(a *Artefact) { a.Format = "fairlead.router/2" }},
		{"other features", "features are of version 2", func(a *Artefact) { a.Features = 2 }},
		{"no targets", "0 targets", func(a *Artefact) { a.Targets, a.Outcomes = nil, nil }},
		{"two of a name", "no name of its own", func(a *Artefact) { a.Targets[1].Name = "weak" }},
		{"short weights", "weights are not as many", func(a *Artefact) { a.Targets[0].Weights = a.Targets[0].Weights[2:] }},
		{"short rarity", "features are not as many", func(a *Artefact) { a.Rarity = a.Rarity[1:] }},
		{"outcomes", "neighbours are not as many", func(a *Artefact) { a.Outcomes = a.Outcomes[1:] }},
		{"keys", "neighbours are not as many", func(a *Artefact) { a.Keys = a.Keys[1:] }},
		{"shape", "does not fit the thresholds", func(a *Artefact) { a.Targets[0].Shape[statChars] = []float32{1} }},
		{"thresholds", "not in order", func(a *Artefact) { a.Thresholds[statChars] = []float32{6, 3} }},
		{"mean", "figures are not in order", func(a *Artefact) { a.Targets[0].Mean = 2 }},
		{"scale", "figures are not in order", func(a *Artefact) { a.Targets[0].Scale = 1e300 }},
		{"bins", "bins are not in order", func(a *Artefact) { a.Targets[0].Bins[0].UpTo = 3 }},
		{"no bins", "0 bins", func(a *Artefact) { a.Targets[0].Bins = nil }},
	} {
		a := sample(t)
		c.change(a)
		if _, err := Load(seal(t, a)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestChangesAreFound(t *testing.T) {
	data := seal(t, sample(t))
	if _, err := Load(bytes.Replace(data, []byte(`"verdict": "it is good"`), []byte(`"verdict": "it is fine"`), 1)); err == nil || !strings.Contains(err.Error(), "hash") {
		t.Errorf("a word changed: %v", err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		changed := slices.Clone(data)
		i := rng.IntN(len(changed))
		changed[i] ^= 1 << rng.IntN(7)
		a, err := Decode(changed)
		if err != nil {
			continue
		}
		// White space and how a number is written may differ; what is said may not.
		if diff := cmp.Diff(sample(t), a, cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "SHA256" }, cmp.Ignore())); diff != "" {
			t.Fatalf("byte %d changed and nobody noticed:\n%s", i, diff)
		}
	}
	if _, err := Load(append(slices.Clone(data), "{}"...)); err == nil {
		t.Error("something behind it was let pass")
	}
	if _, err := Load(make([]byte, MaxBytes+1)); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("a file too large: %v", err)
	}
}

func TestExplanationsAddUp(t *testing.T) {
	m := load(t, sample(t))
	for _, prompt := range []string{"a hard question about number 17 (hard)", "Hartes Brot? 東京の天気 " + strings.Repeat("word ", 40)} {
		explained, near := m.Explain(prompt, 10_000)
		predicted := m.Predict(prompt, nil)
		for t2, e := range explained {
			q := Shrink(Sigmoid(e.Intercept+e.Words+e.Shape+e.Neighbours), e.Mean, e.Prompts)
			if math.Abs(q-predicted[t2].Quality) > 1e-5 {
				t.Errorf("%s: the parts make %.6f, and predicted is %.6f", e.Target, q, predicted[t2].Quality)
			}
			for _, p := range e.Parts {
				if p.Name == "" {
					t.Errorf("%s: a feature has no name", e.Target)
				}
			}
		}
		for i := 1; i < len(near); i++ {
			if near[i].Cosine > near[i-1].Cosine {
				t.Fatal("neighbours are not in order")
			}
		}
	}
	e, _ := m.Explain("a hard question about number 17", 3)
	if e[0].Parts[0].Name != `word "hard"` {
		t.Errorf("what weighs most is %q", e[0].Parts[0].Name)
	}
}

func TestPredictingAllocatesNothing(t *testing.T) {
	if raced {
		t.Skip("the race detector makes pools forget")
	}
	m := load(t, sample(t))
	out := make([]Prediction, 0, 2)
	prompt := strings.Repeat("how much is 17 times 4, and why? ", 31)[:1000]
	m.Predict(prompt, out)
	if n := testing.AllocsPerRun(100, func() { m.Predict(prompt, out) }); n > 0.5 {
		t.Errorf("%v allocations for each prediction", n)
	}
}

func FuzzDecode(f *testing.F) {
	data, err := sample(f).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[:400])
	f.Add([]byte(`{"format":"fairlead.router/1","targets":[{}]}`))
	f.Add([]byte(`{"format":"fairlead.router/9"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := Decode(data)
		if err != nil {
			return
		}
		m, err := Compile(a)
		if err != nil {
			t.Fatal(err)
		}
		m.Predict("what is it worth?", nil)
	})
}

func FuzzPredict(f *testing.F) {
	m := load(f, sample(f))
	for _, text := range []string{"", "a hard question", "東京の天気は", "\xff\x00", strings.Repeat("é", 9000)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, p := range m.Predict(text, nil) {
			if !(0 <= p.Low && p.Low <= p.Quality && p.Quality <= p.High && p.High <= 1) {
				t.Fatalf("%v is no prediction", p)
			}
		}
	})
}

func BenchmarkPredict(b *testing.B) {
	m := load(b, sample(b))
	rng := rand.New(rand.NewPCG(1, 1))
	var text strings.Builder
	for text.Len() < 1000 {
		fmt.Fprintf(&text, "%c%c%cword%d ", 'a'+rng.IntN(26), 'a'+rng.IntN(26), 'a'+rng.IntN(26), rng.IntN(300))
	}
	prompt, out := text.String()[:1000], make([]Prediction, 0, 2)
	b.ReportAllocs()
	for b.Loop() {
		m.Predict(prompt, out)
	}
}

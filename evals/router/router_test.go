package router

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"fairlead/orchestrator/routing/learned"
)

// invented makes outcomes in which the weak target fails at sums, so that there is something to learn. With noise 1 there
// is nothing.
func invented(n int, noise float64, seed uint64) *Data {
	rng := rand.New(rand.NewPCG(seed, seed))
	d := &Data{Targets: []string{"strong", "weak"}}
	for i := range n {
		sum := i%2 == 0
		prompt := fmt.Sprintf("Tell me about the town of %c%c%c%d in the north.", 'a'+rng.IntN(26), 'a'+rng.IntN(26), 'a'+rng.IntN(26), rng.IntN(1000))
		if sum {
			prompt = fmt.Sprintf("What is %d times %d plus %d?", rng.IntN(1000), rng.IntN(1000), rng.IntN(1000))
		}
		weak := .9
		if sum {
			weak = .3
		}
		draw := func(p float64) float64 {
			if rng.Float64() < noise {
				p = .6
			}
			if rng.Float64() < p {
				return 1
			}
			return 0
		}
		d.Cases = append(d.Cases, Case{Prompt: prompt, Group: fmt.Sprint(i % 10), Scores: []float64{draw(.9), draw(weak)}})
	}
	return d
}

func TestARouterLearns(t *testing.T) {
	a, report, err := Train(invented(400, 0, 1), Config{Resamples: 200}, "2026-11-22")
	if err != nil {
		t.Fatal(err)
	}
	own, length := report.Rows[0], report.Rows[1]
	if own.APGR.Low < .6 || !a.Active {
		t.Errorf("APGR %v, active %v: %s", own.APGR, a.Active, a.Verdict)
	}
	if report.Weak != "weak" || report.Strong != "strong" {
		t.Errorf("weak is %s and strong %s", report.Weak, report.Strong)
	}
	if length.Over != (learned.Figure{}) {
		t.Errorf("length is %v over itself", length.Over)
	}
	data, err := a.Encode()
	if err != nil {
		t.Fatal(err)
	}
	m, err := learned.Load(data)
	if err != nil {
		t.Fatal(err)
	}
	p := m.Predict("What is 17 times 4 plus 9?", nil)
	if q := m.Predict("Tell me about the town of abc12 in the north.", nil); !(p[1].Quality < q[1].Quality-.3) {
		t.Errorf("weak at a sum: %v, at a town: %v", p[1], q[1])
	}
}

func TestARouterThatLearnedNothingIsNotActive(t *testing.T) {
	active := 0
	for seed := range uint64(8) {
		d := invented(300, 1, seed+1)
		for i := range d.Cases { // the strong target is a little better everywhere
			if i%10 == 0 {
				d.Cases[i].Scores[0] = 1
			}
		}
		a, _, err := Train(d, Config{Resamples: 200, Seed: seed + 1}, "2026-11-22")
		if err != nil {
			continue // by chance the strong target is not better
		}
		if a.Active {
			active++
			continue
		}
		data, err := a.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := learned.Load(data); err == nil || !strings.Contains(err.Error(), "does not surely beat") {
			t.Errorf("loading it: %v", err)
		}
	}
	if active > 1 {
		t.Errorf("%d of 8 that learned nothing are active", active)
	}
}

func TestOneSeedOneRouter(t *testing.T) {
	once := func() []byte {
		a, _, err := Train(invented(200, .2, 3), Config{Resamples: 100, Seed: 7}, "2026-11-22")
		if err != nil {
			t.Fatal(err)
		}
		data, err := a.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	if string(once()) != string(once()) {
		t.Error("trained twice, it is not the same")
	}
}

func TestWhatServesIsWhatWasFitted(t *testing.T) {
	s := newSet(invented(200, .2, 4))
	r := cook(s, indices(200), byPrompt, 1)
	a := r.artefact()
	m, err := learned.Compile(a)
	if err != nil {
		t.Fatal(err)
	}
	for k, o := range r.ask(indices(200)) {
		for target, p := range m.Predict(s.data.Cases[k].Prompt, nil) {
			if want := r.quality(&o, target); math.Abs(p.Quality-want) > 1e-4 {
				t.Fatalf("case %d: it serves %v, and was fitted to %v", k, p.Quality, want)
			}
		}
	}
}

func TestMetrics(t *testing.T) {
	weak, strong := []float64{0, 0, 1, 1}, []float64{1, 1, 1, 1}
	for _, c := range []struct {
		name         string
		score        []float64
		apgr         float64
		cpt50, cpt80 float64
	}{
		{"oracle", []float64{4, 3, 2, 1}, .75, .25, .4},
		{"nothing", []float64{0, 0, 0, 0}, .5, .5, .8},
		{"wrong", []float64{1, 2, 3, 4}, .25, .75, .9},
	} {
		m := newCurve(c.score, weak, strong).measure(nil, nil)
		if got := m.apgr(); math.Abs(got-c.apgr) > 1e-12 || math.Abs(m.cpt50-c.cpt50) > 1e-12 || math.Abs(m.cpt80-c.cpt80) > 1e-12 {
			t.Errorf("%s: %v %v %v, want %v %v %v", c.name, got, m.cpt50, m.cpt80, c.apgr, c.cpt50, c.cpt80)
		}
	}
	// What gains more than it costs is ahead; paid by cost, the gain is dear here.
	m := newCurve([]float64{4, 3, 2, 1}, weak, strong).measure(nil, []float64{9, 9, 1, 1})
	if got, want := m.advantage(), .5*(.9*.5+.1)-.25; math.Abs(got-want) > 1e-12 {
		t.Errorf("advantage at equal cost is %v, want %v", got, want)
	}
	// A strong target that is no better is no baseline: the weak one alone is.
	m = newCurve([]float64{4, 3, 2, 1}, strong, weak).measure(nil, nil)
	if got := m.advantage(); got != m.area || got >= 0 {
		t.Errorf("advantage is %v", got)
	}
	// Counted twice is as good as there twice.
	a := newCurve([]float64{4, 3, 2, 1}, []float64{0, 1, 0, 1}, strong).measure([]float64{2, 1, 1, 0}, nil)
	b := newCurve([]float64{4, 4, 3, 2}, []float64{0, 0, 1, 0}, strong).measure(nil, nil)
	if math.Abs(a.apgr()-b.apgr()) > 1e-12 {
		t.Errorf("counted twice: %v, there twice: %v", a.apgr(), b.apgr())
	}
}

func TestLogisticMeetsItsOptimum(t *testing.T) {
	m := &matrix{columns: 2, start: []int{0}}
	rng := rand.New(rand.NewPCG(1, 1))
	var y []float64
	for i := range 300 {
		a, b := rng.Float64()*2-1, rng.Float64()*2-1
		m.index, m.value = append(m.index, 0, 1), append(m.value, float32(a), float32(b))
		m.start = append(m.start, len(m.index))
		outcome := 0.0
		if rng.Float64() < learned.Sigmoid(2*a-b+.5) {
			outcome = 1
		}
		if i%10 == 0 {
			outcome = math.NaN()
		}
		y = append(y, outcome)
	}
	const c = 3.0
	w := logistic(m, y, c, nil)
	g := []float64{w[0], w[1], 0}
	for i := range m.rows() {
		if isKnown(y[i]) {
			_, d := logLoss(m.dot(i, w)+w[2], y[i])
			for k := m.start[i]; k < m.start[i+1]; k++ {
				g[m.index[k]] += c * d * float64(m.value[k])
			}
			g[2] += c * d
		}
	}
	if math.Sqrt(inner(g, g)) > .5 {
		t.Errorf("the gradient at the end is %v", g)
	}
	if w[0] < 1 || w[1] > -.3 {
		t.Errorf("weights %v", w)
	}
}

func TestFoldsKeepTogether(t *testing.T) {
	d := invented(100, 0, 1)
	d.Cases = append(d.Cases, d.Cases...)
	for _, by := range []holdOut{byPrompt, byGroup} {
		folds := assign(d, indices(200), by, 5, 1)
		seen := map[string]int{}
		sizes := make([]int, 5)
		for i, f := range folds {
			k := d.Cases[i].Prompt
			if by == byGroup {
				k = d.Cases[i].Group
			}
			if at, ok := seen[k]; ok && at != f {
				t.Fatalf("by %s: one %s is in folds %d and %d", by, by, at, f)
			}
			seen[k] = f
			sizes[f]++
		}
		for _, n := range sizes {
			if n != 40 {
				t.Errorf("by %s: sizes are %v", by, sizes)
			}
		}
	}
}

func TestReading(t *testing.T) {
	want := &Data{Targets: []string{"a", "b"}, Cases: []Case{
		{Prompt: "one", Group: "g", Scores: []float64{1, .5}},
		{Prompt: "two", Group: "h", Scores: []float64{0, math.NaN()}},
	}}
	for name, files := range map[string]map[string]string{
		"a line an outcome":    {"g.csv": "target,prompt,score,group\na,one,1,\nb,one,true,\nb,one,0,\na,two,false,h\nb,two,,h\n"},
		"a line a prompt":      {"g.csv": "prompt,a,b\none,True,0.5\n", "h.csv": "prompt,a,b\ntwo,False,\n"},
		"jsonl":                {"g.jsonl": `{"prompt":"one","target":"a","score":1}` + "\n" + `{"prompt":"one","target":"b","score":0.5}` + "\n\n" + `{"prompt":"two","target":"a","score":false,"group":"h"}`},
		"both, and a new name": {"g.csv": "prompt,old\none,1\n", "g2.jsonl": `{"prompt":"two","target":"old","score":0,"group":"h"}` + "\n" + `{"prompt":"one","target":"b","score":1,"group":"x"}`, "README.md": "x"},
	} {
		fsys := fstest.MapFS{}
		for file, text := range files {
			fsys["d/"+file] = &fstest.MapFile{Data: []byte(text)}
		}
		got, err := Read(fsys, map[string]string{"old": "a"}, "d")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if name == "both, and a new name" {
			if len(got.Cases) != 3 || got.Targets[0] != "a" {
				t.Errorf("%s: %+v", name, got)
			}
			continue
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b float64) bool { return a == b || a != a && b != b })); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestReadingTellsWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"prompt\nx\n":                    "first line must name",
		"":                               "no first line",
		"prompt,a\nx,2\n":                "line 2: the score \"2\" is no number",
		"prompt,a\n,1\n":                 "the prompt or the target is empty",
		"prompt,a\nx,1,2\n":              "no CSV of 2 columns",
		"prompt,target,score\nx,,1\n":    "the prompt or the target is empty",
		"prompt,target,score\nx,a,NaN\n": "is no number",
		"prompt,target,score\n":          "there are none",
	} {
		if _, err := Read(fstest.MapFS{"x.csv": {Data: []byte(text)}}, nil, "x.csv"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := Read(fstest.MapFS{"x.txt": {}}, nil, "x.txt"); err == nil || !strings.Contains(err.Error(), "neither") {
		t.Errorf("another file: %v", err)
	}
	if _, err := Read(fstest.MapFS{}, nil, "x.csv"); err == nil {
		t.Error("a file that is not there was read")
	}
	if _, err := Read(fstest.MapFS{"x.jsonl": {Data: []byte("{\"prompt\":\"x\"")}}, nil, "x.jsonl"); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("half a line: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	good := invented(200, 0, 1)
	for name, c := range map[string]struct {
		d    *Data
		c    Config
		want string
	}{
		"few":       {invented(50, 0, 1), Config{}, "it takes 100"},
		"folds":     {good, Config{Folds: 1}, "use 2 to 20"},
		"one":       {&Data{Targets: []string{"a"}, Cases: good.Cases}, Config{}, "needs two"},
		"unknown":   {good, Config{Pair: Pair{Weak: "x"}}, "weak=x"},
		"the same":  {good, Config{Pair: Pair{Weak: "strong", Strong: "strong"}}, "both targets"},
		"backwards": {good, Config{Pair: Pair{Weak: "strong", Strong: "weak"}}, "nothing to gain"},
	} {
		if _, _, err := Train(c.d, c.c, ""); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// data reads the public outcomes, or skips.
func data(t testing.TB, name string) *Data {
	t.Helper()
	folder := os.Getenv("FAIRLEAD_DATA")
	if folder == "" {
		t.Skip("FAIRLEAD_DATA is not set: it names the folder of public data")
	}
	d, err := Read(os.DirFS(folder), nil, "routellm/"+name)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestRouteLLM holds the figures on RouteLLM's public outcomes.
func TestRouteLLM(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	for _, c := range []struct {
		name    string
		prompts int
		byGroup bool
		apgr    float64
	}{
		{"mmlu", 7096, false, .66},
		{"mmlu", 7096, true, .62},
		{"gsm8k.csv", 654, false, .60},
	} {
		d := data(t, c.name)
		report, err := Evaluate(d, Config{ByGroup: c.byGroup})
		if err != nil {
			t.Fatal(err)
		}
		if report.Prompts != c.prompts {
			t.Errorf("%s has %d prompts, want %d", c.name, report.Prompts, c.prompts)
		}
		if got := report.Rows[0].APGR.Value; got < c.apgr {
			t.Errorf("%s, by %s: APGR %.4f, want %.2f at least", c.name, report.HeldOut, got, c.apgr)
		}
		if test := report.Test(); !test.Pass() {
			t.Errorf("%s, by %s: %s", c.name, report.HeldOut, report.Verdict())
		}
	}
}

func BenchmarkPredictRouteLLM(b *testing.B) {
	d := data(b, "mmlu")
	r := cook(newSet(d), indices(len(d.Cases)), byPrompt, 1)
	m, err := learned.Compile(r.artefact())
	if err != nil {
		b.Fatal(err)
	}
	var prompts []string
	for _, c := range d.Cases {
		if n := len(c.Prompt); n > 1000 {
			prompts = append(prompts, strings.ToValidUTF8(c.Prompt[:1000], ""))
		}
	}
	out := make([]learned.Prediction, 0, 2)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		m.Predict(prompts[i%len(prompts)], out)
		i++
	}
}

func FuzzRead(f *testing.F) {
	f.Add("prompt,a,b\nx,1,True\n", "csv")
	f.Add("prompt,target,score,group\nx,a,0.5,g\n", "csv")
	f.Add(`{"prompt":"x","target":"a","score":"1"}`, "jsonl")
	f.Fuzz(func(t *testing.T, text, ext string) {
		name := "x." + ext
		d, err := Read(fstest.MapFS{name: {Data: []byte(text)}}, nil, name)
		if err != nil {
			return
		}
		for _, c := range d.Cases {
			if c.Prompt == "" || len(c.Scores) != len(d.Targets) {
				t.Fatalf("a case that is none: %+v", c)
			}
		}
	})
}

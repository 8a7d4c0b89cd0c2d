package stat

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func at(v float64) *float64 { return &v }

// world is a suite whose cases have values of their own, and runs that are noisy.
type world struct {
	rng   *rand.Rand
	truth []float64
	noise float64
	// coarse: scores are right or wrong, and the values are chances.
	coarse bool
}

func newWorld(seed uint64, cases int, noise float64, coarse bool) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 1)), noise: noise, coarse: coarse}
	for range cases {
		v := w.rng.Float64()
		if coarse { // most cases are sure, one in five is not
			switch {
			case v < 0.6:
				v = 1
			case v < 0.8:
				v = 0
			default:
				v = w.rng.Float64()
			}
		}
		w.truth = append(w.truth, v)
	}
	return w
}

func (w *world) run(drop float64) []Sample {
	out := make([]Sample, len(w.truth))
	for i, v := range w.truth {
		v -= drop
		if w.coarse {
			if w.rng.Float64() < v {
				v = 1
			} else {
				v = 0
			}
		} else {
			v += w.rng.NormFloat64() * w.noise
		}
		out[i] = Sample{fmt.Sprintf("case-%02d", i), v}
	}
	return out
}

func greens(cases int, noise, drop float64, coarse bool, seeds int) int {
	green := 0
	for seed := range seeds {
		w := newWorld(uint64(seed), cases, noise, coarse)
		c := Compare(w.run(0), w.run(drop), Bootstrap{Resamples: 500, Seed: uint64(seed)})
		if (Gate{NoWorse: at(0)}).Judge(c.New, c, 0).Green {
			green++
		}
	}
	return green
}

// TestNothingChangedIsGreen: two runs of one thing differ by noise alone, and the gate knows it: in graded scores, and in
// scores of right and wrong where a few cases waver.
func TestNothingChangedIsGreen(t *testing.T) {
	for _, test := range []struct {
		name   string
		cases  int
		noise  float64
		coarse bool
	}{
		{"graded, little noise", 40, 0.03, false},
		{"graded, much noise", 40, 0.3, false},
		{"right or wrong, 40 cases", 40, 0, true},
		{"right or wrong, 10 cases", 10, 0, true},
		{"graded, 100 cases", 100, 0.1, false},
	} {
		// Twice 100 seeds, so that one lucky hundred does not hide a wrong test.
		for block := range 2 {
			green := 0
			for seed := range 100 {
				w := newWorld(uint64(1000*block+seed), test.cases, test.noise, test.coarse)
				c := Compare(w.run(0), w.run(0), Bootstrap{Resamples: 500, Seed: uint64(seed)})
				if (Gate{NoWorse: at(0)}).Judge(c.New, c, 0).Green {
					green++
				}
			}
			t.Logf("%s, block %d: %d of 100 are green", test.name, block, green)
			if green < 94 {
				t.Errorf("%s: %d of 100 are green, want 94", test.name, green)
			}
		}
	}
}

// TestPlantedDropIsRed: five points less in 40 paired cases is found wherever it is larger than what so many cases of
// such noise can find.
func TestPlantedDropIsRed(t *testing.T) {
	for _, test := range []struct {
		noise float64
		least int // of 100
	}{{0, 100}, {0.02, 100}, {0.05, 95}, {0.08, 65}} {
		red := 100 - greens(40, test.noise, 0.05, false, 100)
		t.Logf("noise of %.2f a run: %d of 100 are red", test.noise, red)
		if red < test.least {
			t.Errorf("noise of %.2f: %d of 100 are red, want %d", test.noise, red, test.least)
		}
	}
}

func TestVerdictNamesWhatLost(t *testing.T) {
	var base, run []Sample
	for i := range 40 {
		name := fmt.Sprintf("c%02d", i)
		base, run = append(base, Sample{name, 0.8}), append(run, Sample{name, 0.76})
	}
	run[7].Value, run[31].Value = 0.3, 0.5
	c := Compare(base, run, Bootstrap{Seed: 1})
	v := Gate{NoWorse: at(0), Min: at(0.5)}.Judge(c.New, c, 0)
	if v.Green || len(v.Lost) != 5 || v.Lost[0].Case != "c07" || v.Lost[1].Case != "c31" {
		t.Errorf("%+v", v)
	}
	if len(v.Findings) != 2 || !v.Findings[0].Green || v.Findings[1].Green || !strings.Contains(v.Findings[1].Text, "40 cases") {
		t.Errorf("%+v", v.Findings)
	}
	// A margin forgives what is within it.
	if v := (Gate{NoWorse: at(0.1)}).Judge(c.New, c, 0); !v.Green || v.Lost != nil {
		t.Errorf("within the margin: %+v", v)
	}
}

func TestRules(t *testing.T) {
	same := []Sample{{"a", 1}, {"b", 0}, {"c", 1}, {"d", 1}}
	none := Compare(same, same, Bootstrap{})
	lower := Compare(same, []Sample{{"a", 1}, {"b", 0}, {"c", 1}, {"d", 0.8}}, Bootstrap{})
	for _, test := range []struct {
		name   string
		gate   Gate
		c      *Comparison
		failed int
		green  bool
	}{
		{"nothing asked", Gate{}, nil, 0, true},
		{"min held", Gate{Min: at(0.75)}, none, 0, true},
		{"min missed", Gate{Min: at(0.76)}, none, 0, false},
		{"equal is no drop", Gate{MaxDrop: at(0), NoWorse: at(0), Within: at(0.01)}, none, 0, true},
		{"equal is within nothing", Gate{Within: at(0)}, none, 0, true},
		{"a drop that is allowed", Gate{MaxDrop: at(0.05)}, lower, 0, true},
		{"a drop that is not", Gate{MaxDrop: at(0.04)}, lower, 0, false},
		{"one case of four proves nothing", Gate{NoWorse: at(0)}, lower, 0, true},
		{"and shows no safety", Gate{Within: at(0.05)}, lower, 0, false},
		{"no baseline", Gate{NoWorse: at(0)}, nil, 0, false},
		{"a baseline of other cases", Gate{MaxDrop: at(0)}, Compare(same, []Sample{{"z", 1}}, Bootstrap{}), 0, false},
		{"what was not measured", Gate{Min: at(0)}, none, 1, false},
		{"may be left out", Gate{MaxFailed: 1}, none, 1, true},
	} {
		run := Estimate{Mean: 0.75}
		v := test.gate.Judge(run, test.c, test.failed)
		if v.Green != test.green {
			t.Errorf("%s: %+v", test.name, v)
		}
		if !v.Green && len(v.Findings) == 0 {
			t.Errorf("%s: red without a word", test.name)
		}
	}
	for _, bad := range []Gate{{Min: at(1.1)}, {MaxDrop: at(-0.1)}, {NoWorse: at(2)}, {MaxFailed: -1}, {Alpha: 0.5}} {
		if bad.Check() == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
	if err := (Gate{Min: at(0.5), Within: at(0)}).Check(); err != nil {
		t.Error(err)
	}
}

func TestRepeatsAreOneCase(t *testing.T) {
	base := []Sample{{"a", 1}, {"a", 0}, {"b", 1}, {"gone", 1}}
	run := []Sample{{"a", 1}, {"a", 1}, {"a", 1}, {"b", 0.5}, {"new", 0}}
	c := Compare(base, run, Bootstrap{})
	if c.Cases != 2 {
		t.Fatalf("%+v", c)
	}
	near(t, "difference", c.Difference.Mean, 0) // +0.5 and -0.5
	near(t, "base", c.Base.Mean, 0.75)
	if diff := cmp.Diff([]Change{{"b", 1, 0.5, -0.5}, {"a", 0.5, 1, 0.5}}, c.Changes); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]string{{"gone"}, {"new"}}, [][]string{c.Missing, c.Added}); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]float64{2.0 / 3, 1, 0}, Means([]Sample{{"b", 1}, {"a", 1}, {"a", 1}, {"a", 0}, {"c", 0}})); diff != "" {
		t.Error(diff)
	}
	// Ten runs of each of five cases are not fifty cases.
	var many, once []Sample
	rng := rand.New(rand.NewPCG(2, 2))
	for i := range 5 {
		v := rng.Float64()
		once = append(once, Sample{fmt.Sprint(i), v})
		for range 10 {
			many = append(many, Sample{fmt.Sprint(i), v})
		}
	}
	x, y := Mean(Means(many), 1), Mean(Means(once), 1)
	near(t, "low", x.Low, y.Low)
	near(t, "high", x.High, y.High)
}

func TestManyTests(t *testing.T) {
	one := map[string]Verdict{"a": {P: 0.02}}
	if note := Adjust(one, 0); note != "" {
		t.Error(note)
	}
	three := map[string]Verdict{"a": {P: 0.02}, "b": {P: 0.4}, "c": {P: 0.0001}}
	if note := Adjust(three, 0); !strings.HasSuffix(note, "may be chance: a") {
		t.Error(note)
	}
	ten := map[string]Verdict{}
	for i := range 10 {
		ten[fmt.Sprint(i)] = Verdict{P: 0.5}
	}
	if note := Adjust(ten, 0); !strings.Contains(note, "22 %") { // 1 - 0.975^10
		t.Error(note)
	}
}

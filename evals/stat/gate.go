package stat

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Gate is what a run must hold to. A rule that is nil is not asked. Scores are in [0, 1], the higher the better.
type Gate struct {
	// Min is the least mean: red where the mean of the run is below it. It looks at the mean alone, whatever its
	// interval, as a promise to others does.
	Min *float64 `yaml:"min" json:"min,omitempty"`
	// MaxDrop is by how much the mean may be below the baseline's, on the cases of both: red where it is below by more.
	// It looks at the means alone, so on few or noisy cases it is red by chance; NoWorse is not.
	MaxDrop *float64 `yaml:"max_drop" json:"max_drop,omitempty"`
	// NoWorse holds a run to its baseline at 95 %: red where the run is surely worse by more than so much (0: at all).
	// Sure is: the paired 95 % interval of the difference lies below -NoWorse as a whole, and the sign-flip test gives
	// p < 0.025, one-sided. Where nothing changed it is red in at most 1 of 40 runs. It cannot see less than
	// Comparison.Detectable: green means "not shown to be worse", never "shown not to be".
	NoWorse *float64 `yaml:"no_worse_than" json:"no_worse_than,omitempty"`
	// Within asks for proof (non-inferiority): red unless the interval of the difference lies at or above -Within as a whole.
	// A suite that is too small for it is red although nothing changed: see CasesFor.
	Within *float64 `yaml:"proven_within" json:"proven_within,omitempty"`
	// MaxFailed is how many cases may have no score, because it could not be measured. Default 0: what was not measured
	// is not good.
	MaxFailed int `yaml:"max_failed" json:"max_failed,omitempty"`
	// Alpha is the level of the one-sided test of NoWorse, in (0, 0.5). Default 0.025. Where many gates are asked
	// together, see Verdict.P and Adjust.
	Alpha float64 `yaml:"-" json:"-"`
}

// Check says what is wrong with the rules.
func (g Gate) Check() error {
	for _, r := range []struct {
		name  string
		value *float64
	}{{"min", g.Min}, {"max_drop", g.MaxDrop}, {"no_worse_than", g.NoWorse}, {"proven_within", g.Within}} {
		if r.value != nil && !(*r.value >= 0 && *r.value <= 1) {
			return fmt.Errorf("%s must be from 0 to 1", r.name)
		}
	}
	if g.MaxFailed < 0 {
		return errors.New("max_failed must not be negative")
	}
	if !(g.Alpha >= 0 && g.Alpha < 0.5) {
		return errors.New("the level of the test must be below 0.5")
	}
	return nil
}

// NeedsBaseline says whether a rule speaks of a baseline.
func (g Gate) NeedsBaseline() bool { return g.MaxDrop != nil || g.NoWorse != nil || g.Within != nil }

// Finding is what one rule found.
type Finding struct {
	Rule  string `json:"rule"`
	Green bool   `json:"green"`
	// Text says why, for people.
	Text string `json:"text"`
}

// Verdict is what a gate found.
type Verdict struct {
	Green    bool      `json:"green"`
	Findings []Finding `json:"findings"`
	// P is the p-value of NoWorse, NaN where it was not asked.
	P float64 `json:"-"`
	// Lost names the cases that lost most, where a rule that compares is red.
	Lost []Change `json:"lost,omitempty"`
}

func (v *Verdict) find(rule string, green bool, format string, args ...any) {
	v.Findings = append(v.Findings, Finding{Rule: rule, Green: green, Text: fmt.Sprintf(format, args...)})
	v.Green = v.Green && green
}

// rounding is what sums of scores may be off by.
const rounding = 1e-12

// lostShown is how many cases a verdict names.
const lostShown = 5

// Judge holds a run to the rules: its mean over cases with its interval, its comparison with a baseline (nil: there is
// none, and a rule that needs one is red), and how many of its cases have no score.
func (g Gate) Judge(run Estimate, c *Comparison, failed int) Verdict {
	v := Verdict{Green: true, P: math.NaN()}
	if failed > g.MaxFailed {
		v.find("max_failed", false, "%d cases have no score, and %d may", failed, g.MaxFailed)
	}
	if g.Min != nil {
		v.find("min", run.Mean >= *g.Min-rounding, "the mean is %.4f [%.4f, %.4f], and must be %.4f", run.Mean, run.Low, run.High, *g.Min)
	}
	if !g.NeedsBaseline() {
		return v
	}
	if c == nil || c.Cases == 0 {
		v.find("baseline", false, "there is no baseline with a case of this run")
		return v
	}
	before := v.Green
	v.Green = true
	d := c.Difference
	if g.MaxDrop != nil {
		v.find("max_drop", -d.Mean <= *g.MaxDrop+rounding, "the mean fell by %.4f, and may by %.4f", -d.Mean, *g.MaxDrop)
	}
	if g.NoWorse != nil {
		alpha := g.Alpha
		if alpha == 0 {
			alpha = 0.025
		}
		v.P = c.worseBy(*g.NoWorse)
		red := d.High < -*g.NoWorse && v.P < alpha
		v.find("no_worse_than", !red, "the difference is %+.4f [%+.4f, %+.4f], p = %.4f; %d cases find %.4f with 80 %% power",
			d.Mean, d.Low, d.High, v.P, c.Cases, c.Detectable)
	}
	if g.Within != nil {
		v.find("proven_within", d.Low >= -*g.Within-rounding, "the difference is at least %+.4f, and must be shown to be at least %+.4f", d.Low, -*g.Within)
	}
	if !v.Green {
		v.Lost = c.Lost(lostShown)
	}
	v.Green = v.Green && before
	return v
}

// Adjust looks at the tests of several verdicts together (Holm): a NoWorse that is red alone and would not be among so
// many tests is named in the note. Verdicts stay as they are: to let many tests excuse each other is for people to
// decide. The note is empty where there is nothing to say.
func Adjust(verdicts map[string]Verdict, alpha float64) (note string) {
	if alpha == 0 {
		alpha = 0.025
	}
	var names []string
	var p []float64
	for _, name := range sortedNames(verdicts) {
		if v := verdicts[name]; !math.IsNaN(v.P) {
			names, p = append(names, name), append(p, v.P)
		}
	}
	if len(p) < 2 {
		return ""
	}
	var weak []string
	for i, adjusted := range Holm(p) {
		if p[i] < alpha && adjusted >= alpha {
			weak = append(weak, names[i])
		}
	}
	if len(weak) > 0 {
		return fmt.Sprintf("of %d tests at once, these are worse alone but not after Holm's correction, so they may be chance: %s",
			len(p), strings.Join(weak, ", "))
	}
	if chance := 1 - math.Pow(1-alpha, float64(len(p))); len(p) >= 10 {
		return fmt.Sprintf("%d tests at once: where nothing changed, the chance that one of them is red is up to %.0f %%", len(p), 100*chance)
	}
	return ""
}

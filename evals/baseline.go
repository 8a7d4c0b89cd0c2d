package evals

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"

	"fairlead/evals/stat"
	"fairlead/internal/fault"
)

// baselineFormat is the version of a baseline's form.
const baselineFormat = 1

// Baseline is what a suite gave before, small enough for a repository: each scorer's value of each case.
type Baseline struct {
	Format int    `json:"baseline"`
	Suite  string `json:"suite"`
	// Cases has what the cases were, by id: their digests.
	Cases map[string]string `json:"cases"`
	// Scores has the means of each scorer by case, to five digits.
	Scores map[string]map[string]float64 `json:"scores"`
}

// BaselineOf makes the baseline of a report.
func BaselineOf(r *Report) *Baseline {
	b := &Baseline{Format: baselineFormat, Suite: r.Suite, Cases: map[string]string{}, Scores: map[string]map[string]float64{}}
	for i := range r.Cases {
		b.Cases[r.Cases[i].ID] = r.Cases[i].Digest
	}
	for k := range r.Scorers {
		values := map[string]float64{}
		for _, m := range rounded(r.Cases, k) {
			values[m.Case] = m.Value
		}
		b.Scores[r.Scorers[k].Name] = values
	}
	return b
}

// rounded gives the mean of a scorer by case, to the digits that baselines have: what is compared with one is rounded as it
// was, or its rounding would look like a change.
func rounded(cases []CaseReport, scorer int) []stat.Sample {
	sums, counts := map[string]float64{}, map[string]int{}
	for _, s := range samples(cases, scorer) {
		sums[s.Case] += s.Value
		counts[s.Case]++
	}
	out := make([]stat.Sample, 0, len(sums))
	for id, sum := range sums {
		out = append(out, stat.Sample{Case: id, Value: math.Round(1e5*sum/float64(counts[id])) / 1e5})
	}
	return out
}

// LoadBaseline reads a baseline's file; nil where there is none yet. The error is a *fault.Error.
func LoadBaseline(file string) (*Baseline, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	b := &Baseline{}
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		err = d.Decode(b)
	}
	if err != nil || b.Format != baselineFormat {
		return nil, fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadRequest, "reading the baseline %s: it is none of version %d: --update-baseline makes it anew", file, baselineFormat)
	}
	return b, nil
}

// Marshal gives the baseline's JSON: keys in order, a case in a line.
func (b *Baseline) Marshal() ([]byte, error) {
	data, err := json.MarshalIndent(b, "", " ")
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, fault.ReasonInternal, "writing the baseline of suite %s", b.Suite)
	}
	return append(data, '\n'), nil
}

// of gives the values of a scorer, of the cases that are as they were. False: the baseline does not know the scorer.
func (b *Baseline) of(scorer string, cases []CaseReport) (out []stat.Sample, ok bool) {
	if b == nil {
		return nil, false
	}
	values, ok := b.Scores[scorer]
	now := map[string]string{}
	for i := range cases {
		now[cases[i].ID] = cases[i].Digest
	}
	for id, v := range values {
		if digest, there := now[id]; !there || digest == b.Cases[id] {
			out = append(out, stat.Sample{Case: id, Value: v})
		}
	}
	return out, ok
}

// changed counts the cases that are not what they were.
func (b *Baseline) changed(cases []CaseReport) (n int) {
	if b == nil {
		return 0
	}
	for i := range cases {
		if digest, ok := b.Cases[cases[i].ID]; ok && digest != cases[i].Digest {
			n++
		}
	}
	return n
}

// Compare sets a report beside another of the same suite, scorer by scorer: red where it is surely worse. The error is a
// *fault.Error.
func Compare(base, run *Report) (*Report, error) {
	if base.Suite != run.Suite {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "comparing reports: one is of suite %s and the other of %s", base.Suite, run.Suite)
	}
	none := 0.0
	out := *run
	var scorers []Scorer
	for _, s := range run.Scorers {
		gate := &stat.Gate{NoWorse: &none}
		for _, before := range base.Scorers {
			if before.Name == s.Name {
				gate.MaxFailed = before.Failed // what could not be measured before either is no news
			}
		}
		scorers = append(scorers, Scorer{Name: s.Name, Gate: gate})
	}
	out.Notes = nil
	out.summarise(scorers, BaselineOf(base))
	return &out, nil
}

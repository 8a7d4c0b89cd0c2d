package evals

import (
	"fmt"
	"slices"

	"fairlead/evals/stat"
)

// report makes the report of what was run.
func (r *runner) report() *Report {
	s := r.suite
	out := &Report{Format: reportFormat, Suite: s.Name, Digest: s.Digest, Under: s.Under.String(), Played: r.options.Played, Repeat: s.Repeat, Seed: s.Seed}
	for i := range s.Cases {
		c := &s.Cases[i]
		shown, _ := c.Input[question].(string)
		out.Cases = append(out.Cases, CaseReport{ID: c.ID, Tags: c.Tags, Digest: c.Digest, Question: shown, Expected: c.Expected, Runs: r.results[i]})
	}
	if r.spent {
		out.Notes = append(out.Notes, "The suite's budget was spent before all runs were made.")
	}
	out.summarise(s.Scorers, r.options.Baseline)
	return out
}

// Rejudge holds a report to a suite's gates and another baseline.
func (r *Report) Rejudge(s *Suite, baseline *Baseline) {
	r.Notes = nil
	r.summarise(s.Scorers, baseline)
}

// summarise reckons what follows from the runs: sums, intervals, comparisons and verdicts.
func (r *Report) summarise(scorers []Scorer, baseline *Baseline) {
	r.Totals = totals(r.Cases)
	r.Scorers = make([]ScorerReport, len(scorers))
	verdicts := map[string]stat.Verdict{}
	for i, sc := range scorers {
		sum := &r.Scorers[i]
		sum.Name = sc.Name
		values := samples(r.Cases, i)
		means := stat.Means(values)
		sum.Estimate, sum.Cases = stat.Mean(means, r.Seed), len(means)
		sum.Failed, sum.Skipped = unscored(r.Cases, i)
		sum.Steady = steady(r.Cases, i, r.Repeat)
		if base, ok := baseline.of(sc.Name, r.Cases); ok {
			sum.Against = stat.Compare(base, rounded(r.Cases, i), stat.Bootstrap{Seed: r.Seed})
		}
		if sc.Gate != nil {
			verdicts[sc.Name] = sc.Gate.Judge(sum.Estimate, sum.Against, sum.Failed)
		}
	}
	if note := stat.Adjust(verdicts, 0.025); note != "" {
		r.Notes = append(r.Notes, note)
	}
	for i := range r.Scorers {
		if v, ok := verdicts[r.Scorers[i].Name]; ok {
			r.Scorers[i].Verdict = &v
		}
	}
	if changed := baseline.changed(r.Cases); changed > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%d cases have changed since the baseline and are not compared with it: --update-baseline makes it anew.", changed))
	}
}

// unscored counts the cases of which no run could be measured, or some run could not; and those that the scorer is not
// about.
func unscored(cases []CaseReport, scorer int) (failed, skipped int) {
	for i := range cases {
		broken, left := false, true
		for j := range cases[i].Runs {
			s := &cases[i].Runs[j].Scores[scorer]
			broken = broken || s.Error != ""
			left = left && s.Skipped != ""
		}
		switch {
		case broken:
			failed++
		case left:
			skipped++
		}
	}
	return failed, skipped
}

// steady says how cases fare that ran several times.
func steady(cases []CaseReport, scorer, repeat int) *stat.Steadiness {
	if repeat < 2 {
		return nil
	}
	var tries []stat.Tries
	for i := range cases {
		t := stat.Tries{Case: cases[i].ID}
		for j := range cases[i].Runs {
			if s := &cases[i].Runs[j].Scores[scorer]; s.Counts() && s.Pass != nil {
				t.Repeat++
				if *s.Pass {
					t.Passed++
				}
			}
		}
		if t.Repeat > 0 {
			tries = append(tries, t)
		}
	}
	if tries == nil {
		return nil
	}
	s := stat.Steady(tries)
	return &s
}

func totals(cases []CaseReport) (t Totals) {
	var times []float64
	for i := range cases {
		for j := range cases[i].Runs {
			run := &cases[i].Runs[j]
			t.Runs++
			t.JudgedNano += run.JudgedNano
			switch {
			case run.Error != "":
				t.Missing++
				continue
			case run.Failed != "":
				t.Failed++
			}
			t.CostNano, t.Input, t.Output = t.CostNano+run.CostNano, t.Input+run.Input, t.Output+run.Written
			if !run.Priced {
				t.Unpriced++
			}
			if run.Latency > 0 {
				times = append(times, run.Latency)
			}
		}
	}
	slices.Sort(times)
	if n := len(times); n > 0 {
		t.P50, t.P95 = times[(n-1)/2], times[min(n*95/100, n-1)]
	}
	return t
}

package evals

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"time"

	"fairlead/evals/score"
	"fairlead/evals/stat"
	"fairlead/internal/fault"
	"fairlead/orchestrator/ledger"
	"fairlead/providers"
)

// Options say how a suite is run.
type Options struct {
	// Baseline is what the run is compared with. Nil: nothing.
	Baseline *Baseline
	// Against has answers of another system by case, for scorers that compare two.
	Against map[string]string
	// Played says that answers come from a cassette: the report then holds no time of the clock.
	Played bool
	// Told is called after each run with how many are done, from one goroutine at a time. Nil: nobody is told.
	Told func(done, all int)
}

// Run runs a suite on a system and scores the outcomes. Cases that fail are part of the report; the error is that the
// run as a whole could not be made, or that ctx ended.
func Run(ctx context.Context, s *Suite, system System, o Options) (*Report, error) {
	if len(s.Cases) == 0 {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "running suite %s: it has no cases", s.Name)
	}
	r := &runner{suite: s, system: system, options: o, ledger: ledger.New(ledger.Config{Limit: s.Budget, Limited: s.Limited}),
		results: make([][]RunReport, len(s.Cases))}
	if err := r.run(ctx); err != nil {
		return nil, err
	}
	return r.report(), nil
}

type runner struct {
	suite   *Suite
	system  System
	options Options
	ledger  *ledger.Ledger

	mu      sync.Mutex
	done    int
	spent   bool
	results [][]RunReport // by case and epoch
}

// job is one run.
type job struct{ at, epoch int }

// run makes all runs, so many at once. The repetitions of a case are not neighbours, so that what drifts with time does
// not look like a property of cases.
func (r *runner) run(ctx context.Context) error {
	for i := range r.results {
		r.results[i] = make([]RunReport, r.suite.Repeat)
	}
	jobs := make(chan job)
	var workers sync.WaitGroup
	for range min(r.suite.Concurrency, len(r.suite.Cases)*r.suite.Repeat) {
		workers.Go(func() {
			for j := range jobs {
				r.one(ctx, j)
			}
		})
	}
	for epoch := range r.suite.Repeat {
		for at := range r.suite.Cases {
			select {
			case jobs <- job{at, epoch}:
			case <-ctx.Done():
			}
		}
	}
	close(jobs)
	workers.Wait()
	if ctx.Err() != nil {
		return fault.Wrap(ctx.Err(), fault.Canceled, fault.ReasonCanceled, "running suite %s: it was ended after %d of %d runs",
			r.suite.Name, r.done, len(r.suite.Cases)*r.suite.Repeat)
	}
	return nil
}

// one makes a run and scores it.
func (r *runner) one(ctx context.Context, j job) {
	out := r.ask(ctx, j)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results[j.at][j.epoch] = out
	r.done++
	if r.options.Told != nil {
		r.options.Told(r.done, len(r.suite.Cases)*r.suite.Repeat)
	}
}

func (r *runner) ask(ctx context.Context, j job) RunReport {
	c := &r.suite.Cases[j.at]
	q := &Question{Under: r.suite.Under, Case: c, Epoch: j.epoch, Seed: seedOf(r.suite.Seed, c.ID, j.epoch), Timeout: r.suite.Timeout, Label: c.Label}
	reserved, err := r.reserve(q)
	if err != nil {
		r.mu.Lock()
		r.spent = true
		r.mu.Unlock()
		return RunReport{Error: "the suite's budget is spent", Scores: r.unmeasured()}
	}
	defer reserved.Release()
	inner, cancel := context.WithTimeout(ctx, r.suite.Timeout+grace)
	defer cancel()
	inner, end := r.system.Begin(inner, q)
	defer end()
	got, err := r.system.Ask(inner, q)
	if err != nil {
		return RunReport{Error: text(err), Scores: r.unmeasured()}
	}
	got.Baseline = r.options.Against[c.ID]
	run := RunReport{Output: got.Text, Targets: got.Targets, CostNano: int64(got.Cost), Priced: got.CostKnown, Input: got.Usage.Input,
		Written: got.Usage.Output, TTFT: milliseconds(got.TTFT), Latency: milliseconds(got.Latency), Scores: make([]ScoreReport, len(r.suite.Scorers))}
	if got.Err != nil {
		run.Failed = text(got.Err)
	}
	if run.Output == "" && len(got.ToolCalls) > 0 {
		run.Output = calls(got)
	}
	for i := range r.suite.Scorers {
		run.Scores[i] = scored(inner, r.suite.Scorers[i].Scorer, c, got)
	}
	judged, known := providers.Money(0), true
	if s, ok := r.system.(Spender); ok {
		judged, known = s.Spent(inner)
		run.JudgedNano = int64(judged)
	}
	reserved.Settle(got.Usage, got.Cost+judged, got.CostKnown && known)
	return run
}

// grace is what a system has beyond a run's time to tell that the time is over, and scorers to judge.
const grace = time.Minute

// reserve promises a run its share of what the suite has left: no run gets what others have been promised.
func (r *runner) reserve(q *Question) (*ledger.Reservation, error) {
	left, limited := r.ledger.Left()
	if !limited {
		return r.ledger.Reserve(0)
	}
	if left <= 0 {
		return nil, errors.New("nothing is left")
	}
	share := max(left/providers.Money(r.suite.Concurrency), 1)
	q.Budget, q.Limited = share, true
	return r.ledger.Reserve(share)
}

func scored(ctx context.Context, by score.Scorer, c *Case, got *Answer) (out ScoreReport) {
	defer func() {
		if value := recover(); value != nil {
			out = ScoreReport{Error: fmt.Sprintf("the scorer broke down: %T", value)}
		}
	}()
	s, err := by.Score(ctx, &c.Case, &got.Outcome)
	if err != nil {
		return ScoreReport{Error: text(err)}
	}
	return ScoreReport{Value: s.Value, Pass: s.Pass, Detail: s.Detail, Skipped: s.Skipped}
}

// unmeasured gives scores that are none.
func (r *runner) unmeasured() []ScoreReport {
	out := make([]ScoreReport, len(r.suite.Scorers))
	for i := range out {
		out[i].Error = "there is no outcome"
	}
	return out
}

// seedOf gives each repetition of each case a seed of its own that stays.
func seedOf(seed uint64, id string, epoch int) int64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%s/%d", seed, id, epoch)
	return int64(h.Sum64() >> 33) // small enough for every backend
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// text gives an error in one line, as people should read it, with the reasons below it that are for them too.
func text(err error) string {
	said := fault.From(err).Error()
	for below := errors.Unwrap(err); below != nil; below = errors.Unwrap(below) {
		if f, ok := below.(*fault.Error); ok && !strings.Contains(said, f.Error()) { //nolint:errorlint // each error of the chain is looked at
			said += ": " + f.Error()
		}
	}
	return strings.Join(strings.Fields(said), " ")
}

// calls shows tool calls as a text.
func calls(a *Answer) string {
	list := make([]map[string]any, len(a.ToolCalls))
	for i, c := range a.ToolCalls {
		list[i] = map[string]any{"name": c.Name, "arguments": c.Arguments}
	}
	data, err := json.Marshal(list)
	if err != nil {
		return ""
	}
	return string(data)
}

// samples gives the values of a scorer, by case.
func samples(cases []CaseReport, scorer int) (out []stat.Sample) {
	for i := range cases {
		for j := range cases[i].Runs {
			if s := &cases[i].Runs[j].Scores[scorer]; s.Counts() {
				out = append(out, stat.Sample{Case: cases[i].ID, Value: s.Value})
			}
		}
	}
	return out
}

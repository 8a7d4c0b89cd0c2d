package observe

import (
	"math"
	"sync/atomic"
	"time"
)

// Snapshot is a table of what was known of all targets at one moment. It does not change and is safe for
// concurrent use; only Predict also looks at the attempts now in flight.
type Snapshot struct {
	at   time.Time
	rows map[string]*row
	// steps has the output lengths of steps on all targets, for targets that never ran them.
	steps map[string]*dist
}

// row is a target of a Snapshot.
type row struct {
	live     *atomic.Int64
	ttft     [Classes]dist
	perToken [Classes]dist
	output   map[string]*dist
	// What follows is for Stats.
	own      Stats
	failures float64 // without those that timed out before a first token
	attempts float64
}

// Stats is what was observed of a target, without priors and loans.
type Stats struct {
	TTFT, PerToken [Classes]Times
	// Output has the output lengths by step.
	Output map[string]Lengths
	// Attempts is the number of attempts with a verdict, aged, and ErrorRate the share of them that failed;
	// it counts when Attempts is over 0.
	Attempts, ErrorRate float64
	InFlight            int
	// Service is the mean time for which an attempt holds the target. 0: unknown.
	Service time.Duration
	// Last is when the last sample came. Zero: never.
	Last time.Time
}

// Times are quantiles of a time. They count when Samples, the aged number of samples, is over 0.
type Times struct {
	P50, P90, P95, P99 time.Duration
	Samples            float64
}

// Lengths are quantiles of an output's length in tokens, as Times.
type Lengths struct {
	P50, P95 int
	Samples  float64
}

// Snapshot gives the table. One caller who finds it older than Config.Refresh makes a new one; the others
// meanwhile get the old one, which at first knows nothing.
func (r *Recorder) Snapshot(now time.Time) *Snapshot {
	old := r.snapshot.Load()
	if now.Sub(old.at) < r.cfg.Refresh || !r.refreshing.TryLock() {
		return old
	}
	defer r.refreshing.Unlock()
	if s := r.snapshot.Load(); s != old { // another made one since
		return s
	}
	s := r.build(now)
	r.snapshot.Store(s)
	return s
}

// Refresh makes a new table whatever the old one's age.
func (r *Recorder) Refresh(now time.Time) *Snapshot {
	r.refreshing.Lock()
	defer r.refreshing.Unlock()
	s := r.build(now)
	r.snapshot.Store(s)
	return s
}

// build makes a table, under refreshing.
func (r *Recorder) build(now time.Time) *Snapshot {
	targets := *r.targets.Load()
	s := &Snapshot{at: now, rows: make(map[string]*row, len(targets)), steps: map[string]*dist{}}
	for name, t := range targets {
		s.rows[name] = r.read(t, now)
	}
	s.share()
	return s
}

// read makes a target's row. It holds the target's lock for some microseconds for each series with new
// samples.
func (r *Recorder) read(t *target, now time.Time) *row {
	out := &row{live: &t.inFlight, output: map[string]*dist{}}
	t.mu.Lock()
	defer t.mu.Unlock()
	factor := math.Exp2(-max(0, float64(now.Sub(t.landmark))/float64(r.cfg.HalfLife)))
	if t.landmark.IsZero() {
		factor = 0
	}
	take := func(s *series) dist {
		r.scratch = s.evaluate(r.scratch)
		d := s.read
		if d.weight *= factor; d.weight < least {
			return dist{}
		}
		return d
	}
	for i := range Classes {
		out.ttft[i] = take(&t.ttft[i])
		out.perToken[i] = take(&t.perToken[i])
		out.own.TTFT[i], out.own.PerToken[i] = times(&out.ttft[i]), times(&out.perToken[i])
	}
	out.own.Output = map[string]Lengths{}
	for step, s := range t.output {
		if d := take(s); d.weight > 0 {
			out.output[step] = &d
			out.own.Output[step] = Lengths{int(math.Round(math.Exp(d.grid[at50]))), int(math.Round(math.Exp(d.grid[at95]))), d.weight}
		}
	}
	out.attempts = (t.succeeded + t.failed) * factor
	out.failures = max(0, t.failed-t.silent) * factor
	out.own.Attempts, out.own.InFlight, out.own.Last = out.attempts, int(t.inFlight.Load()), t.last
	if out.attempts > 0 {
		out.own.ErrorRate = t.failed * factor / out.attempts
	}
	if t.serviceSamples*factor >= least {
		out.own.Service = time.Duration(t.service / t.serviceSamples * float64(time.Second))
	}
	out.ttft, out.perToken = neighbours(&out.ttft), neighbours(&out.perToken)
	return out
}

// least is the weight below which samples are as good as gone: one sample lasts a half-life.
const least = 0.5

// times reads the quantiles of a distribution.
func times(d *dist) Times {
	if d.weight == 0 {
		return Times{}
	}
	return Times{duration(d.grid[at50]), duration(d.grid[at90]), duration(d.grid[at95]), duration(d.grid[at99]), d.weight}
}

// duration makes a time of the logarithm of seconds.
func duration(ln float64) time.Duration { return time.Duration(math.Exp(ln) * float64(time.Second)) }

// discount is what a neighbour's sample is worth, for each class between.
const discount = 0.25

// neighbours lets each class borrow from the others.
func neighbours(own *[Classes]dist) [Classes]dist {
	var out [Classes]dist
	for i := range own {
		if own[i].weight >= PriorWeight {
			out[i] = own[i]
			continue
		}
		others := *own
		var discounts [Classes]float64
		for j := range others {
			if j != i {
				discounts[j] = math.Pow(discount, math.Abs(float64(i-j)))
			}
		}
		out[i] = borrow(own[i], PriorWeight, others[:], discounts[:])
	}
	return out
}

// share lets each target borrow output lengths of the same step from the others.
func (s *Snapshot) share() {
	all := map[string][]dist{}
	for _, r := range s.rows {
		for step, d := range r.output {
			all[step] = append(all[step], *d)
		}
	}
	for step, dists := range all {
		discounts := make([]float64, len(dists))
		for i := range discounts {
			discounts[i] = discount
		}
		pool := borrow(dist{}, PriorWeight, dists, discounts)
		s.steps[step] = &pool
		for _, r := range s.rows {
			// The pool holds the target's own samples too: a small part of a loan that few need.
			if d := r.output[step]; d != nil && d.weight < PriorWeight && len(dists) > 1 {
				lent := borrow(*d, PriorWeight, []dist{pool}, []float64{1})
				r.output[step] = &lent
			}
		}
	}
}

// At is when the table was made. Zero: it knows nothing yet.
func (s *Snapshot) At() time.Time { return s.at }

// Stats gives what was observed of a target; ok is false where it was never seen. Its map is not to be
// changed.
func (s *Snapshot) Stats(target string) (stats Stats, ok bool) {
	if r := s.rows[target]; r != nil {
		return r.own, true
	}
	return Stats{}, false
}

package observe

import (
	"maps"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Recorder collects samples. It is safe for concurrent use. Targets are never dropped: their names are those
// of configurations, which are few.
type Recorder struct {
	cfg Config
	// targets is replaced as a whole when a target is first seen, so that finding one takes no lock.
	targets atomic.Pointer[map[string]*target]
	adding  sync.Mutex

	snapshot   atomic.Pointer[Snapshot]
	refreshing sync.Mutex
	scratch    []bin // under refreshing
}

// NewRecorder makes a Recorder. The error is a *fault.Error (fault.InvalidArgument).
func NewRecorder(cfg Config) (*Recorder, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	r := &Recorder{cfg: cfg}
	r.targets.Store(&map[string]*target{})
	r.snapshot.Store(&Snapshot{})
	return r, nil
}

// target is what is kept of one target.
type target struct {
	inFlight atomic.Int64

	mu       sync.Mutex
	landmark time.Time
	// last is when the last sample came that said something.
	last      time.Time
	ttft      [Classes]series
	perToken  [Classes]series
	output    map[string]*series
	succeeded float64
	failed    float64
	// silent is the part of failed that timed out before a first token; it is in the TTFT's distribution.
	silent         float64
	service        float64 // weight × seconds
	serviceSamples float64
}

func (r *Recorder) target(name string) *target {
	if t := (*r.targets.Load())[name]; t != nil {
		return t
	}
	r.adding.Lock()
	defer r.adding.Unlock()
	old := *r.targets.Load()
	if t := old[name]; t != nil {
		return t
	}
	t := &target{output: map[string]*series{}}
	more := maps.Clone(old)
	more[name] = t
	r.targets.Store(&more)
	return t
}

// Start counts an attempt on a target as in flight, until End. An attempt that waits for a slot is in flight
// too: the next one waits behind it.
func (r *Recorder) Start(target string) { r.target(target).inFlight.Add(1) }

// End undoes one Start.
func (r *Recorder) End(target string) { r.target(target).inFlight.Add(-1) }

// InFlight gives the number of attempts between Start and End.
func (r *Recorder) InFlight(target string) int {
	if t := (*r.targets.Load())[target]; t != nil {
		return int(t.inFlight.Load())
	}
	return 0
}

// Forget drops all that was observed of a target: its name stands for something else now.
func (r *Recorder) Forget(target string) {
	t := r.target(target)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clear()
	t.last = time.Time{}
}

// Observe takes a sample. A sample without an outcome or a time is dropped.
func (r *Recorder) Observe(s Sample) {
	if s.Outcome == 0 || s.Outcome > Truncated || s.Now.IsZero() {
		return
	}
	t := r.target(s.Target)
	t.mu.Lock()
	defer t.mu.Unlock()
	weight := t.weight(s.Now, r.cfg.HalfLife)
	if s.Now.After(t.last) && (s.Outcome != Canceled || s.TTFT > 0) {
		t.last = s.Now
	}
	class := Class(s.PromptTokens)
	switch s.Outcome {
	case OK:
		t.succeeded += weight
		if s.OutputTokens > 0 {
			t.length(s.Step, r.cfg.Steps).add(clamp(float64(s.OutputTokens), leastTokens, mostTokens), weight)
		}
	case Failed, Truncated:
		t.failed += weight
	case TimedOut:
		t.failed += weight
		if s.TTFT <= 0 && s.Duration > 0 {
			t.silent += weight
			t.ttft[class].addCensored(seconds(s.Duration), weight)
		}
	}
	if s.Outcome != Failed && s.TTFT > 0 {
		t.ttft[class].add(seconds(s.TTFT), weight)
	}
	if d, ok := s.perToken(); ok {
		t.perToken[class].add(seconds(d), weight)
	}
	if (s.Outcome == OK || s.Outcome == TimedOut) && s.Duration > 0 {
		t.service += weight * s.Duration.Seconds()
		t.serviceSamples += weight
	}
}

func seconds(d time.Duration) float64 {
	return clamp(float64(d)/float64(time.Second), leastSeconds, mostSeconds)
}

func clamp(v, least, most float64) float64 { return min(max(v, least), most) }

// farthest is how many half-lives a landmark may lie back. Weights up to 2^32 leave a float64 20 bits below
// the smallest.
const farthest = 32

// weight gives the weight of a sample taken at now, and moves the landmark where it lies too far back.
func (t *target) weight(now time.Time, halfLife time.Duration) float64 {
	if t.landmark.IsZero() {
		t.landmark = now
	}
	age := float64(now.Sub(t.landmark)) / float64(halfLife)
	if age <= farthest {
		return math.Exp2(age)
	}
	if age > 2*farthest {
		t.clear() // all that is there weighs less than a float64 can tell from nothing
	} else {
		t.scale(math.Exp2(-age))
	}
	t.landmark = now
	return 1
}

func (t *target) scale(factor float64) {
	for i := range Classes {
		t.ttft[i].scale(factor)
		t.perToken[i].scale(factor)
	}
	for step, s := range t.output {
		if s.scale(factor); s.read.weight < 1e-6 {
			delete(t.output, step)
		}
	}
	for _, v := range []*float64{&t.succeeded, &t.failed, &t.silent, &t.service, &t.serviceSamples} {
		*v *= factor
	}
}

func (t *target) clear() {
	t.landmark = time.Time{}
	t.ttft, t.perToken = [Classes]series{}, [Classes]series{}
	clear(t.output)
	t.succeeded, t.failed, t.silent, t.service, t.serviceSamples = 0, 0, 0, 0, 0
}

// length gives the series of a step's output. Where there are too many, the rarest makes way.
func (t *target) length(step string, most int) *series {
	s := t.output[step]
	if s != nil {
		return s
	}
	if len(t.output) >= most {
		rarest, least := "", math.Inf(1)
		for name, o := range t.output {
			if o.read.weight < least {
				rarest, least = name, o.read.weight
			}
		}
		delete(t.output, rarest)
	}
	s = &series{}
	t.output[step] = s
	return s
}

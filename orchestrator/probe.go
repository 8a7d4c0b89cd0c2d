package orchestrator

import (
	"cmp"
	"sync"
	"sync/atomic"
	"time"

	"fairlead/orchestrator/health"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// badAnswers is how many answers in a row a backend must give, or owe, before its target is left alone.
const badAnswers = 2

// standing is what a backend says of one of its targets while nobody calls it. What it said counts for
// health.Lasting; a call that goes well says more, and takes back what speaks against the target. It is safe for
// concurrent use.
type standing struct {
	// odd says that there is something in here that speaks against the target, or for a wait: what is asked at each decision
	// about it need not take the lock otherwise.
	odd atomic.Bool

	mu sync.Mutex
	// bad is how many answers in a row spoke against the target.
	bad    int
	answer health.Answer
	at     time.Time // of the answer; zero: there is none that counts
	// version stands behind the one that the target names. Empty: not known.
	version string
	// load is what loading its model took the last time. 0: not seen.
	load time.Duration
}

// hear takes an answer, and says whether the target would take a call now.
func (s *standing) hear(a health.Answer, now time.Time) (ready bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
	ready = a.Ready()
	switch {
	case ready:
		s.bad = 0
	case a.Err == nil || blames(a.Err):
		s.bad++
	default: // that it could not be asked says nothing
		return false
	}
	s.answer, s.at = a, now
	s.note()
	return ready
}

// note brings odd in step. The lock is held.
func (s *standing) note() {
	s.odd.Store(s.bad > 0 || s.answer.State != "" && s.answer.State != providers.ModelReady)
}

// expire forgets an answer that is too old. The lock is held.
func (s *standing) expire(now time.Time) {
	if !s.at.IsZero() && now.Sub(s.at) > health.Lasting(s.answer.Every) {
		s.bad, s.answer, s.at = 0, health.Answer{}, time.Time{}
		s.note()
	}
}

// worked notes that a call has gone well, or has begun to be answered.
func (s *standing) worked() {
	if !s.odd.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.odd.Load() { // and what was absent is loaded
		s.bad, s.answer, s.at = 0, health.Answer{}, time.Time{}
		s.note()
	}
}

// out says whether the target is left alone for what its backend said, or did not: until it is asked again.
func (s *standing) out(now time.Time) (answer health.Answer, again time.Duration, out bool) {
	if !s.odd.Load() {
		return health.Answer{}, 0, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.expire(now); s.bad < badAnswers {
		return health.Answer{}, 0, false
	}
	return s.answer, max(s.at.Add(s.answer.Every).Sub(now), time.Millisecond), true
}

// loading gives how long the next call waits for the model to be loaded. 0: it is in memory, or that is not known.
func (s *standing) loading(now time.Time) time.Duration {
	if !s.odd.Load() {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.expire(now); s.answer.Lazy && s.answer.State == providers.ModelAbsent {
		return s.load
	}
	return 0
}

// live adds what is known to a target's state, for routing.
func (s *standing) live(to *routing.State, now time.Time) {
	answer, again, out := s.out(now)
	switch {
	case !out:
	case answer.Err != nil:
		to.OpenFor, to.Silent = max(to.OpenFor, again), true
	default:
		to.NotReady, to.NotReadyFor = notReady(&answer), again
	}
}

// shown adds what its backend says to what people are shown of a target.
func (t *target) shown(to *routing.Live, now time.Time) {
	if l, _, ok := t.meter.queue.fresh(now); ok {
		to.Load = &l
	}
	s := t.said
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
	to.LoadTime, to.Version = s.load, cmp.Or(s.version, t.Version)
	if s.at.IsZero() {
		return
	}
	to.Answered, to.Ready = true, s.answer.Ready()
	switch {
	case s.answer.Err != nil:
		to.Detail, to.Load = unanswered(s.answer.Err), nil // what it said before it fell silent is over
	case s.answer.State != "" && s.answer.State != providers.ModelReady:
		to.Detail = notReady(&s.answer)
	}
}

// notReady says how the model stands.
func notReady(a *health.Answer) string {
	text := map[providers.ModelState]string{
		providers.ModelLoading:   "its model is being loaded",
		providers.ModelUnloading: "its model is being taken out of memory",
		providers.ModelAbsent:    "its model is not loaded",
		providers.ModelBroken:    "its model cannot be loaded",
	}[a.State]
	if a.Lazy && a.State == providers.ModelAbsent {
		return "its model is not in memory: the next call loads it"
	}
	if text == "" {
		text = "its model is not ready"
	}
	if a.Detail != "" {
		text += ": " + a.Detail
	}
	return text
}

// unanswered says why a backend did not answer a question about itself.
func unanswered(err error) string {
	switch providers.KindOf(err) {
	case providers.KindTimeout:
		return "its backend did not answer in time"
	case providers.KindUnavailable:
		return "its backend cannot be reached, or says that it is not there"
	case providers.KindAuth:
		return "its backend refused our credentials"
	case providers.KindRateLimited, providers.KindQuota:
		return "its backend wants to be asked less often"
	case providers.KindTruncated, providers.KindProtocol, providers.KindOverrun:
		return "its backend sent what its protocol does not allow"
	case providers.KindUnsupported:
		return "its backend does not tell"
	case providers.KindNotFound:
		return "its backend does not have the model"
	default:
		return "its backend could not be asked"
	}
}

// Probed takes what a backend answered about a target. Two answers in a row that speak against it keep calls from
// it, so that no caller has to find out; one good answer lets them through again. It does not close a breaker that opened
// because calls failed, for a server may be well that fails in its work: then one call is let through to see, at once and
// not when the breaker's delay is over.
func (e *Engine) Probed(target string, a health.Answer) {
	t := e.state.Load().every[target]
	if t == nil {
		return // it is gone since it was asked about
	}
	if t.said.hear(a, time.Now()) && t.breaker.IsOpen() {
		t.breaker.HalfOpen()
	}
}

// Resolved takes which version stands behind the one that a target names.
func (e *Engine) Resolved(target, version string) {
	if t := e.state.Load().every[target]; t != nil {
		t.said.mu.Lock()
		defer t.said.mu.Unlock()
		t.said.version = version
	}
}

// LoadTime takes how long a backend took to load a target's model. Until the model is in memory, as far as is known,
// calls are expected to take that much longer where the backend loads models with the first call.
func (e *Engine) LoadTime(target string, d time.Duration) {
	if t := e.state.Load().every[target]; t != nil {
		t.said.mu.Lock()
		defer t.said.mu.Unlock()
		t.said.load = d
	}
}

var _ health.Consumer = (*Engine)(nil)

// resolved gives the version that stands behind the one that the target names, as far as its backend tells; else the one
// that it names.
func (t *target) resolved() string {
	t.said.mu.Lock()
	defer t.said.mu.Unlock()
	return cmp.Or(t.said.version, t.Version)
}

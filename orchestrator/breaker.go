package orchestrator

import (
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"fairlead/providers"
)

// When a target's breaker opens, and for how long: half of at least twenty calls within ten seconds have
// failed. After five seconds one call is let through to see.
const (
	breakerRate   = 0.5
	breakerCalls  = 20
	breakerWindow = 10 * time.Second
	breakerDelay  = 5 * time.Second
)

// breaker keeps calls from a target that is failing. It is safe for concurrent use.
type breaker struct {
	circuitbreaker.CircuitBreaker[any]
}

func newBreaker() breaker {
	return breaker{circuitbreaker.NewBuilder[any]().
		WithFailureRateThreshold(breakerRate, breakerCalls, breakerWindow).
		WithDelay(breakerDelay).
		WithSuccessThreshold(1).
		Build()}
}

// open says whether the target is left alone, and for how long.
func (b breaker) open() (time.Duration, bool) {
	if !b.IsOpen() {
		return 0, false
	}
	left := b.RemainingDelay()
	return left, left > 0
}

// permit is one call's leave to be made.
type permit struct {
	breaker breaker
	// probe: the call is the one that is let through to see.
	probe bool
	// said is told when the call goes well. Nil: nobody is.
	said *standing
}

// acquire gives leave for a call, and false while the target is left alone. The permit must be told how the
// call went.
func (b breaker) acquire() (permit, bool) {
	ok := b.TryAcquirePermit()
	return permit{breaker: b, probe: ok && b.IsHalfOpen()}, ok
}

// done tells how the call went. Only what the target is to blame for counts against it.
func (p permit) done(err error) {
	switch {
	case p.breaker.CircuitBreaker == nil: // no permit
	case err == nil:
		p.breaker.RecordSuccess()
		if p.said != nil {
			p.said.worked()
		}
	case blames(err):
		p.breaker.RecordFailure()
	case p.probe:
		// The caller left, or asked for what cannot be had: nothing was learned. Wait, and look again.
		p.breaker.Open()
	}
}

// blames says whether a failure is the target's: it did not answer, or not in its protocol. A refused
// request, a pause that was asked for and a caller who left are not.
func blames(err error) bool {
	switch providers.KindOf(err) {
	case providers.KindUnavailable, providers.KindTimeout, providers.KindTruncated, providers.KindProtocol,
		providers.KindOverrun, providers.KindAuth:
		return true
	default:
		return false
	}
}

package orchestrator

import "time"

// Variant is another model in the place of a target's, or beside it: a target of its own, with a breaker, prices and
// predictions of its own, which nobody names.
type Variant struct {
	Target
	// Percent is of how many of 100: of callers for a canary, of calls for a shadow.
	Percent float64
	// Timeout is how long a shadow's answer is waited for.
	Timeout time.Duration
}

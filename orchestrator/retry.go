package orchestrator

import (
	"math/rand/v2"
	"sync"
	"time"
)

// Asking the same target again is bounded twice: each wait doubles from retryFirst to retryMost and is
// drawn between nothing and itself ("full jitter", M. Brooker, "Exponential Backoff and Jitter", AWS
// Architecture Blog, 2015), so that callers do not come back together; and all retries together spend from
// a budget that a tenth of the steps fills, so that an outage is not answered by three times the traffic.
const (
	retryFirst = 250 * time.Millisecond
	retryMost  = 4 * time.Second
	retryShare = 0.1
	// retrySaved is the most retries that quiet times save up. A server starts with as many.
	retrySaved = 10
	// retryPatience is the longest wait: who asks for more is not waited for.
	retryPatience = 20 * time.Second
)

// backoff gives how long to wait before the n-th retry, from 1: at least what the backend asked for.
func backoff(n int, asked time.Duration) time.Duration {
	most := retryMost
	if n < 8 { // beyond it the shift would be over the top anyway
		most = min(retryFirst<<(n-1), retryMost)
	}
	return max(rand.N(most), asked)
}

// budget counts extra calls that steps may make: each step adds a share of one, and quiet times save up so
// many. It is safe for concurrent use.
type budget struct {
	mu     sync.Mutex
	saved  float64
	tokens float64
}

// newBudget makes a budget that starts with what can be saved.
func newBudget(saved float64) *budget { return &budget{saved: saved, tokens: saved} }

// step counts a step, which fills the budget by its share.
func (b *budget) step(share float64) {
	b.mu.Lock()
	b.tokens = min(b.tokens+share, b.saved)
	b.mu.Unlock()
}

// take spends one call, if there is one.
func (b *budget) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

package orchestrator

import (
	"math"
	"math/rand/v2"
	"testing"

	"fairlead/providers"
)

// The parts of a call come to the whole, to the token, whoever has what weight.
func TestPartsComeToTheWhole(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20_000 {
		c := &shared{before: map[*waiter]int64{}}
		for range 1 + rng.IntN(40) {
			w := &waiter{weight: 1 + rng.Int64N(1<<rng.IntN(40))}
			c.waiters, c.before[w] = append(c.waiters, w), c.whole
			c.whole += w.weight
		}
		u := providers.Usage{Input: rng.Int64N(mostTokens), Output: rng.Int64N(mostTokens)}
		u.CachedInput, u.Reasoning = rng.Int64N(u.Input+1), rng.Int64N(u.Output+1)
		service := rng.Int64N(math.MaxInt64 >> rng.IntN(60))
		c.fee = providers.Money(rng.Int64N(1 << 40))
		var sum providers.Usage
		var time int64
		var fee providers.Money
		for _, w := range c.waiters {
			part := c.usage(w, u)
			if part != plausible(part) {
				t.Fatalf("a part of %+v is %+v", u, part)
			}
			sum = sum.Add(part)
			p := c.part(w, 0, true)
			fee += p.fee
			time += portion(service, c.before[w], w.weight, c.whole)
		}
		if sum != u || time != service || fee != c.fee {
			t.Fatalf("parts of %+v, %d and %d come to %+v, %d and %d", u, service, c.fee, sum, time, fee)
		}
	}
}

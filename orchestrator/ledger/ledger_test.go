package ledger

import (
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"fairlead/internal/fault"
	"fairlead/providers"
)

func TestReserveThenSettle(t *testing.T) {
	l := New(Config{Limit: 100, Limited: true})
	r, err := l.Reserve(80)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Reserve(21); fault.ReasonOf(err) != fault.ReasonBudgetExceeded {
		t.Fatalf("over what is left: %v", err)
	}
	r.Settle(providers.Usage{Input: 1, Output: 2}, 30, true)
	r.Settle(providers.Usage{Input: 1, Output: 2}, 30, true) // twice is once
	r.Release()
	if left, limited := l.Left(); left != 70 || !limited {
		t.Errorf("left %d", left)
	}
	usage, cost, incomplete := l.Totals()
	if usage.Output != 2 || cost != 30 || incomplete {
		t.Errorf("totals %+v %v %v", usage, cost, incomplete)
	}
}

func TestWithoutLimitAnythingGoesAndUnknownCostsAreTold(t *testing.T) {
	l := New(Config{})
	r, err := l.Reserve(1 << 40)
	if err != nil {
		t.Fatal(err)
	}
	r.Settle(providers.Usage{Output: 5}, 0, false)
	if _, cost, incomplete := l.Totals(); cost != 0 || !incomplete {
		t.Errorf("cost %v, incomplete %v", cost, incomplete)
	}
}

// Racing reservations never promise more than the limit together, and the books add up.
func TestRaceNeverOverspends(t *testing.T) {
	const limit = 10_000
	l := New(Config{Limit: limit, Limited: true})
	var spent, refused atomic.Int64
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(g), 1))
			for range 200 {
				amount := providers.Money(1 + rng.IntN(50))
				r, err := l.Reserve(amount)
				if err != nil {
					refused.Add(1)
					continue
				}
				if rng.IntN(4) == 0 {
					r.Release()
					continue
				}
				cost := providers.Money(rng.IntN(int(amount) + 1))
				r.Settle(providers.Usage{}, cost, true)
				spent.Add(int64(cost))
			}
		})
	}
	wg.Wait()
	_, cost, _ := l.Totals()
	if cost > limit || int64(cost) != spent.Load() {
		t.Errorf("spent %d of %d; the callers paid %d", cost, limit, spent.Load())
	}
	if refused.Load() == 0 {
		t.Error("nobody was refused: the test does not reach the limit")
	}
	if left, _ := l.Left(); left != limit-cost {
		t.Errorf("left %d after all was settled, want %d", left, limit-cost)
	}
}

func TestOddAmountsMakeNoMoney(t *testing.T) {
	for _, odd := range []providers.Money{-1_000_000, math.MinInt64, math.MaxInt64} {
		l := New(Config{Limit: 100, Limited: true})
		r, err := l.Reserve(10)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 { // as by calls side by side
			r.Settle(providers.Usage{}, odd, true)
			if left, _ := l.Left(); left < 0 || left > 100 || odd > 0 && left > 0 {
				t.Errorf("%d: %d left of 100", odd, left)
			}
			if r, err = l.Reserve(0); err != nil {
				t.Fatal(err)
			}
		}
		if _, cost, _ := l.Totals(); cost < 0 {
			t.Errorf("%d: the total is %d", odd, cost)
		}
	}
	l := New(Config{})
	for range 3 {
		r, err := l.Reserve(math.MaxInt64)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Release()
	}
	if left, _ := l.Left(); left != 0 {
		t.Errorf("%d left of nothing", left)
	}
}

package ledger

import (
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"fairlead/internal/fault"
	"fairlead/providers"
)

func TestAKeyIsSettledOnce(t *testing.T) {
	tenant := New(Config{Name: "the tenant"})
	l := New(Config{Limit: 100, Limited: true, Parent: tenant})
	key := Key{Run: "r", Step: "c/s", Attempt: 1}
	for i, ledger := range []*Ledger{l, l, l.Part("the step", 50), l.Part("the step", 60)} {
		r, err := ledger.ReserveFor(key, 40)
		if err != nil {
			t.Fatal(i, err)
		}
		r.Settle(providers.Usage{Output: 3}, 10, true)
		for _, level := range []*Ledger{l, tenant} {
			if usage, cost, _ := level.Totals(); cost != 10 || usage.Output != 3 {
				t.Errorf("%d: %s: %d for %+v", i, level.name, cost, usage)
			}
		}
		if left, _ := l.Left(); left != 90 {
			t.Errorf("%d: %d left: what was promised is not given back", i, left)
		}
	}
	for i, other := range []Key{{"r2", "c/s", 1}, {"r", "c/t", 1}, {"r", "c/s", 2}, {}, {}} {
		r, err := l.ReserveFor(other, 1)
		if err != nil {
			t.Fatal(err)
		}
		r.Settle(providers.Usage{}, 1, true)
		if _, cost, _ := l.Totals(); cost != providers.Money(11+i) {
			t.Errorf("%+v is not booked: %d", other, cost)
		}
	}
}

func TestAKeyThatIsSettledByManyAtOnceIsBookedOnce(t *testing.T) {
	l := New(Config{})
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for n := range 50 {
				r, err := l.ReserveFor(Key{"r", "s", n + 1}, 1)
				if err != nil {
					t.Error(err)
					return
				}
				r.Settle(providers.Usage{Input: 1}, 7, true)
			}
		})
	}
	wg.Wait()
	if usage, cost, _ := l.Totals(); cost != 350 || usage.Input != 50 {
		t.Errorf("%d for %+v", cost, usage)
	}
}

func TestAReservationHoldsOnAllLevelsOrNone(t *testing.T) {
	tenant := New(Config{Name: "the tenant", Limit: 100, Limited: true})
	run := New(Config{Parent: tenant})
	step := run.Part("the step", 60)
	if left, limited := run.Left(); left != 100 || !limited {
		t.Errorf("a run without a limit has %d of its tenant's", left)
	}
	if _, err := step.Reserve(61); fault.ReasonOf(err) != fault.ReasonBudgetExceeded || !strings.Contains(err.Error(), "the step has $0.000000060 left") {
		t.Errorf("over the step's: %v", err)
	}
	held, err := step.Reserve(50)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run.Reserve(51); fault.ReasonOf(err) != fault.ReasonBudgetExceeded || !strings.Contains(err.Error(), "the tenant has") {
		t.Errorf("over the tenant's: %v", err)
	}
	other, err := New(Config{Parent: tenant}).Reserve(45)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := step.Reserve(6); err == nil { // the step has 10, the tenant 5
		t.Fatal("the tenant's limit does not hold")
	}
	for _, l := range []*Ledger{step, run, tenant} {
		if left, _ := l.Left(); left != 5 {
			t.Errorf("%s: what was refused holds something: %d left", l.name, left)
		}
	}
	other.Release()
	held.Settle(providers.Usage{}, 20, false)
	if _, cost, incomplete := tenant.Totals(); cost != 0 || !incomplete {
		t.Errorf("tenant %d %v", cost, incomplete)
	}
}

// Runs of two tenants, with steps side by side: no level ever goes over its limit, each level's books are
// the sum of those below, and no two reservations wait for each other.
func TestRaceOverLevels(t *testing.T) {
	all := New(Config{Name: "all", Limit: 60_000, Limited: true})
	var paid [2]atomic.Int64
	var refused [4]atomic.Int64
	tenants := []*Ledger{New(Config{Name: "one", Limit: 20_000, Limited: true, Parent: all}), New(Config{Name: "two", Parent: all})}
	watched, stop := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-stop:
				return
			default:
				all.mu.Lock()
				if all.spent+all.reserved > all.limit {
					t.Errorf("%d spent and %d promised of %d", all.spent, all.reserved, all.limit)
				}
				all.mu.Unlock()
			}
		}
	}()
	var wg sync.WaitGroup
	for g := range 32 {
		run := New(Config{Limit: 4000, Limited: true, Parent: tenants[g%2]})
		for s := range 2 {
			step := run.Part("the step", 2500)
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(g), uint64(s)))
				for n := range 300 {
					r, err := step.ReserveFor(Key{Run: string(rune('a' + g)), Step: string(rune('a' + s)), Attempt: n + 1}, providers.Money(1+rng.IntN(60)))
					if err != nil {
						for i, name := range []string{"the step", "the run", "one", "all"} {
							if strings.Contains(err.Error(), name+" has") {
								refused[i].Add(1)
							}
						}
						continue
					}
					if rng.IntN(5) == 0 {
						r.Release()
						continue
					}
					cost := providers.Money(rng.IntN(int(r.amounts[0]) + 1))
					r.Settle(providers.Usage{Output: 1}, cost, true)
					paid[g%2].Add(int64(cost))
				}
			})
		}
	}
	wg.Wait()
	close(stop)
	<-watched
	var sum int64
	for i, l := range tenants {
		_, cost, _ := l.Totals()
		if int64(cost) != paid[i].Load() {
			t.Errorf("tenant %s has %d and its runs paid %d", l.name, cost, paid[i].Load())
		}
		sum += int64(cost)
		if l.reserved != 0 {
			t.Errorf("tenant %s: %d is still promised", l.name, l.reserved)
		}
	}
	if _, cost, _ := all.Totals(); int64(cost) != sum || cost > all.limit || all.reserved != 0 {
		t.Errorf("all have %d, the tenants %d", cost, sum)
	}
	// Which of the upper two fills first is chance.
	if refused[0].Load() == 0 || refused[1].Load() == 0 || refused[2].Load()+refused[3].Load() == 0 {
		t.Error("a limit refused nobody: the test does not reach it")
	}
}

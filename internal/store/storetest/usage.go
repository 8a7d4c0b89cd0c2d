package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fairlead/internal/auth/tenants"
	"fairlead/internal/fault"
	"fairlead/orchestrator/usage"
	"fairlead/providers"
)

// RunUsage runs the tests of usage alone.
func RunUsage(t *testing.T, open func(t *testing.T) usage.Store) {
	for name, test := range usageTests {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			makeTenants(t, s)
			test(t, s)
		})
	}
}

// makeTenants makes the tenants whose usage is kept, where the store knows tenants.
func makeTenants(tb testing.TB, s usage.Store) {
	tb.Helper()
	known, ok := s.(tenants.Store)
	if !ok {
		return
	}
	for _, name := range []string{tenant, other} {
		if err := known.TenantInsert(tb.Context(), tenants.Tenant{Name: name}); err != nil {
			tb.Fatal(fault.Cause(err))
		}
	}
}

// used is a record of a run, so long after noon.
func used(who, run string, attempt int, after time.Duration) usage.Record {
	return usage.Record{Tenant: who, Key: "key", RunID: run, Step: "chat", Attempt: attempt, Time: noon.Add(after), Target: "small", Backend: "b", Model: "m",
		Usage: providers.Usage{Input: 100, CachedInput: 10, Output: 20, Reasoning: 5}, Cost: 7, CostKnown: true, TTFT: time.Millisecond, Duration: time.Second}
}

// month is all days around noon.
func month(by ...usage.Dimension) usage.Query {
	return usage.Query{From: noon.AddDate(0, 0, -30), Until: noon.AddDate(0, 0, 30), By: by}
}

func mustUse(t *testing.T, s usage.Store, records ...usage.Record) {
	t.Helper()
	if err := s.UsageAppend(t.Context(), records); err != nil {
		t.Fatalf("UsageAppend: %v", fault.Cause(err))
	}
}

func usageSums(t *testing.T, s usage.Store, who string, q usage.Query) []usage.Sum {
	t.Helper()
	sums, err := s.UsageSum(t.Context(), who, q)
	if err != nil {
		t.Fatalf("UsageSum: %v", fault.Cause(err))
	}
	return sums
}

func usageSince(t *testing.T, s usage.Store, who string, since time.Time, limit int) (list []usage.Record) {
	t.Helper()
	if err := s.UsageSince(t.Context(), who, since, limit, func(r *usage.Record) error { list = append(list, *r); return nil }); err != nil {
		t.Fatalf("UsageSince: %v", fault.Cause(err))
	}
	return list
}

// names gives records as "run/step/attempt".
func names(list []usage.Record) (names []string) {
	for _, r := range list {
		names = append(names, fmt.Sprintf("%s/%s/%d", r.RunID, r.Step, r.Attempt))
	}
	return names
}

func wantSums(t *testing.T, what string, s usage.Store, who string, q usage.Query, want []usage.Sum) {
	t.Helper()
	if diff := cmp.Diff(want, usageSums(t, s, who, q), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: sums of %s by %v (-want +got):\n%s", what, who, q.By, diff)
	}
}

// sumOf sums records one by one, as the definition says.
func sumOf(records []usage.Record, who string, q usage.Query) (out []usage.Sum) {
	if len(q.By) == 0 {
		out = append(out, usage.Sum{})
	}
	for i := range records {
		r := &records[i]
		day := time.Date(r.Time.UTC().Year(), r.Time.UTC().Month(), r.Time.UTC().Day(), 0, 0, 0, 0, time.UTC)
		if r.Tenant != who || day.Before(usage.DayOf(q.From)) || !day.Before(usage.DayOf(q.Until)) {
			continue
		}
		var at usage.Sum
		for _, d := range q.By {
			switch d {
			case usage.ByTarget:
				at.Target = r.Target
			case usage.ByKey:
				at.Key = r.Key
			case usage.ByChain:
				at.Chain = r.Chain
			case usage.ByDay:
				at.Day = day
			}
		}
		i := slices.IndexFunc(out, func(s usage.Sum) bool {
			return s.Target == at.Target && s.Key == at.Key && s.Chain == at.Chain && s.Day.Equal(at.Day)
		})
		if i < 0 {
			i, out = len(out), append(out, at)
		}
		o := &out[i]
		o.Attempts++
		if r.Failed != "" {
			o.Failed++
		}
		if !r.CostKnown {
			o.Unpriced++
		}
		if r.Usage.Estimated {
			o.Estimated++
		}
		o.Usage = o.Usage.Add(r.Usage)
		o.Cost += r.Cost
		o.Duration += r.Duration
	}
	slices.SortFunc(out, func(a, b usage.Sum) int {
		c := a.Day.Compare(b.Day)
		for _, d := range q.By {
			if c != 0 {
				break
			}
			switch d {
			case usage.ByTarget:
				c = strings.Compare(a.Target, b.Target)
			case usage.ByKey:
				c = strings.Compare(a.Key, b.Key)
			case usage.ByChain:
				c = strings.Compare(a.Chain, b.Chain)
			}
		}
		return c
	})
	return out
}

// someUsage makes records of a few tenants, keys, chains, targets and days. No two are the same attempt.
func someUsage(rng *rand.Rand, n int) []usage.Record {
	pick := func(texts ...string) string { return texts[rng.IntN(len(texts))] }
	list := make([]usage.Record, n)
	for i := range list {
		r := &list[i]
		*r = usage.Record{
			Tenant: pick(tenant, tenant, other), Key: pick("", "a", "B", "ä", "fl_1"), RunID: fmt.Sprintf("run-%d", i/3), Step: pick("chat", "c/a", "c/a/1"), Attempt: i + 1,
			Time: noon.Add(time.Duration(rng.Int64N(int64(6 * 24 * time.Hour)))).Truncate(time.Microsecond), Chain: pick("", "answer", "Zed"), Target: pick("big", "small", "_x"),
			Backend: pick("b", "c"), Model: pick("m", "n"), Cost: providers.Money(rng.Int64N(1 << 40)), CostKnown: rng.IntN(4) > 0,
			TTFT: time.Duration(rng.Int64N(1e6)) * time.Microsecond, Duration: time.Duration(rng.Int64N(1e8)) * time.Microsecond, Failed: pick("", "", "rate_limited"),
			Usage: providers.Usage{Input: rng.Int64N(1 << 30), Output: rng.Int64N(1 << 30), CachedInput: rng.Int64N(100), Reasoning: rng.Int64N(100), Estimated: rng.IntN(3) == 0},
		}
		if !r.CostKnown {
			r.Cost = 0
		}
	}
	return list
}

// usageQueries is every subset of the dimensions, in some order.
func usageQueries(rng *rand.Rand, from, until time.Time) (list []usage.Query) {
	all := []usage.Dimension{usage.ByTarget, usage.ByKey, usage.ByChain, usage.ByDay}
	for set := range 1 << len(all) {
		var by []usage.Dimension
		for i, d := range all {
			if set&(1<<i) != 0 {
				by = append(by, d)
			}
		}
		rng.Shuffle(len(by), func(i, j int) { by[i], by[j] = by[j], by[i] })
		list = append(list, usage.Query{From: from, Until: until, By: by})
	}
	return list
}

var usageTests = map[string]func(t *testing.T, s usage.Store){
	"every part comes out": func(t *testing.T, s usage.Store) {
		full := usage.Record{Tenant: tenant, Key: "k\t'é", RunID: "r", Step: "c/a/1", Attempt: 3, Time: noon, Chain: "c", Target: "t", Backend: "b", Model: "m:8b",
			Usage: providers.Usage{Input: 1, CachedInput: 2, Output: 3, Reasoning: 4, Estimated: true}, Cost: 1<<60 + 1, CostKnown: true,
			TTFT: 5 * time.Microsecond, Duration: 6 * time.Hour, Failed: "canceled"}
		least := usage.Record{Tenant: tenant, RunID: "s", Step: "embed", Attempt: 1, Time: noon.Add(time.Second)}
		mustUse(t, s, full, least)
		if diff := cmp.Diff([]usage.Record{full, least}, usageSince(t, s, tenant, noon, 0)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	},
	"nothing is nothing": func(t *testing.T, s usage.Store) {
		mustUse(t, s)
		wantSums(t, "all", s, tenant, month(), make([]usage.Sum, 1))
		wantSums(t, "by key", s, tenant, month(usage.ByKey), nil)
	},
	"one is counted once": func(t *testing.T, s usage.Store) {
		a, b := used(tenant, "a", 1, 0), used(tenant, "a", 2, 0)
		again := a
		again.Cost, again.Target, again.Failed = 1_000_000, "big", "rate_limited"
		mustUse(t, s, a, again) // twice in one call
		mustUse(t, s, again, b, a)
		mustUse(t, s, b)
		if diff := cmp.Diff([]usage.Record{a, b}, usageSince(t, s, tenant, noon, 0)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		wantSums(t, "all", s, tenant, month(usage.ByTarget), sumOf([]usage.Record{a, b}, tenant, month(usage.ByTarget)))
	},
	"what names an attempt are run, step and number": func(t *testing.T, s usage.Store) {
		list := []usage.Record{used(tenant, "a", 1, 0), used(tenant, "a", 2, 0), used(tenant, "b", 1, 0), used(other, "a", 1, 0)}
		step := used(tenant, "a", 1, 0)
		step.Step = "chat/1"
		list = append(list, step)
		mustUse(t, s, list...)
		wantSums(t, "all", s, tenant, month(), sumOf(list, tenant, month()))
		wantSums(t, "all", s, other, month(), sumOf(list, other, month()))
	},
	"sums are those of the records": func(t *testing.T, s usage.Store) {
		rng := rand.New(rand.NewPCG(1, 2))
		list := someUsage(rng, 700)
		for part := range slices.Chunk(list, 150) {
			mustUse(t, s, part...)
		}
		for _, q := range append(usageQueries(rng, noon.AddDate(0, 0, -1), noon.AddDate(0, 0, 9)), usageQueries(rng, noon.AddDate(0, 0, 1), noon.AddDate(0, 0, 3).Add(11*time.Hour))...) {
			for _, who := range []string{tenant, other, "nobody"} {
				wantSums(t, "random", s, who, q, sumOf(list, who, q))
			}
		}
	},
	"a day ends at midnight in UTC": func(t *testing.T, s usage.Store) {
		midnight := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
		at := func(run string, when time.Time) usage.Record {
			r := used(tenant, run, 1, 0)
			r.Time = when
			return r
		}
		east := time.FixedZone("east", 14*60*60)
		list := []usage.Record{at("a", midnight.Add(-time.Microsecond)), at("b", midnight), at("c", midnight.Add(24*time.Hour-time.Microsecond).In(east)), at("d", midnight.Add(-1)), at("e", midnight.Add(24*time.Hour))}
		mustUse(t, s, list...)
		sums := usageSums(t, s, tenant, month(usage.ByDay))
		var got []string
		for _, sum := range sums {
			got = append(got, fmt.Sprintf("%s %d", sum.Day.Format(time.DateTime+" MST"), sum.Attempts))
		}
		if diff := cmp.Diff([]string{"2026-03-01 00:00:00 UTC 2", "2026-03-02 00:00:00 UTC 2", "2026-03-03 00:00:00 UTC 1"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		one := usageSums(t, s, tenant, usage.Query{From: midnight.Add(5 * time.Hour), Until: midnight.Add(25 * time.Hour)})
		if one[0].Attempts != 2 {
			t.Errorf("from the second day until the third there are %d", one[0].Attempts)
		}
		if none := usageSums(t, s, tenant, usage.Query{From: midnight, Until: midnight.Add(time.Hour)}); none[0].Attempts != 0 {
			t.Errorf("no whole day has %d", none[0].Attempts)
		}
	},
	"from a time on, the oldest first": func(t *testing.T, s usage.Store) {
		var list []usage.Record
		for i := range 12 {
			list = append(list, used(tenant, fmt.Sprintf("r%02d", i/4), i%4+1, time.Duration(i/6)*time.Minute))
		}
		shuffled := slices.Clone(list)
		rand.New(rand.NewPCG(3, 4)).Shuffle(len(list), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		mustUse(t, s, shuffled...)
		mustUse(t, s, used(other, "x", 1, 0))
		for limit, want := range map[int]int{0: 12, 1: 1, 6: 6, 7: 7, 100: 12} {
			if diff := cmp.Diff(names(list[:want]), names(usageSince(t, s, tenant, noon, limit))); diff != "" {
				t.Errorf("limit %d (-want +got):\n%s", limit, diff)
			}
		}
		if diff := cmp.Diff(names(list[6:]), names(usageSince(t, s, tenant, noon.Add(time.Minute), 0))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if late := usageSince(t, s, tenant, noon.Add(time.Minute+time.Microsecond), 0); len(late) > 0 {
			t.Errorf("after the last there are %v", names(late))
		}
	},
	"more than a page": func(t *testing.T, s usage.Store) {
		const n = 4100
		list := make([]usage.Record, n)
		for i := range list {
			list[i] = used(tenant, fmt.Sprintf("r%05d", i), 1, time.Duration(i/100)*time.Second)
		}
		mustUse(t, s, list...)
		got := usageSince(t, s, tenant, noon, 0)
		if !slices.Equal(names(got), names(list)) {
			t.Errorf("%d of %d, or out of order", len(got), n)
		}
		if got := usageSince(t, s, tenant, noon, n-1); len(got) != n-1 {
			t.Errorf("%d of %d", len(got), n-1)
		}
	},
	"the reader may stop": func(t *testing.T, s usage.Store) {
		mustUse(t, s, used(tenant, "a", 1, 0), used(tenant, "a", 2, 0))
		enough, n := errors.New("enough"), 0
		err := s.UsageSince(t.Context(), tenant, noon, 0, func(*usage.Record) error { n++; return enough })
		if !errors.Is(err, enough) || n != 1 {
			t.Errorf("%v after %d", err, n)
		}
	},
	"old ones go and their sums stay": func(t *testing.T, s usage.Store) {
		var list []usage.Record
		for i := range 1200 { // more than SQLite deletes at once
			list = append(list, used(tenant, "old", i+1, -time.Duration(i+1)*time.Minute))
		}
		list = append(list, used(tenant, "new", 1, 0), used(other, "old", 1, -1*time.Minute), used(other, "new", 1, time.Minute))
		mustUse(t, s, list...)
		if err := s.UsageForget(t.Context(), noon); err != nil {
			t.Fatal(fault.Cause(err))
		}
		for _, who := range []string{tenant, other} {
			if diff := cmp.Diff([]string{"new/chat/1"}, names(usageSince(t, s, who, time.Time{}, 0))); diff != "" {
				t.Errorf("%s (-want +got):\n%s", who, diff)
			}
			wantSums(t, "after", s, who, month(usage.ByDay), sumOf(list, who, month(usage.ByDay)))
		}
	},
	"tenants see their own": func(t *testing.T, s usage.Store) {
		mustUse(t, s, used(tenant, "a", 1, 0), used(other, "a", 1, 0), used(other, "a", 2, 0))
		for who, n := range map[string]int64{tenant: 1, other: 2, "%": 0} {
			if got := usageSums(t, s, who, month())[0].Attempts; got != n {
				t.Errorf("%s has %d, want %d", who, got, n)
			}
			if got := len(usageSince(t, s, who, time.Time{}, 0)); got != int(n) {
				t.Errorf("%s reads %d, want %d", who, got, n)
			}
		}
	},
	"many bring the same": func(t *testing.T, s usage.Store) {
		rng := rand.New(rand.NewPCG(5, 6))
		list := someUsage(rng, 400)
		var writers sync.WaitGroup
		for w := range 8 {
			own := slices.Clone(list) // all bring all, in another order and in other parts
			rand.New(rand.NewPCG(uint64(w), 7)).Shuffle(len(own), func(i, j int) { own[i], own[j] = own[j], own[i] })
			writers.Go(func() {
				for part := range slices.Chunk(own, 37+w) {
					for try := 0; ; try++ {
						err := s.UsageAppend(t.Context(), part)
						if err == nil {
							break
						}
						if fault.CodeOf(err) != fault.Unavailable || try > 50 {
							t.Errorf("UsageAppend: %v", fault.Cause(err))
							return
						}
					}
				}
			})
		}
		writers.Wait()
		for _, who := range []string{tenant, other} {
			for _, q := range usageQueries(rng, noon, noon.AddDate(0, 0, 10)) {
				wantSums(t, "together", s, who, q, sumOf(list, who, q))
			}
		}
	},
	"a sum is right or refused": func(t *testing.T, s usage.Store) {
		var list []usage.Record
		for i := range 3 {
			r := used(tenant, "a", i+1, 0)
			r.Cost = math.MaxInt64/2 - 1
			list = append(list, r)
		}
		mustUse(t, s, list[:2]...)
		wantSums(t, "large", s, tenant, month(), sumOf(list[:2], tenant, month()))
		err := s.UsageAppend(t.Context(), list[2:])
		if err == nil {
			_, err = s.UsageSum(t.Context(), tenant, month())
		}
		wantFault(t, "a sum above all money", err, fault.InvalidArgument, fault.ReasonTooLarge)
		next := used(tenant, "b", 1, 48*time.Hour) // another day is not touched
		mustUse(t, s, next)
		day := usage.Query{From: next.Time, Until: next.Time.AddDate(0, 0, 1)}
		wantSums(t, "the other day", s, tenant, day, sumOf([]usage.Record{next}, tenant, day))
	},
	"a count above all is refused, and stands in nobody's way": func(t *testing.T, s usage.Store) {
		large := used(tenant, "a", 1, 0)
		large.Usage.Output = math.MaxInt64 // what a backend says of itself may be anything
		mustUse(t, s, large)
		next := used(tenant, "a", 2, 0)
		err := s.UsageAppend(t.Context(), []usage.Record{next})
		if err == nil {
			_, err = s.UsageSum(t.Context(), tenant, month())
		}
		wantFault(t, "a sum above all counts", err, fault.InvalidArgument, fault.ReasonTooLarge)
		theirs := used(other, "a", 1, 0)
		mustUse(t, s, theirs)
		wantSums(t, "another", s, other, month(), sumOf([]usage.Record{theirs}, other, month()))
	},
	"what is not a record is refused": func(t *testing.T, s usage.Store) {
		good := used(tenant, "good", 1, 0)
		for what, change := range map[string]func(*usage.Record){
			"no tenant":      func(r *usage.Record) { r.Tenant = "" },
			"no run":         func(r *usage.Record) { r.RunID = "" },
			"no step":        func(r *usage.Record) { r.Step = "" },
			"no attempt":     func(r *usage.Record) { r.Attempt = 0 },
			"no time":        func(r *usage.Record) { r.Time = time.Time{} },
			"negative money": func(r *usage.Record) { r.Cost = -1 },
			"negative count": func(r *usage.Record) { r.Usage.Reasoning = -1 },
			"unknown money":  func(r *usage.Record) { r.CostKnown = false },
			"a zero byte":    func(r *usage.Record) { r.Model = "a\x00b" },
			"no text":        func(r *usage.Record) { r.Key = "a\xffb" },
			"a long text":    func(r *usage.Record) { r.Key = strings.Repeat("x", usage.MostText+1) },
		} {
			bad := used(tenant, "bad", 1, 0)
			change(&bad)
			wantFault(t, what, s.UsageAppend(t.Context(), []usage.Record{good, bad}), fault.InvalidArgument, fault.ReasonBadRequest)
		}
		wantSums(t, "none", s, tenant, month(), make([]usage.Sum, 1))
		for what, q := range map[string]usage.Query{
			"an unknown dimension": month("model"),
			"a dimension twice":    month(usage.ByKey, usage.ByKey),
			"days backwards":       {From: noon, Until: noon.AddDate(0, 0, -1)},
		} {
			_, err := s.UsageSum(t.Context(), tenant, q)
			wantFault(t, what, err, fault.InvalidArgument, fault.ReasonBadRequest)
		}
		_, err := s.UsageSum(t.Context(), "", month())
		wantFault(t, "no tenant", err, fault.InvalidArgument, fault.ReasonBadRequest)
	},
	"who has left gets nothing": func(t *testing.T, s usage.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		wantFault(t, "UsageAppend", s.UsageAppend(ctx, []usage.Record{used(tenant, "a", 1, 0)}), fault.Canceled, fault.ReasonNone)
		if got := usageSums(t, s, tenant, month())[0].Attempts; got != 0 {
			t.Errorf("%d were kept", got)
		}
	},
}

// BenchUsage measures how long a store takes for a thousand records.
func BenchUsage(b *testing.B, s usage.Store) {
	makeTenants(b, s)
	list := someUsage(rand.New(rand.NewPCG(8, 9)), 1000)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		for i := range list {
			list[i].RunID = fmt.Sprintf("%d-%d", n, i)
			list[i].Tenant = tenant
		}
		if err := s.UsageAppend(b.Context(), list); err != nil {
			b.Fatal(fault.Cause(err))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n)/1000, "µs/record")
}

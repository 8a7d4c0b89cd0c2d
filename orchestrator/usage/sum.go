package usage

import (
	"cmp"
	"math"
	"slices"
	"time"

	"fairlead/internal/fault"
	"fairlead/providers"
)

// DayOf gives the beginning of a time's day, in UTC.
func DayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

func (q *Query) days() [2]time.Time { return [...]time.Time{q.From.UTC(), q.Until.UTC()} }

// Order puts sums into the order of Store.UsageSum, texts byte by byte.
func (q *Query) Order(sums []Sum) {
	slices.SortFunc(sums, func(a, b Sum) int {
		if c := a.Day.Compare(b.Day); c != 0 {
			return c
		}
		for _, d := range q.By {
			c := 0
			switch d {
			case ByTarget:
				c = cmp.Compare(a.Target, b.Target)
			case ByKey:
				c = cmp.Compare(a.Key, b.Key)
			case ByChain:
				c = cmp.Compare(a.Chain, b.Chain)
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
}

// Add counts a record. It says false, and counts nothing, where the sum would have no room for it.
func (s *Sum) Add(r *Record) bool {
	return s.Join(&Sum{
		Attempts: 1, Failed: one(r.Failed != ""), Usage: r.Usage, Cost: r.Cost, Unpriced: one(!r.CostKnown), Estimated: one(r.Usage.Estimated),
		Duration: r.Duration,
	})
}

// Join counts what another sum counts. It says false, and counts nothing, where there is no room for it.
func (s *Sum) Join(o *Sum) bool {
	sum := *s
	fits := true
	add := func(to *int64, n int64) {
		fits = fits && n >= 0 && n <= math.MaxInt64-*to
		*to += n
	}
	add(&sum.Attempts, o.Attempts)
	add(&sum.Failed, o.Failed)
	add(&sum.Usage.Input, o.Usage.Input)
	add(&sum.Usage.CachedInput, o.Usage.CachedInput)
	add(&sum.Usage.Output, o.Usage.Output)
	add(&sum.Usage.Reasoning, o.Usage.Reasoning)
	add((*int64)(&sum.Cost), int64(o.Cost))
	add(&sum.Unpriced, o.Unpriced)
	add(&sum.Estimated, o.Estimated)
	if sum.Duration += o.Duration; sum.Duration < 0 { // 292 years: it is no money
		sum.Duration = math.MaxInt64
	}
	sum.Usage.Estimated = sum.Estimated > 0
	if fits {
		*s = sum
	}
	return fits
}

func one(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// TooLarge is the failure of a sum that has no room.
func TooLarge(doing string) error {
	return fault.New(fault.InvalidArgument, fault.ReasonTooLarge, "%s: a sum is above %s: ask for fewer days, or by more dimensions", doing, providers.Money(1<<63-1))
}

// Package ledger holds the money of a run: what it may spend, what is promised to calls in flight, and
// what was spent. It owns reserve and settle; it refuses to price anything and to know targets.
//
// Every attempt reserves the most that it may cost before it is made, and settles what it did cost after:
// so calls that run side by side cannot spend a limit twice. What was settled cannot be settled again, not
// by its reservation and not by another one with the same Key, so nothing is billed twice. A call that
// costs more than it reserved is booked in full: the money is gone, and hiding it would not bring it back;
// the next reservation sees it.
//
// Ledgers nest: what is spent in a ledger is spent in all above it, and a reservation holds in all of them
// or in none. A run's ledger may stand in one of its tenant, and the ledger of a step stands in its run's.
package ledger

import (
	"sync"

	"fairlead/internal/fault"
	"fairlead/providers"
)

// Config is what a ledger is made of.
type Config struct {
	// Name says whose money it is, for errors: "the run", "the step". Empty: "the run".
	Name string
	// Limit is the most that may be spent. It counts when Limited.
	Limit   providers.Money
	Limited bool
	// Parent is the ledger that this one is a part of. Nil: none.
	Parent *Ledger
}

// Ledger is the money of one run, or of what holds runs, or of a part of a run. It is safe for concurrent
// use. Make it with New or Part.
type Ledger struct {
	name    string
	parent  *Ledger
	limited bool
	limit   providers.Money
	// settled has the keys of all that was settled in the ledger and in its parts.
	settled *settled

	mu         sync.Mutex
	reserved   providers.Money
	spent      providers.Money
	usage      providers.Usage
	incomplete bool
}

// Key tells attempts apart. The zero key is no key.
type Key struct {
	// Run is the run's id and Step the path of the step.
	Run, Step string
	// Attempt is the attempt's number within the run's step, from 1.
	Attempt int
}

// settled is a set of keys. Its lock is taken after those of ledgers.
type settled struct {
	mu   sync.Mutex
	keys map[Key]struct{}
}

// first says whether a key was not there yet, and adds it.
func (s *settled) first(k Key) bool {
	if k == (Key{}) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.keys[k]; ok {
		return false
	}
	if s.keys == nil {
		s.keys = map[Key]struct{}{}
	}
	s.keys[k] = struct{}{}
	return true
}

// New makes a ledger that remembers the keys that are settled in it and in its parts for as long as it
// lives; the parent does not.
func New(c Config) *Ledger {
	l := part(c)
	l.settled = &settled{}
	return l
}

// Part makes a ledger of a part of l, limited, which shares l's memory of keys.
func (l *Ledger) Part(name string, limit providers.Money) *Ledger {
	p := part(Config{Name: name, Limit: limit, Limited: true, Parent: l})
	p.settled = l.settled
	return p
}

func part(c Config) *Ledger {
	if c.Name == "" {
		c.Name = "the run"
	}
	return &Ledger{name: c.Name, limit: c.Limit, limited: c.Limited, parent: c.Parent}
}

// levels gives l and those above it.
func (l *Ledger) levels(yield func(*Ledger) bool) {
	for ; l != nil && yield(l); l = l.parent {
	}
}

// lock locks all levels, always from below: so two reservations never wait for each other in a circle.
func (l *Ledger) lock() {
	for level := range l.levels {
		level.mu.Lock()
	}
}

func (l *Ledger) unlock() {
	for level := range l.levels {
		level.mu.Unlock()
	}
}

// Left gives what may still be reserved, on the level that has the least, never less than nothing. It means
// something when limited, which it is when any level is.
func (l *Ledger) Left() (left providers.Money, limited bool) {
	l.lock()
	defer l.unlock()
	left = most
	for level := range l.levels {
		if level.limited {
			left, limited = min(left, level.left()), true
		}
	}
	if !limited {
		return 0, false
	}
	return left, true
}

// left is what the level itself has, never less than nothing. The lock is held.
func (l *Ledger) left() providers.Money { return max(l.limit-l.spent-l.reserved, 0) }

// most is where amounts end: two of them and a limit can still be reckoned with.
const most providers.Money = 1 << 61

// plus adds an amount, up to most. What is less than nothing is nothing: no call makes money.
func plus(sum, amount providers.Money) providers.Money {
	return sum + min(max(amount, 0), most-sum)
}

// Totals gives what was settled so far, in the ledger and in its parts. The cost is a lower bound when
// incomplete.
func (l *Ledger) Totals() (usage providers.Usage, cost providers.Money, incomplete bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.usage, l.spent, l.incomplete
}

// Reservation is money promised to one attempt. It must be settled or released; what comes second does
// nothing.
type Reservation struct {
	ledger *Ledger
	key    Key
	// amounts has what each level holds, from below.
	amounts []providers.Money
	done    bool
}

// Reserve promises an amount to a call that has no key.
func (l *Ledger) Reserve(amount providers.Money) (*Reservation, error) {
	return l.ReserveFor(Key{}, amount)
}

// ReserveFor promises an amount to an attempt, on all levels or on none. When less is left on one of them
// it is refused: ResourceExhausted with ReasonBudgetExceeded. That a key was settled before is no reason to
// refuse.
func (l *Ledger) ReserveFor(key Key, amount providers.Money) (*Reservation, error) {
	l.lock()
	defer l.unlock()
	for level := range l.levels {
		if level.limited && amount > level.left() {
			return nil, fault.New(fault.ResourceExhausted, fault.ReasonBudgetExceeded,
				"the call may cost %s and %s has %s left of %s: allow more, or ask for less output", amount, level.name, level.left(), level.limit)
		}
	}
	r := &Reservation{ledger: l, key: key, amounts: make([]providers.Money, 0, 4)}
	for level := range l.levels {
		before := level.reserved
		level.reserved = plus(before, amount)
		r.amounts = append(r.amounts, level.reserved-before)
	}
	return r, nil
}

// Settle books what the attempt took, on all levels, and gives back the rest of the promise. When the cost
// is not known the totals say so. What was settled under the same key before is not booked again: then this
// is as Release.
func (r *Reservation) Settle(usage providers.Usage, cost providers.Money, known bool) {
	r.finish(func() func(*Ledger) {
		if !r.ledger.settled.first(r.key) {
			return nil
		}
		return func(l *Ledger) {
			l.usage = l.usage.Add(usage)
			if known {
				l.spent = plus(l.spent, cost)
			} else {
				l.incomplete = true
			}
		}
	})
}

// Release gives the promise back: the attempt took nothing.
func (r *Reservation) Release() { r.finish(func() func(*Ledger) { return nil }) }

// finish ends the promise, once, and books what decide gives on each level. Nil: nothing.
func (r *Reservation) finish(decide func() func(*Ledger)) {
	r.ledger.lock()
	defer r.ledger.unlock()
	if r.done {
		return
	}
	r.done = true
	book := decide()
	i := 0
	for level := range r.ledger.levels {
		level.reserved -= r.amounts[i]
		i++
		if book != nil {
			book(level)
		}
	}
}

// Package ledger holds the money of a run: what it may spend, what is promised to calls in flight, and
// what was spent. It owns reserve and settle; it refuses to price anything and to know targets.
//
// Every attempt reserves the most that it may cost before it is made, and settles what it did cost after:
// so calls that run side by side cannot spend a limit twice. A settled reservation cannot be settled
// again, so nothing is billed twice. A call that costs more than it reserved is booked in full: the
// money is gone, and hiding it would not bring it back; the next reservation sees it.
package ledger

import (
	"sync"

	"fairlead/internal/fault"
	"fairlead/providers"
)

// Ledger is the money of one run. It is safe for concurrent use. Make it with New.
type Ledger struct {
	mu         sync.Mutex
	limited    bool
	limit      providers.Money
	reserved   providers.Money
	spent      providers.Money
	usage      providers.Usage
	incomplete bool
}

// New makes a ledger. The limit counts when limited.
func New(limit providers.Money, limited bool) *Ledger {
	return &Ledger{limit: limit, limited: limited}
}

// Left gives what may still be reserved, never less than nothing. It means something when limited.
func (l *Ledger) Left() (left providers.Money, limited bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left(), l.limited
}

// left is never less than nothing. The lock is held.
func (l *Ledger) left() providers.Money { return max(l.limit-l.spent-l.reserved, 0) }

// most is where amounts end: two of them and a limit can still be reckoned with.
const most providers.Money = 1 << 61

// plus adds an amount, up to most. What is less than nothing is nothing: no call makes money.
func plus(sum, amount providers.Money) providers.Money {
	return sum + min(max(amount, 0), most-sum)
}

// Totals gives what was settled so far. The cost is a lower bound when incomplete.
func (l *Ledger) Totals() (usage providers.Usage, cost providers.Money, incomplete bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.usage, l.spent, l.incomplete
}

// Reservation is money promised to one attempt. It must be settled or released; what comes second does
// nothing.
type Reservation struct {
	ledger *Ledger
	amount providers.Money
	done   bool
}

// Reserve promises an amount to an attempt. When less is left it is refused: ResourceExhausted with
// ReasonBudgetExceeded.
func (l *Ledger) Reserve(amount providers.Money) (*Reservation, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limited && amount > l.left() {
		return nil, fault.New(fault.ResourceExhausted, fault.ReasonBudgetExceeded,
			"the call may cost %s and the run has %s left of %s: allow more, or ask for less output", amount, l.left(), l.limit)
	}
	before := l.reserved
	l.reserved = plus(before, amount)
	return &Reservation{ledger: l, amount: l.reserved - before}, nil
}

// Settle books what the attempt took, and gives back the rest of the promise. When the cost is not known
// the totals say so.
func (r *Reservation) Settle(usage providers.Usage, cost providers.Money, known bool) {
	r.finish(func(l *Ledger) {
		l.usage = l.usage.Add(usage)
		if known {
			l.spent = plus(l.spent, cost)
		} else {
			l.incomplete = true
		}
	})
}

// Release gives the promise back: the attempt took nothing.
func (r *Reservation) Release() { r.finish(func(*Ledger) {}) }

func (r *Reservation) finish(book func(*Ledger)) {
	r.ledger.mu.Lock()
	defer r.ledger.mu.Unlock()
	if r.done {
		return
	}
	r.done = true
	r.ledger.reserved -= r.amount
	book(r.ledger)
}

package providers

import (
	"fmt"
	"math"
)

// Money is an amount in billionths of a US dollar: small enough for one token of the cheapest model,
// large enough for nine billion dollars.
type Money int64

// USD gives dollars as Money, rounded to the nearest billionth.
func USD(dollars float64) Money { return Money(math.Round(dollars * 1e9)) }

// USD gives the amount in dollars.
func (m Money) USD() float64 { return float64(m) / 1e9 }

// String gives the amount as "$0.000123", with as many digits as it needs, six at least.
func (m Money) String() string {
	if m%1000 == 0 {
		return fmt.Sprintf("$%.6f", m.USD())
	}
	return fmt.Sprintf("$%.9f", m.USD())
}

// Price is what a target asks for its work. A target without one has a nil *Price: its price is
// unknown, which is not the same as nothing.
type Price struct {
	// Input, CachedInput and Output are US dollars for a million tokens. A nil CachedInput is as Input.
	Input       float64
	CachedInput *float64
	Output      float64
	// PerCall is US dollars for each call.
	PerCall float64
}

// mostMoney is the most that one call costs: sums of a few such amounts are still amounts.
const mostMoney = 1 << 60

// Cost gives what a usage costs: never less than nothing, and a little over a billion dollars at most,
// whatever the counts.
func (p *Price) Cost(u Usage) Money {
	cached := p.Input
	if p.CachedInput != nil {
		cached = *p.CachedInput
	}
	fresh := max(u.Input-u.CachedInput, 0)
	// dollars per million tokens = 1000 billionths per token
	nanos := (float64(fresh)*p.Input + float64(u.CachedInput)*cached + float64(u.Output)*p.Output) * 1000
	return Money(min(max(math.Round(nanos+p.PerCall*1e9), 0), mostMoney))
}

package providers

import (
	"fmt"
	"math"
	"time"
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
	// PerCall is US dollars for each call, and PerImage for each picture in the request.
	PerCall  float64
	PerImage float64
	// GPUHour is US dollars for an hour of service, for machines that are paid by time and only while they
	// work. 0: time costs nothing.
	GPUHour float64
}

// Work is what a call takes, as far as it has a price.
type Work struct {
	Usage
	// Images is the number of pictures in the request.
	Images int
	// Service is the call's share of the time that its backend worked. It counts when Timed.
	Service time.Duration
	Timed   bool
}

// mostMoney is the most that one call costs: sums of a few such amounts are still amounts.
const mostMoney = 1 << 60

// Bill gives what a call costs: never less than nothing, and a little over a billion dollars at most,
// whatever the counts. Where time has a price and the call's is not known, the cost is not known.
func (p *Price) Bill(w Work) (cost Money, known bool) {
	if p.GPUHour != 0 && !w.Timed {
		return 0, false
	}
	cached := p.Input
	if p.CachedInput != nil {
		cached = *p.CachedInput
	}
	fresh := max(w.Input-w.CachedInput, 0)
	// dollars per million tokens = 1000 billionths per token
	nanos := (float64(fresh)*p.Input + float64(w.CachedInput)*cached + float64(w.Output)*p.Output) * 1000
	nanos += (p.PerCall + float64(max(w.Images, 0))*p.PerImage) * 1e9
	if p.GPUHour != 0 { // the time of a call without a price for time may be anything
		nanos += max(w.Service, 0).Hours() * p.GPUHour * 1e9
	}
	return Money(min(max(math.Round(nanos), 0), mostMoney)), true
}

// Cost gives what a usage costs by its tokens and as one call, without pictures and time.
func (p *Price) Cost(u Usage) Money {
	timeless := *p
	timeless.GPUHour = 0
	cost, _ := timeless.Bill(Work{Usage: u})
	return cost
}

package observe

import (
	"cmp"
	"math"
	"slices"

	"github.com/DataDog/sketches-go/ddsketch"
	"github.com/DataDog/sketches-go/ddsketch/mapping"
	"github.com/DataDog/sketches-go/ddsketch/store"
)

// accuracy is the relative accuracy of sketches.
const accuracy = 0.01

// Values are clamped to what a sketch shall hold, which bounds its memory: about 1,100 bins.
const (
	leastSeconds, mostSeconds = 1e-6, 3600
	leastTokens, mostTokens   = 1, 1e7
)

// cubic is the mapping of values to bins: of the fast ones, that with the fewest bins for an accuracy.
var cubic = func() mapping.IndexMapping {
	m, err := mapping.NewDefaultMapping(accuracy)
	if err != nil {
		panic(err) // the accuracy is a constant
	}
	return m
}()

// levels are the probabilities for which quantiles are kept. Those at 0 and 1 are cut off at edge, so that
// one old outlier does not stand for the end of a distribution until it has weighed nothing for hours.
var levels = [...]float64{0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1}

const edge = 0.0005

const (
	at50 = 7
	at90 = 11
	at95 = 12
	at99 = 13
)

// grid holds the natural logarithms of the quantiles at levels, ascending. Logarithms, because that is
// where they are averaged.
type grid [len(levels)]float64

// dist is a distribution as it is read.
type dist struct {
	grid
	// weight is the number of samples, aged.
	weight float64
	// reach is the share whose end has been seen; what is above it was only seen not to have ended.
	reach float64
}

// series collects samples of one quantity. Weights are relative to the owner's landmark.
type series struct {
	ended, censored *ddsketch.DDSketch
	// read is the distribution as of the last evaluation; its weight is relative to the landmark too.
	read  dist
	dirty bool
}

// bin is a value with its weight, ended and censored.
type bin struct{ value, ended, censored float64 }

func add(s **ddsketch.DDSketch, value, weight float64) {
	if *s == nil {
		*s = ddsketch.NewDDSketchFromStoreProvider(cubic, store.BufferedPaginatedStoreConstructor)
	}
	// The errors are for what a sketch cannot hold, and values are clamped.
	_ = (*s).AddWithCount(value, weight)
}

func (s *series) add(value, weight float64) {
	add(&s.ended, value, weight)
	s.read.weight += weight
	s.dirty = true
}

func (s *series) addCensored(value, weight float64) {
	add(&s.censored, value, weight)
	s.read.weight += weight
	s.dirty = true
}

func (s *series) scale(factor float64) {
	for _, sk := range []*ddsketch.DDSketch{s.ended, s.censored} {
		if sk != nil {
			_ = sk.Reweight(factor) // the error is for factors that are not positive
		}
	}
	s.read.weight *= factor
}

// evaluate brings read up to date. The scratch is used and given back.
func (s *series) evaluate(scratch []bin) []bin {
	if !s.dirty {
		return scratch
	}
	s.dirty = false
	scratch = s.bins(scratch[:0])
	var total, last float64
	for _, b := range scratch {
		total += b.ended + b.censored
		last = b.value
	}
	// The product-limit estimate: at each end, the share of those still waiting that ended there.
	waiting, survive, level := total, 1.0, 0
	for _, b := range scratch {
		if b.ended > 0 {
			if b.ended < waiting { // but for what rounding does to the last
				survive *= 1 - b.ended/waiting
			} else {
				survive = 0
			}
			for level < len(levels) && 1-survive >= clamp(levels[level], edge, 1-edge)-1e-9 {
				s.read.grid[level] = math.Log(b.value)
				level++
			}
		}
		waiting -= b.ended + b.censored
	}
	s.read.reach = 1 - survive
	for ; level < len(levels); level++ {
		s.read.grid[level] = math.Log(last)
	}
	return scratch
}

// bins appends the bins of both sketches by value.
func (s *series) bins(out []bin) []bin {
	if s.ended != nil {
		s.ended.ForEach(func(v, w float64) bool {
			out = append(out, bin{value: v, ended: w})
			return false
		})
	}
	if s.censored == nil {
		return out
	}
	s.censored.ForEach(func(v, w float64) bool {
		out = append(out, bin{value: v, censored: w})
		return false
	})
	// Stable: what ended and what was censored in one bin stay in this order.
	slices.SortStableFunc(out, func(a, b bin) int { return cmp.Compare(a.value, b.value) })
	return out
}

// borrow adds to own what it lacks of want samples from others, which is their weighted average in the
// logarithm. A sample of another is worth its discount, and of no other count more than want samples: a class
// that is seen a million times knows no more of its neighbour than one that is seen often.
func borrow(own dist, want float64, others []dist, discounts []float64) dist {
	lack := want - own.weight
	if lack <= 0 {
		return own
	}
	var offered float64
	for i, o := range others {
		offered += min(o.weight, want) * discounts[i]
	}
	if offered <= 0 {
		return own
	}
	take := min(1, lack/offered)
	out := dist{weight: own.weight + offered*take}
	mix := func(d *dist, weight float64) {
		share := weight / out.weight
		for i := range d.grid {
			out.grid[i] += share * d.grid[i]
		}
		out.reach += share * d.reach
	}
	mix(&own, own.weight)
	for i := range others {
		if others[i].weight > 0 {
			mix(&others[i], min(others[i].weight, want)*discounts[i]*take)
		}
	}
	return out
}

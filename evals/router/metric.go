package router

import (
	"cmp"
	"slices"
)

// curve is how the quality grows with the share of prompts that the strong target gets.
type curve struct {
	order []int32 // prompts, those that get the strong target first
	ties  []int32 // the end of each run of equal scores in order
	gain  []float64
}

// newCurve sorts prompts by how much the strong target is wanted. Prompts of one score are one run: which of them comes
// first is not the router's doing, so along a run the curve is straight.
func newCurve(score, weak, strong []float64) *curve {
	c := &curve{order: make([]int32, len(score)), gain: make([]float64, len(score))}
	for i := range score {
		c.order[i], c.gain[i] = int32(i), strong[i]-weak[i]
	}
	slices.SortStableFunc(c.order, func(a, b int32) int { return cmp.Compare(score[b], score[a]) })
	for i := range c.order {
		if i+1 == len(c.order) || score[c.order[i]] != score[c.order[i+1]] {
			c.ties = append(c.ties, int32(i+1))
		}
	}
	return c
}

// measure is what a curve comes to.
type measure struct {
	// area is under the gain over the weak target, and total the gain at the end.
	area, total  float64
	cpt50, cpt80 float64
}

// measure reckons the curve where each prompt counts times as often, and a call of the strong target costs so much. Nil:
// all alike.
func (c *curve) measure(times, cost []float64) measure {
	m := measure{cpt50: 1, cpt80: 1}
	n, paid := 0.0, 0.0
	at := func(values []float64, i int32) float64 {
		if values == nil {
			return 1
		}
		return values[i]
	}
	for i := range c.gain {
		t := at(times, int32(i))
		n, paid, m.total = n+t, paid+t*at(cost, int32(i)), m.total+t*c.gain[i]
	}
	m.total /= n
	x, y, next := 0.0, 0.0, 0
	for _, end := range c.ties {
		dx, dy := 0.0, 0.0
		for ; next < int(end); next++ {
			i := c.order[next]
			t := at(times, i)
			dx, dy = dx+t*at(cost, i)/paid, dy+t*c.gain[i]/n
		}
		m.area += dx * (y + dy/2)
		cross(0.5*m.total, x, y, dx, dy, &m.cpt50)
		cross(0.8*m.total, x, y, dx, dy, &m.cpt80)
		x, y = x+dx, y+dy
	}
	return m
}

// cross notes where the curve first reaches a gain on the way from (x, y) by (dx, dy).
func cross(gain, x, y, dx, dy float64, to *float64) {
	if *to == 1 && gain > 0 && y < gain && y+dy >= gain {
		*to = x + dx*(gain-y)/dy
	}
}

// apgr is the mean performance gap recovered over all shares.
func (m *measure) apgr() float64 { return m.area / m.total }

// advantage is the mean gain over all costs less that of the best mix of single targets at the same cost, which is on
// the straight line to the strong target, or the weak one alone where the strong is no better.
func (m *measure) advantage() float64 { return m.area - max(m.total, 0)/2 }

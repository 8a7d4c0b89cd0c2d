package learned

import (
	"cmp"
	"math"
	"slices"
)

// Row is the features of one text, for training.
type Row struct {
	// Slots and Values are the hashed features in the order of the text: 1 + ln(count), with the sign of their hash.
	Slots  []uint32
	Values []float32
	Shape  [ShapeSize]float32
}

// Read gives the features of a text.
func (s *Scratch) Read(text string) Row {
	s.read(text)
	all := s.drain()
	row := Row{Slots: make([]uint32, len(all)), Values: make([]float32, len(all)), Shape: s.shape}
	for i, v := range all {
		row.Slots[i], row.Values[i] = v.slot, v.value
	}
	return row
}

// KeySize is how many features of a prompt are remembered: those that weigh most.
const KeySize = 32

// Key is the features that a prompt is remembered by: slots with weights, in 127ths, of a vector of length 1. A weight of
// 0 is none.
type Key struct {
	Slots   [KeySize]uint16
	Weights [KeySize]int8
}

// Key takes the heaviest features of a text, by count and rarity.
func (r *Row) Key(rarity []float32) Key {
	order := make([]int, len(r.Slots))
	weight := make([]float32, len(r.Slots))
	for i, slot := range r.Slots {
		order[i], weight[i] = i, r.Values[i]*rarity[slot]
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(abs(weight[b]), abs(weight[a])), cmp.Compare(r.Slots[a], r.Slots[b]))
	})
	order = order[:min(len(order), KeySize)]
	sum := 0.0
	for _, i := range order {
		sum += float64(weight[i]) * float64(weight[i])
	}
	var k Key
	for at, i := range order {
		k.Slots[at], k.Weights[at] = uint16(r.Slots[i]), int8(math.Round(127*float64(weight[i])/math.Sqrt(sum)))
	}
	return k
}

func abs(v float32) float32 { return max(v, -v) }

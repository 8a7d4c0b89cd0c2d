package learned

import "math"

// neighbours are the prompts that a model was trained on, each by its heaviest features: what became of those that are
// near says what becomes of a prompt. Near is by the cosine of features weighed by rarity. A list for each feature names
// the prompts that have it, so that only those are looked at that share one.
type neighbours struct {
	rows int
	// entries[start[slot]:start[slot+1]] are the prompts that have the feature.
	start   []uint32
	entries []entry
	// outcomes has a score for each target of each prompt, in 254ths; 255 is unknown.
	outcomes []uint8
}

type entry struct {
	row    uint16
	weight int8
}

const (
	// nearest is how many neighbours speak, beside as much of the target's mean as prior of them.
	nearest = 128
	prior   = 20
	// near is how many of the nearest say how near a prompt is to what was seen.
	near    = 8
	unknown = 255
	// Cosines are whole numbers of unit parts, so that sums come out the same in any order, and are told apart by levels
	// when the nearest are looked for.
	unit     = 1 << 20
	perLevel = 10 // bits
	levels   = unit>>perLevel + 1
	// floor is the cosine below which a prompt is no neighbour.
	floor = unit / 64
)

func newNeighbours(keys []Key, outcomes []uint8) *neighbours {
	n := &neighbours{rows: len(keys), start: make([]uint32, Slots+1), outcomes: outcomes}
	for i := range keys {
		for j, slot := range keys[i].Slots {
			if keys[i].Weights[j] != 0 {
				n.start[int(slot)+1]++
			}
		}
	}
	for i := range Slots {
		n.start[i+1] += n.start[i]
	}
	n.entries = make([]entry, n.start[Slots])
	at := make([]uint32, Slots)
	copy(at, n.start)
	for i := range keys {
		for j, slot := range keys[i].Slots {
			if w := keys[i].Weights[j]; w != 0 {
				n.entries[at[slot]] = entry{uint16(i), w}
				at[slot]++
			}
		}
	}
	return n
}

// cosines fills s.cosines, one for each neighbour, for features with their weights; norm is the vector's length.
func (n *neighbours) cosines(s *Scratch, features []slotValue, norm float32) {
	if cap(s.cosines) < n.rows {
		s.cosines = make([]int32, n.rows)
	}
	s.cosines = s.cosines[:n.rows]
	clear(s.cosines)
	if norm == 0 {
		return
	}
	scale := unit / (127 * norm)
	for _, f := range features {
		v := int32(f.value * scale)
		for _, e := range n.entries[n.start[f.slot]:n.start[f.slot+1]] {
			s.cosines[e.row] += v * int32(e.weight)
		}
	}
}

// level is that of a cosine above 0. Rounding may make one a hair larger than 1.
func level(c int32) int32 { return min(c>>perLevel, levels-1) }

// least gives what the nearest neighbours have at least for a cosine, and the mean cosine of the nearest few.
func (s *Scratch) least() (at int32, mean float32) {
	clear(s.levels[:])
	for _, c := range s.cosines {
		if c >= floor {
			s.levels[level(c)]++
		}
	}
	seen, left, sum := int32(0), int32(near), int32(0)
	for l := int32(levels - 1); l >= 0; l-- {
		take := min(left, s.levels[l])
		sum, left = sum+take*l, left-take
		if seen += s.levels[l]; seen >= nearest {
			at = l << perLevel
			break
		}
	}
	return max(at, floor), float32(sum) / (near * (levels - 1))
}

// ask fills logits with what the neighbours say of each target, shrunk towards the targets' means, and gives the mean
// cosine of the nearest.
func (n *neighbours) ask(s *Scratch, means, logits []float64) float32 {
	at, mean := s.least()
	targets := len(means)
	var sums, weights, counts [maxTargets]float32
	for i, c := range s.cosines {
		if c < at {
			continue
		}
		w := float32(c) / unit
		w *= w
		for t, y := range n.outcomes[i*targets : (i+1)*targets] {
			if y != unknown {
				sums[t] += w * float32(y) / 254
				weights[t] += w
				counts[t]++
			}
		}
	}
	for t, m := range means {
		logits[t] = Logit(m)
		if counts[t] > 0 {
			held := prior * weights[t] / counts[t]
			logits[t] = Logit(float64(sums[t]+held*float32(m)) / float64(weights[t]+held))
		}
	}
	return mean
}

// Neighbours is what fitting needs of the neighbours: it asks one training set about other prompts.
type Neighbours struct {
	n     *neighbours
	means []float64
	s     *Scratch
}

// NewNeighbours makes neighbours of keys with their scores, one for each target; NaN is unknown.
func NewNeighbours(keys []Key, scores [][]float64, means []float64) *Neighbours {
	return &Neighbours{n: newNeighbours(keys, Pack(scores)), means: means, s: NewScratch()}
}

// Ask fills logits, one for each target, and gives the mean cosine of the nearest.
func (n *Neighbours) Ask(row *Row, rarity []float32, logits []float64) float32 {
	features := n.s.shown[:0]
	sum := 0.0
	for i, slot := range row.Slots {
		v := row.Values[i] * rarity[slot]
		sum += float64(v) * float64(v)
		features = append(features, slotValue{slot, v})
	}
	n.s.shown = features
	n.n.cosines(n.s, features, float32(math.Sqrt(sum)))
	return n.n.ask(n.s, n.means, logits)
}

// Pack gives scores as an artefact holds them.
func Pack(scores [][]float64) []uint8 {
	var out []uint8
	for _, row := range scores {
		for _, y := range row {
			if math.IsNaN(y) {
				out = append(out, unknown)
			} else {
				out = append(out, uint8(math.Round(min(max(y, 0), 1)*254)))
			}
		}
	}
	return out
}

// Logit is ln(p/(1-p)), for p held a hair away from 0 and 1.
func Logit(p float64) float64 {
	p = min(max(p, 1e-4), 1-1e-4)
	return math.Log(p / (1 - p))
}

// Sigmoid is the inverse of Logit.
func Sigmoid(z float64) float64 { return 1 / (1 + math.Exp(-z)) }

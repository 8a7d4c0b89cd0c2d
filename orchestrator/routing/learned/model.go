package learned

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"fairlead/orchestrator/routing"
)

// Model predicts the quality of targets. It does not change and is safe for concurrent use. Make it with Load.
type Model struct {
	a       *Artefact
	targets []string
	means   []float64
	// rarity of each slot, and beside it its weight for each target, in one row: what is read together lies together.
	rows   []float32
	stride int
	// shape[t][stat][i] is what the stat adds when it is above its first i thresholds.
	shape [][ShapeSize][]float32
	near  *neighbours
}

// Load reads an artefact that may decide. One that is not active is refused, with the reason why it is not.
func Load(data []byte) (*Model, error) {
	a, err := Decode(data)
	if err != nil {
		return nil, err
	}
	if !a.Active {
		return nil, fmt.Errorf("the router's model is not active: %s", a.Verdict)
	}
	return Compile(a)
}

// Compile makes a model of an artefact, active or not: for those who test and explain.
func Compile(a *Artefact) (*Model, error) {
	if err := a.check(); err != nil {
		return nil, fmt.Errorf("making a router's model: %w", err)
	}
	m := &Model{a: a, stride: 1 + len(a.Targets), shape: make([][ShapeSize][]float32, len(a.Targets))}
	m.rows = make([]float32, Slots*m.stride)
	for i, r := range a.Rarity {
		m.rows[i*m.stride] = float32(r) / 16
	}
	for t := range a.Targets {
		target := &a.Targets[t]
		m.targets, m.means = append(m.targets, target.Name), append(m.means, target.Mean)
		for i := range Slots {
			w := int16(binary.LittleEndian.Uint16(target.Weights[2*i:]))
			m.rows[i*m.stride+1+t] = float32(float64(w) * target.Scale)
		}
		for stat, weights := range target.Shape {
			sums := make([]float32, len(weights)+1)
			for i, w := range weights {
				sums[i+1] = sums[i] + w
			}
			m.shape[t][stat] = sums
		}
	}
	keys := make([]Key, len(a.Keys)/keyBytes)
	for i := range keys {
		b := a.Keys[i*keyBytes:]
		for j := range KeySize {
			keys[i].Slots[j], keys[i].Weights[j] = binary.LittleEndian.Uint16(b[2*j:]), int8(b[2*KeySize+j])
		}
	}
	m.near = newNeighbours(keys, a.Outcomes)
	return m, nil
}

// PackKeys gives keys as an artefact holds them.
func PackKeys(keys []Key) []byte {
	out := make([]byte, 0, len(keys)*keyBytes)
	for i := range keys {
		for _, slot := range keys[i].Slots {
			out = binary.LittleEndian.AppendUint16(out, slot)
		}
		for _, w := range keys[i].Weights {
			out = append(out, byte(w))
		}
	}
	return out
}

// PackWeights gives a target's weights as an artefact holds them, and what one step is worth.
func PackWeights(weights []float64) (packed []byte, scale float64) {
	most := 0.0
	for _, w := range weights {
		most = max(most, math.Abs(w))
	}
	if scale = most / math.MaxInt16; scale == 0 {
		scale = 1
	}
	for _, w := range weights {
		packed = binary.LittleEndian.AppendUint16(packed, uint16(int16(math.Round(w/scale))))
	}
	return packed, scale
}

// Artefact is what the model was made of. It must not be changed.
func (m *Model) Artefact() *Artefact { return m.a }

// Targets names the targets that the model knows, in the order of its predictions.
func (m *Model) Targets() []string { return m.targets }

// Prediction is what the model says of one target for a prompt.
type Prediction struct {
	// Quality is the score that is expected, in [0,1], and Low to High its 95 % interval: that of the mean score of
	// prompts that were held out and predicted alike.
	Quality, Low, High float64
	// Abstained says why the model does not stand by it. Empty: it does.
	Abstained Abstention
}

// Abstention is a reason not to predict: a stable word.
type Abstention string

// The reasons.
const (
	// Empty is a prompt without words.
	Empty Abstention = "empty"
	// FarOff is a prompt that is like none that was seen.
	FarOff Abstention = "far_off"
	// Wide is an interval that is too wide to say anything, or too few outcomes.
	Wide Abstention = "wide"
)

// What is too little to speak: fewer outcomes of a target, or a wider interval.
const (
	minPrompts = 50
	maxWidth   = 0.4
)

// source is what estimates are said to come from.
const source = "learned"

// Estimate fills in what is expected of each of the named targets, and leaves those alone that it does not know or of
// which it abstains.
func (m *Model) Estimate(prompt string, targets []string, into []routing.QualityEstimate) {
	var few [8]Prediction
	predictions := m.Predict(prompt, few[:0])
	for i, name := range targets {
		if t := slices.Index(m.targets, name); t >= 0 && predictions[t].Abstained == "" {
			p := &predictions[t]
			into[i] = routing.QualityEstimate{Value: p.Quality, Low: p.Low, High: p.High, Source: source}
		}
	}
}

// Predict appends a prediction for each of the model's targets to out. It makes nothing that is to be collected, when
// out has room for them.
func (m *Model) Predict(prompt string, out []Prediction) []Prediction {
	s := scratches.Get().(*Scratch)
	defer scratches.Put(s)
	near, words := m.score(s, prompt)
	for t := range m.targets {
		p := m.predict(t, s.logits[t])
		switch {
		case words == 0:
			p.Abstained = Empty
		case near < m.a.Near:
			p.Abstained = FarOff
		}
		out = append(out, p)
	}
	return out
}

// score reads a prompt and fills s.logits, one for each target. It gives how near the prompt is to those that were seen,
// and how many features it has.
func (m *Model) score(s *Scratch, prompt string) (near float32, features int) {
	n := len(m.targets)
	if cap(s.logits) < 2*n {
		s.logits = make([]float64, 2*n)
	}
	s.logits = s.logits[:2*n]
	s.read(prompt)
	all := s.drain()
	var sums [maxTargets]float32
	norm := float32(0)
	for i := range all {
		f := &all[i]
		row := m.rows[int(f.slot)*m.stride : (int(f.slot)+1)*m.stride]
		f.value *= row[0]
		norm += f.value * f.value
		for t, w := range row[1:] {
			sums[t] += f.value * w
		}
	}
	norm = float32(math.Sqrt(float64(norm)))
	m.near.cosines(s, all, norm)
	near = m.near.ask(s, m.means, s.logits[n:])
	for t := range n {
		target := &m.a.Targets[t]
		z := target.Intercept + target.Near*s.logits[n+t]
		if norm > 0 {
			z += float64(sums[t] / norm)
		}
		for stat, v := range s.shape {
			z += float64(m.shape[t][stat][above(m.a.Thresholds[stat], v)])
		}
		s.logits[t] = z
	}
	return near, len(all)
}

// above gives how many of the thresholds a value is above.
func above(thresholds []float32, v float32) int {
	for i, at := range thresholds {
		if v <= at {
			return i
		}
	}
	return len(thresholds)
}

// shrinkage is how many outcomes a target's mean counts for beside its model.
const shrinkage = 20

// Shrink holds a quality to the target's mean the more, the fewer outcomes there were.
func Shrink(quality, mean float64, outcomes int) float64 {
	return (quality*float64(outcomes) + mean*shrinkage) / float64(outcomes+shrinkage)
}

func (m *Model) predict(t int, logit float64) Prediction {
	target := &m.a.Targets[t]
	q := Shrink(Sigmoid(logit), target.Mean, target.Prompts)
	i, _ := slices.BinarySearchFunc(target.Bins, q, func(b Bin, q float64) int {
		if b.UpTo < q {
			return -1
		}
		return 1
	})
	bin := target.Bins[min(i, len(target.Bins)-1)]
	low, high := wilson(bin.Mean, float64(bin.Prompts))
	p := Prediction{Quality: q, Low: min(low, q), High: max(high, q)}
	if target.Prompts < minPrompts || p.High-p.Low > maxWidth {
		p.Abstained = Wide
	}
	return p
}

// wilson is the 95 % interval of a mean of n scores in [0,1], as of a share (Wilson, "Probable Inference, the Law of
// Succession, and Statistical Inference", 1927): for scores between 0 and 1 it is wider than it must be.
func wilson(mean, n float64) (low, high float64) {
	const z = 1.959963984540054
	d := 1 + z*z/n
	centre := (mean + z*z/(2*n)) / d
	half := z / d * math.Sqrt(mean*(1-mean)/n+z*z/(4*n*n))
	return max(0, centre-half), min(1, centre+half)
}

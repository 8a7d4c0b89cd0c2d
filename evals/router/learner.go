package router

import (
	"math"
	"slices"
	"sync"

	"fairlead/orchestrator/routing/learned"
)

// The fixed parts of the fit. No data changes them.
const (
	// cuts is at how many quantiles, less one, a stat of the shape is cut.
	cuts = 8
	// beside is what a cut counts beside the words of a text, whose vector has length 1.
	beside = 0.15
	// shapeLoss is how much the loss counts against the weights where shape stands alone.
	shapeLoss = 0.1
)

// wordLosses are the same for words, which are fitted with each.
var wordLosses = []float64{0.25, 1}

// member is one of the predictors that are blended.
type member int

const (
	words member = iota
	shape
	near
	members
)

// set is what all fits share: the features of all cases.
type set struct {
	data *Data
	rows []learned.Row
	// chars is how many characters each prompt has.
	chars []int
}

func newSet(d *Data) *set {
	s := &set{data: d, rows: make([]learned.Row, len(d.Cases)), chars: make([]int, len(d.Cases))}
	scratch := learned.NewScratch()
	for i := range d.Cases {
		s.rows[i], s.chars[i] = d.Cases[i].read(scratch)
	}
	return s
}

// learner is the members, fitted on some of the cases.
type learner struct {
	set        *set
	targets    int
	rarity     []float32
	packed     []byte // rarity as an artefact holds it
	thresholds [][]float32
	cutCount   int
	means      []float64
	// columns is where a slot's weight is, among those that were seen in training; -1 is nowhere. seen is how many were.
	columns []int32
	seen    int
	// words has a weight for each slot that was seen, then each cut, then the intercept; shape for each cut, then the
	// intercept.
	words, shape [][]float64
	keys         []learned.Key
	scores       [][]float64
	near         *learned.Neighbours
}

func fit(s *set, train []int) *learner {
	l := &learner{set: s, targets: len(s.data.Targets)}
	l.weigh(train)
	l.cut(train)
	text, form := l.matrices(train)
	l.means = make([]float64, l.targets)
	l.words, l.shape = make([][]float64, l.targets), make([][]float64, l.targets)
	var wait sync.WaitGroup
	for t := range l.targets {
		wait.Go(func() {
			y := make([]float64, len(train))
			for k, i := range train {
				y[k] = s.data.Cases[i].Scores[t]
			}
			l.means[t] = known(y)
			l.words[t] = make([]float64, text.columns+1)
			var w []float64
			for _, c := range wordLosses {
				w = logistic(text, y, c, w)
				axpy(1/float64(len(wordLosses)), w, l.words[t])
			}
			l.shape[t] = logistic(form, y, shapeLoss, nil)
		})
	}
	for k := 0; k < len(train); k += every(len(train)) {
		i := train[k]
		l.keys = append(l.keys, s.rows[i].Key(l.rarity))
		l.scores = append(l.scores, s.data.Cases[i].Scores)
	}
	wait.Wait()
	l.near = learned.NewNeighbours(l.keys, l.scores, l.means)
	return l
}

// every says which of so many cases are remembered as neighbours: each, or where there are too many for a file an even
// share.
func every(cases int) int { return max(1, (cases+learned.MaxNeighbours-1)/learned.MaxNeighbours) }

// weigh finds how rare each feature is: 1 + ln((1+n)/(1+df)), as an artefact holds it.
func (l *learner) weigh(train []int) {
	count := make([]float64, learned.Slots)
	for _, i := range train {
		for _, slot := range l.set.rows[i].Slots {
			count[slot]++
		}
	}
	l.packed, l.rarity, l.columns = make([]byte, learned.Slots), make([]float32, learned.Slots), make([]int32, learned.Slots)
	for slot, n := range count {
		if l.columns[slot] = -1; n > 0 {
			l.columns[slot] = int32(l.seen)
			l.seen++
		}
		l.packed[slot] = byte(math.Round(16 * min(15, 1+math.Log(float64(1+len(train))/(1+n)))))
		l.rarity[slot] = float32(l.packed[slot]) / 16
	}
}

// cut finds where the stats of the shape are cut: at their quantiles.
func (l *learner) cut(train []int) {
	values := make([]float32, len(train))
	l.thresholds = make([][]float32, learned.ShapeSize)
	for stat := range l.thresholds {
		for k, i := range train {
			values[k] = l.set.rows[i].Shape[stat]
		}
		slices.Sort(values)
		l.thresholds[stat] = []float32{}
		for q := 1; q < cuts; q++ {
			at := values[len(values)*q/cuts]
			if at < values[len(values)-1] && !slices.Contains(l.thresholds[stat], at) {
				l.thresholds[stat] = append(l.thresholds[stat], at)
			}
		}
		l.cutCount += len(l.thresholds[stat])
	}
}

// matrices makes the rows that words and shape are fitted on.
func (l *learner) matrices(cases []int) (text, form *matrix) {
	text, form = &matrix{columns: l.seen + l.cutCount, start: []int{0}}, &matrix{columns: l.cutCount, start: []int{0}}
	for _, i := range cases {
		row := &l.set.rows[i]
		norm := 0.0
		for k, slot := range row.Slots {
			v := float64(row.Values[k] * l.rarity[slot])
			norm += v * v
		}
		norm = math.Sqrt(max(norm, 1e-12))
		for k, slot := range row.Slots {
			if at := l.columns[slot]; at >= 0 {
				text.index = append(text.index, uint32(at))
				text.value = append(text.value, row.Values[k]*l.rarity[slot]/float32(norm))
			}
		}
		column := uint32(0)
		for stat, thresholds := range l.thresholds {
			for _, at := range thresholds {
				if row.Shape[stat] > at {
					text.index, text.value = append(text.index, uint32(l.seen)+column), append(text.value, beside)
					form.index, form.value = append(form.index, column), append(form.value, 1)
				}
				column++
			}
		}
		text.start, form.start = append(text.start, len(text.index)), append(form.start, len(form.index))
	}
	return text, form
}

// opinion is what the members say of one case: a logit for each member of each target.
type opinion struct {
	of [][members]float64
	// cosine is how near the nearest cases are.
	cosine float32
}

func (l *learner) ask(cases []int) []opinion {
	text, form := l.matrices(cases)
	out := make([]opinion, len(cases))
	logits := make([]float64, l.targets)
	for k, i := range cases {
		out[k].cosine = l.near.Ask(&l.set.rows[i], l.rarity, logits)
		out[k].of = make([][members]float64, l.targets)
		for t := range l.targets {
			w, s := l.words[t], l.shape[t]
			out[k].of[t] = [members]float64{
				words: text.dot(k, w) + w[len(w)-1],
				shape: form.dot(k, s) + s[len(s)-1],
				near:  logits[t],
			}
		}
	}
	return out
}

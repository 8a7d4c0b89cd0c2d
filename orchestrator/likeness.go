package orchestrator

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"

	"fairlead/providers"
	"fairlead/providers/tensor"
)

const (
	// sameCosine is the cosine from which two vectors are the same: the rounding of other hardware or of half
	// precision stays above it.
	sameCosine = 0.999
	// sameNumbers is the relative difference up to which two tensors are the same, for the same reason.
	sameNumbers = 1e-3
)

// compareAnswers compares texts without regard to white space, and calls of tools. Their likeness is the F1 of words, as
// reading comprehension is scored (Rajpurkar et al., "SQuAD", 2016), words being what white space separates.
func compareAnswers(a, b *providers.Answer) likeness {
	mine, other := strings.Fields(a.Text), strings.Fields(b.Text)
	alike := f1(mine, other)
	same := slices.Equal(mine, other)
	if len(a.ToolCalls)+len(b.ToolCalls) > 0 {
		tools := sameCalls(a.ToolCalls, b.ToolCalls)
		switch {
		case !tools:
			alike, same = alike/2, false
		case len(mine)+len(other) == 0:
			alike = 1
		}
	}
	return likeness{alike, same}
}

// f1 is the harmonic mean of the shares of words that each has of the other; 1 where there is none.
func f1(a, b []string) float64 {
	if len(a)+len(b) == 0 {
		return 1
	}
	left := make(map[string]int, len(a))
	for _, word := range a {
		left[word]++
	}
	common := 0
	for _, word := range b {
		if left[word] > 0 {
			left[word]--
			common++
		}
	}
	return 2 * float64(common) / float64(len(a)+len(b))
}

// sameCalls says whether the same tools are called with the same arguments, in order.
func sameCalls(a, b []providers.ToolCall) bool {
	return slices.EqualFunc(a, b, func(x, y providers.ToolCall) bool {
		return x.Name == y.Name && sameJSON(x.Arguments, y.Arguments)
	})
}

func sameJSON(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return a == b
	}
	return reflect.DeepEqual(x, y)
}

// compareClasses compares what was found of each item: the same means that the same class is the most probable of each.
// Likeness is 1 less the total variation distance, the mean over the items.
func compareClasses(a, b [][]providers.Class) likeness {
	if len(a) != len(b) || len(a) == 0 {
		return likeness{}
	}
	out := likeness{same: true}
	for i := range a {
		out.same = out.same && top(a[i]) == top(b[i])
		out.alike += 1 - variation(a[i], b[i])
	}
	out.alike = unit(out.alike / float64(len(a)))
	return out
}

// top gives the most probable class, the first of equals.
func top(classes []providers.Class) (name string) {
	best := math.Inf(-1)
	for _, c := range classes {
		if c.Probability > best {
			name, best = c.Name, c.Probability
		}
	}
	return name
}

// variation is half of the sum of differences. Classes of their own threshold do not sum to 1: then it is at most 1.
func variation(a, b []providers.Class) float64 {
	left := make(map[string]float64, len(a))
	for _, c := range a {
		left[c.Name] += c.Probability
	}
	sum := 0.0
	for _, c := range b {
		sum += math.Abs(left[c.Name] - c.Probability)
		delete(left, c.Name)
	}
	for _, p := range left {
		sum += math.Abs(p)
	}
	if math.IsNaN(sum) {
		return 1
	}
	return unit(sum / 2)
}

// compareVectors compares by the cosine, of which the mean is the likeness.
func compareVectors(a, b [][]float32) likeness {
	if len(a) != len(b) || len(a) == 0 {
		return likeness{}
	}
	out := likeness{same: true}
	for i := range a {
		c := cosine(a[i], b[i])
		out.same = out.same && c >= sameCosine
		out.alike += c
	}
	out.alike = unit(out.alike / float64(len(a)))
	return out
}

// cosine is 0 for vectors that cannot be compared.
func cosine(a, b []float32) float64 {
	if len(a) != len(b) {
		return 0
	}
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa) / math.Sqrt(bb)
}

// compareTensors compares outputs by name. Likeness is 1 less the largest difference of two numbers, relative to the
// larger one; other types, shapes and names are not alike at all.
func compareTensors(a, b []tensor.Tensor) likeness {
	if len(a) != len(b) {
		return likeness{}
	}
	worst := 0.0
	for i := range a {
		j := slices.IndexFunc(b, func(t tensor.Tensor) bool { return t.Name == a[i].Name })
		if j < 0 {
			return likeness{}
		}
		worst = max(worst, difference(&a[i], &b[j]))
	}
	return likeness{alike: unit(1 - worst), same: worst <= sameNumbers}
}

// difference is the largest relative difference of two tensors, in [0,1].
func difference(a, b *tensor.Tensor) float64 {
	if a.Type != b.Type || !slices.Equal(a.Shape, b.Shape) {
		return 1
	}
	if a.Type == tensor.String {
		if !slices.EqualFunc(a.Strings, b.Strings, bytes.Equal) {
			return 1
		}
		return 0
	}
	if bytes.Equal(a.Data, b.Data) {
		return 0
	}
	x, err := a.Floats()
	y, other := b.Floats()
	if err != nil || other != nil || len(x) != len(y) {
		return 1
	}
	worst := 0.0
	for i := range x {
		switch largest := max(math.Abs(x[i]), math.Abs(y[i])); {
		case x[i] == y[i]:
		case math.IsNaN(x[i]) && math.IsNaN(y[i]):
		case math.IsNaN(largest), math.IsInf(largest, 0):
			return 1
		default:
			worst = max(worst, math.Abs(x[i]-y[i])/largest)
		}
	}
	return min(worst, 1)
}

// unit keeps a figure in [0,1]; what is no number is 0.
func unit(x float64) float64 {
	if !(x > 0) {
		return 0
	}
	return min(x, 1)
}

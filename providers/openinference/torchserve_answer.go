package openinference

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"strconv"

	"fairlead/providers/tensor"
)

// The outputs of TorchServe.
const (
	OutputBody          = "body"
	OutputClasses       = "classes"
	OutputProbabilities = "probabilities"
	OutputValues        = "values"
)

// score is a class and its number.
type score struct {
	class []byte
	value float64
}

// torchOutputs makes tensors of answers: what they are beside bodies is what all of them are.
func torchOutputs(answers [][]byte, limits tensor.Limits) ([]tensor.Tensor, error) {
	b := budget{Limits: limits.WithDefaults()}
	n := int64(len(answers))
	for _, a := range answers {
		if err := b.take(int64(len(a))); err != nil {
			return nil, err
		}
	}
	outputs := []tensor.Tensor{{Name: OutputBody, Type: tensor.String, Shape: []int64{n}, Strings: answers}}
	if n == 0 {
		return outputs, nil
	}
	switch c := (&scan{b: answers[0]}).peek(); {
	case c == '{' || c == '[':
		if more := b.classes(answers); more != nil {
			return append(outputs, more...), nil
		}
		if c == '{' {
			return outputs, nil
		}
		fallthrough
	case c == '-' || c >= '0' && c <= '9':
		if values := b.values(answers); values != nil {
			outputs = append(outputs, *values)
		}
	}
	return outputs, nil
}

// classes makes tensors of answers that are classifications with the same number of classes; nil where they are not.
func (b *budget) classes(answers [][]byte) []tensor.Tensor {
	var row []score
	first, ok := scores(answers[0], int(b.Texts), nil)
	if !ok || len(first) == 0 {
		return nil
	}
	shape := []int64{int64(len(answers)), int64(len(first))}
	elements, size, err := b.Check(tensor.Float64, shape)
	if err != nil || elements > b.Texts {
		return nil
	}
	classes := tensor.Tensor{Name: OutputClasses, Type: tensor.String, Shape: shape, Strings: make([][]byte, 0, elements)}
	numbers := tensor.Tensor{Name: OutputProbabilities, Type: tensor.Float64, Shape: slices.Clone(shape), Data: make([]byte, 0, size)}
	for _, a := range answers {
		if row, ok = scores(a, len(first), row[:0]); !ok || len(row) != len(first) {
			return nil
		}
		slices.SortFunc(row, func(a, b score) int { return bytes.Compare(a.class, b.class) })
		for i := 1; i < len(row); i++ {
			if bytes.Equal(row[i].class, row[i-1].class) {
				return nil // a class with two numbers has none
			}
		}
		slices.SortStableFunc(row, func(a, b score) int { return cmp.Compare(b.value, a.value) })
		for _, s := range row {
			classes.Strings = append(classes.Strings, s.class)
			numbers.Data = binary.LittleEndian.AppendUint64(numbers.Data, math.Float64bits(s.value))
		}
	}
	return []tensor.Tensor{classes, numbers}
}

// scores reads a classification of limit classes at most: {"class": number, …} or [{"class": "name", "probability": number}, …].
func scores(answer []byte, limit int, into []score) ([]score, bool) {
	s := scan{b: answer}
	add := func(one score, ok bool) bool {
		if !ok || len(into) == limit {
			return false
		}
		into = append(into, one)
		return true
	}
	var ok bool
	if s.peek() == '{' {
		ok = s.members(func(key []byte) bool {
			v, ok := s.finite()
			return add(score{key, v}, ok)
		})
	} else {
		ok = s.items(func() bool { return add(s.scored()) })
	}
	return into, ok && s.end()
}

// scored reads an object with a name and a number.
func (s *scan) scored() (one score, ok bool) {
	var names, numbers int
	ok = s.members(func(key []byte) bool {
		var good bool
		switch string(key) {
		case "class", "label", "class_name":
			names++
			if one.class, good = s.quoted(); good {
				one.class, good = unquote(one.class)
			}
		case "probability", "score", "confidence":
			numbers++
			one.value, good = s.finite()
		default:
			_, good = s.skip()
		}
		return good
	})
	return one, ok && names == 1 && numbers == 1
}

// finite reads a number that a float64 holds.
func (s *scan) finite() (float64, bool) {
	raw, ok := s.number()
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseFloat(string(raw), 64)
	return v, err == nil
}

// values makes a tensor of answers that are numbers, or lists of the same form; nil where they are not.
func (b *budget) values(answers [][]byte) *tensor.Tensor {
	limits := b.Limits
	limits.Rank-- // one is for the answers
	o := tensor.JSON{Limits: limits, Finite: true}
	first, err := tensor.ParseJSON("", tensor.Float64, nil, answers[0], o)
	if err != nil {
		return nil
	}
	shape := append([]int64{int64(len(answers))}, first.Shape...)
	_, size, err := b.Check(tensor.Float64, shape)
	if err != nil || size == 0 {
		return nil
	}
	out := &tensor.Tensor{Name: OutputValues, Type: tensor.Float64, Shape: shape, Data: first.Data}
	for _, a := range answers[1:] {
		one, err := tensor.ParseJSON("", tensor.Float64, nil, a, o)
		if err != nil || !slices.Equal(one.Shape, first.Shape) {
			return nil
		}
		out.Data = append(out.Data, one.Data...)
	}
	return out
}

package pipeline

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"fairlead/providers"
	"fairlead/providers/tensor"
)

// embedding makes vectors.
type embedding struct{ c Embedding }

func newEmbedding(c Embedding) (*embedding, error) {
	if c.Pooling == "" {
		c.Pooling = None
	}
	switch {
	case c.Tensor == "":
		return nil, errors.New("tensor must be set: want the name of the model's output")
	case !slices.Contains([]string{None, Mean, CLS}, c.Pooling):
		return nil, errors.New("pooling is neither mean nor cls nor none")
	}
	return &embedding{c: c}, nil
}

// read makes the vectors of count items out of an answer. lengths are the tokens of each item that are no padding; nil
// counts all. Errors are about what the model gave.
func (e *embedding) read(answer *providers.Prediction, count int, lengths []int) ([][]float32, error) {
	t := answer.Output(e.c.Tensor)
	rank := 2
	if e.c.Pooling != None {
		rank = 3
	}
	switch {
	case t == nil:
		return nil, fmt.Errorf("it gave no output %s", e.c.Tensor)
	case !t.Type.Numeric():
		return nil, fmt.Errorf("output %s is of type %s, and not of numbers", e.c.Tensor, t.Type)
	case t.Check(tensor.Limits{}) != nil:
		return nil, fmt.Errorf("output %s is not as its shape says, or too large", e.c.Tensor)
	case len(t.Shape) != rank || t.Shape[0] != int64(count) || slices.Contains(t.Shape, 0):
		return nil, fmt.Errorf("output %s has the shape %v, want %d axes for pooling %s, the first of length %d", e.c.Tensor, t.Shape, rank, e.c.Pooling, count)
	case !t.Finite():
		return nil, fmt.Errorf("output %s holds what is not a finite number", e.c.Tensor)
	}
	values, err := t.Floats()
	if err != nil {
		return nil, err
	}
	length := 1
	if rank == 3 {
		length = int(t.Shape[1])
	}
	size := int(t.Shape[rank-1])
	out := make([][]float32, count)
	one := make([]float64, size)
	for i := range out {
		item := values[i*length*size : (i+1)*length*size]
		if e.c.Pooling == Mean {
			n := length
			if lengths != nil {
				n = lengths[i]
			}
			if n < 1 || n > length {
				return nil, fmt.Errorf("output %s has %d vectors for an item of %d tokens", e.c.Tensor, length, n)
			}
			clear(one)
			for j := range n {
				for k, v := range item[j*size : (j+1)*size] {
					one[k] += v
				}
			}
			for k := range one {
				one[k] /= float64(n)
			}
		} else {
			copy(one, item) // the first, or the only one
		}
		if out[i], err = e.vector(one); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// vector makes the numbers of a vector shorter ones, of length 1 if asked for.
func (e *embedding) vector(numbers []float64) ([]float32, error) {
	f := 1.0
	if e.c.Normalize {
		largest, sum := 0.0, 0.0
		for _, v := range numbers {
			largest = max(largest, math.Abs(v))
		}
		for _, v := range numbers {
			sum += (v / largest) * (v / largest) // relative to the largest, so that nothing overflows
		}
		if f = largest * math.Sqrt(sum); largest == 0 {
			return nil, fmt.Errorf("output %s has a vector of zeros, which has no direction", e.c.Tensor)
		}
	}
	out := make([]float32, len(numbers))
	for k, v := range numbers {
		if out[k] = float32(v / f); !(math.Abs(float64(out[k])) <= math.MaxFloat32) { // NaN is not
			return nil, fmt.Errorf("output %s holds a number beyond a float32", e.c.Tensor)
		}
	}
	return out, nil
}

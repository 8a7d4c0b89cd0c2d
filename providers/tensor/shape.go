package tensor

import (
	"fmt"
	"math"
)

// Limits bound what is made of a message from outside. The zero value is the defaults.
type Limits struct {
	// Bytes is the most that all tensors of a message have, texts included. 0: 64 MiB.
	Bytes int64
	// Rank is the most dimensions, Tensors the most tensors of a message. 0: 8 and 64.
	Rank, Tensors int
	// Text is the most bytes of one String element, Texts the most elements of one String tensor. 0: 1 MiB and 1 Mi.
	Text, Texts int64
}

// WithDefaults fills in what is zero.
func (l Limits) WithDefaults() Limits {
	if l.Bytes == 0 {
		l.Bytes = 64 << 20
	}
	if l.Rank == 0 {
		l.Rank = 8
	}
	if l.Tensors == 0 {
		l.Tensors = 64
	}
	if l.Text == 0 {
		l.Text = 1 << 20
	}
	if l.Texts == 0 {
		l.Texts = 1 << 20
	}
	return l
}

// Elements gives how many elements a shape has. It fails on a negative dimension and where the product is more than an
// int64 holds, without allocating anything. No dimensions are one element.
func Elements(shape []int64) (int64, error) {
	n := int64(1)
	empty := false
	for _, d := range shape {
		switch {
		case d < 0:
			return 0, fmt.Errorf("reading the shape of a tensor: a dimension is %d", d)
		case d == 0:
			empty = true
		case n > math.MaxInt64/d:
			return 0, fmt.Errorf("reading the shape of a tensor: %v has more elements than can be counted", shape)
		default:
			n *= d
		}
	}
	if empty {
		return 0, nil
	}
	return n, nil
}

// Check says whether a tensor of a type and shape is within the limits, and gives its elements and, but for String, its
// bytes. It allocates nothing, so it comes before whatever does.
func (l Limits) Check(t Type, shape []int64) (elements, bytes int64, err error) {
	l = l.WithDefaults()
	if !t.Valid() {
		return 0, 0, fmt.Errorf("checking a tensor: it has no valid type")
	}
	if len(shape) > l.Rank {
		return 0, 0, fmt.Errorf("checking a tensor: it has %d dimensions, the limit is %d", len(shape), l.Rank)
	}
	if elements, err = Elements(shape); err != nil {
		return 0, 0, err
	}
	if t == String {
		if elements > l.Texts {
			return 0, 0, fmt.Errorf("checking a tensor: it has %d texts, the limit is %d", elements, l.Texts)
		}
		return elements, 0, nil
	}
	if elements > l.Bytes/int64(t.Size()) {
		return 0, 0, fmt.Errorf("checking a tensor: %v of %s is more than %d bytes, the limit", shape, t, l.Bytes)
	}
	return elements, elements * int64(t.Size()), nil
}

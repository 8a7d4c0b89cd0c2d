package tensor

import (
	"fmt"
	"math"
	"slices"
)

// Rows gives the length of axis 0; 1 where there is none.
func (t *Tensor) Rows() int64 {
	if len(t.Shape) == 0 {
		return 1
	}
	return t.Shape[0]
}

// Slice gives the rows from one to before another, with axis 0 kept. It shares the memory of t.
func (t *Tensor) Slice(from, to int64) (Tensor, error) {
	if err := t.Check(unlimited); err != nil {
		return Tensor{}, err
	}
	if len(t.Shape) == 0 || from < 0 || from > to || to > t.Shape[0] {
		return Tensor{}, fmt.Errorf("tensor %q: %v has no rows from %d to %d", t.Name, t.Shape, from, to)
	}
	out := Tensor{Name: t.Name, Type: t.Type, Shape: slices.Clone(t.Shape)}
	out.Shape[0] = to - from
	row, err := Elements(t.Shape[1:])
	if err != nil {
		return Tensor{}, err
	}
	if t.Type == String {
		out.Strings = t.Strings[from*row : to*row : to*row]
		return out, nil
	}
	row *= int64(t.Type.Size())
	out.Data = t.Data[from*row : to*row : to*row]
	return out, nil
}

// Split cuts a tensor along axis 0 into parts with so many rows each, which must be all of them. The parts share the
// memory of t.
func (t *Tensor) Split(rows ...int64) ([]Tensor, error) {
	out := make([]Tensor, len(rows))
	at := int64(0)
	for i, n := range rows {
		if n < 0 || n > t.Rows()-at {
			return nil, fmt.Errorf("tensor %q: %v is not %v rows", t.Name, t.Shape, rows)
		}
		part, err := t.Slice(at, at+n)
		if err != nil {
			return nil, err
		}
		out[i], at = part, at+n
	}
	if at != t.Rows() {
		return nil, fmt.Errorf("tensor %q: %v is not %v rows", t.Name, t.Shape, rows)
	}
	return out, nil
}

// Concat joins tensors along axis 0. They must be at least one, of one type, and of one shape but for that axis; the
// name is that of the first. Texts share their memory with the parts.
func Concat(parts ...Tensor) (Tensor, error) {
	if len(parts) == 0 {
		return Tensor{}, fmt.Errorf("joining tensors: there are none")
	}
	first := &parts[0]
	out := Tensor{Name: first.Name, Type: first.Type, Shape: slices.Clone(first.Shape)}
	size, texts := 0, 0
	for i := range parts {
		p := &parts[i]
		if err := p.Check(unlimited); err != nil {
			return Tensor{}, err
		}
		if len(p.Shape) == 0 || p.Type != first.Type || !slices.Equal(p.Shape[1:], first.Shape[1:]) {
			return Tensor{}, fmt.Errorf("joining tensors: %v of %s and %v of %s have no common rows", first.Shape, first.Type, p.Shape, p.Type)
		}
		if i > 0 {
			if p.Shape[0] > math.MaxInt64-out.Shape[0] {
				return Tensor{}, fmt.Errorf("joining tensors: there are more rows than can be counted")
			}
			out.Shape[0] += p.Shape[0]
		}
		size, texts = size+len(p.Data), texts+len(p.Strings)
	}
	if out.Type == String {
		out.Strings = make([][]byte, 0, texts)
		for i := range parts {
			out.Strings = append(out.Strings, parts[i].Strings...)
		}
		return out, nil
	}
	out.Data = make([]byte, 0, size)
	for i := range parts {
		out.Data = append(out.Data, parts[i].Data...)
	}
	return out, nil
}

// unlimited holds a tensor to its own form alone.
var unlimited = Limits{Bytes: math.MaxInt64, Rank: math.MaxInt, Tensors: math.MaxInt, Text: math.MaxInt64, Texts: math.MaxInt64}

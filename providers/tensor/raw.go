package tensor

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// AppendRaw appends the elements as raw bytes, as the Open Inference Protocol has them: little-endian and row-major,
// and for String each element behind its length, of 4 bytes.
func (t *Tensor) AppendRaw(dst []byte) ([]byte, error) {
	if t.Type != String {
		return append(dst, t.Data...), nil
	}
	n := 0
	for _, s := range t.Strings {
		if len(s) > math.MaxUint32 {
			return dst, fmt.Errorf("tensor %q: a text of %d bytes has no length that 4 bytes hold", t.Name, len(s))
		}
		n += 4 + len(s)
	}
	dst = slices.Grow(dst, n)
	for _, s := range t.Strings {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s)))
		dst = append(dst, s...)
	}
	return dst, nil
}

// ParseRaw reads what AppendRaw writes. The elements share the memory of raw; the list of texts is all that it
// allocates, 24 bytes for each, after the sizes were found to fit. A Bool is 0 or 1.
func ParseRaw(name string, t Type, shape []int64, raw []byte, l Limits) (Tensor, error) {
	elements, size, err := l.Check(t, shape)
	if err != nil {
		return Tensor{}, fmt.Errorf("tensor %q: %w", name, err)
	}
	out := Tensor{Name: name, Type: t, Shape: slices.Clone(shape)}
	if t == String {
		out.Strings, err = rawTexts(name, elements, raw, l.WithDefaults())
		return out, err
	}
	if int64(len(raw)) != size {
		return Tensor{}, fmt.Errorf("tensor %q: %v of %s wants %d bytes and has %d", name, shape, t, size, len(raw))
	}
	if t == Bool && slices.ContainsFunc(raw, func(b byte) bool { return b > 1 }) {
		return Tensor{}, fmt.Errorf("tensor %q: a truth is neither 0 nor 1", name)
	}
	out.Data = raw
	return out, nil
}

func rawTexts(name string, elements int64, raw []byte, l Limits) ([][]byte, error) {
	if int64(len(raw)) > l.Bytes || elements > int64(len(raw))/4 {
		return nil, fmt.Errorf("tensor %q: %d bytes are more than the limit, or too few for %d texts", name, len(raw), elements)
	}
	list := make([][]byte, elements)
	for i := range list {
		if len(raw) < 4 {
			return nil, fmt.Errorf("tensor %q: it ends before text %d", name, i)
		}
		n := int64(binary.LittleEndian.Uint32(raw))
		raw = raw[4:]
		switch {
		case n > l.Text:
			return nil, fmt.Errorf("tensor %q: text %d has %d bytes, the limit is %d", name, i, n, l.Text)
		case n > int64(len(raw)):
			return nil, fmt.Errorf("tensor %q: it ends within text %d", name, i)
		}
		list[i], raw = raw[:n:n], raw[n:]
	}
	if len(raw) > 0 {
		return nil, fmt.Errorf("tensor %q: %d bytes follow the last text", name, len(raw))
	}
	return list, nil
}

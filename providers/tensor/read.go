package tensor

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Floats gives the elements of a numeric tensor or one of truths (0 and 1). Whole numbers beyond 2^53 are rounded to
// the nearest. The data must fit the type.
func (t *Tensor) Floats() ([]float64, error) {
	return t.AppendFloats(nil)
}

// AppendFloats is Floats behind what dst holds, in its memory where that suffices.
func (t *Tensor) AppendFloats(dst []float64) ([]float64, error) {
	if err := t.whole(); err != nil {
		return dst, err
	}
	le, data := binary.LittleEndian, t.Data
	dst = slices.Grow(dst, len(data)/t.Type.Size())
	switch t.Type {
	case Bool, Uint8:
		for _, b := range data {
			dst = append(dst, float64(b))
		}
	case Int8:
		for _, b := range data {
			dst = append(dst, float64(int8(b)))
		}
	case Int16:
		for ; len(data) > 0; data = data[2:] {
			dst = append(dst, float64(int16(le.Uint16(data))))
		}
	case Uint16:
		for ; len(data) > 0; data = data[2:] {
			dst = append(dst, float64(le.Uint16(data)))
		}
	case Int32:
		for ; len(data) > 0; data = data[4:] {
			dst = append(dst, float64(int32(le.Uint32(data))))
		}
	case Uint32:
		for ; len(data) > 0; data = data[4:] {
			dst = append(dst, float64(le.Uint32(data)))
		}
	case Int64:
		for ; len(data) > 0; data = data[8:] {
			dst = append(dst, float64(int64(le.Uint64(data))))
		}
	case Uint64:
		for ; len(data) > 0; data = data[8:] {
			dst = append(dst, float64(le.Uint64(data)))
		}
	case Float16:
		for ; len(data) > 0; data = data[2:] {
			dst = append(dst, float64(float16(le.Uint16(data))))
		}
	case BFloat16:
		for ; len(data) > 0; data = data[2:] {
			dst = append(dst, float64(bfloat16(le.Uint16(data))))
		}
	case Float32:
		for ; len(data) > 0; data = data[4:] {
			dst = append(dst, float64(math.Float32frombits(le.Uint32(data))))
		}
	case Float64:
		for ; len(data) > 0; data = data[8:] {
			dst = append(dst, math.Float64frombits(le.Uint64(data)))
		}
	}
	return dst, nil
}

// Ints gives the elements of a tensor of whole numbers, exactly. An element beyond an int64 is an error.
func (t *Tensor) Ints() ([]int64, error) {
	if err := t.whole(); err != nil {
		return nil, err
	}
	if !t.Type.Whole() {
		return nil, fmt.Errorf("tensor %q: type %s holds no whole numbers", t.Name, t.Type)
	}
	le := binary.LittleEndian
	size := t.Type.Size()
	out := make([]int64, 0, len(t.Data)/size)
	for data := t.Data; len(data) > 0; data = data[size:] {
		var n int64
		switch t.Type {
		case Int8:
			n = int64(int8(data[0]))
		case Uint8:
			n = int64(data[0])
		case Int16:
			n = int64(int16(le.Uint16(data)))
		case Uint16:
			n = int64(le.Uint16(data))
		case Int32:
			n = int64(int32(le.Uint32(data)))
		case Uint32:
			n = int64(le.Uint32(data))
		default:
			n = int64(le.Uint64(data))
			if t.Type == Uint64 && n < 0 {
				return nil, fmt.Errorf("tensor %q: element %d is larger than an int64 holds", t.Name, len(out))
			}
		}
		out = append(out, n)
	}
	return out, nil
}

// Texts gives the elements of a tensor of type String. They are copies.
func (t *Tensor) Texts() ([]string, error) {
	if t.Type != String {
		return nil, fmt.Errorf("tensor %q: type %s holds no texts", t.Name, t.Type)
	}
	out := make([]string, len(t.Strings))
	for i, s := range t.Strings {
		out[i] = string(s)
	}
	return out, nil
}

// Finite says whether no element is NaN or an infinity.
func (t *Tensor) Finite() bool {
	le, data := binary.LittleEndian, t.Data
	switch t.Type {
	case Float16:
		for ; len(data) >= 2; data = data[2:] {
			if le.Uint16(data)&0x7c00 == 0x7c00 {
				return false
			}
		}
	case BFloat16:
		for ; len(data) >= 2; data = data[2:] {
			if le.Uint16(data)&0x7f80 == 0x7f80 {
				return false
			}
		}
	case Float32:
		for ; len(data) >= 4; data = data[4:] {
			if le.Uint32(data)&0x7f800000 == 0x7f800000 {
				return false
			}
		}
	case Float64:
		const exponent = 0x7ff << 52
		for ; len(data) >= 8; data = data[8:] {
			if le.Uint64(data)&exponent == exponent {
				return false
			}
		}
	}
	return true
}

// whole says what keeps the data from being whole elements of a type with a size.
func (t *Tensor) whole() error {
	size := t.Type.Size()
	switch {
	case size == 0:
		return fmt.Errorf("tensor %q: type %s holds no numbers", t.Name, t.Type)
	case len(t.Data)%size != 0:
		return fmt.Errorf("tensor %q: %d bytes are no whole elements of type %s", t.Name, len(t.Data), t.Type)
	}
	return nil
}

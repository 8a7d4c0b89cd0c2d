package tensor

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Number is what a tensor is made from as it is.
type Number interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

// From makes a tensor of the type that has the numbers' own form. The shape must have as many elements as there are
// numbers; it is not kept.
func From[N Number](name string, shape []int64, numbers []N) (Tensor, error) {
	var n N
	t := Invalid
	switch any(n).(type) {
	case int8:
		t = Int8
	case int16:
		t = Int16
	case int32:
		t = Int32
	case int64:
		t = Int64
	case uint8:
		t = Uint8
	case uint16:
		t = Uint16
	case uint32:
		t = Uint32
	case uint64:
		t = Uint64
	case float32:
		t = Float32
	case float64:
		t = Float64
	}
	if err := fits(name, t, shape, len(numbers)); err != nil {
		return Tensor{}, err
	}
	data, err := binary.Append(make([]byte, 0, len(numbers)*t.Size()), binary.LittleEndian, numbers)
	if err != nil {
		return Tensor{}, fmt.Errorf("tensor %q: %w", name, err)
	}
	return Tensor{Name: name, Type: t, Shape: slices.Clone(shape), Data: data}, nil
}

// FromFloat32s makes a tensor of type Float32.
func FromFloat32s(name string, shape []int64, numbers []float32) (Tensor, error) {
	return From(name, shape, numbers)
}

// FromFloat64s makes a tensor of type Float64.
func FromFloat64s(name string, shape []int64, numbers []float64) (Tensor, error) {
	return From(name, shape, numbers)
}

// FromInt64s makes a tensor of type Int64.
func FromInt64s(name string, shape []int64, numbers []int64) (Tensor, error) {
	return From(name, shape, numbers)
}

// FromBools makes a tensor of type Bool.
func FromBools(name string, shape []int64, truths []bool) (Tensor, error) {
	if err := fits(name, Bool, shape, len(truths)); err != nil {
		return Tensor{}, err
	}
	data := make([]byte, len(truths))
	for i, v := range truths {
		if v {
			data[i] = 1
		}
	}
	return Tensor{Name: name, Type: Bool, Shape: slices.Clone(shape), Data: data}, nil
}

// FromStrings makes a tensor of type String.
func FromStrings(name string, shape []int64, texts []string) (Tensor, error) {
	if err := fits(name, String, shape, len(texts)); err != nil {
		return Tensor{}, err
	}
	list := make([][]byte, len(texts))
	for i, s := range texts {
		list[i] = []byte(s)
	}
	return Tensor{Name: name, Type: String, Shape: slices.Clone(shape), Strings: list}, nil
}

// FromNumbers makes a tensor of any type but Bool and String. A number that the type does not hold is an error: one
// with a fraction for a type of whole numbers, or one beyond its range. What a type of floating point holds only
// roughly is rounded to the nearest; NaN and the infinities pass in those types.
func FromNumbers(name string, t Type, shape []int64, numbers []float64) (Tensor, error) {
	if !t.Numeric() {
		return Tensor{}, fmt.Errorf("tensor %q: numbers are no elements of type %s", name, t)
	}
	if err := fits(name, t, shape, len(numbers)); err != nil {
		return Tensor{}, err
	}
	data := make([]byte, 0, len(numbers)*t.Size())
	for i, n := range numbers {
		var ok bool
		if data, ok = appendFloat(data, t, n); !ok {
			return Tensor{}, fmt.Errorf("tensor %q: element %d is no number of type %s", name, i, t)
		}
	}
	return Tensor{Name: name, Type: t, Shape: slices.Clone(shape), Data: data}, nil
}

// fits says whether a shape is one and has so many elements.
func fits(name string, t Type, shape []int64, count int) error {
	elements, err := Elements(shape)
	switch {
	case err != nil:
		return fmt.Errorf("tensor %q: %w", name, err)
	case elements != int64(count):
		return fmt.Errorf("tensor %q: %v of %s wants %d elements and has %d", name, shape, t, elements, count)
	}
	return nil
}

// appendFloat appends a number as an element of a numeric type; ok is false where the type does not hold it.
func appendFloat(dst []byte, t Type, n float64) (_ []byte, ok bool) {
	le := binary.LittleEndian
	switch t {
	case Float64:
		return le.AppendUint64(dst, math.Float64bits(n)), true
	case Float32, Float16, BFloat16:
		f := float32(n)
		if math.IsInf(float64(f), 0) && !math.IsInf(n, 0) {
			return dst, false
		}
		switch t {
		case Float32:
			return le.AppendUint32(dst, math.Float32bits(f)), true
		case BFloat16:
			h := toBFloat16(f)
			return le.AppendUint16(dst, h), h&0x7fff != 0x7f80 || math.IsInf(n, 0)
		}
		h := toFloat16(f)
		return le.AppendUint16(dst, h), h&0x7fff != 0x7c00 || math.IsInf(n, 0)
	}
	if n != math.Trunc(n) || math.IsInf(n, 0) { // NaN equals nothing
		return dst, false
	}
	if n >= 0 {
		return appendUnsigned(dst, t, uint64(n), n < 1<<64)
	}
	return appendSigned(dst, t, int64(n), n >= -1<<63)
}

// appendUnsigned appends a whole number that is not negative as an element of a type of whole numbers.
func appendUnsigned(dst []byte, t Type, n uint64, ok bool) ([]byte, bool) {
	bits := 8 * t.Size()
	if t >= Int8 && t <= Int64 {
		bits--
	}
	return appendWhole(dst, t, n), ok && (bits == 64 || n < 1<<bits)
}

// appendSigned appends a negative whole number as an element of a type of whole numbers.
func appendSigned(dst []byte, t Type, n int64, ok bool) ([]byte, bool) {
	signed := t >= Int8 && t <= Int64
	return appendWhole(dst, t, uint64(n)), ok && signed && n >= -1<<(8*t.Size()-1)
}

func appendWhole(dst []byte, t Type, n uint64) []byte {
	le := binary.LittleEndian
	switch t.Size() {
	case 1:
		return append(dst, byte(n))
	case 2:
		return le.AppendUint16(dst, uint16(n))
	case 4:
		return le.AppendUint32(dst, uint32(n))
	default:
		return le.AppendUint64(dst, n)
	}
}

package tfserving

import (
	"encoding/binary"
	"errors"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	tensorflow "fairlead/gen/thirdparty/tensorflow"
	"fairlead/providers/tensor"
)

// values is what one field of a TensorProto holds.
type values struct {
	count int64
	// run is the field's last packed piece, and runs how many pieces there are, packed or not.
	run  []byte
	runs int
	mask uint8 // the wire types seen, to find a piece that is not packed
}

// maxValueField is the highest number of a field with values.
const maxValueField = 17

// float reads a number of 32 bits.
func float(kind protowire.Type, value []byte) (float64, error) {
	if kind != protowire.Fixed32Type {
		return 0, errWire
	}
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(value))), nil
}

// tensor reads a TensorProto. First it only counts; then, when type, shape and limits allow it, it makes the elements.
func (d *decoder) tensor(b []byte) (t tensor.Tensor, err error) {
	var data uint64
	var shape, content []byte
	var held [maxValueField + 1]values
	shapes := 0
	err = fields(b, func(number protowire.Number, kind protowire.Type, value []byte) (err error) {
		switch {
		case number == 1:
			data, err = integer(kind, value)
		case (number == 2 || number == 4) && kind != protowire.BytesType:
			return errWire
		case number == 2:
			shape, shapes = value, shapes+1
		case number == 4:
			content = value
		case number >= 5 && number <= maxValueField:
			held[number].add(kind, value)
		}
		return err
	})
	switch {
	case err != nil:
		return t, err
	case shapes > 1:
		return t, errTwice
	case data > math.MaxInt32:
		return t, errWire
	}
	t.Type = typeOf(tensorflow.DataType(data))
	if !t.Type.Valid() {
		return t, errors.New("it has a type of elements that is not supported")
	}
	if t.Shape, err = d.shape(shape); err != nil {
		return t, err
	}
	elements, size, err := d.limits.Check(t.Type, t.Shape)
	switch {
	case err != nil:
		return t, err
	case size > d.data:
		return t, errors.New("its tensors together have more bytes than the limit")
	}
	d.data -= size
	l := layouts[t.Type]
	for i := range held {
		if i != l.field && held[i].runs > 0 {
			return t, errors.New("it has values of another type than it says")
		}
	}
	v := held[l.field]
	if len(content) > 0 && v.runs > 0 {
		return t, errTwice
	}
	switch {
	case t.Type == tensor.String:
		t.Strings, err = d.texts(b, elements, content, v)
	case len(content) > 0:
		t.Data, err = contentData(t.Type, content, size)
	default:
		t.Data, err = d.numbers(b, t.Type, elements, v)
	}
	return t, err
}

// add counts a piece of a field. What is wrong with it shows when it is read.
func (v *values) add(kind protowire.Type, value []byte) {
	v.runs++
	v.mask |= 1 << kind
	v.run = value
	v.count++ // of a packed piece, the count is made when its type is known
}

// shape reads a TensorShapeProto.
func (d *decoder) shape(b []byte) ([]int64, error) {
	var dims [16]int64
	n := 0
	err := fields(b, func(number protowire.Number, kind protowire.Type, value []byte) error {
		switch number {
		case 2:
			if kind != protowire.BytesType {
				return errWire
			}
			if n == len(dims) || n == d.limits.Rank {
				return errors.New("it has more dimensions than the limit")
			}
			size, err := dimension(value)
			dims[n] = size
			n++
			return err
		case 3:
			if unknown, err := integer(kind, value); err != nil || unknown != 0 {
				return errors.New("it has a shape of unknown rank")
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return append(make([]int64, 0, n), dims[:n]...), nil
}

func dimension(b []byte) (size int64, err error) {
	err = fields(b, func(number protowire.Number, kind protowire.Type, value []byte) error {
		if number != 1 {
			return nil
		}
		v, err := integer(kind, value)
		size = int64(v)
		return err
	})
	return size, err
}

// contentData is tensor_content as it came.
func contentData(t tensor.Type, content []byte, size int64) ([]byte, error) {
	if int64(len(content)) != size {
		return nil, errors.New("its bytes do not fit its shape")
	}
	if t == tensor.Bool {
		for _, b := range content {
			if b > 1 {
				return nil, errors.New("it has a truth value that is neither 0 nor 1")
			}
		}
	}
	return content[:size:size], nil
}

// numbers gives the elements of a numeric tensor from its typed field.
func (d *decoder) numbers(b []byte, t tensor.Type, elements int64, v values) ([]byte, error) {
	l, width := layouts[t], int64(t.Size())
	if l.kind == fixedValues && v.runs == 1 && v.mask == 1<<protowire.BytesType && int64(len(v.run)) == elements*width {
		return v.run[:len(v.run):len(v.run)], nil // it stands there as we want it
	}
	count, err := countValues(b, l, width)
	if err != nil {
		return nil, err
	}
	if count > elements {
		return nil, errors.New("it has more values than elements")
	}
	if count < elements || l.kind == fixedValues {
		if err := d.take(elements * width); err != nil {
			return nil, err
		}
	}
	out := make([]byte, 0, elements*width)
	err = fields(b, func(number protowire.Number, kind protowire.Type, value []byte) error {
		if int(number) != l.field {
			return nil
		}
		if l.kind == fixedValues {
			out = append(out, value...) // packed or single, the bytes are the same
			return nil
		}
		for len(value) > 0 {
			x, n := protowire.ConsumeVarint(value)
			if n < 0 {
				return errWire
			}
			value = value[n:]
			if out, err = appendInteger(out, t, x); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return fill(out, int(elements*width), int(width)), nil
}

// countValues counts the values of a numeric field.
func countValues(b []byte, l layout, width int64) (count int64, err error) {
	single := protowire.VarintType
	if l.kind == fixedValues {
		if single = protowire.Fixed32Type; width == 8 {
			single = protowire.Fixed64Type
		}
	}
	err = fields(b, func(number protowire.Number, kind protowire.Type, value []byte) error {
		switch {
		case int(number) != l.field:
		case kind == single:
			count++
		case kind != protowire.BytesType:
			return errWire
		case l.kind == fixedValues:
			if int64(len(value))%width != 0 {
				return errWire
			}
			count += int64(len(value)) / width
		default:
			if len(value) > 0 && value[len(value)-1] >= 0x80 {
				return errWire
			}
			for _, c := range value {
				if c < 0x80 {
					count++
				}
			}
		}
		return nil
	})
	return count, err
}

var errRange = errors.New("it has a value that its type does not hold")

// appendInteger writes a varint as an element.
func appendInteger(out []byte, t tensor.Type, x uint64) ([]byte, error) {
	low, high := int64(math.MinInt32), int64(math.MaxInt32)
	switch t {
	case tensor.Int64, tensor.Uint64:
		return binary.LittleEndian.AppendUint64(out, x), nil
	case tensor.Uint32:
		if x > math.MaxUint32 {
			return nil, errRange
		}
		return binary.LittleEndian.AppendUint32(out, uint32(x)), nil
	case tensor.Bool:
		return append(out, byte(min(x, 1))), nil
	case tensor.Int8:
		low, high = math.MinInt8, math.MaxInt8
	case tensor.Uint8:
		low, high = 0, math.MaxUint8
	case tensor.Int16:
		low, high = math.MinInt16, math.MaxInt16
	case tensor.Uint16, tensor.Float16, tensor.BFloat16:
		low, high = 0, math.MaxUint16
	}
	if v := int64(x); v < low || v > high {
		return nil, errRange
	}
	switch t.Size() {
	case 1:
		return append(out, byte(x)), nil
	case 2:
		return binary.LittleEndian.AppendUint16(out, uint16(x)), nil
	default:
		return binary.LittleEndian.AppendUint32(out, uint32(x)), nil
	}
}

// fill makes the rest of a tensor of its last value, or of zeros where there is none.
func fill(out []byte, size, width int) []byte {
	done := len(out)
	if done == size {
		return out
	}
	out = out[:size]
	if done == 0 {
		clear(out)
		return out
	}
	for n := copy(out[done:], out[done-width:done]); done+n < size; { // it doubles
		n += copy(out[done+n:], out[done:done+n])
	}
	return out
}

// header is the memory of a []byte.
const header = 24

// texts gives the elements of a String tensor: each a part of the answer.
func (d *decoder) texts(b []byte, elements int64, content []byte, v values) ([][]byte, error) {
	if err := d.take(elements * header); err != nil {
		return nil, err
	}
	if len(content) > 0 {
		return d.packedTexts(content, elements)
	}
	if v.count > elements {
		return nil, errors.New("it has more values than elements")
	}
	if v.runs > 0 && v.mask != 1<<protowire.BytesType {
		return nil, errWire
	}
	out := make([][]byte, 0, elements)
	err := fields(b, func(number protowire.Number, _ protowire.Type, value []byte) error {
		if number != 8 {
			return nil
		}
		if err := d.text(value); err != nil {
			return err
		}
		out = append(out, value[:len(value):len(value)])
		return nil
	})
	if err != nil {
		return nil, err
	}
	last := []byte{}
	if len(out) > 0 {
		last = out[len(out)-1]
	}
	for int64(len(out)) < elements {
		out = append(out, last)
	}
	return out, nil
}

// text checks one text, and that all are within the limit.
func (d *decoder) text(value []byte) error {
	if int64(len(value)) > d.limits.Text || int64(len(value)) > d.data {
		return errors.New("it has a text beyond the limit")
	}
	d.data -= int64(len(value))
	return nil
}

// packedTexts reads texts in tensor_content: first the lengths of all, then all bytes.
func (d *decoder) packedTexts(content []byte, elements int64) ([][]byte, error) {
	if elements > int64(len(content)) {
		return nil, errBomb
	}
	lengths := content
	for range elements {
		_, n := protowire.ConsumeVarint(content)
		if n < 0 {
			return nil, errWire
		}
		content = content[n:]
	}
	out := make([][]byte, elements)
	for i := range out {
		size, n := protowire.ConsumeVarint(lengths)
		if n < 0 || size > uint64(len(content)) {
			return nil, errWire
		}
		out[i], content, lengths = content[:size:size], content[size:], lengths[n:]
		if err := d.text(out[i]); err != nil {
			return nil, err
		}
	}
	if len(content) > 0 {
		return nil, errors.New("its bytes do not fit its shape")
	}
	return out, nil
}

package openinference

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"fairlead/providers/tensor"
)

// The numbers of the fields of InferTensorContents.
const (
	fieldBool   = 1
	fieldInt    = 2
	fieldInt64  = 3
	fieldUint   = 4
	fieldUint64 = 5
	fieldFP32   = 6
	fieldFP64   = 7
	fieldBytes  = 8
)

// contentsField is the field that holds the elements of a type, and how they stand there. 0: none does.
func contentsField(t tensor.Type) (protowire.Number, protowire.Type) {
	switch t {
	case tensor.Bool:
		return fieldBool, protowire.VarintType
	case tensor.Int8, tensor.Int16, tensor.Int32:
		return fieldInt, protowire.VarintType
	case tensor.Int64:
		return fieldInt64, protowire.VarintType
	case tensor.Uint8, tensor.Uint16, tensor.Uint32:
		return fieldUint, protowire.VarintType
	case tensor.Uint64:
		return fieldUint64, protowire.VarintType
	case tensor.Float32:
		return fieldFP32, protowire.Fixed32Type
	case tensor.Float64:
		return fieldFP64, protowire.Fixed64Type
	case tensor.String:
		return fieldBytes, protowire.BytesType
	default:
		return 0, 0
	}
}

// typed makes the elements of output i of its contents. It counts them before it takes memory for them.
func (b *budget) typed(i int, out *tensor.Tensor, contents fields) error {
	elements, bytes, err := b.shape(i, out.Type, out.Shape)
	if err != nil {
		return err
	}
	field, kind := contentsField(out.Type)
	if field == 0 {
		return broken("output %d: %s can only come raw", i, out.Type)
	}
	count, textBytes, chunk, err := b.count(i, contents, field, kind)
	switch {
	case err != nil:
		return err
	case count != elements:
		return broken("output %d: its shape has %d elements and %d came", i, elements, count)
	case out.Type == tensor.String:
		if err := b.take(textBytes); err != nil {
			return err
		}
		out.Strings = make([][]byte, 0, elements)
	case kind != protowire.VarintType && int64(len(chunk)) == bytes:
		out.Data = chunk[:len(chunk):len(chunk)] // one packed piece is as raw elements are
		return nil
	default:
		out.Data = make([]byte, 0, bytes)
	}
	for more, _ := contents.next(); more; more, _ = contents.next() {
		switch {
		case contents.number != field:
		case kind == protowire.BytesType:
			out.Strings = append(out.Strings, contents.data[:len(contents.data):len(contents.data)])
		case contents.kind == kind:
			if err := appendElement(out, contents.value, i); err != nil {
				return err
			}
		case kind == protowire.VarintType:
			for packed := contents.data; len(packed) > 0; {
				v, n := protowire.ConsumeVarint(packed)
				if n < 0 {
					return broken("output %d: its contents are cut", i)
				}
				if err := appendElement(out, v, i); err != nil {
					return err
				}
				packed = packed[n:]
			}
		default:
			out.Data = append(out.Data, contents.data...)
		}
	}
	return nil
}

// count goes through contents and counts their elements, and for texts their bytes. chunk is the first packed piece.
func (b *budget) count(i int, contents fields, field protowire.Number, kind protowire.Type) (count, bytes int64, chunk []byte, err error) {
	for {
		more, err := contents.next()
		if err != nil || !more {
			return count, bytes, chunk, err
		}
		packed := contents.kind == protowire.BytesType && kind != protowire.BytesType
		switch {
		case contents.number < fieldBool || contents.number > fieldBytes: // not ours
		case contents.number != field:
			if contents.kind != protowire.BytesType || len(contents.data) > 0 || contents.number == fieldBytes {
				return 0, 0, nil, broken("output %d: it has contents of another type than its own", i)
			}
		case contents.kind != kind && !packed:
			return 0, 0, nil, broken("output %d: its contents have another form than the protocol's", i)
		case kind == protowire.BytesType:
			count++
			size := int64(len(contents.data))
			if bytes += size; size > b.Text {
				return 0, 0, nil, beyond("output %d: text %d has %d bytes, the limit is %d", i, count-1, size, b.Text)
			}
		case !packed:
			count++
		case kind == protowire.VarintType:
			for _, c := range contents.data {
				if c < 0x80 {
					count++ // the last byte of a number
				}
			}
		default:
			size := 4
			if kind == protowire.Fixed64Type {
				size = 8
			}
			if len(contents.data)%size != 0 {
				return 0, 0, nil, broken("output %d: its contents are cut", i)
			}
			if chunk == nil {
				chunk = contents.data
			}
			count += int64(len(contents.data) / size)
		}
	}
}

// appendElement adds a number as it stood in a message. What does not fit the type is refused.
func appendElement(out *tensor.Tensor, v uint64, i int) error {
	signed, unsigned := int64(int32(v)), uint64(uint32(v)) // int32 and uint32 fields keep the low bits of what came
	fit := true
	switch out.Type {
	case tensor.Bool:
		out.Data = append(out.Data, byte(min(v, 1)))
	case tensor.Int8:
		fit = signed >= math.MinInt8 && signed <= math.MaxInt8
		out.Data = append(out.Data, byte(signed))
	case tensor.Int16:
		fit = signed >= math.MinInt16 && signed <= math.MaxInt16
		out.Data = binary.LittleEndian.AppendUint16(out.Data, uint16(signed))
	case tensor.Uint8:
		fit = unsigned <= math.MaxUint8
		out.Data = append(out.Data, byte(unsigned))
	case tensor.Uint16:
		fit = unsigned <= math.MaxUint16
		out.Data = binary.LittleEndian.AppendUint16(out.Data, uint16(unsigned))
	case tensor.Int32, tensor.Uint32, tensor.Float32:
		out.Data = binary.LittleEndian.AppendUint32(out.Data, uint32(v))
	default:
		out.Data = binary.LittleEndian.AppendUint64(out.Data, v)
	}
	if !fit {
		return broken("output %d: a number does not fit %s", i, out.Type)
	}
	return nil
}

package openinference

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"fairlead/providers/tensor"
)

// fields goes through a message, field by field, and takes no memory.
type fields struct {
	rest   []byte
	number protowire.Number
	kind   protowire.Type
	// data is the value of a field with a length, value that of a number.
	data  []byte
	value uint64
}

// next reads a field; false is the end.
func (f *fields) next() (bool, error) {
	if len(f.rest) == 0 {
		return false, nil
	}
	number, kind, n := protowire.ConsumeTag(f.rest)
	if n < 0 {
		return false, broken("its message is cut or is none")
	}
	rest := f.rest[n:]
	f.number, f.kind, f.data, f.value = number, kind, nil, 0
	switch kind {
	case protowire.BytesType:
		f.data, n = protowire.ConsumeBytes(rest)
	case protowire.VarintType:
		f.value, n = protowire.ConsumeVarint(rest)
	case protowire.Fixed32Type:
		var v uint32
		v, n = protowire.ConsumeFixed32(rest)
		f.value = uint64(v)
	case protowire.Fixed64Type:
		f.value, n = protowire.ConsumeFixed64(rest)
	default: // proto3 has no groups, and what has is not this protocol
		n = -1
	}
	if n < 0 {
		return false, broken("its message is cut or is none")
	}
	f.rest = rest[n:]
	return true, nil
}

func (f *fields) want(kind protowire.Type) error {
	if f.kind != kind {
		return broken("field %d of its message has another type than the protocol's", f.number)
	}
	return nil
}

// name reads a short text.
func (f *fields) name() (string, error) {
	if err := f.want(protowire.BytesType); err != nil {
		return "", err
	}
	if len(f.data) > maxName {
		return "", beyond("a name has %d bytes, the limit is %d", len(f.data), maxName)
	}
	if !utf8.Valid(f.data) {
		return "", broken("a name is no text")
	}
	return string(f.data), nil
}

// dimensions adds to a shape, which may come packed or not.
func (f *fields) dimensions(shape []int64, i int, l tensor.Limits) ([]int64, error) {
	packed := f.data
	if f.kind == protowire.VarintType {
		if len(shape) == l.Rank {
			return nil, beyond("output %d has more than %d dimensions, the limit", i, l.Rank)
		}
		return append(shape, int64(f.value)), nil
	}
	if err := f.want(protowire.BytesType); err != nil {
		return nil, err
	}
	for len(packed) > 0 {
		v, n := protowire.ConsumeVarint(packed)
		if n < 0 {
			return nil, broken("output %d: its shape is cut", i)
		}
		if len(shape) == l.Rank {
			return nil, beyond("output %d has more than %d dimensions, the limit", i, l.Rank)
		}
		shape, packed = append(shape, int64(v)), packed[n:]
	}
	return shape, nil
}

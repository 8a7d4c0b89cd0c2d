package tfserving

import (
	"errors"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"fairlead/providers"
	"fairlead/providers/tensor"
)

// The errors of reading an answer. Their texts are ours, and nothing of the answer is in them.
var (
	errWire  = errors.New("it is not the message that was expected")
	errBomb  = errors.New("it claims much more than it holds")
	errTwice = errors.New("it gives something twice")
)

// free is what may be made of an answer beyond twice its size: so that small answers may hold what is written short.
const free = 256 << 10

// decoder reads answers. It is for one answer.
type decoder struct {
	limits tensor.Limits
	// room is how many bytes may still be made that are no one-to-one reading of what came; data is how many all tensors
	// may still have.
	room, data int64
}

func newDecoder(limits tensor.Limits, wire []byte) *decoder {
	limits = limits.WithDefaults()
	return &decoder{limits: limits, room: 2*int64(len(wire)) + free, data: limits.Bytes}
}

// take says that n bytes are made.
func (d *decoder) take(n int64) error {
	if n > d.room {
		return errBomb
	}
	d.room -= n
	return nil
}

// fields calls f for each field of a message, with the value of a field that has a length or else the whole of its
// encoding. It fails on what is not a message; groups are no part of it.
func fields(b []byte, f func(number protowire.Number, kind protowire.Type, value []byte) error) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errWire
		}
		b = b[n:]
		var value []byte
		if kind == protowire.BytesType {
			value, n = protowire.ConsumeBytes(b)
		} else if n = protowire.ConsumeFieldValue(number, kind, b); n >= 0 {
			value = b[:n]
		}
		if n < 0 || kind == protowire.StartGroupType {
			return errWire
		}
		b = b[n:]
		if err := f(number, kind, value); err != nil {
			return err
		}
	}
	return nil
}

// text gives the string of a field.
func text(kind protowire.Type, value []byte) (string, error) {
	if kind != protowire.BytesType || !utf8.Valid(value) {
		return "", errWire
	}
	return string(value), nil
}

// integer gives the varint of a field.
func integer(kind protowire.Type, value []byte) (uint64, error) {
	if kind != protowire.VarintType {
		return 0, errWire
	}
	v, n := protowire.ConsumeVarint(value)
	if n < 0 {
		return 0, errWire
	}
	return v, nil
}

// decodePredict reads a PredictResponse. The tensors share memory with it. Their order is that on the wire, which is any.
func decodePredict(wire []byte, limits tensor.Limits) (outputs []tensor.Tensor, s spec, err error) {
	d := newDecoder(limits, wire)
	err = fields(wire, func(number protowire.Number, kind protowire.Type, value []byte) error {
		switch {
		case number == 1 && kind == protowire.BytesType:
			if len(outputs) == d.limits.Tensors {
				return errors.New("it has more tensors than the limit")
			}
			t, err := d.entry(value)
			if err != nil {
				return err
			}
			for i := range outputs {
				if outputs[i].Name == t.Name {
					return errTwice
				}
			}
			outputs = append(outputs, t)
			return nil
		case number == 2 && kind == protowire.BytesType:
			return decodeSpec(value, &s)
		case number <= 2:
			return errWire
		default:
			return nil
		}
	})
	return outputs, s, err
}

// decodeSpec reads a ModelSpec.
func decodeSpec(b []byte, s *spec) error {
	return fields(b, func(number protowire.Number, kind protowire.Type, value []byte) (err error) {
		switch number {
		case 1:
			s.model, err = text(kind, value)
		case 2:
			if kind != protowire.BytesType {
				return errWire
			}
			s.version = "0"
			err = fields(value, func(number protowire.Number, kind protowire.Type, value []byte) error {
				if number != 1 {
					return nil
				}
				v, err := integer(kind, value)
				s.version = strconv.FormatInt(int64(v), 10)
				return err
			})
		case 3:
			s.signature, err = text(kind, value)
		}
		return err
	})
}

// entry reads an entry of a map from names to tensors.
func (d *decoder) entry(b []byte) (t tensor.Tensor, err error) {
	var name string
	var body []byte
	found := false
	err = fields(b, func(number protowire.Number, kind protowire.Type, value []byte) (err error) {
		switch {
		case number == 1:
			name, err = text(kind, value)
		case number == 2 && kind == protowire.BytesType && !found:
			body, found = value, true
		case number == 2:
			return errWire
		}
		return err
	})
	if err == nil && !found {
		err = errWire
	}
	if err != nil {
		return t, err
	}
	t, err = d.tensor(body)
	t.Name = name
	return t, err
}

// decodeClassification reads a ClassificationResponse for count examples. Names of classes are as they came.
func decodeClassification(wire []byte, limits tensor.Limits, count int) (classes [][]providers.Class, s spec, err error) {
	d := newDecoder(limits, wire)
	list, err := result(wire, &s)
	if err != nil {
		return nil, s, err
	}
	classes = make([][]providers.Class, 0, count)
	err = fields(list, func(number protowire.Number, kind protowire.Type, value []byte) error {
		if number != 1 {
			return nil
		}
		if kind != protowire.BytesType || len(classes) == count {
			return errWire
		}
		one, err := d.classes(value)
		classes = append(classes, one)
		return err
	})
	if err == nil && len(classes) != count {
		err = errors.New("it has another number of results than there were examples")
	}
	return classes, s, err
}

// result gives the result of a ClassificationResponse or RegressionResponse.
func result(wire []byte, s *spec) (list []byte, err error) {
	err = fields(wire, func(number protowire.Number, kind protowire.Type, value []byte) error {
		switch {
		case number > 2:
			return nil
		case kind != protowire.BytesType:
			return errWire
		case number == 2:
			return decodeSpec(value, s)
		case list != nil:
			return errTwice
		default:
			list = value
			return nil
		}
	})
	return list, err
}

// classSize is what one class takes beyond its name.
const classSize = 24

func (d *decoder) classes(b []byte) ([]providers.Class, error) {
	n := 0
	if err := fields(b, func(number protowire.Number, _ protowire.Type, _ []byte) error {
		if number == 1 {
			n++
		}
		return nil
	}); err != nil {
		return nil, err
	}
	if err := d.take(int64(n) * classSize); err != nil {
		return nil, err
	}
	out := make([]providers.Class, 0, n)
	err := fields(b, func(number protowire.Number, kind protowire.Type, value []byte) error {
		if number != 1 {
			return nil
		}
		if kind != protowire.BytesType {
			return errWire
		}
		var c providers.Class
		err := fields(value, func(number protowire.Number, kind protowire.Type, value []byte) (err error) {
			switch number {
			case 1:
				c.Name, err = text(kind, value)
			case 2:
				c.Probability, err = float(kind, value)
			}
			return err
		})
		out = append(out, c)
		return err
	})
	return out, err
}

// decodeRegression reads a RegressionResponse for count examples.
func decodeRegression(wire []byte, count int) (values []float32, s spec, err error) {
	list, err := result(wire, &s)
	if err != nil {
		return nil, s, err
	}
	values = make([]float32, 0, count)
	err = fields(list, func(number protowire.Number, kind protowire.Type, value []byte) error {
		if number != 1 {
			return nil
		}
		if kind != protowire.BytesType || len(values) == count {
			return errWire
		}
		v := 0.0
		err := fields(value, func(number protowire.Number, kind protowire.Type, value []byte) (err error) {
			if number == 1 {
				v, err = float(kind, value)
			}
			return err
		})
		values = append(values, float32(v))
		return err
	})
	if err == nil && len(values) != count {
		err = errors.New("it has another number of results than there were examples")
	}
	return values, s, err
}

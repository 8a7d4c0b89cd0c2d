package tfserving

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"fairlead/providers/tensor"
)

var (
	errHalf = errors.New("the server's REST API has no floats of 16 bits: use gRPC, or another type")
	errRows = errors.New("rows need inputs with one and the same first dimension")
)

// appendColumns writes a request with the inputs as they are ("inputs").
func appendColumns(b []byte, signature string, inputs []tensor.Tensor) ([]byte, error) {
	b = appendStart(b, signature)
	b = append(b, `"inputs":{`...)
	for i := range inputs {
		t := &inputs[i]
		if half(t) {
			return nil, errHalf
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, t.Name)
		b = append(b, ':')
		at := 0
		b = appendNested(b, t, 0, &at)
	}
	return append(b, "}}"...), nil
}

// appendRows writes a request row by row ("instances").
func appendRows(b []byte, signature string, inputs []tensor.Tensor) ([]byte, error) {
	if len(inputs) == 0 {
		return nil, errRows
	}
	for i := range inputs {
		if half(&inputs[i]) {
			return nil, errHalf
		}
		if len(inputs[i].Shape) == 0 || inputs[i].Shape[0] != inputs[0].Shape[0] {
			return nil, errRows
		}
	}
	b = appendStart(b, signature)
	b = append(b, `"instances":[`...)
	at := make([]int, len(inputs)) // the next element of each input
	for row := range inputs[0].Shape[0] {
		if row > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		for i := range inputs {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, inputs[i].Name)
			b = append(b, ':')
			b = appendNested(b, &inputs[i], 1, &at[i])
		}
		b = append(b, '}')
	}
	return append(b, "]}"...), nil
}

func half(t *tensor.Tensor) bool { return t.Type == tensor.Float16 || t.Type == tensor.BFloat16 }

func appendStart(b []byte, signature string) []byte {
	b = append(b, `{"signature_name":`...)
	b = appendString(b, signature)
	return append(b, ',')
}

// appendNested writes the elements from *at on as arrays in arrays, from a dimension on.
func appendNested(b []byte, t *tensor.Tensor, dim int, at *int) []byte {
	if dim == len(t.Shape) {
		b = appendElement(b, t, *at)
		*at++
		return b
	}
	b = append(b, '[')
	for i := range t.Shape[dim] {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendNested(b, t, dim+1, at)
	}
	return append(b, ']')
}

// appendElement writes one element.
func appendElement(b []byte, t *tensor.Tensor, i int) []byte {
	if t.Type == tensor.String {
		return appendBytes(b, t.Name, t.Strings[i])
	}
	width := t.Type.Size()
	e := t.Data[i*width : (i+1)*width]
	switch t.Type {
	case tensor.Bool:
		return strconv.AppendBool(b, e[0] != 0)
	case tensor.Int8:
		return strconv.AppendInt(b, int64(int8(e[0])), 10)
	case tensor.Uint8:
		return strconv.AppendUint(b, uint64(e[0]), 10)
	case tensor.Int16:
		return strconv.AppendInt(b, int64(int16(binary.LittleEndian.Uint16(e))), 10)
	case tensor.Uint16:
		return strconv.AppendUint(b, uint64(binary.LittleEndian.Uint16(e)), 10)
	case tensor.Int32:
		return strconv.AppendInt(b, int64(int32(binary.LittleEndian.Uint32(e))), 10)
	case tensor.Uint32:
		return strconv.AppendUint(b, uint64(binary.LittleEndian.Uint32(e)), 10)
	case tensor.Int64:
		return strconv.AppendInt(b, int64(binary.LittleEndian.Uint64(e)), 10)
	case tensor.Uint64:
		return strconv.AppendUint(b, binary.LittleEndian.Uint64(e), 10)
	case tensor.Float32:
		return appendFloat(b, float64(math.Float32frombits(binary.LittleEndian.Uint32(e))), 32)
	default:
		return appendFloat(b, math.Float64frombits(binary.LittleEndian.Uint64(e)), 64)
	}
}

// appendFloat writes the shortest decimal that reads as the same float. Whole numbers have a point, so that no server takes
// them for integers; what is not a number is written as the server does, beyond JSON.
func appendFloat(b []byte, x float64, bits int) []byte {
	switch {
	case math.IsNaN(x):
		return append(b, "NaN"...)
	case math.IsInf(x, 1):
		return append(b, "Infinity"...)
	case math.IsInf(x, -1):
		return append(b, "-Infinity"...)
	}
	from := len(b)
	b = strconv.AppendFloat(b, x, 'g', -1, bits)
	if !bytes.ContainsAny(b[from:], ".e") {
		b = append(b, ".0"...)
	}
	return b
}

// appendBytes writes an element of type String: as text where it is text, and else in base 64. A name that ends with "_bytes" says to the server
// that it is none.
func appendBytes(b []byte, name string, value []byte) []byte {
	if utf8.Valid(value) && !strings.HasSuffix(name, "_bytes") {
		return appendString(b, string(value))
	}
	b = append(b, `{"b64":"`...)
	b = base64.StdEncoding.AppendEncode(b, value)
	return append(b, `"}`...)
}

// appendString writes a JSON string.
func appendString(b []byte, s string) []byte {
	text, _ := json.Marshal(s) // a string always can be written
	return append(b, text...)
}

// appendExamples writes a request of Classify or Regress. A feature of one value is written as the value alone.
func appendExamples(b []byte, signature string, list []Example) []byte {
	b = appendStart(b, signature)
	b = append(b, `"examples":[`...)
	for i, example := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		for j, name := range slices.Sorted(maps.Keys(example)) {
			if j > 0 {
				b = append(b, ',')
			}
			b = appendString(b, name)
			b = append(b, ':')
			b = appendFeature(b, name, example[name])
		}
		b = append(b, '}')
	}
	return append(b, "]}"...)
}

func appendFeature(b []byte, name string, f Feature) []byte {
	n := len(f.Bytes) + len(f.Floats) + len(f.Ints)
	if n != 1 {
		b = append(b, '[')
	}
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		switch {
		case len(f.Bytes) > 0:
			b = appendBytes(b, name, f.Bytes[i])
		case len(f.Floats) > 0:
			b = appendFloat(b, float64(f.Floats[i]), 32)
		default:
			b = strconv.AppendInt(b, f.Ints[i], 10)
		}
	}
	if n != 1 {
		b = append(b, ']')
	}
	return b
}

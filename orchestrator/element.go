package orchestrator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"fairlead/providers"
	"fairlead/providers/tensor"
)

// errors of values that become tensors. They repeat nothing of the values.
var (
	errRagged  = errors.New("its lists are not of one length, or nested differently")
	errMixed   = errors.New("its elements are not of one kind")
	errElement = errors.New("an element is neither a number nor text nor true or false")
	errUntyped = errors.New("the model does not say its type: give it in types, such as FP32")
)

// tensorOf makes a tensor of lists in lists. The type is the spec's; without one texts are BYTES and truth values BOOL.
// Axes of length 1 are put before the value's own where the spec has more.
func tensorOf(value any, spec providers.Spec) (tensor.Tensor, error) {
	var e elements
	shape, err := e.gather(value, 0)
	if err != nil {
		return tensor.Tensor{}, err
	}
	if spec.Type == tensor.Invalid {
		switch {
		case e.texts > 0 && e.numbers+e.truths == 0:
			spec.Type = tensor.String
		case e.truths > 0 && e.texts+e.numbers == 0:
			spec.Type = tensor.Bool
		default:
			return tensor.Tensor{}, errUntyped
		}
	}
	if shape, err = fitShape(shape, spec.Shape); err != nil {
		return tensor.Tensor{}, err
	}
	data, err := e.json(spec.Type)
	if err != nil {
		return tensor.Tensor{}, err
	}
	t, err := tensor.ParseJSON(spec.Name, spec.Type, shape, data, tensor.JSON{Finite: true})
	if err != nil {
		return tensor.Tensor{}, fmt.Errorf("an element is no %s, or does not fit one", spec.Type)
	}
	return t, nil
}

// elements are the elements of nested lists, row by row.
type elements struct {
	list                   []any
	numbers, texts, truths int
}

// gather takes the elements of a value and gives its shape.
func (e *elements) gather(value any, depth int) ([]int64, error) {
	if depth > 8 {
		return nil, errors.New("its lists are nested deeper than 8")
	}
	switch v := value.(type) {
	case []any:
		return gatherList(e, v, depth)
	case []string:
		return gatherList(e, v, depth)
	case []float64:
		return gatherList(e, v, depth)
	case []float32:
		return gatherList(e, v, depth)
	case float64, float32, int, int64:
		e.numbers++
	case string:
		e.texts++
	case bool:
		e.truths++
	default:
		return nil, errElement
	}
	if e.list = append(e.list, value); len(e.list) > 1<<22 {
		return nil, errors.New("it has more than 4 Mi elements")
	}
	return []int64{}, nil
}

func gatherList[T any](e *elements, list []T, depth int) ([]int64, error) {
	var inner []int64
	for i, v := range list {
		shape, err := e.gather(any(v), depth+1)
		switch {
		case err != nil:
			return nil, err
		case i > 0 && !slices.Equal(shape, inner):
			return nil, errRagged
		}
		inner = shape
	}
	return append([]int64{int64(len(list))}, inner...), nil
}

// fitShape gives the shape of a value as a model wants it. A nil want is not known.
func fitShape(shape, want []int64) ([]int64, error) {
	if want == nil {
		return shape, nil
	}
	for len(shape) < len(want) {
		shape = append([]int64{1}, shape...)
	}
	fits := len(shape) == len(want)
	for i := range want {
		fits = fits && (want[i] < 0 || want[i] == shape[i])
	}
	if !fits {
		return nil, fmt.Errorf("its shape is %v and the model's %v", shape, want)
	}
	return shape, nil
}

// json writes the elements as a list that a tensor of the type is read from.
func (e *elements) json(t tensor.Type) ([]byte, error) {
	dst := []byte{'['}
	for i, v := range e.list {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendElement(dst, t, v); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func appendElement(dst []byte, t tensor.Type, value any) ([]byte, error) {
	switch v := value.(type) {
	case string:
		if t == tensor.String {
			quoted, err := json.Marshal(v)
			return append(dst, quoted...), err
		}
		// What a template rendered may be a number.
		v = strings.TrimSpace(v)
		var probe any
		if json.Unmarshal([]byte(v), &probe) != nil {
			return nil, errMixed
		}
		switch probe.(type) {
		case float64, bool:
			return append(dst, v...), nil
		}
		return nil, errMixed
	case bool:
		if t == tensor.Bool || t == tensor.String {
			return appendPlain(dst, t, strconv.AppendBool(nil, v)), nil
		}
		if v {
			return append(dst, '1'), nil
		}
		return append(dst, '0'), nil
	case int:
		return appendPlain(dst, t, strconv.AppendInt(nil, int64(v), 10)), nil
	case int64:
		return appendPlain(dst, t, strconv.AppendInt(nil, v, 10)), nil
	case float32:
		return appendNumber(dst, t, float64(v))
	case float64:
		return appendNumber(dst, t, v)
	}
	return nil, errElement
}

// appendNumber writes a whole number without a point, so that a type of whole numbers takes it.
func appendNumber(dst []byte, t tensor.Type, n float64) ([]byte, error) {
	switch {
	case math.IsNaN(n) || math.IsInf(n, 0):
		return nil, errors.New("an element is not finite")
	case n == math.Trunc(n) && math.Abs(n) < 1<<63:
		return appendPlain(dst, t, strconv.AppendInt(nil, int64(n), 10)), nil
	}
	return appendPlain(dst, t, strconv.AppendFloat(nil, n, 'g', -1, 64)), nil
}

// appendPlain writes a number or truth value, as a text where texts are wanted.
func appendPlain(dst []byte, t tensor.Type, text []byte) []byte {
	if t != tensor.String {
		return append(dst, text...)
	}
	dst = append(dst, '"')
	return append(append(dst, bytes.TrimSpace(text)...), '"')
}

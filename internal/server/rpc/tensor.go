package rpc

import (
	"errors"
	"fmt"
	"math"
	"slices"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/internal/fault"
	"fairlead/providers/tensor"
)

// tensorsOf reads tensors. Each is held against the limits, and what it has against its shape, before a byte is
// allocated for it; elements that come as they are stored share the message's memory.
func tensorsOf(field string, list []*pb.Tensor) ([]tensor.Tensor, error) {
	limits := tensor.Limits{}.WithDefaults()
	if len(list) > limits.Tensors {
		return nil, invalid(field, "there are %d tensors, the limit is %d", len(list), limits.Tensors)
	}
	out := make([]tensor.Tensor, len(list))
	for i, m := range list {
		var size int64
		var err error
		if out[i], size, err = tensorOf(m, limits); err != nil {
			return nil, invalid(fmt.Sprintf("%s[%d]", field, i), "%s", err)
		}
		// The limit is of all together.
		if limits.Bytes -= size; limits.Bytes < 0 {
			return nil, invalid(field, "the tensors are larger than %d bytes together", tensor.Limits{}.WithDefaults().Bytes)
		}
	}
	return out, nil
}

var errCount = errors.New("it has not as many elements as its shape says")

// tensorOf reads a tensor, and gives its bytes.
func tensorOf(m *pb.Tensor, limits tensor.Limits) (tensor.Tensor, int64, error) {
	none := tensor.Tensor{}
	t, err := tensor.ParseType(m.GetType())
	if err != nil {
		return none, 0, errors.New("its type is none of BOOL, INT8 to INT64, UINT8 to UINT64, FP16, BF16, FP32, FP64 and BYTES")
	}
	elements, size, err := limits.Check(t, m.GetShape())
	if err != nil {
		return none, 0, err
	}
	given := 0
	for _, n := range []int{len(m.GetRaw()), len(m.GetNumbers()), len(m.GetIntegers()), len(m.GetTexts())} {
		if n > 0 {
			given++
		}
	}
	if given > 1 {
		return none, 0, errors.New("it has more than one of raw, numbers, integers and texts")
	}
	out := tensor.Tensor{Name: m.GetName(), Type: t, Shape: slices.Clone(m.GetShape())}
	switch {
	case t == tensor.String:
		if int64(len(m.GetTexts())) != elements {
			return none, 0, errCount
		}
		out.Strings = m.GetTexts()
		for _, text := range out.Strings {
			size += int64(len(text))
		}
		if out.Strings == nil {
			out.Strings = [][]byte{}
		}
		return out, size, out.Check(limits)
	case len(m.GetTexts()) > 0:
		return none, 0, errors.New("it has texts, which are for type BYTES")
	case len(m.GetNumbers()) > 0:
		if int64(len(m.GetNumbers())) != elements {
			return none, 0, errCount
		}
		if t == tensor.Bool {
			return truths(out, m.GetNumbers())
		}
		made, err := tensor.FromNumbers(out.Name, t, out.Shape, m.GetNumbers())
		if err != nil {
			return none, 0, fmt.Errorf("one of its numbers is none of type %s", t)
		}
		return made, size, nil
	case len(m.GetIntegers()) > 0:
		if int64(len(m.GetIntegers())) != elements {
			return none, 0, errCount
		}
		return integers(out, m.GetIntegers(), size)
	}
	made, err := tensor.ParseRaw(out.Name, t, out.Shape, m.GetRaw(), limits)
	if err != nil {
		return none, 0, fmt.Errorf("it wants %d bytes for its shape and has %d, or a truth is neither 0 nor 1", size, len(m.GetRaw()))
	}
	return made, size, nil
}

// truths makes a tensor of numbers that are 0 or 1.
func truths[N int64 | float64](out tensor.Tensor, numbers []N) (tensor.Tensor, int64, error) {
	out.Data = make([]byte, len(numbers))
	for i, n := range numbers {
		if n != 0 && n != 1 {
			return tensor.Tensor{}, 0, errors.New("a truth is neither 0 nor 1")
		}
		out.Data[i] = byte(n)
	}
	return out, int64(len(numbers)), nil
}

// integers makes a tensor of whole numbers, exactly.
func integers(out tensor.Tensor, numbers []int64, size int64) (tensor.Tensor, int64, error) {
	switch t := out.Type; {
	case t == tensor.Bool:
		return truths(out, numbers)
	case !t.Whole():
		return tensor.Tensor{}, 0, errors.New("it has integers, which are for types of whole numbers and BOOL")
	default:
		bits := 8 * t.Size()
		low, high := int64(math.MinInt64)>>(64-bits), int64(math.MaxInt64)>>(64-bits)
		if t >= tensor.Uint8 {
			if low, high = 0, math.MaxInt64; bits < 64 {
				high = 1<<bits - 1
			}
		}
		out.Data = make([]byte, 0, size)
		for _, n := range numbers {
			if n < low || n > high {
				return tensor.Tensor{}, 0, fmt.Errorf("one of its integers is none of type %s", t)
			}
			for k := range t.Size() {
				out.Data = append(out.Data, byte(n>>(8*k)))
			}
		}
		return out, size, nil
	}
}

// wantsRaw says whether a caller sends elements as they are stored, and so wants them back.
func wantsRaw(list []*pb.Tensor) bool {
	return slices.ContainsFunc(list, func(m *pb.Tensor) bool { return len(m.GetRaw()) > 0 })
}

// tensorMessage gives a tensor on the wire: texts as texts, and numbers as they are stored, or one by one.
func tensorMessage(t *tensor.Tensor, raw bool) (*pb.Tensor, error) {
	out := &pb.Tensor{Name: validText(t.Name), Type: t.Type.String(), Shape: t.Shape}
	var err error
	switch {
	case t.Type == tensor.String:
		out.Texts = t.Strings
	case raw:
		out.Raw = t.Data
	case t.Type == tensor.Bool:
		out.Integers = make([]int64, len(t.Data))
		for i, b := range t.Data {
			out.Integers[i] = int64(b)
		}
	case t.Type.Whole():
		if out.Integers, err = t.Ints(); err != nil { // beyond what 64 bits with a sign hold
			out.Integers, out.Raw, err = nil, t.Data, nil
		}
	default:
		out.Numbers, err = t.Floats()
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Unavailable, fault.ReasonUpstreamProtocol, "an output of the model is not as its shape says")
	}
	return out, nil
}

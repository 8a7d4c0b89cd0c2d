package tensor

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// JSON says how a protocol writes tensors as JSON.
type JSON struct {
	// Limits bound what is read.
	Limits Limits
	// Finite refuses NaN and the infinities, which JSON does not have. Without it they are NaN, Infinity and -Infinity,
	// as TensorFlow Serving and Python write them.
	Finite bool
	// Base64 lets a text be {"b64": "..."}, and writes it so where it is not UTF-8. Without it such a text is refused.
	Base64 bool
	// Flat writes one list of all elements, and not a list in a list for each dimension.
	Flat bool
}

// AppendJSON appends the elements, row-major. Numbers are written so that they read back as the same.
func (t *Tensor) AppendJSON(dst []byte, o JSON) ([]byte, error) {
	if err := t.Check(unlimited); err != nil {
		return dst, err
	}
	w := jsonWriter{t: t, o: o, dst: dst}
	elements, err := Elements(t.Shape)
	if err != nil {
		return dst, err
	}
	shape := t.Shape
	switch {
	case o.Flat:
		shape = []int64{elements}
	case elements == 0:
		// Nothing is in it, and the lists around nothing could be many: [1<<40, 0].
		shape = t.Shape[:1+slices.Index(t.Shape, 0)]
		if lists, err := Elements(shape[:len(shape)-1]); err != nil || lists > maxEmptyLists {
			return dst, fmt.Errorf("tensor %q: %v is empty, and more lists than JSON is written for", t.Name, t.Shape)
		}
	}
	if err := w.list(shape); err != nil {
		return dst, err
	}
	return w.dst, nil
}

// maxEmptyLists is the most empty lists that are written for a tensor without elements.
const maxEmptyLists = 1 << 16

type jsonWriter struct {
	t   *Tensor
	o   JSON
	dst []byte
	// next is the element that is written next.
	next int
}

func (w *jsonWriter) list(shape []int64) error {
	if len(shape) == 0 {
		return w.element()
	}
	w.dst = append(w.dst, '[')
	for i := range shape[0] {
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		if err := w.list(shape[1:]); err != nil {
			return err
		}
	}
	w.dst = append(w.dst, ']')
	return nil
}

func (w *jsonWriter) element() error {
	t, i := w.t, w.next
	w.next++
	if t.Type == String {
		return w.text(t.Strings[i])
	}
	size := t.Type.Size()
	one := Tensor{Type: t.Type, Data: t.Data[i*size : (i+1)*size]}
	var buffer [1]float64
	switch {
	case t.Type == Bool:
		w.dst = strconv.AppendBool(w.dst, one.Data[0] != 0)
	case t.Type == Uint64:
		w.dst = strconv.AppendUint(w.dst, wholeBits(one.Data), 10)
	case t.Type == Int64:
		w.dst = strconv.AppendInt(w.dst, int64(wholeBits(one.Data)), 10)
	case t.Type.Whole():
		n, _ := one.AppendFloats(buffer[:0]) // one element of a numeric type
		w.dst = strconv.AppendInt(w.dst, int64(n[0]), 10)
	default:
		n, _ := one.AppendFloats(buffer[:0])
		return w.float(n[0])
	}
	return nil
}

func wholeBits(data []byte) (n uint64) {
	for i, b := range data {
		n |= uint64(b) << (8 * i)
	}
	return n
}

func (w *jsonWriter) float(n float64) error {
	switch {
	case math.IsNaN(n) || math.IsInf(n, 0):
		if w.o.Finite {
			return fmt.Errorf("tensor %q: element %d is not finite, and JSON has no such number", w.t.Name, w.next-1)
		}
		word := "NaN"
		if math.IsInf(n, 0) {
			word = "Infinity"
		}
		if n < 0 {
			w.dst = append(w.dst, '-')
		}
		w.dst = append(w.dst, word...)
	default:
		bits := 64
		if w.t.Type != Float64 {
			bits = 32
		}
		start := len(w.dst)
		w.dst = strconv.AppendFloat(w.dst, n, 'g', -1, bits)
		if !slices.ContainsFunc(w.dst[start:], func(b byte) bool { return b == '.' || b == 'e' }) {
			w.dst = append(w.dst, ".0"...) // some servers take a number without a point for a whole one
		}
	}
	return nil
}

func (w *jsonWriter) text(s []byte) error {
	switch {
	case utf8.Valid(s):
		quoted, err := json.Marshal(string(s))
		if err != nil {
			return fmt.Errorf("tensor %q: text %d: %w", w.t.Name, w.next-1, err)
		}
		w.dst = append(w.dst, quoted...)
	case w.o.Base64:
		w.dst = append(w.dst, `{"b64":"`...)
		w.dst = base64.StdEncoding.AppendEncode(w.dst, s)
		w.dst = append(w.dst, `"}`...)
	default:
		return fmt.Errorf("tensor %q: text %d is not UTF-8, and this protocol's JSON has no other texts", w.t.Name, w.next-1)
	}
	return nil
}

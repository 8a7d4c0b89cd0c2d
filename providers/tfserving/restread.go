package tfserving

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"unicode/utf8"

	"fairlead/providers"
	"fairlead/providers/tensor"
)

// maxRank is the most dimensions that the reading of nested arrays follows; limits are below it.
const maxRank = maxDepth - 8

var errRagged = errors.New("its arrays are not all of one length")

// column reads one output from nested arrays: first its shape alone, then its elements.
type column struct {
	tensor tensor.Tensor
	want   *providers.Spec
	dims   [maxRank]int64 // -1: not seen
	rank   int            // -1: no element was seen
	count  int64
	filled bool // the second reading
	limits tensor.Limits
	left   *int64 // bytes that all outputs may still have
	room   int64  // bytes that the texts' headers may have
	row    int64  // the row that was read last, from 1, to find one that is given twice
}

func newColumn(want *providers.Spec, limits tensor.Limits, left *int64, room int64) *column {
	c := &column{tensor: tensor.Tensor{Name: want.Name, Type: want.Type}, want: want, rank: -1, limits: limits, left: left, room: room}
	for i := range c.dims {
		c.dims[i] = -1
	}
	return c
}

// read reads a value of which the first dimensions have been read outside.
func (c *column) read(s *scanner, depth int) error {
	if s.peek() == '[' {
		if depth >= maxRank || depth >= c.limits.Rank || (c.rank >= 0 && depth >= c.rank) {
			return errRagged
		}
		n := int64(0)
		if err := s.items('[', ']', func(int) error { n++; return c.read(s, depth+1) }); err != nil {
			return err
		}
		return c.dim(depth, n)
	}
	if c.rank < 0 {
		c.rank = depth
	}
	if c.rank != depth {
		return errRagged
	}
	c.count++
	if c.filled {
		return c.element(s)
	}
	if c.tensor.Type == tensor.String {
		if s.peek() == '{' {
			return s.skip(maxDepth - 1)
		}
		_, err := s.quoted()
		return err
	}
	if !isWord(s.word()) {
		return errWire
	}
	return nil
}

// dim notes how long the arrays of a dimension are.
func (c *column) dim(depth int, n int64) error {
	if c.dims[depth] >= 0 && c.dims[depth] != n {
		return errRagged
	}
	c.dims[depth] = n
	return nil
}

// shape ends the first reading: it checks what was found, and makes room.
func (c *column) shape() error {
	for _, d := range c.dims {
		if d < 0 {
			break
		}
		c.tensor.Shape = append(c.tensor.Shape, d)
	}
	if c.count == 0 { // arrays without elements do not tell the dimensions below them
		for i := len(c.tensor.Shape); i < len(c.want.Shape); i++ {
			c.tensor.Shape = append(c.tensor.Shape, max(c.want.Shape[i], 0))
		}
	}
	elements, size, err := c.limits.Check(c.tensor.Type, c.tensor.Shape)
	if err != nil {
		return err
	}
	if elements != c.count {
		return errRagged
	}
	if size > *c.left {
		return errors.New("its tensors together have more bytes than the limit")
	}
	*c.left -= size
	if c.tensor.Type == tensor.String {
		if elements*header > c.room {
			return errBomb
		}
		c.tensor.Strings = make([][]byte, 0, elements)
	} else {
		c.tensor.Data = make([]byte, 0, size)
	}
	c.filled, c.count, c.row = true, 0, 0
	return nil
}

// element reads one element.
func (c *column) element(s *scanner) error {
	data := c.tensor.Data
	switch t := c.tensor.Type; t {
	case tensor.String:
		text, err := s.bytes()
		if err != nil {
			return err
		}
		if int64(len(text)) > c.limits.Text || int64(len(text)) > *c.left {
			return errors.New("it has a text beyond the limit")
		}
		*c.left -= int64(len(text))
		c.tensor.Strings = append(c.tensor.Strings, text)
		return nil
	case tensor.Float32:
		x, err := s.number(32)
		c.tensor.Data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(x)))
		return err
	case tensor.Float64:
		x, err := s.number(64)
		c.tensor.Data = binary.LittleEndian.AppendUint64(data, math.Float64bits(x))
		return err
	case tensor.Bool:
		switch string(s.word()) {
		case "true":
			c.tensor.Data = append(data, 1)
		case "false":
			c.tensor.Data = append(data, 0)
		default:
			return errWire
		}
		return nil
	case tensor.Uint8, tensor.Uint16, tensor.Uint32, tensor.Uint64:
		x, err := strconv.ParseUint(string(s.word()), 10, 8*t.Size())
		if err != nil {
			return errRange
		}
		c.tensor.Data = appendWidth(data, x, t.Size())
		return nil
	case tensor.Int8, tensor.Int16, tensor.Int32, tensor.Int64:
		x, err := strconv.ParseInt(string(s.word()), 10, 8*t.Size())
		if err != nil {
			return errRange
		}
		c.tensor.Data = appendWidth(data, uint64(x), t.Size())
		return nil
	default:
		return errHalf
	}
}

// appendWidth writes the low bytes of x.
func appendWidth(b []byte, x uint64, width int) []byte {
	var all [8]byte
	binary.LittleEndian.PutUint64(all[:], x)
	return append(b, all[:width]...)
}

// decodeJSON reads the answer to a prediction, in rows ("predictions") or columns ("outputs"). A model of one output gives it without its name.
func decodeJSON(answer []byte, outputs []providers.Spec, limits tensor.Limits) ([]tensor.Tensor, error) {
	limits = limits.WithDefaults()
	limits.Rank = min(limits.Rank, maxRank)
	if len(outputs) > limits.Tensors {
		return nil, errors.New("it has more tensors than the limit")
	}
	left := limits.Bytes
	columns := make(map[string]*column, len(outputs))
	for i := range outputs {
		if !outputs[i].Type.Valid() {
			return nil, errors.New("it has a type of elements that is not supported")
		}
		columns[outputs[i].Name] = newColumn(&outputs[i], limits, &left, 2*int64(len(answer))+free)
	}
	value, rows, err := member(answer, "predictions", "outputs")
	if err != nil {
		return nil, err
	}
	for range 2 {
		s := &scanner{b: value}
		if rows {
			err = readRows(s, columns)
		} else {
			err = readColumns(s, columns)
		}
		if err != nil {
			return nil, err
		}
		for _, c := range columns {
			if c.filled {
				continue
			}
			if err := c.shape(); err != nil {
				return nil, err
			}
		}
	}
	out := make([]tensor.Tensor, 0, len(outputs))
	for i := range outputs {
		out = append(out, columns[outputs[i].Name].tensor)
	}
	return out, nil
}

// member finds one of two members of the answer, first says which, and checks the form of all of it.
func member(answer []byte, one, other string) (value []byte, first bool, err error) {
	s := &scanner{b: answer}
	err = s.members(func(key string) error {
		s.peek()
		from := s.i
		if err := s.skip(1); err != nil {
			return err
		}
		if key == one || key == other {
			if value != nil {
				return errTwice
			}
			value, first = s.b[from:s.i], key == one
		}
		return nil
	})
	if err == nil && (value == nil || s.peek() != 0) {
		err = errWire
	}
	return value, first, err
}

// readRows reads [row, …].
func readRows(s *scanner, columns map[string]*column) error {
	single := lone(columns)
	n := int64(0)
	err := s.items('[', ']', func(int) error {
		n++
		if single != nil && !named(s, columns) {
			return single.read(s, 1)
		}
		seen := 0
		err := s.members(func(key string) error {
			c := columns[key]
			if c == nil || c.row == n {
				return errWire
			}
			c.row = n
			seen++
			return c.read(s, 1)
		})
		if err == nil && seen != len(columns) {
			err = errors.New("it lacks an output")
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, c := range columns {
		if err := c.dim(0, n); err != nil {
			return err
		}
	}
	return nil
}

// readColumns reads a value, or {name: value, …}.
func readColumns(s *scanner, columns map[string]*column) error {
	if single := lone(columns); single != nil && !named(s, columns) {
		return single.read(s, 0)
	}
	seen := 0
	err := s.members(func(key string) error {
		c := columns[key]
		if c == nil || c.row != 0 {
			return errWire
		}
		c.row = 1
		seen++
		return c.read(s, 0)
	})
	if err == nil && seen != len(columns) {
		err = errors.New("it lacks an output")
	}
	return err
}

// lone gives the column of a model with one output.
func lone(columns map[string]*column) *column {
	if len(columns) == 1 {
		for _, c := range columns {
			return c
		}
	}
	return nil
}

// named says whether an object with the name of an output comes next, and not a text in base 64.
func named(s *scanner, columns map[string]*column) bool {
	ahead := *s
	if ahead.peek() != '{' {
		return false
	}
	ahead.i++
	key, err := ahead.text()
	return err == nil && columns[string(key)] != nil
}

// decodeClasses reads the answer to a classification: [[[label, score], …], …].
func decodeClasses(answer []byte, count int) ([][]providers.Class, error) {
	value, _, err := member(answer, "results", "result")
	if err != nil {
		return nil, err
	}
	s := &scanner{b: value}
	out := make([][]providers.Class, 0, count)
	err = s.items('[', ']', func(int) error {
		if len(out) == count {
			return errWire
		}
		ahead, n := *s, 0
		if err := ahead.items('[', ']', func(int) error { n++; return ahead.skip(1) }); err != nil {
			return err
		}
		classes := make([]providers.Class, 0, n)
		err := s.items('[', ']', func(int) error {
			var c providers.Class
			parts := 0
			err := s.items('[', ']', func(i int) (err error) {
				parts++
				switch i {
				case 0:
					var label []byte
					if label, err = s.text(); err == nil && !utf8.Valid(label) {
						err = errWire
					}
					c.Name = string(label)
				case 1:
					c.Probability, err = s.number(32)
				default:
					err = errWire
				}
				return err
			})
			if err == nil && parts != 2 {
				err = errWire
			}
			classes = append(classes, c)
			return err
		})
		out = append(out, classes)
		return err
	})
	if err == nil && len(out) != count {
		err = errors.New("it has another number of results than there were examples")
	}
	return out, err
}

// decodeValues reads the answer to a regression: [value, …].
func decodeValues(answer []byte, count int) ([]float32, error) {
	value, _, err := member(answer, "results", "result")
	if err != nil {
		return nil, err
	}
	s := &scanner{b: value}
	out := make([]float32, 0, count)
	err = s.items('[', ']', func(int) error {
		if len(out) == count {
			return errWire
		}
		v, err := s.number(32)
		out = append(out, float32(v))
		return err
	})
	if err == nil && len(out) != count {
		err = errors.New("it has another number of results than there were examples")
	}
	return out, err
}

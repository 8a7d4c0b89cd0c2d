package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// Vector is a JSON array of numbers. Unlike []float32 it refuses null, which servers write for what is
// not a number and which encoding/json reads as 0.
type Vector []float32

var errVector = errors.New("not an array of numbers")

// UnmarshalJSON reads the array. encoding/json has checked the syntax already.
func (v *Vector) UnmarshalJSON(text []byte) error {
	text = bytes.TrimSpace(text)
	if len(text) < 2 || text[0] != '[' || text[len(text)-1] != ']' {
		return errVector
	}
	text = text[1 : len(text)-1]
	out := make(Vector, 0, bytes.Count(text, comma)+1)
	for more := len(bytes.TrimSpace(text)) > 0; more; {
		var item []byte
		item, text, more = bytes.Cut(text, comma)
		item = bytes.TrimSpace(item)
		if len(item) == 0 || (item[0] != '-' && (item[0] < '0' || item[0] > '9')) {
			return errVector
		}
		x, err := strconv.ParseFloat(string(item), 32)
		if err != nil {
			return errVector
		}
		out = append(out, float32(x))
	}
	*v = out
	return nil
}

var comma = []byte(",")

var _ json.Unmarshaler = (*Vector)(nil)

// CheckVectors says what is wrong with the vectors of an answer to count texts, of which dimensions were
// asked for unless that is 0.
func CheckVectors(vectors [][]float32, count, dimensions int) error {
	if len(vectors) != count {
		return fmt.Errorf("%d vectors for %d texts", len(vectors), count)
	}
	for i, v := range vectors {
		switch {
		case dimensions != 0 && len(v) != dimensions:
			return fmt.Errorf("vector %d has %d numbers where %d were asked for", i, len(v), dimensions)
		case len(v) == 0:
			return fmt.Errorf("vector %d is missing or empty", i)
		case len(v) != len(vectors[0]):
			return fmt.Errorf("vector %d has %d numbers and vector 0 has %d", i, len(v), len(vectors[0]))
		}
	}
	return nil
}

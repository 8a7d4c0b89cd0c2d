package wire

import (
	"bytes"
	"encoding/json"
	"errors"
)

// MaxList is the most items of a List.
const MaxList = 4096

// List is a JSON array of at most MaxList items, such as a server's models: an array of millions of small ones would take far
// more memory than its text. Null is no list.
type List[T any] []T

var errList = errors.New("not an array of as many items as may be")

// UnmarshalJSON reads the array.
func (l *List[T]) UnmarshalJSON(text []byte) error {
	*l = nil
	d := json.NewDecoder(bytes.NewReader(text))
	switch first, err := d.Token(); {
	case err != nil:
		return err
	case first == nil:
		return nil
	case first != json.Delim('['):
		return errList
	}
	out := List[T]{}
	for d.More() {
		if len(out) == MaxList {
			return errList
		}
		var item T
		if err := d.Decode(&item); err != nil {
			return err
		}
		out = append(out, item)
	}
	*l = out
	return nil
}

package tensor

import "fmt"

// Tensor is a named array, row by row.
type Tensor struct {
	Name  string
	Type  Type
	Shape []int64
	// Data holds the elements of all types but String, little-endian, row-major, without gaps.
	Data []byte
	// Strings holds the elements of type String.
	Strings [][]byte
}

// Check says what is wrong with a tensor: a shape beyond the limits, or data that does not fit it.
func (t *Tensor) Check(l Limits) error {
	l = l.WithDefaults()
	elements, bytes, err := l.Check(t.Type, t.Shape)
	switch {
	case err != nil:
		return fmt.Errorf("tensor %q: %w", t.Name, err)
	case t.Type != String && (int64(len(t.Data)) != bytes || t.Strings != nil):
		return fmt.Errorf("tensor %q: %v of %s wants %d bytes and has %d", t.Name, t.Shape, t.Type, bytes, len(t.Data))
	case t.Type == String && (int64(len(t.Strings)) != elements || t.Data != nil):
		return fmt.Errorf("tensor %q: %v wants %d texts and has %d", t.Name, t.Shape, elements, len(t.Strings))
	}
	for i, s := range t.Strings {
		if int64(len(s)) > l.Text {
			return fmt.Errorf("tensor %q: text %d has %d bytes, the limit is %d", t.Name, i, len(s), l.Text)
		}
	}
	return nil
}

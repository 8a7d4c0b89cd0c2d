// Package label says how sensitive data is. It owns the four labels, their order and their names, and
// refuses to know what carries them: providers read a label as a clearance, retrieval as a property of
// a document, the orchestrator as the highest of a step's inputs.
//
// It imports nothing, so that every package can speak of labels.
package label

import (
	"fmt"
	"strings"
)

// Label is a sensitivity, ordered: a higher one is more sensitive. The zero value is Unset.
type Label uint8

// The labels, from the least sensitive. Unset is below them all and means "nothing was said":
// whoever takes a label from outside replaces it by a default before anything is decided.
const (
	Unset Label = iota
	Public
	Internal
	Confidential
	Restricted
)

var names = [...]string{"", "public", "internal", "confidential", "restricted"}

// Names lists the labels that may be written in a file or a header, from the least sensitive.
func Names() []string { return append([]string(nil), names[1:]...) }

// String gives the label's name, or "unset".
func (l Label) String() string {
	if l == Unset {
		return "unset"
	}
	if int(l) < len(names) {
		return names[l]
	}
	return fmt.Sprintf("label(%d)", uint8(l))
}

// Valid says whether l is one of the four labels.
func (l Label) Valid() bool { return l >= Public && l <= Restricted }

// Or gives l, or fallback where l is Unset.
func (l Label) Or(fallback Label) Label {
	if l == Unset {
		return fallback
	}
	return l
}

// Parse reads a label's name, in any case. An empty text is Unset.
func Parse(s string) (Label, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	for i, name := range names {
		if s == name {
			return Label(i), nil
		}
	}
	return Unset, fmt.Errorf("unknown label %q: use one of %s", s, strings.Join(names[1:], ", "))
}

// Join gives the highest of the labels: what is made from several inputs is as sensitive as the most
// sensitive of them.
func Join(labels ...Label) Label {
	highest := Unset
	for _, l := range labels {
		highest = max(highest, l)
	}
	return highest
}

// MarshalText writes the label's name.
func (l Label) MarshalText() ([]byte, error) {
	if l == Unset {
		return nil, nil
	}
	return []byte(l.String()), nil
}

// UnmarshalText reads a label's name.
func (l *Label) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*l = parsed
	return nil
}

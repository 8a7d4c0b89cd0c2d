package score

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Fields compares the answer's JSON with the expected one ("json") field by field: the score is the share of the
// expected leaves that are there and equal, so that nine of ten right fields are 0.9. It passes where all are, or where
// it reaches the bar.
//
// A leaf is a scalar, or an empty list or mapping. Numbers are equal by value, texts as Ignore says. The length of a list
// counts as one leaf where the answer's list is longer, since its other leaves would not tell.
type Fields struct {
	Bar      `yaml:",inline"`
	Expected string `yaml:"expected" json:"expected,omitempty"`
	// Paths are the fields that count. Empty: all that are expected.
	Paths []string `yaml:"paths" json:"paths,omitempty"`
	// Tolerance is by how much numbers may differ, absolutely. Default: not but for rounding (a part in 1e9).
	Tolerance float64 `yaml:"tolerance" json:"tolerance,omitempty"`
	Ignore    Ignore  `yaml:"ignore" json:"ignore,omitempty"`
	// Extra makes every field of the answer that is not expected a wrong one.
	Extra bool `yaml:"no_extra" json:"no_extra,omitempty"`
}

var _ Scorer = (*Fields)(nil)

func (s *Fields) check() error {
	if !(s.Tolerance >= 0) {
		return errors.New("tolerance must not be negative")
	}
	for _, p := range append([]string{s.Expected}, s.Paths...) {
		if _, err := steps(p); err != nil {
			return err
		}
	}
	return errors.Join(s.Bar.check(), s.Ignore.check())
}

// Score compares.
func (s *Fields) Score(_ context.Context, c *Case, o *Outcome) (Score, error) {
	want, ok := c.expected("json", s.Expected)
	if !ok {
		return skipped("the case expects no JSON"), nil
	}
	if l, ok := lost(o); ok {
		return l, nil
	}
	got, err := o.value()
	if err != nil {
		return s.verdict(0, 1, []string{"the answer cannot be read as JSON: " + err.Error()}), nil
	}
	m := matching{fields: s, locale: c.Locale}
	if len(s.Paths) == 0 {
		m.compare("", want, got)
	}
	for _, path := range s.Paths {
		w, ok := lookup(want, path)
		if !ok {
			return skipped("the case expects no %s", path), nil
		}
		g, ok := lookup(got, path)
		if !ok {
			m.all(path, w)
			continue
		}
		m.compare(path, w, g)
	}
	return s.verdict(m.right, m.leaves, m.wrong), nil
}

func (s *Fields) verdict(right, leaves int, wrong []string) Score {
	out := s.graded(float64(right)/float64(max(leaves, 1)), "%s", strings.Join(wrong, ", "))
	if s.Min == nil {
		pass := len(wrong) == 0
		out.Pass = &pass
	}
	return out
}

type matching struct {
	fields        *Fields
	locale        string
	leaves, right int
	wrong         []string
}

func (m *matching) leaf(path string, ok bool) {
	m.leaves++
	if ok {
		m.right++
		return
	}
	if path == "" {
		path = "the whole"
	}
	m.wrong = append(m.wrong, path)
}

func under(path, step string) string {
	if path == "" {
		return step
	}
	return path + "." + step
}

// compare counts the leaves of want, and those of them that got has.
func (m *matching) compare(path string, want, got any) {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if len(w) == 0 || !ok {
			if !ok {
				m.all(path, want)
			} else {
				m.leaf(path, len(g) == 0 || !m.fields.Extra)
			}
			return
		}
		for _, key := range slices.Sorted(maps.Keys(w)) {
			if v, ok := g[key]; ok {
				m.compare(under(path, key), w[key], v)
			} else {
				m.all(under(path, key), w[key])
			}
		}
		if m.fields.Extra {
			for _, key := range slices.Sorted(maps.Keys(g)) {
				if _, ok := w[key]; !ok {
					m.leaf(under(path, key), false)
				}
			}
		}
	case []any:
		g, ok := got.([]any)
		if len(w) == 0 || !ok {
			if !ok {
				m.all(path, want)
			} else {
				m.leaf(path, len(g) == 0)
			}
			return
		}
		for i, item := range w {
			at := under(path, strconv.Itoa(i))
			if i < len(g) {
				m.compare(at, item, g[i])
			} else {
				m.all(at, item)
			}
		}
		if len(g) > len(w) {
			m.leaf(under(path, "length"), false)
		}
	default:
		m.leaf(path, m.equal(want, got))
	}
}

// all counts the leaves of what is not there.
func (m *matching) all(path string, want any) {
	switch w := want.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(w)) {
			m.all(under(path, key), w[key])
		}
		if len(w) > 0 {
			return
		}
	case []any:
		for i, item := range w {
			m.all(under(path, strconv.Itoa(i)), item)
		}
		if len(w) > 0 {
			return
		}
	}
	m.leaf(path, false)
}

func (m *matching) equal(want, got any) bool {
	if a, ok := asNumber(want); ok {
		b, ok := asNumber(got)
		return ok && math.Abs(a-b) <= max(m.fields.Tolerance, 1e-9*math.Abs(a))
	}
	if a, ok := want.(string); ok {
		b, ok := got.(string)
		return ok && m.fields.Ignore.normal(a, m.locale) == m.fields.Ignore.normal(b, m.locale)
	}
	return same(want, got)
}

// same says whether two JSON values are equal, numbers by value.
func same(a, b any) bool {
	if x, ok := asNumber(a); ok {
		y, ok := asNumber(b)
		return ok && x == y
	}
	switch a := a.(type) {
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, same)
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, same)
	case nil:
		return b == nil
	case string:
		b, ok := b.(string)
		return ok && a == b
	case bool:
		b, ok := b.(bool)
		return ok && a == b
	}
	return false
}

package score

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Exact asks that the answer is the expected text ("text"), or one of several. What can be ignored is ignored in both.
type Exact struct {
	Source `yaml:",inline"`
	Ignore Ignore `yaml:"ignore" json:"ignore,omitempty"`
}

var _ Scorer = (*Exact)(nil)

func (s *Exact) check() error { return errors.Join(s.Source.check(), s.Ignore.check()) }

// Score compares.
func (s *Exact) Score(_ context.Context, c *Case, o *Outcome) (Score, error) {
	want, ok := c.texts("text", s.Expected)
	if !ok {
		return skipped("the case expects no text"), nil
	}
	if l, ok := lost(o); ok {
		return l, nil
	}
	got, why := o.text(s.Of)
	if why != "" {
		return right(false, "%s", why), nil
	}
	is := s.Ignore.normal(got, c.Locale)
	for _, w := range want {
		if s.Ignore.normal(w, c.Locale) == is {
			return right(true, ""), nil
		}
	}
	return right(false, "%s instead of %s", quote(got), quote(want[0])), nil
}

// Contains asks that the answer has texts in it, and others not. Where it names none, all texts of the expectation
// ("contains") must be there.
type Contains struct {
	Source `yaml:",inline"`
	// All must be there, of Any one at least, of None none.
	All    []string `yaml:"all" json:"all,omitempty"`
	Any    []string `yaml:"any" json:"any,omitempty"`
	None   []string `yaml:"none" json:"none,omitempty"`
	Ignore Ignore   `yaml:"ignore" json:"ignore,omitempty"`
}

var _ Scorer = (*Contains)(nil)

func (s *Contains) check() error {
	for _, list := range [][]string{s.All, s.Any, s.None} {
		// An empty text is in every answer: it asks nothing, or the impossible.
		if slices.ContainsFunc(list, func(t string) bool { return strings.TrimSpace(t) == "" }) {
			return errors.New("all, any and none must not hold empty texts")
		}
	}
	return errors.Join(s.Source.check(), s.Ignore.check())
}

// Score looks for each of the texts.
func (s *Contains) Score(_ context.Context, c *Case, o *Outcome) (Score, error) {
	all := s.All
	if len(s.All)+len(s.Any)+len(s.None) == 0 {
		var ok bool
		if all, ok = c.texts("contains", s.Expected); !ok {
			return skipped("the case expects no text within the answer"), nil
		}
	}
	if l, ok := lost(o); ok {
		return l, nil
	}
	got, why := o.text(s.Of)
	if why != "" {
		return right(false, "%s", why), nil
	}
	is := s.Ignore.normal(got, c.Locale)
	has := func(t string) bool { return strings.Contains(is, s.Ignore.normal(t, c.Locale)) }
	for _, t := range all {
		if !has(t) {
			return right(false, "%s is not there", quote(t)), nil
		}
	}
	if len(s.Any) > 0 && !slices.ContainsFunc(s.Any, has) {
		return right(false, "none of %d texts is there", len(s.Any)), nil
	}
	for _, t := range s.None {
		if has(t) {
			return right(false, "%s is there", quote(t)), nil
		}
	}
	return right(true, ""), nil
}

// Regex asks that a pattern in RE2's syntax (https://github.com/google/re2/wiki/Syntax) is found in the answer, or that
// it is not. Its time is linear in the answer, whatever the pattern.
type Regex struct {
	Source `yaml:",inline"`
	// Pattern may be found anywhere: "^" and "$" tie it to the ends.
	Pattern string `yaml:"pattern" json:"pattern"`
	// Absent asks that the pattern is not found.
	Absent bool `yaml:"absent" json:"absent,omitempty"`

	compiled *regexp.Regexp
}

var _ Scorer = (*Regex)(nil)

// maxPattern bounds patterns, in bytes.
const maxPattern = 8 << 10

// NewRegex compiles the pattern.
func NewRegex(s Regex) (*Regex, error) {
	if s.Pattern == "" || len(s.Pattern) > maxPattern {
		return nil, fmt.Errorf("pattern must have from 1 to %d bytes", maxPattern)
	}
	compiled, err := regexp.Compile(s.Pattern)
	if err != nil {
		return nil, fmt.Errorf("pattern is not RE2: %w", err)
	}
	s.compiled = compiled
	return &s, s.check()
}

// Score looks for the pattern.
func (s *Regex) Score(_ context.Context, _ *Case, o *Outcome) (Score, error) {
	if l, ok := lost(o); ok {
		return l, nil
	}
	got, why := o.text(s.Of)
	switch found := s.compiled.MatchString(got); {
	case why != "":
		return right(false, "%s", why), nil
	case found == s.Absent && found:
		return right(false, "the pattern is there: %s", quote(s.compiled.FindString(got))), nil
	case found == s.Absent:
		return right(false, "the pattern is not there"), nil
	}
	return right(true, ""), nil
}

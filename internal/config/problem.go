package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong, or, in Report.Warnings, unwise.
type Problem struct {
	// Origin is where the value came from.
	Origin Origin
	// Path is the setting, such as "server.listen". Empty: the file as a whole.
	Path string
	// Text is what is wrong and what is allowed.
	Text string
}

// String gives "FILE:LINE:COLUMN: PATH: TEXT", without what is not known.
func (p Problem) String() string {
	var b strings.Builder
	if place := p.Origin.String(); place != "" && p.Origin.Kind != OriginDefault {
		b.WriteString(place + ": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Error is all that is wrong with a configuration.
type Error struct{ Problems []Problem }

// Error gives one line for each problem.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// OriginKind says which layer a value came from.
type OriginKind uint8

// The layers, in the order in which they win.
const (
	OriginDefault OriginKind = iota
	OriginFile
	OriginEnvironment
	OriginFlag
)

// Origin is where a value came from.
type Origin struct {
	Kind OriginKind
	// Name is the file's name as it was given, or the variable's name.
	Name string
	// Line and Column are within the file, from 1; 0 when the whole file is meant.
	Line, Column int
}

// String gives "default", "FILE:LINE:COLUMN", "$NAME" or "flag".
func (o Origin) String() string {
	switch o.Kind {
	case OriginFile:
		if o.Line == 0 {
			return o.Name
		}
		return fmt.Sprintf("%s:%d:%d", o.Name, o.Line, o.Column)
	case OriginEnvironment:
		return "$" + o.Name
	case OriginFlag:
		return "flag"
	default:
		return "default"
	}
}

// Report is what Load has to say beside the configuration.
type Report struct {
	// Warnings are things that work but are unwise.
	Warnings []Problem
	// origins has the place of every setting that is not a default, by path; containers too.
	origins map[string]Origin
}

// Origin says where the value at a path, such as "server.listen", came from.
func (r *Report) Origin(path string) Origin {
	if r == nil {
		return Origin{}
	}
	return r.origins[path]
}

// near gives the origin of the path or of the closest setting around it.
func (r *Report) near(path string) Origin {
	for path != "" {
		if o, ok := r.origins[path]; ok {
			return o
		}
		segments := splitPath(path)
		path = joinPath(segments[:len(segments)-1])
	}
	return Origin{}
}

// Place puts the place in the file before an error that begins with the path of a setting, such as
// "targets.topics.input.tokens: …", and before each of those that are joined in it. Any other stays as it is.
func (r *Report) Place(err error) error {
	if err == nil {
		return nil
	}
	if several, ok := err.(interface{ Unwrap() []error }); ok && errors.Join(several.Unwrap()...).Error() == err.Error() {
		var out []error
		for _, e := range several.Unwrap() {
			out = append(out, r.Place(e))
		}
		return errors.Join(out...)
	}
	path, _, ok := strings.Cut(err.Error(), ": ")
	if !ok || r == nil {
		return err
	}
	if o := r.near(path); o.Kind != OriginDefault {
		return fmt.Errorf("%s: %w", o, err)
	}
	return err
}

// sortProblems puts problems in the order of their places: the file's first, from its top.
func sortProblems(problems []Problem) {
	slices.SortStableFunc(problems, func(a, b Problem) int {
		if a.Origin.Kind != b.Origin.Kind || a.Origin.Kind != OriginFile {
			return int(a.Origin.Kind) - int(b.Origin.Kind)
		}
		if a.Origin.Line != b.Origin.Line {
			return a.Origin.Line - b.Origin.Line
		}
		return a.Origin.Column - b.Origin.Column
	})
}

package chain

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"fairlead/internal/fault"
)

// Template is text with {{path}} in it, parsed and checked. The path is a name of the input, or
// input.NAME, steps.ID.FIELD, run.FIELD; further segments go into objects by key and into lists by number
// from 0. Nothing else is ever evaluated, and what is put in is not looked at again. \{{ stands for {{, and before a {{ two backslashes stand for one.
//
// Text goes in verbatim, numbers and booleans in their JSON form, lists and objects as compact JSON, null
// as nothing. An input that was left out is empty, and so is every field of a step that has no result,
// because it was skipped or because it failed and was optional. A step that has a result without the
// field is an error.
//
// A Template does not change and may be used by several goroutines at once.
type Template struct {
	source string
	pieces []piece
}

// piece is literal text, or a placeholder when path is not nil.
type piece struct {
	text   string
	path   path
	offset int
}

// path is a reference in its long form: its first segment is "input", "steps" or "run".
type path []string

func (p path) String() string { return strings.Join(p, ".") }

// The roots of a path.
const (
	rootInput = "input"
	rootSteps = "steps"
	rootRun   = "run"
)

// SyntaxError is a mistake in a template or a condition.
type SyntaxError struct {
	// Offset is the byte of the text where the mistake is, from 0.
	Offset int
	// Line and Column are the same place, from 1; columns count characters.
	Line, Column int
	// Text says what is wrong.
	Text string
}

// Error gives the text with its place.
func (e *SyntaxError) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Text) }

// syntaxAt makes a SyntaxError from a byte offset.
func syntaxAt(text string, offset int, format string, args ...any) *SyntaxError {
	before := text[:offset]
	line := strings.Count(before, "\n")
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return &SyntaxError{Offset: offset, Line: line + 1, Column: column + 1, Text: fmt.Sprintf(format, args...)}
}

// ParseTemplate reads a template. Errors are *SyntaxError.
func ParseTemplate(text string) (*Template, error) {
	t := &Template{source: text}
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			t.pieces = append(t.pieces, piece{text: literal.String()})
			literal.Reset()
		}
	}
	for at := 0; at < len(text); {
		open := strings.Index(text[at:], "{{")
		if open < 0 {
			literal.WriteString(text[at:])
			break
		}
		open += at
		before := strings.TrimRight(text[at:open], `\`)
		slashes := open - at - len(before)
		literal.WriteString(before)
		literal.WriteString(text[at+len(before)+(slashes+1)/2 : open])
		if slashes%2 == 1 {
			literal.WriteString("{{")
			at = open + 2
			continue
		}
		size := strings.Index(text[open+2:], "}}")
		if size < 0 {
			return nil, syntaxAt(text, open, `"{{" is not closed: write {{name}}, or \{{ for the two braces themselves`)
		}
		inner := text[open+2 : open+2+size]
		p, err := parsePath(text, open+2+len(inner)-len(strings.TrimLeft(inner, " ")), strings.Trim(inner, " "))
		if err != nil {
			return nil, err
		}
		flush()
		t.pieces = append(t.pieces, piece{path: p, offset: open})
		at = open + 2 + size + 2
	}
	flush()
	return t, nil
}

// parsePath reads what stands between the braces; offset is its place in text.
func parsePath(text string, offset int, inner string) (path, error) {
	if inner == "" {
		return nil, syntaxAt(text, offset, "a placeholder is empty: write {{name}}, {{steps.ID.FIELD}} or {{run.FIELD}}")
	}
	p := path(strings.Split(inner, "."))
	place := offset
	for i, segment := range p {
		if !isName(segment) && (i == 0 || !isIndex(segment)) {
			return nil, syntaxAt(text, place,
				"{{%s}} is not a path: use names of letters, digits and _ joined by dots; nothing else is evaluated", clip(inner))
		}
		place += len(segment) + 1
	}
	switch p[0] {
	case rootInput, rootRun:
		if len(p) < 2 {
			return nil, syntaxAt(text, offset, "{{%s}} names no value: write {{%s.NAME}}", p[0], p[0])
		}
		if p[0] == rootRun && len(p) > 2 {
			return nil, syntaxAt(text, offset, "{{%s}} goes too deep: fields of run have no parts", p)
		}
	case rootSteps:
		if len(p) < 3 {
			return nil, syntaxAt(text, offset, "{{%s}} names no value: write {{steps.ID.FIELD}}", p)
		}
	default:
		p = append(path{rootInput}, p...)
	}
	return p, nil
}

// clip shortens a text for a message.
func clip(s string) string {
	if utf8.RuneCountInString(s) <= 40 {
		return s
	}
	return string([]rune(s)[:40]) + "…"
}

// isName says whether s may name an input, a step or a field.
func isName(s string) bool {
	for i, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
		case c >= '0' && c <= '9' && i > 0:
		default:
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// isIndex says whether s is a place in a list.
func isIndex(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 0 && strconv.Itoa(n) == s
}

// Source gives the template as it was written.
func (t *Template) Source() string { return t.source }

// Paths gives what the template refers to, in its long form ("input.question"), in the order of the text,
// each once.
func (t *Template) Paths() []string {
	var paths []string
	seen := map[string]bool{}
	for _, p := range t.pieces {
		if s := p.path.String(); p.path != nil && !seen[s] {
			seen[s] = true
			paths = append(paths, s)
		}
	}
	return paths
}

// OutputStep gives the step's id when the template is exactly {{steps.ID.text}}: that step's text is the
// output and can be streamed as it comes. Otherwise it gives "".
func (t *Template) OutputStep() string {
	if len(t.pieces) == 1 {
		if p := t.pieces[0].path; len(p) == 3 && p[0] == rootSteps && p[2] == "text" {
			return p[1]
		}
	}
	return ""
}

// Render fills the template. Errors are *fault.Error and name the path that has no value.
func (t *Template) Render(s *Scope) (string, error) {
	var b strings.Builder
	for _, p := range t.pieces {
		if p.path == nil {
			b.WriteString(p.text)
			continue
		}
		v, err := s.lookup(p.path)
		if err != nil {
			return "", err
		}
		text, err := inText(v)
		if err != nil {
			return "", fault.Wrap(err, fault.Internal, fault.ReasonInternal, "filling {{%s}}: its value has no JSON form", p.path)
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// Value gives the value itself when the template is exactly one placeholder, and the rendered text
// otherwise. What would render as nothing because it is not there is nil.
func (t *Template) Value(s *Scope) (any, error) {
	if len(t.pieces) == 1 && t.pieces[0].path != nil {
		return s.lookup(t.pieces[0].path)
	}
	return t.Render(s)
}

// lookup gives the value at a path. What may be absent is nil.
func (s *Scope) lookup(p path) (any, error) {
	var v any
	rest := p[1:]
	switch p[0] {
	case rootInput:
		v, rest = s.Input[p[1]], p[2:]
		if v == nil {
			return nil, nil
		}
	case rootSteps:
		fields := s.Steps[p[1]]
		if len(fields) == 0 {
			return nil, nil
		}
		v, rest = fields, p[2:]
	case rootRun:
		v = s.Run
	}
	for i, segment := range rest {
		next, ok := child(v, segment)
		if !ok {
			return nil, fault.New(fault.FailedPrecondition, fault.ReasonBadChain,
				"filling {{%s}}: %s has no %q", p, p[:len(p)-len(rest)+i], segment)
		}
		v = next
	}
	return v, nil
}

// child goes one segment into a value. The typed cases are what the engine makes; JSON gives the others.
func child(v any, segment string) (any, bool) {
	switch v := v.(type) {
	case map[string]any:
		c, ok := v[segment]
		return c, ok
	case map[string]string:
		c, ok := v[segment]
		return c, ok
	case []any:
		return element(v, segment)
	case []map[string]any:
		return element(v, segment)
	case []string:
		return element(v, segment)
	case []float64:
		return element(v, segment)
	case []float32:
		return element(v, segment)
	}
	return nil, false
}

func element[T any](list []T, segment string) (any, bool) {
	n, err := strconv.Atoi(segment)
	if err != nil || n < 0 || n >= len(list) {
		return nil, false
	}
	return list[n], true
}

// inText gives the form of a value within a text.
func inText(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

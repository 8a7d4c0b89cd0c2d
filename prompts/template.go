package prompts

import (
	"strings"
	"unicode/utf8"
)

// Placeholder is one {{path}} in a template.
type Placeholder struct {
	// Path is what stands between the braces, such as "question" or "steps.draft.text".
	Path string
	// Offset is where it begins, in bytes from the template's start.
	Offset int
	// Line and Column are the same place, from 1; columns count characters.
	Line, Column int
}

// Template is text with placeholders. It is made by ParseTemplate and does not change.
type Template struct {
	source string
	// texts and holes alternate: texts[0] holes[0] texts[1] … texts[len(holes)].
	texts []string
	holes []Placeholder
}

// ParseTemplate reads a template. Every text is one: what is not a placeholder is text. The package's
// documentation has the rules.
func ParseTemplate(source string) *Template {
	t := &Template{source: source}
	var text strings.Builder
	line, lineStart := 1, 0
	done := 0 // source[:done] is in text, in holes, or skipped
	for i := 0; i < len(source); {
		switch source[i] {
		case '\n':
			i++
			line, lineStart = line+1, i
		case '\\':
			run := i
			for run < len(source) && source[run] == '\\' {
				run++
			}
			if strings.HasPrefix(source[run:], "{{") {
				n := run - i
				text.WriteString(source[done:i])
				text.WriteString(source[i : i+n/2])
				done = run
				if n%2 == 1 {
					run += len("{{")
				}
			}
			i = run
		case '{':
			path, size := placeholder(source[i:])
			if size == 0 {
				i++
				continue
			}
			text.WriteString(source[done:i])
			t.texts = append(t.texts, text.String())
			text.Reset()
			column := utf8.RuneCountInString(source[lineStart:i]) + 1
			t.holes = append(t.holes, Placeholder{Path: path, Offset: i, Line: line, Column: column})
			// The braces may hold line ends.
			if n := strings.Count(source[i:i+size], "\n"); n > 0 {
				line, lineStart = line+n, i+strings.LastIndexByte(source[i:i+size], '\n')+1
			}
			i += size
			done = i
		default:
			i++
		}
	}
	text.WriteString(source[done:])
	t.texts = append(t.texts, text.String())
	return t
}

// placeholder reads a placeholder at the start of s. A size of 0: there is none.
func placeholder(s string) (path string, size int) {
	if !strings.HasPrefix(s, "{{") {
		return "", 0
	}
	inner, _, ok := strings.Cut(s[2:min(len(s), maxPlaceholder)], "}}")
	if !ok {
		return "", 0
	}
	path = strings.Trim(inner, " \t\r\n")
	if !validPath(path) {
		return "", 0
	}
	return path, len(inner) + len("{{}}")
}

// maxPlaceholder is the longest placeholder in bytes. A limit keeps parsing linear in texts of many "{{".
const maxPlaceholder = 512

// validPath says whether s is names joined by dots: a letter or "_" first, then also digits and "-". Names
// after the first may begin with a digit, to reach into lists.
func validPath(s string) bool {
	start := true
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
			start = false
		case c >= '0' && c <= '9':
			if i == 0 {
				return false
			}
			start = false
		case c == '-':
			if start {
				return false
			}
		case c == '.':
			if start {
				return false
			}
			start = true
		default:
			return false
		}
	}
	return !start
}

// Source gives the template as it was written.
func (t *Template) Source() string { return t.source }

// Placeholders gives the placeholders in their order, each as often as it stands there.
func (t *Template) Placeholders() []Placeholder { return append([]Placeholder(nil), t.holes...) }

// Render puts a value in each placeholder's place. What value gives is put in as it is and not looked at
// again. The error is the first that value gives.
func (t *Template) Render(value func(path string) (string, error)) (string, error) {
	if len(t.holes) == 0 {
		return t.texts[0], nil
	}
	var b strings.Builder
	for i, hole := range t.holes {
		b.WriteString(t.texts[i])
		v, err := value(hole.Path)
		if err != nil {
			return "", err
		}
		b.WriteString(v)
	}
	b.WriteString(t.texts[len(t.holes)])
	return b.String(), nil
}

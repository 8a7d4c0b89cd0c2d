package read

import (
	"strings"
	"unicode"
)

// readText reads plain text: paragraphs are parted by blank lines.
func readText(r *reading) (*Document, error) {
	text, err := r.decode()
	if err != nil {
		return nil, err
	}
	d := &Document{Text: text}
	start, end := -1, 0
	flush := func() {
		if start >= 0 {
			d.Blocks = append(d.Blocks, Block{Start: start, End: end})
			start = -1
		}
	}
	for line := range lines(text, len(text)-len(strings.TrimPrefix(text, mark))) {
		if line.blank() {
			flush()
			continue
		}
		if start < 0 {
			start = line.start + line.indent()
		}
		end = line.start + len(strings.TrimRightFunc(line.text, unicode.IsSpace))
	}
	flush()
	return d, nil
}

// line is a line of a text without its end.
type line struct {
	text  string
	start int
}

func (l line) blank() bool { return strings.TrimSpace(l.text) == "" }

// indent is the number of bytes of space before the line's text.
func (l line) indent() int { return len(l.text) - len(strings.TrimLeftFunc(l.text, unicode.IsSpace)) }

// lines gives the lines of a text from a byte on.
func lines(text string, from int) func(yield func(line) bool) {
	return func(yield func(line) bool) {
		for at := from; at < len(text); {
			end := strings.IndexByte(text[at:], '\n')
			if end < 0 {
				end = len(text) - at
			}
			if !yield(line{text: text[at : at+end], start: at}) {
				return
			}
			at += end + 1
		}
	}
}

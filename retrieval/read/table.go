package read

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode"
)

// readCSV reads a table whose first row names its columns. Each further row is a record; its heading is
// the row of names, so that a passage can be understood by itself.
func readCSV(r *reading) (*Document, error) {
	text, err := r.decode()
	if err != nil {
		return nil, err
	}
	base := len(text) - len(strings.TrimPrefix(text, mark))
	in := csv.NewReader(strings.NewReader(text[base:]))
	in.Comma = separator(r.media, text[base:])
	in.FieldsPerRecord = -1
	in.ReuseRecord = true
	d := &Document{Text: text}
	var heading []string
	for row, from := 0, base; ; row++ {
		if row%1024 == 0 && r.ctx.Err() != nil {
			return nil, r.ctx.Err()
		}
		fields, err := in.Read()
		if errors.Is(err, io.EOF) {
			return d, nil
		}
		if err != nil {
			var wrong *csv.ParseError
			if errors.As(err, &wrong) {
				return nil, r.fail("its row at line %d is malformed: a quote is missing or out of place", wrong.StartLine)
			}
			return nil, r.fail("its table is malformed")
		}
		to := base + int(in.InputOffset())
		start, end := trim(text, from, to)
		from = to
		switch {
		case row == 0:
			heading = []string{clip(strings.Join(fields, " | "), 1024)}
		case start < end && !empty(text[start:end], in.Comma):
			d.Blocks = append(d.Blocks, Block{Start: start, End: end, Kind: Record, Heading: heading})
		}
	}
}

// separator tells what parts the columns: a comma, unless the first line has more of another.
func separator(media, text string) rune {
	if media == TSV {
		return '\t'
	}
	first, _, _ := strings.Cut(text, "\n")
	best := ','
	for _, c := range ";\t|" {
		if strings.Count(first, string(c)) > strings.Count(first, string(best)) {
			best = c
		}
	}
	return best
}

// empty says whether a row has nothing in its fields.
func empty(row string, comma rune) bool {
	return strings.IndexFunc(row, func(c rune) bool { return c != comma && c != '"' && !unicode.IsSpace(c) }) < 0
}

// trim takes the space off both ends of text[start:end].
func trim(text string, start, end int) (int, int) {
	s := text[start:end]
	start = end - len(strings.TrimLeftFunc(s, unicode.IsSpace))
	return start, max(start, end-(len(s)-len(strings.TrimRightFunc(s, unicode.IsSpace))))
}

// readJSONLines reads one JSON value a line, each a record. An object's "title" or "name" is its heading.
func readJSONLines(r *reading) (*Document, error) {
	text, err := r.decode()
	if err != nil {
		return nil, err
	}
	d := &Document{Text: text}
	number := 0
	for l := range lines(text, len(text)-len(strings.TrimPrefix(text, mark))) {
		number++
		if number%1024 == 0 && r.ctx.Err() != nil {
			return nil, r.ctx.Err()
		}
		start, end := trim(text, l.start, l.start+len(l.text))
		if start == end {
			continue
		}
		raw := []byte(text[start:end])
		if !json.Valid(raw) {
			return nil, r.fail("line %d is not JSON: every line must hold one whole value", number)
		}
		d.Blocks = append(d.Blocks, Block{Start: start, End: end, Kind: Record, Heading: recordTitle(raw)})
	}
	return d, nil
}

func recordTitle(raw []byte) []string {
	var names struct{ Title, Name any }
	if raw[0] != '{' || json.Unmarshal(raw, &names) != nil {
		return nil
	}
	for _, name := range []any{names.Title, names.Name} {
		if s, ok := name.(string); ok && strings.TrimSpace(s) != "" {
			return []string{clip(strings.Join(strings.Fields(s), " "), 256)}
		}
	}
	return nil
}

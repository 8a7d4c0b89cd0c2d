package wire

import (
	"bytes"
	"io"
)

// Event is one server-sent event.
type Event struct {
	// Name is the event's type; empty: "message".
	Name string
	// Data is the event's data, its lines joined by newlines. It is valid until the next call.
	Data []byte
	// Open is true when the body ended before the empty line that ends an event. The standard throws
	// such an event away; here the adapter decides, because some servers leave the last line end out.
	Open bool
	// Bare is true when Data is a line that is no field of the format. The standard ignores such lines;
	// servers that fail write their error there.
	Bare bool
}

// SSE reads server-sent events as the HTML standard has them (section "Interpreting an event stream"),
// but for the two deviations that Event names.
type SSE struct {
	lines lines
	limit int
	begun bool
	// data and name are those of the event that is being read; rows counts its data lines.
	data []byte
	name string
	rows int
}

// NewSSE makes a reader of events whose data has at most limit bytes.
func NewSSE(r io.Reader, limit int) *SSE {
	return &SSE{lines: lines{r: r, limit: limit + len("data: "), cr: true}, limit: limit}
}

var bom = []byte("\xEF\xBB\xBF")

// Next gives the next event that has data. It gives io.EOF at the end of the body, ErrFrameTooLong, or
// the error of the body's reader.
func (s *SSE) Next() (Event, error) {
	s.data, s.name, s.rows = s.data[:0], "", 0
	for {
		line, open, err := s.lines.next()
		if err != nil {
			if err == io.EOF && s.rows > 0 {
				e := Event{Name: s.name, Data: s.data, Open: true}
				s.rows = 0
				return e, nil
			}
			return Event{}, err
		}
		if !s.begun {
			s.begun = true
			line = bytes.TrimPrefix(line, bom)
		}
		if len(line) == 0 {
			if s.rows > 0 {
				return Event{Name: s.name, Data: s.data}, nil
			}
			s.name = "" // an event without data is none
			continue
		}
		field, value, _ := bytes.Cut(line, colon)
		value = bytes.TrimPrefix(value, space)
		switch string(field) {
		case "data":
			if s.rows > 0 {
				s.data = append(s.data, '\n')
			}
			if s.rows++; len(s.data)+len(value) > s.limit {
				return Event{}, ErrFrameTooLong
			}
			s.data = append(s.data, value...)
		case "event":
			s.name = string(value)
		case "", "id", "retry": // a comment, or what matters to browsers only
		default:
			return Event{Data: line, Open: open, Bare: true}, nil
		}
	}
}

var (
	colon = []byte(":")
	space = []byte(" ")
)

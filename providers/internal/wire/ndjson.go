package wire

import (
	"bytes"
	"io"
)

// NDJSON reads a body of one JSON object on each line.
type NDJSON struct {
	lines lines
	begun bool
}

// NewNDJSON makes a reader of lines that have at most limit bytes.
func NewNDJSON(r io.Reader, limit int) *NDJSON {
	return &NDJSON{lines: lines{r: r, limit: limit}}
}

// Next gives the next line that is not blank, valid until the next call; open is true when the body
// ended before the line's end. It gives io.EOF at the end of the body, ErrFrameTooLong, or the error of
// the body's reader.
func (n *NDJSON) Next() (line []byte, open bool, err error) {
	for {
		line, open, err = n.lines.next()
		if err != nil {
			return nil, false, err
		}
		if !n.begun {
			n.begun = true
			line = bytes.TrimPrefix(line, bom)
		}
		if line = bytes.Trim(line, " \t\r"); len(line) > 0 {
			return line, open, nil
		}
	}
}

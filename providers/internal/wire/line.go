package wire

import (
	"bytes"
	"errors"
	"io"
)

// ErrFrameTooLong is the error of a frame beyond the reader's limit.
var ErrFrameTooLong = errors.New("frame too long")

// lines cuts a body into lines of at most limit bytes.
type lines struct {
	r     io.Reader
	limit int
	// cr makes a lone carriage return the end of a line, as event streams have it.
	cr bool

	buf        []byte
	start, end int
	// scanned is how far buf[start:end] is known to hold no line end.
	scanned int
	skipLF  bool
	err     error
}

// next gives the next line without its end, valid until the next call. At the end of the body comes what
// stands there without a line end, with open true, and then io.EOF.
func (l *lines) next() (line []byte, open bool, err error) {
	for {
		if l.skipLF && l.start < l.end {
			if l.buf[l.start] == '\n' {
				l.start++
			}
			l.skipLF = false
		}
		l.scanned = max(l.scanned, l.start)
		if at := l.lineEnd(); at >= 0 {
			line = l.buf[l.start:at]
			l.skipLF = l.cr && l.buf[at] == '\r'
			l.start = at + 1
			if len(line) > l.limit {
				return nil, false, ErrFrameTooLong
			}
			return line, false, nil
		}
		l.scanned = l.end
		if l.end-l.start > l.limit {
			return nil, false, ErrFrameTooLong
		}
		if l.err != nil {
			if l.err == io.EOF && l.start < l.end {
				line = l.buf[l.start:l.end]
				l.start = l.end
				return line, true, nil
			}
			return nil, false, l.err
		}
		l.fill()
	}
}

// lineEnd gives the place of the next line end, or -1.
func (l *lines) lineEnd() int {
	rest := l.buf[l.scanned:l.end]
	at := bytes.IndexByte(rest, '\n')
	if l.cr {
		before := rest
		if at >= 0 {
			before = rest[:at]
		}
		if cr := bytes.IndexByte(before, '\r'); cr >= 0 {
			at = cr
		}
	}
	if at < 0 {
		return -1
	}
	return l.scanned + at
}

// fill reads more, once; it makes room first.
func (l *lines) fill() {
	if l.start > 0 {
		copy(l.buf, l.buf[l.start:l.end])
		l.end -= l.start
		l.scanned -= l.start
		l.start = 0
	}
	if l.end == len(l.buf) {
		grown := make([]byte, max(2*len(l.buf), 8<<10))
		copy(grown, l.buf[:l.end])
		l.buf = grown
	}
	// a reader that gives neither bytes nor an error is asked again by the loop in next, but not for ever
	for range 100 {
		n, err := l.r.Read(l.buf[l.end:])
		l.end += n
		l.err = err
		if n > 0 || err != nil {
			return
		}
	}
	l.err = io.ErrNoProgress
}

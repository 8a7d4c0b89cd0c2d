package faultproxy

import (
	"bufio"
	"bytes"
	"io"
	"mime"
	"net/http"
)

// maxFrame is the size from which a frame without an end is taken in parts.
const maxFrame = 4 << 20

// The ends of frames.
const (
	events = "\n\n"
	lines  = "\n"
)

// separatorOf gives what ends a frame of a stream of this type; empty when it is none.
func separatorOf(h http.Header) string {
	media, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	switch media {
	case "text/event-stream":
		return events
	case "application/x-ndjson", "application/ndjson", "application/jsonl":
		return lines
	default:
		return ""
	}
}

// splitter cuts a stream into frames. All frames together are the stream, byte for byte.
type splitter struct {
	r         *bufio.Reader
	separator string
	frame     []byte
}

func newSplitter(r io.Reader, separator string) *splitter {
	return &splitter{r: bufio.NewReaderSize(r, 16<<10), separator: separator}
}

// next gives the next frame with its end, valid until the next call. An empty frame comes with the error of the
// reader; what stands before it without an end is a frame, with no error.
func (s *splitter) next() ([]byte, error) {
	s.frame = s.frame[:0]
	line := 0 // where the current line begins
	for {
		part, err := s.r.ReadSlice('\n')
		s.frame = append(s.frame, part...)
		switch {
		case err == bufio.ErrBufferFull:
		case err != nil && len(s.frame) > 0:
			return s.frame, nil
		case err != nil:
			return nil, err
		case s.separator == lines:
			return s.frame, nil
		default:
			blank := len(bytes.TrimRight(s.frame[line:], "\r\n")) == 0
			if line = len(s.frame); blank {
				return s.frame, nil
			}
		}
		if len(s.frame) >= maxFrame {
			return s.frame, nil
		}
	}
}

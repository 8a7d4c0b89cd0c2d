package openaihttp

import (
	"strconv"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendText adds s as a JSON string, as encoding/json writes it without the escapes for HTML. It makes no
// garbage: this is what every token of every stream goes through.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= 0x20 && c != '"' && c != '\\' {
				i++
				continue
			}
			b = append(b, s[start:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\b':
				b = append(b, '\\', 'b')
			case '\f':
				b = append(b, '\\', 'f')
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			default:
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(b, s[start:i]...)
			b = append(b, `\ufffd`...)
		case r == '\u2028' || r == '\u2029': // line ends in JavaScript
			b = append(b, s[start:i]...)
			b = append(b, `\u202`...)
			b = append(b, hexDigits[r&15])
		default:
			i += size
			continue
		}
		i += size
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// frames builds the frames of one stream. All chunks share their front and their back, which are built
// once.
type frames struct {
	front, back []byte
}

// newFrames fixes what all chunks of a stream say. withUsage adds "usage": null, which the dialect wants on all
// chunks but the last when the caller asked for usage.
func newFrames(id, model string, created int64, withUsage bool) *frames {
	f := &frames{}
	f.front = append(f.front, `data: {"id":`...)
	f.front = appendText(f.front, id)
	f.front = append(f.front, `,"object":"chat.completion.chunk","created":`...)
	f.front = strconv.AppendInt(f.front, created, 10)
	f.front = append(f.front, `,"model":`...)
	f.front = appendText(f.front, model)
	f.front = append(f.front, `,"choices":[`...)
	if f.back = append(f.back, ']'); withUsage {
		f.back = append(f.back, `,"usage":null`...)
	}
	f.back = append(f.back, "}\n\n"...)
	return f
}

// delta adds a chunk around a delta's JSON, which add appends.
func (f *frames) delta(b []byte, add func([]byte) []byte) []byte {
	b = append(b, f.front...)
	b = append(b, `{"index":0,"delta":`...)
	b = add(b)
	b = append(b, `,"finish_reason":null}`...)
	return append(b, f.back...)
}

// text adds a chunk with a piece of text in the named field of its delta.
func (f *frames) text(b []byte, field, text string) []byte {
	b = append(b, f.front...)
	b = append(b, `{"index":0,"delta":{"`...)
	b = append(b, field...)
	b = append(b, `":`...)
	b = appendText(b, text)
	b = append(b, `},"finish_reason":null}`...)
	return append(b, f.back...)
}

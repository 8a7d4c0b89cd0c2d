package read

import (
	"bytes"
	"compress/zlib"
	"encoding/ascii85"
	"io"
)

// data unpacks a stream. What is damaged gives what could be read before the damage; a filter for
// pictures gives nothing.
func (f *pdfFile) data(s *pdfStream) []byte {
	filters, params := f.array(s.dict["Filter"]), f.array(s.dict["DecodeParms"])
	if n := f.name(s.dict["Filter"]); n != "" {
		filters, params = pdfArray{n}, pdfArray{s.dict["DecodeParms"]}
	}
	if len(filters) > 8 {
		return nil
	}
	data := s.raw
	for i, filter := range filters {
		var p pdfDict
		if i < len(params) {
			p = f.dict(params[i])
		}
		switch f.name(filter) {
		case "FlateDecode", "Fl":
			in, err := zlib.NewReader(bytes.NewReader(data))
			if err != nil {
				return nil
			}
			data = f.predict(f.take(in), p)
		case "ASCII85Decode", "A85":
			end := bytes.IndexByte(data, '~')
			if end < 0 {
				end = len(data)
			}
			data = f.take(ascii85.NewDecoder(bytes.NewReader(data[:end])))
		case "ASCIIHexDecode", "AHx":
			l := &pdfLexer{b: append([]byte("<"), data...)}
			data = []byte(l.hex())
		case "RunLengthDecode", "RL":
			data = f.take(&runLength{b: data})
		default:
			return nil
		}
		if f.err != nil {
			return nil
		}
	}
	return data
}

// take reads all there is, within what may still be unpacked.
func (f *pdfFile) take(in io.Reader) []byte {
	out, _ := io.ReadAll(io.LimitReader(in, f.left+1))
	if !f.count(len(out)) {
		return nil
	}
	return out
}

// count takes n bytes off what may still be unpacked, and says whether that was there.
func (f *pdfFile) count(n int) bool {
	if f.left -= int64(n); f.left < 0 && f.err == nil {
		f.err = f.r.tooLarge("it unpacks to more than is allowed")
	}
	return f.err == nil
}

// predict undoes a PNG predictor (7.4.4.4).
func (f *pdfFile) predict(data []byte, p pdfDict) []byte {
	if f.number(p["Predictor"], 1) < 10 {
		return data
	}
	bits := f.number(p["Colors"], 1) * f.number(p["BitsPerComponent"], 8)
	width := bits * f.number(p["Columns"], 1) / 8
	if bits < 1 || bits > 1024 || width < 1 || width > float64(len(data)) {
		return nil
	}
	n, left := int(width), max(1, int(bits)/8)
	out := make([]byte, 0, len(data))
	before := make([]byte, n)
	for len(data) > n {
		kind, row := data[0], data[1:1+n]
		data = data[1+n:]
		at := len(out)
		for i, c := range row {
			var a, b, d byte // left, above, above left
			if b = before[i]; i >= left {
				a, d = out[at+i-left], before[i-left]
			}
			switch kind {
			case 1:
				c += a
			case 2:
				c += b
			case 3:
				c += byte((int(a) + int(b)) / 2)
			case 4:
				c += paeth(a, b, d)
			}
			out = append(out, c)
		}
		before = out[at:]
	}
	return out
}

func paeth(a, b, c byte) byte {
	p := int(a) + int(b) - int(c)
	da, db, dc := max(p-int(a), int(a)-p), max(p-int(b), int(b)-p), max(p-int(c), int(c)-p)
	switch {
	case da <= db && da <= dc:
		return a
	case db <= dc:
		return b
	default:
		return c
	}
}

// runLength undoes run-length packing (7.4.5).
type runLength struct {
	b    []byte
	pend []byte
}

func (l *runLength) Read(p []byte) (int, error) {
	for len(l.pend) == 0 {
		if len(l.b) < 2 || l.b[0] == 128 {
			return 0, io.EOF
		}
		if n := int(l.b[0]); n < 128 {
			end := min(2+n, len(l.b))
			l.pend, l.b = l.b[1:end], l.b[end:]
		} else {
			l.pend, l.b = bytes.Repeat(l.b[1:2], 257-n), l.b[2:]
		}
	}
	n := copy(p, l.pend)
	l.pend = l.pend[n:]
	return n, nil
}

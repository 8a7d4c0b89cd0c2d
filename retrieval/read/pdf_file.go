package read

import (
	"bytes"
	"compress/zlib"
	"encoding/ascii85"
	"io"
	"maps"
	"slices"
	"strconv"
)

// pdfFile is a PDF's objects. They are found by going through the file from start to end, not by its
// cross-reference table: that works for damaged files too, and gives an attacker no offsets and counts to
// lie with. Of two objects of a number the later one counts, as with incremental updates.
type pdfFile struct {
	r       *reading
	objects map[int]any
	root    any
	info    any
	left    int64 // bytes that may still be unpacked
	err     error // the first that ends the reading
}

const pdfObjects = 2_000_000

func openPDF(r *reading) (*pdfFile, error) {
	f := &pdfFile{r: r, objects: map[int]any{}, left: int64(r.limits.UnpackedBytes)}
	if f.left <= 0 {
		f.left = 256 << 20
	}
	if !bytes.Contains(r.content[:min(len(r.content), 1024)], []byte("%PDF-")) {
		return nil, r.fail("it is not a PDF file")
	}
	if err := f.scan(); err != nil {
		return nil, err
	}
	if len(f.objects) == 0 {
		return nil, r.fail("its PDF is damaged: there is nothing in it")
	}
	return f, nil
}

// scan finds the objects and the trailers by their words, so that garbage between them does no harm.
func (f *pdfFile) scan() error {
	b := f.r.content
	find := func(word string, from int) int {
		if i := bytes.Index(b[from:], []byte(word)); i >= 0 {
			return from + i
		}
		return len(b)
	}
	object, trailer := find("obj", 0), find("trailer", 0)
	for object < len(b) || trailer < len(b) {
		if f.r.ctx.Err() != nil {
			return f.r.ctx.Err()
		}
		l := &pdfLexer{b: b, refs: true}
		if trailer < object {
			l.at = trailer + len("trailer")
			if t, ok := l.next(0); ok {
				if d, ok := t.(pdfDict); ok {
					if err := f.trailer(d); err != nil {
						return err
					}
				}
			}
			trailer = find("trailer", trailer+len("trailer"))
			continue
		}
		l.at = object + len("obj")
		if number, ok := objectNumber(b[max(0, object-40):object]); ok {
			if len(f.objects) >= pdfObjects {
				return f.r.tooLarge("it has more than %d objects", pdfObjects)
			}
			if err := f.object(l, number); err != nil {
				return err
			}
		}
		object = find("obj", l.at)
		if trailer < l.at {
			trailer = find("trailer", l.at)
		}
	}
	return nil
}

// objectNumber reads "N G " at the end of what comes before "obj".
func objectNumber(before []byte) (int, bool) {
	fields := bytes.Fields(before)
	if len(fields) < 2 || !pdfSpace(before[len(before)-1]) {
		return 0, false
	}
	generation, n := fields[len(fields)-1], fields[len(fields)-2]
	if _, err := strconv.ParseUint(string(generation), 10, 16); err != nil {
		return 0, false
	}
	// What comes before the number may stick to it, as in "endobj1 0 obj".
	from := len(n)
	for from > 0 && n[from-1] >= '0' && n[from-1] <= '9' {
		from--
	}
	number, err := strconv.ParseUint(string(n[from:]), 10, 30)
	return int(number), err == nil
}

// object reads what follows "N 0 obj".
func (f *pdfFile) object(l *pdfLexer, number int) error {
	x, ok := l.next(0)
	if !ok {
		return nil
	}
	d, isDict := x.(pdfDict)
	if !isDict {
		f.objects[number] = x
		return nil
	}
	before := l.at
	if word, _ := l.next(0); word != pdfWord("stream") {
		l.at = before
		f.objects[number] = d
		return nil
	}
	if l.at < len(l.b) && l.b[l.at] == '\r' {
		l.at++
	}
	if l.at < len(l.b) && l.b[l.at] == '\n' {
		l.at++
	}
	s := &pdfStream{dict: d}
	// The stated length is believed only when the stream ends there.
	if n, ok := d["Length"].(float64); ok && n >= 0 && n <= float64(len(l.b)-l.at) {
		end := l.at + int(n)
		if after := bytes.TrimLeft(l.b[end:min(end+32, len(l.b))], "\r\n \t"); bytes.HasPrefix(after, []byte("endstream")) {
			s.raw = l.b[l.at:end]
			l.at = end
		}
	}
	if s.raw == nil {
		end := bytes.Index(l.b[l.at:], []byte("endstream"))
		if end < 0 {
			end = len(l.b) - l.at
		}
		s.raw = l.b[l.at : l.at+end]
		l.at += end
	}
	f.objects[number] = s
	switch d["Type"] {
	case pdfName("XRef"):
		return f.trailer(d)
	case pdfName("ObjStm"):
		return f.unpackObjects(s)
	}
	return nil
}

func (f *pdfFile) trailer(d pdfDict) error {
	if d["Encrypt"] != nil {
		return f.r.fail("it is encrypted: save it without protection")
	}
	if d["Root"] != nil {
		f.root = d["Root"]
	}
	if d["Info"] != nil {
		f.info = d["Info"]
	}
	return nil
}

// unpackObjects reads the objects that are packed in a stream (7.5.7).
func (f *pdfFile) unpackObjects(s *pdfStream) error {
	data := f.data(s)
	if f.err != nil {
		return f.err
	}
	first, ok := s.dict["First"].(float64)
	if !ok || first < 0 || first > float64(len(data)) {
		return nil
	}
	index := &pdfLexer{b: data[:int(first)]}
	for {
		number, ok := index.next(0)
		offset, also := index.next(0)
		if !ok || !also {
			return nil
		}
		n, isNumber := number.(float64)
		at, isOffset := offset.(float64)
		if !isNumber || !isOffset || at < 0 || first+at > float64(len(data)) || n < 0 || n > 1<<30 {
			return nil
		}
		if len(f.objects) >= pdfObjects {
			return f.r.tooLarge("it has more than %d objects", pdfObjects)
		}
		l := &pdfLexer{b: data, at: int(first + at), refs: true}
		if x, ok := l.next(0); ok {
			f.objects[int(n)] = x
		}
	}
}

// get follows references.
func (f *pdfFile) get(x any) any {
	for range 16 {
		ref, ok := x.(pdfRef)
		if !ok {
			return x
		}
		x = f.objects[int(ref)]
	}
	return nil
}

func (f *pdfFile) dict(x any) pdfDict {
	switch x := f.get(x).(type) {
	case pdfDict:
		return x
	case *pdfStream:
		return x.dict
	}
	return nil
}

func (f *pdfFile) array(x any) pdfArray {
	a, _ := f.get(x).(pdfArray)
	return a
}

func (f *pdfFile) name(x any) pdfName {
	n, _ := f.get(x).(pdfName)
	return n
}

func (f *pdfFile) number(x any, fallback float64) float64 {
	if n, ok := f.get(x).(float64); ok {
		return n
	}
	return fallback
}

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

// pages gives the pages in order, each with the resources it has or inherits.
func (f *pdfFile) pages() ([]pdfPage, error) {
	var out []pdfPage
	seen := map[pdfRef]bool{}
	var walk func(x any, resources any, depth int) error
	walk = func(x any, resources any, depth int) error {
		if ref, ok := x.(pdfRef); ok {
			if seen[ref] {
				return nil
			}
			seen[ref] = true
		}
		d := f.dict(x)
		if d == nil || depth > pdfDepth {
			return nil
		}
		if d["Resources"] != nil {
			resources = d["Resources"]
		}
		if kids := f.array(d["Kids"]); kids != nil {
			for _, kid := range kids {
				if err := walk(kid, resources, depth+1); err != nil {
					return err
				}
			}
			return nil
		}
		if len(out) >= f.r.limits.Pages {
			return f.r.tooLarge("it has more than %s pages: split it", strconv.Itoa(f.r.limits.Pages))
		}
		out = append(out, pdfPage{contents: d["Contents"], resources: f.dict(resources)})
		return nil
	}
	root := f.dict(f.root)
	numbers := slices.Sorted(maps.Keys(f.objects))
	if root["Pages"] == nil { // the trailer is lost
		for _, n := range numbers {
			if d := f.dict(pdfRef(n)); d["Type"] == pdfName("Catalog") {
				root = d
			}
		}
	}
	err := walk(root["Pages"], nil, 0)
	if len(out) == 0 && err == nil { // so is the tree
		for _, n := range numbers {
			if d := f.dict(pdfRef(n)); d["Type"] == pdfName("Page") && err == nil {
				err = walk(pdfRef(n), nil, 0)
			}
		}
	}
	return out, err
}

type pdfPage struct {
	contents  any
	resources pdfDict
}

package read

import (
	"bytes"
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

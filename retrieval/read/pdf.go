package read

import (
	"math"
	"reflect"
	"strings"
)

// readPDF reads the text of a PDF page by page, in the order in which it is drawn. It is our own reader
// and reads no more than text needs: the Go libraries for PDF that were tried recurse and allocate as the
// file tells them to, which one small file can use to end the process.
//
// Left out: text in pictures, fonts that do not say what their codes mean, encrypted files.
func readPDF(r *reading) (*Document, error) {
	f, err := openPDF(r)
	if err != nil {
		return nil, err
	}
	pages, err := f.pages()
	if err != nil {
		return nil, err
	}
	b := &builder{}
	fonts := map[fontKey]*pdfFont{}
	for i, p := range pages {
		b.page = i + 1
		w := &pdfWriter{file: f, fonts: fonts, state: pdfState{ctm: identity, scale: 1}}
		w.contents(p.contents, p.resources)
		if f.err != nil {
			return nil, f.err
		}
		if r.ctx.Err() != nil {
			return nil, r.ctx.Err()
		}
		for _, text := range strings.Split(w.out.String(), "\n\n") {
			b.add(Paragraph, 0, tidyLines(text))
		}
		if b.text.Len() > r.limits.TextBytes {
			return nil, r.tooLarge("its text has more than %d bytes: split it", r.limits.TextBytes)
		}
	}
	d := b.document()
	info := f.dict(f.info)
	d.Title = pdfText(f.get(info["Title"]))
	values := map[string]any{}
	for key, name := range map[string]pdfName{"author": "Author", "subject": "Subject"} {
		if text := pdfText(f.get(info[name])); text != "" {
			values[key] = text
		}
	}
	d.Metadata = tidy(values)
	return d, nil
}

// tidyLines squeezes the space of each line, and puts words together that were parted at a line's end.
func tidyLines(text string) string {
	var out []byte
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.Join(strings.Fields(clean(line)), " ")
		if line == "" {
			continue
		}
		switch n := len(out); {
		case n == 0:
		case n > 1 && out[n-1] == '-' && isLower(out[n-2]) && isLower(line[0]):
			out = out[:n-1]
		default:
			out = append(out, '\n')
		}
		out = append(out, line...)
	}
	return string(out)
}

func isLower(c byte) bool { return c >= 'a' && c <= 'z' }

// matrix is [a b c d e f] of 8.3.3.
type matrix [6]float64

var identity = matrix{1, 0, 0, 1, 0, 0}

func (m matrix) mul(n matrix) matrix {
	return matrix{
		m[0]*n[0] + m[1]*n[2], m[0]*n[1] + m[1]*n[3],
		m[2]*n[0] + m[3]*n[2], m[2]*n[1] + m[3]*n[3],
		m[4]*n[0] + m[5]*n[2] + n[4], m[4]*n[1] + m[5]*n[3] + n[5],
	}
}

// pdfState is what q saves and Q brings back.
type pdfState struct {
	ctm                         matrix
	font                        *pdfFont
	size, leading, chars, words float64
	scale                       float64 // horizontal
}

// pdfWriter runs the content of a page and writes down what it shows.
type pdfWriter struct {
	file  *pdfFile
	fonts map[fontKey]*pdfFont
	state pdfState
	saved []pdfState
	depth int
	// text and line are the matrices of 9.4.1.
	text, line matrix
	// endX and endY are where the last glyph ended on the page, height its size there.
	endX, endY, height float64
	any                bool
	out                strings.Builder
	operations         int
}

// contents runs one stream or several that are one.
func (w *pdfWriter) contents(x any, resources pdfDict) {
	var data []byte
	switch x := w.file.get(x).(type) {
	case *pdfStream:
		data = w.file.data(x)
	case pdfArray:
		for _, part := range x {
			if s, ok := w.file.get(part).(*pdfStream); ok {
				piece := w.file.data(s)
				if !w.file.count(len(piece)) {
					return
				}
				data = append(append(data, piece...), '\n')
			}
		}
	}
	w.run(data, resources)
}

func (w *pdfWriter) run(data []byte, resources pdfDict) {
	l := &pdfLexer{b: data}
	var args []any
	for {
		x, ok := l.next(0)
		if !ok || w.file.err != nil {
			return
		}
		op, isOp := x.(pdfWord)
		if !isOp {
			if len(args) < 64 {
				args = append(args, x)
			}
			continue
		}
		if w.operations++; w.operations%1024 == 0 {
			if w.file.err = w.file.r.ctx.Err(); w.file.err != nil {
				return
			}
			if w.out.Len() > w.file.r.limits.TextBytes {
				w.file.err = w.file.r.tooLarge("its text has more than %d bytes: split it", w.file.r.limits.TextBytes)
				return
			}
		}
		if op == "BI" {
			skipImage(l)
		} else {
			w.do(op, args, resources)
		}
		args = args[:0]
	}
}

// skipImage goes past a picture within the content: its bytes end at "EI" with space around it.
func skipImage(l *pdfLexer) {
	for ; l.at+3 < len(l.b); l.at++ {
		if pdfSpace(l.b[l.at]) && l.b[l.at+1] == 'E' && l.b[l.at+2] == 'I' && pdfSpace(l.b[l.at+3]) {
			l.at += 3
			return
		}
	}
	l.at = len(l.b)
}

func (w *pdfWriter) do(op pdfWord, args []any, resources pdfDict) {
	number := func(i int) float64 {
		if i >= len(args) {
			return 0
		}
		n, _ := args[i].(float64)
		return n
	}
	six := func() matrix {
		return matrix{number(0), number(1), number(2), number(3), number(4), number(5)}
	}
	text := func(i int) string {
		if i >= len(args) {
			return ""
		}
		s, _ := args[i].(string)
		return s
	}
	s := &w.state
	switch op {
	case "q":
		if len(w.saved) < 256 {
			w.saved = append(w.saved, *s)
		}
	case "Q":
		if n := len(w.saved); n > 0 {
			*s, w.saved = w.saved[n-1], w.saved[:n-1]
		}
	case "cm":
		s.ctm = six().mul(s.ctm)
	case "BT":
		w.text, w.line = identity, identity
	case "Tf":
		if len(args) == 2 {
			name, _ := args[0].(pdfName)
			s.font, s.size = w.font(resources, name), number(1)
		}
	case "TL":
		s.leading = number(0)
	case "Tc":
		s.chars = number(0)
	case "Tw":
		s.words = number(0)
	case "Tz":
		s.scale = number(0) / 100
	case "Td":
		w.move(number(0), number(1))
	case "TD":
		s.leading = -number(1)
		w.move(number(0), number(1))
	case "Tm":
		w.line = six()
		w.text = w.line
	case "T*":
		w.move(0, -s.leading)
	case "Tj":
		w.show(text(0))
	case "'":
		w.move(0, -s.leading)
		w.show(text(0))
	case `"`:
		s.words, s.chars = number(0), number(1)
		w.move(0, -s.leading)
		w.show(text(2))
	case "TJ":
		if len(args) == 1 {
			list, _ := args[0].(pdfArray)
			for _, x := range list {
				switch x := x.(type) {
				case string:
					w.show(x)
				case float64:
					w.advance(-x / 1000 * s.size * s.scale)
				}
			}
		}
	case "Do":
		if len(args) == 1 {
			name, _ := args[0].(pdfName)
			w.form(w.file.dict(resources["XObject"])[name], resources)
		}
	}
}

func (w *pdfWriter) move(x, y float64) {
	w.line = matrix{1, 0, 0, 1, x, y}.mul(w.line)
	w.text = w.line
}

func (w *pdfWriter) advance(x float64) { w.text = matrix{1, 0, 0, 1, x, 0}.mul(w.text) }

// font finds a font, each object read once.
func (w *pdfWriter) font(resources pdfDict, name pdfName) *pdfFont {
	all := w.file.dict(resources["Font"])
	x := all[name]
	key := fontKey{name: name, in: reflect.ValueOf(all).Pointer()}
	if ref, ok := x.(pdfRef); ok {
		key = fontKey{ref: ref}
	}
	if w.fonts[key] == nil {
		w.fonts[key] = w.file.font(x)
	}
	return w.fonts[key]
}

// fontKey names a font by its reference, or by its name in the dictionary that holds it.
type fontKey struct {
	ref  pdfRef
	name pdfName
	in   uintptr
}

// form runs content that is used as one picture.
func (w *pdfWriter) form(x any, resources pdfDict) {
	s, ok := w.file.get(x).(*pdfStream)
	if !ok || w.file.name(s.dict["Subtype"]) != "Form" || w.depth >= 8 {
		return
	}
	// Forms may use each other ever more often: each time counts, with what it unpacks to.
	const use = 4096
	data := w.file.data(s)
	if !w.file.count(len(data) + use) {
		return
	}
	w.depth++
	before, saved := w.state, w.saved
	w.saved = nil
	if m := w.file.array(s.dict["Matrix"]); len(m) == 6 {
		var six matrix
		for i := range six {
			six[i] = w.file.number(m[i], 0)
		}
		w.state.ctm = six.mul(w.state.ctm)
	}
	if own := w.file.dict(s.dict["Resources"]); own != nil {
		resources = own
	}
	w.run(data, resources)
	w.state, w.saved = before, saved
	w.depth--
}

// show writes a string, with a line break or a space before it where it is not next to what was last.
func (w *pdfWriter) show(s string) {
	st := &w.state
	if st.font == nil {
		return
	}
	st.font.decode(s, func(g pdfGlyph) {
		m := w.text.mul(st.ctm)
		x, y := m[4], m[5]
		height := math.Abs(st.size) * math.Hypot(m[2], m[3])
		if g.text != "" && strings.TrimSpace(g.text) != "" {
			w.part(x, y, height)
			w.out.WriteString(g.text)
			w.any = true
		} else if g.text != "" && w.any {
			w.out.WriteByte(' ')
		}
		step := (g.width/1000*st.size + st.chars) * st.scale
		if g.space {
			step += st.words * st.scale
		}
		w.advance(step)
		end := w.text.mul(st.ctm)
		w.endX, w.endY, w.height = end[4], end[5], height
	})
}

// part writes what lies between the last glyph and one at a place.
func (w *pdfWriter) part(x, y, height float64) {
	if !w.any {
		return
	}
	size := max(min(height, w.height), 0.1)
	down := math.Abs(y - w.endY)
	switch {
	case down > 1.7*max(height, w.height, 0.1):
		w.out.WriteString("\n\n")
	case down > 0.6*size:
		w.out.WriteByte('\n')
	case x-w.endX > 0.18*size || x-w.endX < -2*size:
		w.out.WriteByte(' ')
	}
}

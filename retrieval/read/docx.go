package read

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
)

const (
	docxBody   = "word/document.xml"
	docxStyles = "word/styles.xml"
	docxCore   = "docProps/core.xml"
	// docxRatio is how many times its packed size a part may unpack to: XML packs to a tenth or so.
	docxRatio = 200
	docxDepth = 256
)

func itoa(n int) string { return strconv.Itoa(n) }

// isDOCX says whether a ZIP archive is a Word document.
func isDOCX(content []byte) bool {
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return false
	}
	for _, f := range z.File {
		if f.Name == docxBody {
			return true
		}
	}
	return false
}

// errBomb is that a part unpacks to more than any honest one does.
var errBomb = errors.New("unpacks to too much")

// bounded reads at most left bytes, and then fails.
type bounded struct {
	in   io.Reader
	left *int64
}

func (b bounded) Read(p []byte) (int, error) {
	n, err := b.in.Read(p)
	if *b.left -= int64(n); *b.left < 0 {
		return 0, errBomb
	}
	return n, err
}

// readDOCX reads a Word document: paragraphs, headings by their styles' outline levels, lists, tables.
// Text that was deleted under tracked changes is left out.
func readDOCX(r *reading) (*Document, error) {
	z, err := zip.NewReader(bytes.NewReader(r.content), int64(len(r.content)))
	if err != nil {
		return nil, r.fail("it is not a DOCX file, or it is damaged")
	}
	total := int64(r.limits.UnpackedBytes)
	if total <= 0 {
		total = 64 << 20
	}
	parts := map[string]*zip.File{}
	for _, f := range z.File {
		parts[f.Name] = f
	}
	if parts[docxBody] == nil {
		return nil, r.fail("it is not a DOCX file: it has no %s", docxBody)
	}
	visit := func(name string, do func(*xml.Decoder) error) error {
		f := parts[name]
		if f == nil {
			return nil
		}
		in, err := f.Open()
		if err != nil {
			return r.fail("its part %s is packed in a way that is not supported", name)
		}
		defer in.Close()
		left := min(total, max(1<<20, int64(f.CompressedSize64)*docxRatio))
		before := left
		d := xml.NewDecoder(bounded{in, &left})
		err = do(d)
		total -= before - max(left, 0)
		switch {
		case err == nil || errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errBomb):
			return r.tooLarge("its part %s unpacks to more than is allowed", name)
		case r.ctx.Err() != nil:
			return r.ctx.Err()
		default:
			return r.fail("its part %s is damaged", name)
		}
	}
	w := &word{levels: map[string]int{}, r: r}
	// Styles and properties are helpful, not needed: a damaged one costs headings, not the document.
	var over error
	for _, part := range []struct {
		name string
		do   func(*xml.Decoder) error
	}{{docxStyles, w.styles}, {docxCore, w.core}} {
		if err := visit(part.name, part.do); err != nil && strings.Contains(err.Error(), "unpacks") {
			over = err
		}
	}
	if over != nil {
		return nil, over
	}
	if err := visit(docxBody, w.body); err != nil {
		return nil, err
	}
	w.endList()
	d := w.document()
	d.Title, d.Metadata = w.title, tidy(w.metadata)
	if d.Title == "" {
		d.Title = w.firstTitle
	}
	return d, nil
}

// word reads the parts of a Word document.
type word struct {
	builder
	r                 *reading
	levels            map[string]int // by style id: 1 to 9 for headings
	title, firstTitle string
	metadata          map[string]any
	items             []string
}

func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// styles finds which styles are headings.
func (w *word) styles(d *xml.Decoder) error {
	var id string
	for {
		tok, err := d.Token()
		if err != nil {
			return err
		}
		e, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch e.Name.Local {
		case "style":
			id = attr(e, "styleId")
		case "name":
			if level := headingName(attr(e, "val")); level > 0 && id != "" {
				w.levels[id] = level
			}
		case "outlineLvl":
			if n, err := strconv.Atoi(attr(e, "val")); err == nil && n >= 0 && n < 9 && id != "" {
				w.levels[id] = n + 1
			}
		}
	}
}

// headingName tells a heading's level from a style's name or id in the forms that Word writes.
func headingName(name string) int {
	name = strings.ToLower(strings.ReplaceAll(name, " ", ""))
	if name == "title" {
		return 1
	}
	n, err := strconv.Atoi(strings.TrimPrefix(name, "heading"))
	if err != nil || !strings.HasPrefix(name, "heading") || n < 1 || n > 9 {
		return 0
	}
	return n
}

// core reads the title, the author and the subject.
func (w *word) core(d *xml.Decoder) error {
	w.metadata = map[string]any{}
	for {
		tok, err := d.Token()
		if err != nil {
			return err
		}
		e, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		key := map[string]string{"title": "title", "creator": "author", "subject": "subject"}[e.Name.Local]
		if key == "" {
			continue
		}
		var text string
		if err := d.DecodeElement(&text, &e); err != nil {
			return err
		}
		text = strings.Join(strings.Fields(clean(text)), " ")
		switch {
		case text == "":
		case key == "title":
			w.title = text
		default:
			w.metadata[key] = text
		}
	}
}

// paragraph is what is gathered between <w:p> and </w:p>.
type paragraph struct {
	text  strings.Builder
	style string
	level int
	list  bool
}

// body reads the document itself.
func (w *word) body(d *xml.Decoder) error {
	var (
		depth, skip int // skip is the depth at which what is left out began
		open        []*paragraph
		tables      int
		cells       []string
		cell, table strings.Builder
	)
	for n := 0; ; n++ {
		if n%4096 == 0 && w.r.ctx.Err() != nil {
			return w.r.ctx.Err()
		}
		tok, err := d.Token()
		if err != nil {
			if errors.Is(err, io.EOF) && depth != 0 {
				return io.ErrUnexpectedEOF
			}
			return err
		}
		switch e := tok.(type) {
		case xml.StartElement:
			if depth++; depth > docxDepth {
				return errors.New("nested too deeply")
			}
			if skip > 0 {
				continue
			}
			var p *paragraph
			if len(open) > 0 {
				p = open[len(open)-1]
			}
			switch name := e.Name.Local; {
			case name == "del" || name == "moveFrom" || name == "Fallback" || name == "instrText" || name == "delText":
				skip = depth
			case name == "p":
				open = append(open, &paragraph{})
			case name == "tbl":
				if tables++; tables == 1 {
					w.endList()
					table.Reset()
				}
			case name == "tr" && tables == 1:
				cells = cells[:0]
			case name == "tc" && tables == 1:
				cell.Reset()
			case p == nil:
			case name == "pStyle":
				p.style = attr(e, "val")
			case name == "outlineLvl":
				if n, err := strconv.Atoi(attr(e, "val")); err == nil && n >= 0 && n < 9 {
					p.level = n + 1
				}
			case name == "numPr":
				p.list = true
			case name == "t":
				var text string
				if err := d.DecodeElement(&text, &e); err != nil {
					return err
				}
				depth--
				p.text.WriteString(text)
			case name == "tab":
				p.text.WriteByte('\t')
			case name == "br" || name == "cr":
				p.text.WriteByte('\n')
			}
		case xml.EndElement:
			if skip == depth {
				skip = 0
			}
			depth--
			if skip > 0 {
				continue
			}
			switch name := e.Name.Local; {
			case name == "p" && len(open) > 0:
				p := open[len(open)-1]
				open = open[:len(open)-1]
				switch {
				case len(open) > 0: // a text box inside a paragraph
					open[len(open)-1].text.WriteString("\n" + p.text.String())
				case tables > 0:
					cell.WriteString(p.text.String() + " ")
				default:
					w.paragraph(p)
				}
			case name == "tc" && tables == 1:
				cells = append(cells, strings.Join(strings.Fields(cell.String()), " "))
			case name == "tr" && tables == 1:
				if strings.Join(cells, "") != "" {
					table.WriteString(strings.Join(cells, " | ") + "\n")
				}
			case name == "tbl" && tables > 0:
				if tables--; tables == 0 {
					w.add(Table, 0, table.String())
				}
			}
		}
	}
}

func (w *word) paragraph(p *paragraph) {
	text := strings.TrimSpace(p.text.String())
	level := p.level
	if level == 0 {
		level = w.levels[p.style]
	}
	if level == 0 {
		level = headingName(p.style)
	}
	switch {
	case text == "":
	case level > 0:
		w.endList()
		if w.firstTitle == "" && level == 1 {
			w.firstTitle = clean(text)
		}
		w.add(Heading, level, text)
	case p.list || strings.HasPrefix(p.style, "List"):
		w.items = append(w.items, "- "+text)
	default:
		w.endList()
		w.add(Paragraph, 0, text)
	}
}

// endList makes one block of the items in a row.
func (w *word) endList() {
	if len(w.items) > 0 {
		w.add(List, 0, strings.Join(w.items, "\n"))
		w.items = w.items[:0]
	}
}

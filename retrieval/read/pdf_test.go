package read

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"strings"
	"testing"
	"time"

	"fairlead/internal/fault"
)

// makePDF writes a PDF with a correct cross-reference table; object 1 is the catalog.
func makePDF(objects ...string) []byte {
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
	var offsets []int
	for i, o := range objects {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	at := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, o := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R /Info 3 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, at)
	return b.Bytes()
}

func stream(dict, data string) string {
	return fmt.Sprintf("<< %s /Length %d >>\nstream\n%s\nendstream", dict, len(data), data)
}

func deflate(data string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write([]byte(data))
	_ = w.Close()
	return b.String()
}

// twoPages has a font by encoding and one by map.
func twoPages(first, second string) []byte {
	cmap := "1 begincodespacerange <0000> <ffff> endcodespacerange\n2 beginbfchar <0001> <0048> <0002> <00660069> endbfchar\n" +
		"1 beginbfrange <0010> <0012> <0061> endbfrange 1 beginbfrange <0020> <0021> [<00e9> <4e2d>] endbfrange"
	return makePDF(
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [4 0 R 5 0 R] /Count 2 /Resources << /Font << /F1 6 0 R /F2 7 0 R >> /XObject << /X 10 0 R >> >> >>",
		"<< /Title (A \\(good\\) title) /Author <feff00c9006c> >>",
		"<< /Type /Page /Parent 2 0 R /Contents 8 0 R >>",
		"<< /Type /Page /Parent 2 0 R /Contents [9 0 R] >>",
		"<< /Type /Font /Subtype /Type1 /Encoding << /BaseEncoding /WinAnsiEncoding /Differences [1 /fi /eacute] >> >>",
		"<< /Type /Font /Subtype /Type0 /Encoding /Identity-H /ToUnicode 11 0 R >>",
		stream("", first),
		stream("/Filter /FlateDecode", deflate(second)),
		stream("/Type /XObject /Subtype /Form", "BT /F1 10 Tf 50 100 Td (In a form) Tj ET"),
		stream("/Filter [/FlateDecode]", deflate(cmap)),
	)
}

func TestPDF(t *testing.T) {
	file := twoPages(
		"BT /F1 12 Tf 72 700 Td (Hello) Tj 0 -14 Td [(W) -20 (orld,) -300 (exam-)] TJ T* 0 -14 Td (ple \\001n\\351.) Tj 0 -60 Td (Next \\(par\\)) Tj ET /X Do",
		"q BT /F2 9 Tf 1 0 0 1 10 10 Tm <00010010> Tj <0002> Tj ( ) Tj <00200021> Tj ET Q BI /W 1 ID \x00(\xff EI BT /F1 9 Tf (tail) Tj ET")
	d := read(t, "a.pdf", string(file))
	if d.Title != "A (good) title" || d.Metadata["author"] != "Él" {
		t.Errorf("title %q, metadata %v", d.Title, d.Metadata)
	}
	want(t, d,
		"par p1 : Hello\nWorld, example finé.",
		"par p1 : Next (par)",
		"par p1 : In a form",
		"par p2 : Hafié中\ntail",
	)
}

func TestPDFWithPackedObjects(t *testing.T) {
	inside := "<< /Type /Catalog /Pages 2 0 R >> << /Type /Pages /Kids [3 0 R] >>    << /Type /Page /Contents 5 0 R /Resources << /Font << /F << /Subtype /Type1 >> >> >> >>"
	// The index's offsets count from the first object.
	packed := fmt.Sprintf("1 0 2 %d 3 %d ", strings.Index(inside, "<< /Type /Pages"), strings.Index(inside, "<< /Type /Page /")) + inside
	first := strings.Index(packed, "<<")
	// Rows of 8 with PNG's "up", as writers do.
	rows := packed + strings.Repeat(" ", (8-len(packed)%8)%8)
	var up bytes.Buffer
	before := make([]byte, 8)
	for i := 0; i < len(rows); i += 8 {
		up.WriteByte(2)
		for j := range 8 {
			up.WriteByte(rows[i+j] - before[j])
			before[j] = rows[i+j]
		}
	}
	file := "%PDF-1.5\n4 0 obj\n" + stream(fmt.Sprintf("/Type /ObjStm /N 3 /First %d /Filter /FlateDecode /DecodeParms << /Predictor 12 /Columns 8 >>", first), deflate(up.String())) +
		"\nendobj\n5 0 obj\n" + stream("", "BT /F 9 Tf (packed) Tj ET") + "\nendobj\n6 0 obj\n" + stream("/Type /XRef /Root 1 0 R", "x") + "\nendobj\n"
	want(t, read(t, "a.pdf", file), "par p1 : packed")
}

func TestDamagedPDF(t *testing.T) {
	good := twoPages("BT /F1 12 Tf (one) Tj ET", "BT /F1 12 Tf (two) Tj ET")
	// Cut anywhere: an error or what is left, never a panic, never long.
	readable := 0
	for n := 0; n < len(good); n += 7 {
		d, err := Read(t.Context(), "a.pdf", "", good[:n], Limits{})
		if err == nil {
			readable++
			checkBlocks(t, d)
		} else if fault.CodeOf(err) != fault.InvalidArgument {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	if readable == 0 {
		t.Error("no cut file could be read, although objects are found without the table")
	}
	for what, file := range map[string]string{
		"not one":    "%PDF-1.4\nnothing here",
		"encrypted":  "%PDF-1.4\n1 0 obj\n<< >>\nendobj\ntrailer << /Root 1 0 R /Encrypt 2 0 R >>",
		"no pages":   string(makePDF("<< /Type /Catalog >>")),
		"no text":    string(twoPages("q Q", "")),
		"loop":       string(makePDF("<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [2 0 R 2 0 R] >>")),
		"reference":  string(makePDF("1 0 R")),
		"wrong size": strings.Replace(string(good), "/Length", "/Length 99999999999 /X", 3)[:200],
	} {
		_, err := Read(t.Context(), "a.pdf", "", []byte(file), Limits{})
		if fault.ReasonOf(err) != fault.ReasonUnreadable {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestHostilePDF(t *testing.T) {
	self := stream("/Subtype /Form /Resources << /XObject << /X 10 0 R >> >>", strings.Repeat("/X Do ", 100))
	for what, file := range map[string]string{
		"nesting":          string(twoPages(strings.Repeat("[", 1<<16), deflate(strings.Repeat("<<", 1<<16)))),
		"open string":      string(twoPages("(never closed", "<dead")),
		"form bomb":        strings.Replace(string(twoPages("/X Do", "")), stream("/Type /XObject /Subtype /Form", "BT /F1 10 Tf 50 100 Td (In a form) Tj ET"), self, 1),
		"flate bomb":       string(twoPages("q", strings.Repeat(" ", 4<<20))),
		"map of all codes": string(makePDF("<< /Type /Catalog /Pages 2 0 R >>", "<< /Kids [4 0 R] >>", "null", "<< /Contents 5 0 R /Resources << /Font << /F 6 0 R >> >> >>", stream("", "BT /F 1 Tf (x) Tj ET"), "<< /Subtype /Type0 /ToUnicode 7 0 R /DescendantFonts [<< /W [0 999999999 1 0 999999999 1] >>] >>", stream("", "1 beginbfrange <00000000> <ffffffff> <0000> endbfrange"))),
	} {
		start := time.Now()
		_, err := Read(t.Context(), "a.pdf", "", []byte(file), Limits{Time: 5 * time.Second, UnpackedBytes: 2 << 20})
		if fault.CodeOf(err) != fault.InvalidArgument {
			t.Errorf("%s: %v", what, err)
		}
		t.Logf("%s: %s: %v", what, time.Since(start).Round(time.Millisecond), err)
	}
	if _, err := Read(t.Context(), "a.pdf", "", twoPages("q", ""), Limits{Pages: 1}); fault.ReasonOf(err) != fault.ReasonTooLarge {
		t.Errorf("pages: %v", err)
	}
}

func TestPDFNestingIsCapped(t *testing.T) {
	for open := range strings.FieldsSeq("[ << <</K") {
		l := &pdfLexer{b: []byte(strings.Repeat(open, 10_000))}
		deepest := 0
		for {
			x, ok := l.next(0)
			if !ok {
				break
			}
			depth := 0
			for x != nil {
				switch v := x.(type) {
				case pdfArray:
					x = nil
					if len(v) > 0 {
						x = v[0]
					}
				case pdfDict:
					x = v["K"]
				default:
					x = nil
				}
				depth++
			}
			deepest = max(deepest, depth)
		}
		if deepest > pdfDepth+2 {
			t.Errorf("%q is nested %d deep", open, deepest)
		}
	}
}

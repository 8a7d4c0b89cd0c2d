package read

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"

	"fairlead/internal/fault"

	"github.com/google/go-cmp/cmp"
)

const wordSpace = ` xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"`

func makeDOCX(t testing.TB, body string, parts ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	put := func(name, content string) {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put("[Content_Types].xml", "<Types/>")
	put(docxBody, `<?xml version="1.0"?><w:document`+wordSpace+`><w:body>`+body+`</w:body></w:document>`)
	for i := 0; i < len(parts); i += 2 {
		put(parts[i], parts[i+1])
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func wordP(style, text string) string {
	if style != "" {
		style = `<w:pPr><w:pStyle w:val="` + style + `"/></w:pPr>`
	}
	return `<w:p>` + style + `<w:r><w:t xml:space="preserve">` + text + `</w:t></w:r></w:p>`
}

func TestDOCX(t *testing.T) {
	body := wordP("Kop1", "Chapter") + wordP("", "Some ") + `<w:p><w:r><w:t>two </w:t></w:r><w:del><w:r><w:delText>gone</w:delText><w:t>gone</w:t></w:r></w:del>` +
		`<w:ins><w:r><w:t>parts &amp; more</w:t></w:r></w:ins></w:p>` + wordP("Heading2", "Part") +
		`<w:p><w:pPr><w:numPr/></w:pPr><w:r><w:t>one</w:t></w:r></w:p>` + wordP("ListBullet", "two") +
		`<w:tbl><w:tr><w:tc>` + wordP("", "k") + `</w:tc><w:tc>` + wordP("", "v") + wordP("", "w") + `</w:tc></w:tr></w:tbl>` + wordP("", "End.")
	file := makeDOCX(t, body,
		docxStyles, `<w:styles`+wordSpace+`><w:style w:styleId="Kop1"><w:name w:val="heading 1"/></w:style></w:styles>`,
		docxCore, `<c xmlns:dc="d"><dc:title>The report</dc:title><dc:creator>Ana</dc:creator></c>`)
	d := read(t, "a.docx", string(file))
	if d.Title != "The report" || !cmp.Equal(d.Metadata, map[string]any{"author": "Ana"}) {
		t.Errorf("title %q, metadata %v", d.Title, d.Metadata)
	}
	want(t, d, "head Chapter: Chapter", "par Chapter: Some", "par Chapter: two parts & more", "head Chapter/Part: Part",
		"list Chapter/Part: - one\n- two", "table Chapter/Part: k | v w", "par Chapter/Part: End.")
	// Without a name the bytes tell.
	if d := read(t, "upload", string(file)); d.MediaType != DOCX {
		t.Error(d.MediaType)
	}
}

func TestDamagedDOCX(t *testing.T) {
	good := makeDOCX(t, wordP("", "text"))
	if _, err := Read(t.Context(), "a.docx", "", good[:len(good)/2], Limits{}); fault.ReasonOf(err) != fault.ReasonUnreadable {
		t.Errorf("cut: %v", err)
	}
	for what, body := range map[string]string{
		"cut XML":    `<w:p><w:r><w:t>text`,
		"empty":      "",
		"deep":       strings.Repeat("<w:x>", 100_000),
		"not closed": "</w:x>",
	} {
		if _, err := Read(t.Context(), "a.docx", "", makeDOCX(t, body), Limits{}); fault.ReasonOf(err) != fault.ReasonUnreadable {
			t.Errorf("%s: %v", what, err)
		}
	}
	// A damaged style sheet costs headings, not the document.
	want(t, read(t, "a.docx", string(makeDOCX(t, wordP("", "text"), docxStyles, "<broken"))), "par : text")
}

func TestDOCXBomb(t *testing.T) {
	many := strings.Repeat("a", 3<<20)
	for _, c := range []struct {
		what   string
		bomb   []byte
		limits Limits
	}{
		{"body", makeDOCX(t, wordP("", many)), Limits{UnpackedBytes: 2 << 20}},
		{"styles", makeDOCX(t, wordP("", "text"), docxStyles, "<w:styles>"+many), Limits{UnpackedBytes: 2 << 20}},
		{"a thousand times its packed size", makeDOCX(t, wordP("", many)), Limits{}},
	} {
		if len(c.bomb) > 1<<16 {
			t.Fatalf("%s: the bomb has %d bytes", c.what, len(c.bomb))
		}
		if _, err := Read(t.Context(), "a.docx", "", c.bomb, c.limits); fault.ReasonOf(err) != fault.ReasonTooLarge {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

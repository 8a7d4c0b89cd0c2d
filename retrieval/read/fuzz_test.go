package read

import (
	"testing"
	"time"

	"fairlead/internal/fault"
)

// fuzz checks that a reader gives a sound document or a fault of the caller, whatever the bytes.
func fuzz(f *testing.F, name string, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		d, err := Read(t.Context(), name, "", content, Limits{Time: 5 * time.Second, UnpackedBytes: 8 << 20})
		if err != nil {
			if fault.CodeOf(err) != fault.InvalidArgument {
				t.Fatal(err)
			}
			return
		}
		checkBlocks(t, d)
	})
}

func FuzzMarkdown(f *testing.F) {
	fuzz(f, "a.md", "---\ntitle: x\n---\n# A\n\n- b\n  ```\n  # c\n", "a\n=\n\n|a|b|\n|-|-|\n", "\ufeff<!--\n-->\n~~~\n")
}

func FuzzText(f *testing.F) { fuzz(f, "a.txt", "a\n\nb", "\xff\xfea\x00", "\ufeffx") }

func FuzzHTML(f *testing.F) {
	fuzz(f, "a.html", "<h1>A</h1><ul><li>b<ol><li>c</ul><table><tr><td>d<pre>e", "<meta charset=utf-16><svg><title>x</svg>", "<dl><dt>a<dd>b")
}

func FuzzCSV(f *testing.F) { fuzz(f, "a.csv", "a,b\n1,\"x\ny\"\n", "a;b\n\n;\n", "\ufeffa\tb\r\n1\t2") }

func FuzzJSONLines(f *testing.F) { fuzz(f, "a.jsonl", "{\"title\":\"x\"}\n[1]\n", "{}\n\n{") }

func FuzzPDF(f *testing.F) {
	fuzz(f, "a.pdf", string(twoPages("BT /F1 12 Tf 1 2 Td [(a) -300 (b)] TJ T* (c) ' ET /X Do", "BT /F2 1 Tf <0001> Tj ET")), "%PDF-1.4\n1 0 obj <</A[1 0 R(x)<41>]>>")
}

func FuzzDOCX(f *testing.F) {
	body := wordP("Heading1", "a") + "<w:tbl><w:tr><w:tc>" + wordP("", "b") + "</w:tc></w:tr></w:tbl>"
	fuzz(f, "a.docx", string(makeDOCX(f, body)), string(makeDOCX(f, body, docxStyles, "<w:styles/>", docxCore, "<c><title>x</title></c>")))
}

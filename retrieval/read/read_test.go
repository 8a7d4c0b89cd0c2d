package read

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"fairlead/internal/fault"

	"github.com/google/go-cmp/cmp"
)

// outlineOf writes each block as "kind page path: text".
func outlineOf(d *Document) []string {
	kinds := [...]string{"par", "head", "list", "table", "code", "record"}
	var out []string
	for _, b := range d.Blocks {
		page := ""
		if b.Page > 0 {
			page = fmt.Sprintf(" p%d", b.Page)
		}
		out = append(out, fmt.Sprintf("%s%s %s: %s", kinds[b.Kind], page, strings.Join(b.Heading, "/"), d.Text[b.Start:b.End]))
	}
	return out
}

func read(t testing.TB, name string, content string) *Document {
	t.Helper()
	d, err := Read(t.Context(), name, "", []byte(content), Limits{})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	checkBlocks(t, d)
	return d
}

// checkBlocks holds what must be true of every document.
func checkBlocks(t testing.TB, d *Document) {
	t.Helper()
	last := 0
	for i, b := range d.Blocks {
		if b.Start < last || b.End <= b.Start || b.End > len(d.Text) {
			t.Fatalf("block %d is [%d,%d) after %d of %d", i, b.Start, b.End, last, len(d.Text))
		}
		last = b.End
		if strings.TrimSpace(d.Text[b.Start:b.End]) == "" {
			t.Fatalf("block %d is blank", i)
		}
	}
	if len(d.Blocks) == 0 {
		t.Fatal("there are no blocks and no error")
	}
}

func want(t *testing.T, d *Document, blocks ...string) {
	t.Helper()
	if diff := cmp.Diff(blocks, outlineOf(d)); diff != "" {
		t.Errorf("blocks (-want +got):\n%s", diff)
	}
}

func TestMarkdown(t *testing.T) {
	text := "---\ntitle: The guide\ntags: [a, b]\nweight: 3\ndraft: false\nwhen: 2024-05-01\nnested: {a: 1}\n---\n" +
		"# Intro `x` #\nOne line\nof text.\n\n<!--\n# hidden\n-->\n\n## Set [up](u)\n```sh\n# not a heading\n\nrun\n```\n" +
		"- one\n\n  # still the list\n- two\n\nAfter.\n\nOld style\n=========\n\n> # quoted\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n---\n\n    # indented code\n\n#hashtag\n\n#\tTabbed\n"
	d := read(t, "docs/guide.md", text)
	if d.Text != text {
		t.Error("the text is not that of the file")
	}
	if d.Title != "The guide" || d.MediaType != Markdown {
		t.Errorf("title %q, type %s", d.Title, d.MediaType)
	}
	wantMeta := map[string]any{"tags": []string{"a", "b"}, "weight": 3.0, "draft": false, "when": "2024-05-01"}
	if diff := cmp.Diff(wantMeta, d.Metadata); diff != "" {
		t.Error(diff)
	}
	want(t, d,
		"head Intro x: # Intro `x` #",
		"par Intro x: One line\nof text.",
		"head Intro x/Set up: ## Set [up](u)",
		"code Intro x/Set up: ```sh\n# not a heading\n\nrun\n```",
		"list Intro x/Set up: - one\n\n  # still the list\n- two",
		"par Intro x/Set up: After.",
		"head Old style: Old style\n=========",
		"par Old style: > # quoted",
		"table Old style: | a | b |\n|---|---|\n| 1 | 2 |",
		"code Old style:     # indented code",
		"par Old style: #hashtag",
		"head Tabbed: #\tTabbed",
	)
}

func TestMarkdownEdges(t *testing.T) {
	want(t, read(t, "a.md", "\ufeff# A\r\n\r\ntext\r\n"), "head A: # A", "par A: text")
	want(t, read(t, "a.md", "```\nnever closed\n# x\n"), "code : ```\nnever closed\n# x")
	want(t, read(t, "a.md", "~~~\n```\n# x\n~~~\n# y"), "code : ~~~\n```\n# x\n~~~", "head y: # y")
	want(t, read(t, "a.md", "- a\n  ```\n  # x\n  ```\n- b\n# H\n"), "list : - a\n  ```\n  # x\n  ```\n- b", "head H: # H")
	want(t, read(t, "a.md", "---\nnot: [yaml\n---\n\n# T\n"), "head not: [yaml: not: [yaml\n---", "head T: # T")
	want(t, read(t, "a.md", "# A\n### C\n## B\n"), "head A: # A", "head A/C: ### C", "head A/B: ## B")
	if d := read(t, "a.md", "text\n\n# First\n\n# Second"); d.Title != "First" {
		t.Errorf("title %q", d.Title)
	}
}

func TestText(t *testing.T) {
	d := read(t, "notes", "One\ntwo.\n\n\n  Three.  \n")
	want(t, d, "par : One\ntwo.", "par : Three.")
	if d.MediaType != PlainText {
		t.Error(d.MediaType)
	}
	want(t, read(t, "a.txt", "\xff\xfeh\x00i\x00"), "par : hi")
	want(t, read(t, "a.txt", "\xfe\xff\x00h\x00i"), "par : hi")
}

func TestHTML(t *testing.T) {
	d := read(t, "a.html", `<!doctype html><html lang="en"><head><title> A  page </title><style>x{}</style>
<meta name="author" content="Ana"></head><body><nav>menu</nav><header>site</header>
<main><h1>Big</h1><p>One <b>bold</b>
word.<br>Next.</p><script>bad()</script><h2>Sub</h2><ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>
<pre>x
  y</pre><table><tr><th>k</th><th>v</th></tr><tr><td>1</td><td>2</td></tr></table>loose<p hidden>no</p></main><footer>foot</footer></body></html>`)
	if d.Title != "A page" || !cmp.Equal(d.Metadata, map[string]any{"author": "Ana", "language": "en"}) {
		t.Errorf("title %q, metadata %v", d.Title, d.Metadata)
	}
	want(t, d, "head Big: Big", "par Big: One bold\nword.\nNext.", "head Big/Sub: Sub", "list Big/Sub: - a\n  - b\n- c",
		"code Big/Sub: x\n  y", "table Big/Sub: k | v\n1 | 2", "par Big/Sub: loose")
	want(t, read(t, "x.html", "<p>caf\u00e9</p>"), "par : caf\u00e9")
	want(t, read(t, "x.html", "<meta charset=iso-8859-1><p>caf\xe9</p>"), "par : caf\u00e9")
	want(t, read(t, "page", "<!DOCTYPE html><body><table><tr><td><h2>L</h2>layout</td></tr></table>"), "head L: L", "par L: layout")
}

func TestTables(t *testing.T) {
	csv := "name,note\n\nana,\"two\nlines\"\nbo,x\n"
	d := read(t, "a.csv", csv)
	if d.Text != csv {
		t.Error("the text is not that of the file")
	}
	want(t, d, "record name | note: ana,\"two\nlines\"", "record name | note: bo,x")
	want(t, read(t, "a.csv", "\ufeffa;b\r\n1;2\r\n"), "record a | b: 1;2")
	want(t, read(t, "a.tsv", "a\tb\n1,5\t2\n"), "record a | b: 1,5\t2")
	want(t, read(t, "a.jsonl", "{\"title\":\"T\",\"x\":1}\n\n [1] \n"), `record T: {"title":"T","x":1}`, "record : [1]")
}

func TestWhatCannotBeReadSaysWhy(t *testing.T) {
	for _, c := range []struct {
		name, media, content string
		reason               fault.Reason
		say                  string
	}{
		{"a.txt", "", "", fault.ReasonUnreadable, "it is empty"},
		{"a.txt", "", " \n\t", fault.ReasonUnreadable, "no text"},
		{"a.md", "", "---\ntitle: x\n---\n", fault.ReasonUnreadable, "no text"},
		{"a.txt", "", "ab\x00cd", fault.ReasonUnreadable, "a NUL at byte 2"},
		{"a.txt", "", "caf\xe9", fault.ReasonUnreadable, "not valid UTF-8 at byte 3"},
		{"a.html", "", "<p>caf\xe9</p>", fault.ReasonUnreadable, "not valid UTF-8"},
		{"a.txt", "", "\xff\xfeh\x00i", fault.ReasonUnreadable, "middle of a character"},
		{"a.txt", "", strings.Repeat("a\x01", 100), fault.ReasonUnreadable, "control characters"},
		{"a.csv", "", "a,b\n", fault.ReasonUnreadable, "no text in it below its header"},
		{"a.csv", "", "a,b\n1,2\n3,\"x\n", fault.ReasonUnreadable, "line 3"},
		{"a.jsonl", "", "{}\n{]\n", fault.ReasonUnreadable, "line 2"},
		{"a.png", "", "\x89PNG\r\n\x1a\n\x00\x00", fault.ReasonUnsupported, "not supported"},
		{"a", "image/png", "x", fault.ReasonUnsupported, "media type"},
		{"a", "/", "x", fault.ReasonUnreadable, "malformed"},
		{"a.zip", "", "PK\x03\x04....", fault.ReasonUnsupported, "an archive"},
		{"a.docx", "", "hello", fault.ReasonUnreadable, "not a DOCX"},
		{"a.pdf", "", "hello", fault.ReasonUnreadable, "not a PDF"},
		{"a.html", "", strings.Repeat("<div>", 5000), fault.ReasonUnreadable, ""},
	} {
		_, err := Read(t.Context(), c.name, c.media, []byte(c.content), Limits{})
		if fault.CodeOf(err) != fault.InvalidArgument || fault.ReasonOf(err) != c.reason || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s %.20q: %v (%s)", c.name, c.content, err, fault.ReasonOf(err))
		}
		if err != nil && !strings.Contains(err.Error(), `"`+c.name+`"`) {
			t.Errorf("%v does not name the document", err)
		}
	}
	if _, err := Read(t.Context(), "a.txt", "", make([]byte, 11), Limits{SourceBytes: 10}); fault.ReasonOf(err) != fault.ReasonTooLarge {
		t.Error(err)
	}
}

func TestTypeIsTold(t *testing.T) {
	for _, c := range []struct{ name, media, content, want string }{
		{"a.md", "", "x", Markdown}, {"A.MD", "", "x", Markdown}, {"http://x/a.html?q=a.md", "", "x", HTML},
		{"a", "", "<html><p>x", HTML}, {"a.go", "", "package x", PlainText}, {"a.md", "text/plain; charset=utf-8", "x", PlainText},
		{"a.md", "application/octet-stream", "x", Markdown}, {"a", "text/x-rst", "x", PlainText}, {"a", "application/x-ndjson", "{}", JSONLines},
		{"a.json", "application/json", "{}", PlainText},
	} {
		d, err := Read(t.Context(), c.name, c.media, []byte(c.content), Limits{})
		if err != nil || d.MediaType != c.want {
			t.Errorf("%s %s: %v, %v", c.name, c.media, d, err)
		}
	}
}

func TestContextEndsTheReading(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Read(ctx, "a.csv", "", []byte("a\n1\n"), Limits{}); !errors.Is(err, context.Canceled) || fault.CodeOf(err) != fault.Canceled {
		t.Errorf("canceled: %v", err)
	}
	if _, err := Read(t.Context(), "a.csv", "", []byte("a\n1\n"), Limits{Time: time.Nanosecond}); fault.ReasonOf(err) != fault.ReasonUnreadable {
		t.Errorf("too slow: %v", err)
	}
}

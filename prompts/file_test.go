package prompts

import (
	"errors"
	"strings"
	"testing"

	"fairlead/internal/fault"
)

func TestWrongFilesAreErrorsWithTheirPlace(t *testing.T) {
	const head = "---\nname: p\nversion: 1\n---\n"
	for name, tc := range map[string]struct {
		file, text, want string
	}{
		"no front matter":        {"p@1.md", "## user\nx\n", "p@1.md:1:1: the file must begin with front matter"},
		"no end":                 {"p@1.md", "---\nname: p\n## user\nx\n", "p@1.md:1:1: the front matter has no end"},
		"empty":                  {"p@1.md", "---\n---\n## user\nx\n", "p@1.md:2:1: front matter: "},
		"unknown key":            {"p@1.md", "---\nname: p\nversion: 1\nmodel: x\n---\n## user\nx\n", `p@1.md:4:1: front matter: unknown field "model"`},
		"unknown key of input":   {"p@1.md", "---\nname: p\nversion: 1\ninputs:\n  a: { type: string }\n---\n## user\n{{a}}\n", `p@1.md:5:8: front matter: unknown field "type"`},
		"key there twice":        {"p@1.md", "---\nname: p\nversion: 1\nname: q\n---\n## user\nx\n", "p@1.md:4:1: front matter: "},
		"wrong type":             {"p@1.md", "---\nname: p\nversion: one\n---\n## user\nx\n", "p@1.md:3:10: front matter: "},
		"not YAML":               {"p@1.md", "---\nname: [\n---\n## user\nx\n", "p@1.md:2:7: front matter: "},
		"two YAML documents":     {"p@1.md", "---\nname: p\nversion: 1\n--- \nname: q\n---\n## user\nx\n", "p@1.md:2:1: front matter: it must be one YAML document"},
		"bad name":               {"P@1.md", "---\nversion: 1\nname: P\n---\n## user\nx\n", `p@1.md:3:1: front matter: name "P" must be`},
		"bad version":            {"p@0.md", "---\nname: p\nversion: 0\n---\n## user\nx\n", "p@0.md:3:1: front matter: version 0 must be 1 or more"},
		"bad locale":             {"p@1.md", "---\nname: p\nversion: 1\nlocale: German\n---\n## user\nx\n", `p@1.md:4:1: front matter: locale "German"`},
		"bad input":              {"p@1.md", "---\nname: p\nversion: 1\ninputs:\n  a.b: {}\n---\n## user\nx\n", `p@1.md:5:1: front matter: input "a.b"`},
		"name differs":           {"q@1.md", head + "## user\nx\n", "q@1.md:2:1: front matter: the file's name and its front matter disagree: a file with this front matter is named p@1.md"},
		"version differs":        {"p@2.md", head + "## user\nx\n", "named p@1.md"},
		"locale differs":         {"p@1.de.md", head + "## user\nx\n", "named p@1.md"},
		"inputs of a variant":    {"p@1.de.md", "---\nname: p\nversion: 1\nlocale: de\ninputs: {}\n---\n## user\nx\n", "p@1.de.md:5:1: front matter: a variant declares no inputs"},
		"variant alone":          {"p@1.de.md", "---\nname: p\nversion: 1\nlocale: de\n---\n## user\nx\n", "p@1.de.md:1:1: a variant needs its default"},
		"no user part":           {"p@1.md", head + "## system\nx\n", `p@1.md:5:1: the part "## user" is missing`},
		"nothing at all":         {"p@1.md", head, `the part "## user" is missing`},
		"empty part":             {"p@1.md", head + "## user\n\n", `the part "## user" is empty`},
		"part there twice":       {"p@1.md", head + "## user\nx\n## user\ny\n", `p@1.md:7:1: the part "## user" is there twice`},
		"part in capitals":       {"p@1.md", head + "## User\nx\n", `p@1.md:5:1: write "## user" in lower case`},
		"text before":            {"p@1.md", head + "\nhello\n## user\nx\n", "p@1.md:6:1: text before the first part"},
		"not declared":           {"p@1.md", head + "\n## system\nx\n## user\n\n  é {{nmae}}\n", "p@1.md:10:5: {{nmae}} is not an input (the inputs: none)"},
		"path":                   {"p@1.md", "---\nname: p\nversion: 1\ninputs: { a: {} }\n---\n## user\n{{a}} {{a.b}}\n", "p@1.md:7:7: {{a.b}} is not an input (the inputs: a)"},
		"never used":             {"p@1.md", "---\nname: p\nversion: 1\ninputs: { a: {}, b: {} }\n---\n## user\n{{a}} \\{{b}}\n", `p@1.md:1:1: input "b" is declared and never used`},
		"bytes that are no text": {"p@1.md", head + "## user\n\xff\n", "p@1.md:1:1: the file is not UTF-8 text"},
		"too large":              {"p@1.md", head + "## user\n" + strings.Repeat("x", maxFile), "p@1.md:1:1: the file is larger"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(folder(map[string]string{tc.file: tc.text}))
			if !errors.Is(err, &fault.Error{Code: fault.FailedPrecondition, Reason: fault.ReasonBadPrompt}) {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(tc.want)) {
				t.Errorf("got  %q\nwant %q", err, tc.want)
			}
		})
	}
}

func TestAllProblemsAreListed(t *testing.T) {
	_, err := load(folder(map[string]string{
		"a@1.md": "---\nname: a\nversion: 1\n---\n## user\n{{x}} {{y}}\n",
		"b@1.md": "no",
	}))
	if n := strings.Count(err.Error(), ".md:"); n != 3 {
		t.Errorf("%d problems: %v", n, err)
	}
}

func TestBodiesKeepTheirText(t *testing.T) {
	p, err := parse("p@1.md", []byte("\ufeff---\r\nname: p\r\nversion: 1\r\n---\r\n## user \r\n\r\n  a\r\n\\## user\r\n### user\r\n---\r\n\\x\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.user.Source(), "  a\n## user\n### user\n---\n\\x"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzParse holds that a file is read or refused with its place, and that what was read renders.
func FuzzParse(f *testing.F) {
	f.Add([]byte(hello))
	f.Add([]byte("---\nname: p\nversion: 1\nlocale: de\n---\n## user\n{{a}}\n"))
	f.Add([]byte("---\n<<: *x\n---\n## user\n"))
	f.Add([]byte("---\na: &a [*a]\n---\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parse("p@1.md", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "p@1.md:") {
				t.Fatalf("an error without its place: %v", err)
			}
			return
		}
		if p.user == nil || p.Name != "p" || p.Version != 1 {
			t.Fatalf("read %+v", p)
		}
		if p.checkInputs() != nil {
			return
		}
		values := map[string]string{}
		for _, in := range p.inputs {
			values[in.Name] = "{{" + in.Name + "}}"
		}
		if _, err := p.Render(values); err != nil {
			t.Fatal(err)
		}
	})
}

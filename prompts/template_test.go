package prompts

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTemplatesAreLogicless(t *testing.T) {
	values := map[string]string{"name": "Ada", "steps.draft.text": "{{name}} \\{{", "a.0.b-c": "x"}
	for _, tc := range []struct{ source, want string }{
		{"", ""},
		{"Hello {{name}}!", "Hello Ada!"},
		{"{{ name }}{{\n\tname\n}}", "AdaAda"},
		{"{{steps.draft.text}}", "{{name}} \\{{"},
		{"{{a.0.b-c}}", "x"},
		{"{{.}} {{}} {{ }} {{name", "{{.}} {{}} {{ }} {{name"},
		{"{{.name}} {{name.}} {{a..b}} {{1a}} {{-a}}", "{{.name}} {{name.}} {{a..b}} {{1a}} {{-a}}"},
		{"{% include x %} ${name} {name} {{#if name}} {{name | upper}}", "{% include x %} ${name} {name} {{#if name}} {{name | upper}}"},
		{`{"a":{"b":{{name}}}}`, `{"a":{"b":Ada}}`},
		{"{{{name}}}", "{Ada}"},
		{`\{{name}} \{{ {{name}}`, `{{name}} {{ Ada`},
		{`C:\\{{name}} C:\\\{{name}}`, `C:\Ada C:\{{name}}`},
		{`\n \\ \{ {{name}}\`, `\n \\ \{ Ada\`},
		{"{{é}} {{name}}é", "{{é}} Adaé"},
	} {
		got, err := ParseTemplate(tc.source).Render(func(path string) (string, error) { return values[path], nil })
		if err != nil || got != tc.want {
			t.Errorf("%q: got %q, %v, want %q", tc.source, got, err, tc.want)
		}
	}
}

func TestPlaceholdersHaveTheirPlaces(t *testing.T) {
	got := ParseTemplate("é{{a}}\n\\{{x}}\n  {{ b.c }}{{\nd}} {{e}}").Placeholders()
	want := []Placeholder{
		{Path: "a", Offset: 2, Line: 1, Column: 2},
		{Path: "b.c", Offset: 17, Line: 3, Column: 3},
		{Path: "d", Offset: 26, Line: 3, Column: 12},
		{Path: "e", Offset: 33, Line: 4, Column: 5},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestRenderGivesTheFirstError(t *testing.T) {
	failed := errors.New("no")
	if got, err := ParseTemplate("a{{b}}").Render(func(string) (string, error) { return "x", failed }); err != failed || got != "" {
		t.Errorf("%q, %v", got, err)
	}
}

// FuzzTemplate holds three things: a text that was escaped comes back as it was; what is put in is there
// to the letter, whatever it looks like; and every placeholder stands where it says.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"{{a}}", `\{{a}}`, `\\{{a}}`, "{{.}}", "{% include %}", "${a}", "{{{{a}}}}", "{{a\n}}", `\`, "{{"} {
		f.Add(s, "{{a}}")
	}
	f.Fuzz(func(t *testing.T, source, value string) {
		same := func(string) (string, error) { return value, nil }
		if got, _ := ParseTemplate(escape(source)).Render(same); got != source {
			t.Fatalf("escaped %q gave %q", source, got)
		}
		if got, _ := ParseTemplate("<{{a}}|{{a}}>").Render(same); got != "<"+value+"|"+value+">" {
			t.Fatalf("the value %q was changed: %q", value, got)
		}
		p := ParseTemplate(source)
		for _, h := range p.Placeholders() {
			if !strings.HasPrefix(source[h.Offset:], "{{") || strings.Count(source[:h.Offset], "\n")+1 != h.Line {
				t.Fatalf("%q: %+v is not there", source, h)
			}
		}
		marked, _ := p.Render(func(path string) (string, error) { return "\x00" + path + "\x00", nil })
		if n := strings.Count(marked, "\x00") - strings.Count(source, "\x00"); n != 2*len(p.holes) {
			t.Fatalf("%q: %d marks for %d placeholders", source, n, len(p.holes))
		}
	})
}

// escape writes a text so that the template made of it renders it.
func escape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		run := i
		for run < len(s) && s[run] == '\\' {
			run++
		}
		b.WriteString(s[i:run])
		if strings.HasPrefix(s[run:], "{{") {
			b.WriteString(s[i:run] + `\{{`)
			i = run + 2
			continue
		}
		if run < len(s) {
			b.WriteByte(s[run])
			run++
		}
		i = run
	}
	return b.String()
}

func BenchmarkRender(b *testing.B) {
	p := ParseTemplate(strings.Repeat("Some words before it. ", 40) + "{{documents}} and {{question}}")
	value := func(string) (string, error) { return "a value of some length", nil }
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Render(value); err != nil {
			b.Fatal(err)
		}
	}
}

package prompts

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
)

// Limits of a file. They are far above any prompt, and keep a wrong file from being read as one.
const (
	maxFile        = 1 << 20
	maxFrontMatter = 64 << 10
)

// frontMatter is the YAML at the head of a file.
type frontMatter struct {
	Name        string               `yaml:"name"`
	Version     int                  `yaml:"version"`
	Locale      string               `yaml:"locale"`
	Description string               `yaml:"description"`
	Inputs      map[string]inputSpec `yaml:"inputs"`
}

type inputSpec struct {
	Description string `yaml:"description"`
	Optional    bool   `yaml:"optional"`
}

var (
	validName   = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	validInput  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	validLocale = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
	fileName    = regexp.MustCompile(`^([^@]+)@([0-9]{1,9})(?:\.([^.]+))?\.md$`)
)

// parse reads one file. A variant's inputs are not known yet: check does what needs them. Every error
// begins with file:line:column.
func parse(file string, data []byte) (*Prompt, error) {
	at := func(line, column int, format string, args ...any) error {
		return fmt.Errorf("%s:%d:%d: %s", file, line, column, fmt.Sprintf(format, args...))
	}
	if len(data) > maxFile {
		return nil, at(1, 1, "the file is larger than %d bytes", maxFile)
	}
	if !utf8.Valid(data) {
		return nil, at(1, 1, "the file is not UTF-8 text")
	}
	text := strings.ReplaceAll(strings.TrimPrefix(string(data), "\ufeff"), "\r\n", "\n")
	sum := sha256.Sum256([]byte(text))
	p := &Prompt{File: file, Digest: hex.EncodeToString(sum[:])}

	rest, ok := strings.CutPrefix(text, "---\n")
	if !ok {
		return nil, at(1, 1, `the file must begin with front matter: a line "---", the prompt's name and version, and a line "---"`)
	}
	head, body, ok := strings.Cut("\n"+rest, "\n---\n")
	if !ok {
		return nil, at(1, 1, `the front matter has no end: it needs a line "---" after it, and the prompt's parts after that`)
	}
	if len(head) > maxFrontMatter {
		return nil, at(1, 1, "the front matter is larger than %d bytes", maxFrontMatter)
	}
	// head begins with the end of the line "---", so its lines are numbered as in the file.
	if err := p.readFrontMatter(file, head); err != nil {
		return nil, err
	}
	if err := p.readBody(file, body, strings.Count(head, "\n")+3); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Prompt) readFrontMatter(file, head string) error {
	var f frontMatter
	decoder := yaml.NewDecoder(strings.NewReader(head), yaml.Strict())
	if err := decoder.Decode(&f); err != nil {
		line, column, message := 2, 1, "the front matter is empty: it needs name and version"
		var ye yaml.Error
		if errors.As(err, &ye) {
			message = ye.GetMessage()
			if t := ye.GetToken(); t != nil && t.Position != nil {
				line, column = t.Position.Line, t.Position.Column
			}
		}
		return fmt.Errorf("%s:%d:%d: front matter: %s", file, line, column, message)
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s:2:1: front matter: it must be one YAML document", file)
	}
	// where finds the line of a key, for what YAML itself has nothing to say about.
	where := func(key string) int {
		for i, l := range strings.Split(head, "\n") {
			if strings.HasPrefix(strings.TrimLeft(l, " \t\"'{"), key) {
				return i + 1
			}
		}
		return 2
	}
	bad := func(key, format string, args ...any) error {
		return fmt.Errorf("%s:%d:1: front matter: %s", file, where(key), fmt.Sprintf(format, args...))
	}
	switch {
	case !validName.MatchString(f.Name):
		return bad("name", "name %q must be lower-case words of letters and digits, joined by \"-\"", f.Name)
	case f.Version < 1:
		return bad("version", "version %d must be 1 or more", f.Version)
	case f.Locale != "" && !validLocale.MatchString(f.Locale):
		return bad("locale", "locale %q must be a language tag such as \"de\" or \"pt-BR\"", f.Locale)
	case f.Locale != "" && f.Inputs != nil:
		return bad("inputs", "a variant declares no inputs: they are those of %s@%d.md", f.Name, f.Version)
	}
	want := fmt.Sprintf("%s@%d", f.Name, f.Version)
	if f.Locale != "" {
		want += "." + f.Locale
	}
	m := fileName.FindStringSubmatch(path.Base(file))
	if m == nil || m[1] != f.Name || m[2] != strconv.Itoa(f.Version) || m[3] != f.Locale {
		return bad("name", "the file's name and its front matter disagree: a file with this front matter is named %s.md", want)
	}
	p.Name, p.Version, p.Locale, p.Description = f.Name, f.Version, f.Locale, strings.TrimSpace(f.Description)
	for name, spec := range f.Inputs {
		if !validInput.MatchString(name) {
			return bad(name, "input %q must be letters, digits and \"_\", a letter first", name)
		}
		p.inputs = append(p.inputs, Input{Name: name, Description: strings.TrimSpace(spec.Description), Optional: spec.Optional})
	}
	slices.SortFunc(p.inputs, func(a, b Input) int { return cmp.Compare(a.Name, b.Name) })
	return nil
}

// part is a part of a body while it is being read.
type part struct {
	heading string
	line    int
	lines   []string
}

// readBody reads the parts. line is the body's first line in the file.
func (p *Prompt) readBody(file, body string, line int) error {
	var parts []*part
	for i, l := range strings.Split(body, "\n") {
		trimmed := strings.TrimRight(l, " \t")
		at := line + i
		switch heading := strings.ToLower(trimmed); {
		case trimmed == "## system" || trimmed == "## user":
			if slices.ContainsFunc(parts, func(q *part) bool { return q.heading == trimmed }) {
				return fmt.Errorf("%s:%d:1: the part %q is there twice", file, at, trimmed)
			}
			parts = append(parts, &part{heading: trimmed, line: at + 1})
		case heading == "## system" || heading == "## user":
			return fmt.Errorf("%s:%d:1: write %q in lower case, or \"\\\" before it if it is text", file, at, heading)
		case len(parts) > 0:
			if trimmed == `\## system` || trimmed == `\## user` {
				l = l[1:]
			}
			last := parts[len(parts)-1]
			last.lines = append(last.lines, l)
		case trimmed != "":
			return fmt.Errorf(`%s:%d:1: text before the first part: begin with "## system" or "## user"`, file, at)
		}
	}
	for _, q := range parts {
		for len(q.lines) > 0 && strings.TrimSpace(q.lines[0]) == "" {
			q.lines, q.line = q.lines[1:], q.line+1
		}
		t := ParseTemplate(strings.TrimRight(strings.Join(q.lines, "\n"), " \t\n"))
		if t.source == "" {
			return fmt.Errorf("%s:%d:1: the part %q is empty", file, q.line, q.heading)
		}
		for i := range t.holes {
			t.holes[i].Line += q.line - 1
		}
		if q.heading == "## system" {
			p.system = t
		} else {
			p.user = t
		}
	}
	if p.user == nil {
		return fmt.Errorf(`%s:%d:1: the part "## user" is missing`, file, line)
	}
	return nil
}

// checkInputs holds a prompt's placeholders against its inputs.
func (p *Prompt) checkInputs() error {
	var problems []error
	used := map[string]bool{}
	for _, t := range []*Template{p.system, p.user} {
		if t == nil {
			continue
		}
		for _, h := range t.holes {
			used[h.Path] = true
			if !slices.ContainsFunc(p.inputs, func(in Input) bool { return in.Name == h.Path }) {
				problems = append(problems, fmt.Errorf("%s:%d:%d: {{%s}} is not an input (the inputs: %s); write \\{{ for two braces as text",
					p.File, h.Line, h.Column, h.Path, inputNames(p.inputs)))
			}
		}
	}
	for _, in := range p.inputs {
		if !used[in.Name] {
			problems = append(problems, fmt.Errorf("%s:1:1: input %q is declared and never used", p.File, in.Name))
		}
	}
	return errors.Join(problems...)
}

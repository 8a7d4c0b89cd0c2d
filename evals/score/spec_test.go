package score

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"fairlead/internal/fault"
	"fairlead/providers"
)

func anyDeps(dir string) Deps {
	return Deps{
		Judge: func(string) (Judge, error) {
			return func(context.Context, []providers.Message, json.RawMessage) (string, error) {
				return "", errors.ErrUnsupported
			}, nil
		},
		Embedder: func(string) (Embedder, error) {
			return func(context.Context, []string) ([][]float32, error) { return nil, errors.ErrUnsupported }, nil
		},
		Dir: dir,
	}
}

// TestEveryKindOfTheDocument: the declarations of the package's doc are read, and there is one of each kind.
func TestEveryKindOfTheDocument(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "invoice.schema.json"), []byte(`{"type": "object"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var seen []string
	for l := range strings.Lines(string(doc)) {
		text, ok := strings.CutPrefix(l, "//   - ")
		if !ok {
			continue
		}
		spec, err := ParseSpec("doc.go", []byte(text))
		if err != nil {
			t.Error(err)
			continue
		}
		s, err := New(spec, anyDeps(dir))
		if err != nil || s == nil {
			t.Errorf("%s: %v", spec.Kind, err)
			continue
		}
		if err := Close(s); err != nil {
			t.Error(err)
		}
		seen = append(seen, spec.Kind)
	}
	slices.Sort(seen)
	if !slices.Equal(seen, Kinds()) {
		t.Errorf("the doc shows %v, and there are %v", seen, Kinds())
	}
}

func TestWrongSpecsAreRefused(t *testing.T) {
	for _, test := range []struct{ yaml, want string }{
		{"", "x.yaml:1:1: it must be one YAML document"},
		{"a: [", "x.yaml:1:4: "},
		{"- exact", "x.yaml:1:1: a scorer is a mapping"},
		{"exact: {}\nf1: {}", "x.yaml:1:1: a scorer is a mapping of one kind"},
		{"exakt: {}", `x.yaml:1:1: there is no scorer "exakt": use one of calls, citations`},
		{"nothing", "x.yaml:1:1: a scorer is a mapping"},
		{"exact: [a]", "x.yaml:1:8: the settings of exact must be a mapping"},
		{"exact:\n  ignor: [case]", "x.yaml:2:3: exact: unknown field"},
		{"exact: {ignore: [colour]}", `x.yaml:1:1: exact: nothing named "colour" can be ignored`},
		{"f1:\n  min: high", "x.yaml:2:8: f1: "},
		{"f1: {min: 1.5}", "f1: min must be from 0 to 1"},
		{"f1: {min: .nan}", "f1: min must be from 0 to 1"},
		{"rouge_l: {beta: -1}", "beta"},
		{"regex: {pattern: '('}", "pattern is not RE2"},
		{"regex: {}", "pattern must have"},
		{"contains: {all: ['']}", "empty texts"},
		{"number: {absolute: -1}", "must not be negative"},
		{"exact: {of: a..b}", "is not a path"},
		{"schema: {}", "either schema or file"},
		{"schema: {schema: {type: 7}}", "not a JSON Schema"},
		{"schema: {schema: {$ref: 'file:///etc/passwd'}}", "not a JSON Schema"},
		{"retrieval: {measure: ndcg}", "must say how many"},
		{"retrieval: {measure: bleu@4}", "there is no measure"},
		{"retrieval: {measure: mrr, gain: linear}", "of ndcg alone"},
		{"citations: {by: magic}", "words or judge"},
		{"grounded: {by: judge, threshold: 0.5}", "of words alone"},
		{"rubric: {}", "criteria say nothing"},
		{"rubric: {criteria: x, choices: [{name: a, value: 1, means: b}]}", "one choice is none"},
		{"pairwise: {criteria: ' '}", "criteria say nothing"},
		{"latency: {}", "max must be"},
		{"cost: {}", "max_usd must be there"},
		{"route: {targets: ['']}", "empty names"},
		{"command: {}", "run names no program"},
		{"composite: {}", "there are no parts"},
		{"composite: {parts: [{weight: 1}]}", "part 1 has no score"},
		{"composite: {parts: [{score: {exact: {}}, weight: 0}]}", "a weight must be above 0"},
		{"composite:\n  parts:\n    - score:\n        exact:\n          zzz: 1", "x.yaml:5:11: "},
		{"exact: &a {}", "anchors"},
		{"exact: {of: !!str a}", "tags"},
		{strings.Repeat("[", 200), "nested too deep"},
	} {
		_, err := ParseSpec("x.yaml", []byte(test.yaml))
		if fault.CodeOf(err) != fault.InvalidArgument || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "x.yaml:") {
			t.Errorf("%.80q: %v, want %q", test.yaml, err, test.want)
		}
	}
	for _, yaml := range []string{"similarity: {}", "rubric: {criteria: x}", "pairwise: {criteria: x}", "grounded: {by: judge}", "schema: {file: none.json}",
		"composite: {parts: [{score: {similarity: {}}}]}"} {
		spec, err := ParseSpec("x.yaml", []byte(yaml))
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := New(spec, Deps{Dir: t.TempDir()}); fault.CodeOf(err) != fault.InvalidArgument {
			t.Errorf("%s, without what it needs: %v", yaml, err)
		}
	}
	if _, err := New(Spec{}, Deps{}); err == nil {
		t.Error("nothing was made a scorer of")
	}
}

// TestSpecWithinAFile: a suite decodes specs among its own fields, and errors keep their places.
func TestSpecWithinAFile(t *testing.T) {
	var suite struct {
		Name    string `yaml:"name"`
		Scorers []Spec `yaml:"scorers"`
	}
	decode := func(text string) error {
		return yaml.NewDecoder(strings.NewReader(text), yaml.Strict()).Decode(&suite)
	}
	if err := decode("name: x\nscorers:\n  - exact: {ignore: [case]}\n  - latency: {max: 1500ms}\n  - calls\n"); err != nil {
		t.Fatal(err)
	}
	if len(suite.Scorers) != 3 || suite.Scorers[1].settings.(*Latency).Max != 1500*time.Millisecond || suite.Scorers[2].Kind != "calls" {
		t.Errorf("%+v", suite.Scorers)
	}
	err := decode("name: x\nscorers:\n  - exact: {}\n  - f1:\n      mim: 1\n")
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil || at.GetToken().Position.Line != 5 {
		t.Errorf("%v", err)
	}
}

func FuzzSpec(f *testing.F) {
	for _, s := range []string{"exact: {ignore: [case]}", "f1:\n  min: 0.5", "composite: {parts: [{score: {calls: {}}, weight: 2}]}", "schema: {schema: {type: object}}",
		"rubric: {criteria: x, choices: [{name: a, value: 1}, {name: b, value: 0}]}", "regex: {pattern: '('}", "? a", "calls", "latency: {max: 1s}", "a: &b [*b]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		spec, err := ParseSpec("x", data)
		if err != nil {
			if fault.CodeOf(err) != fault.InvalidArgument || !strings.Contains(err.Error(), "\nx:") {
				t.Errorf("%q: %v", data, err)
			}
			return
		}
		if !slices.Contains(Kinds(), spec.Kind) {
			t.Errorf("%q: kind %q", data, spec.Kind)
		}
		if spec.Kind == "schema" || spec.Kind == "composite" {
			return // may name a file
		}
		if s, err := New(spec, anyDeps("")); err != nil || s == nil {
			t.Errorf("%q was read and cannot be made: %v", data, err)
		}
	})
}

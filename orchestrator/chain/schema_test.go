package chain

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// documented gives the chain files in docs/chains.md: its YAML blocks that begin with "chain:".
func documented(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/chains.md")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, m := range regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		if strings.HasPrefix(m[1], "chain:") {
			name, _, _ := strings.Cut(m[1], "\n")
			files[name] = m[1]
		}
	}
	if len(files) < 4 {
		t.Fatalf("docs/chains.md has %d chains", len(files))
	}
	return files
}

func TestDocumentedChainsAreRead(t *testing.T) {
	for name, source := range documented(t) {
		if _, err := Parse("docs/chains.md ("+name+")", []byte(source)); err != nil {
			t.Error(err)
		}
	}
}

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:///chain.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("mem:///chain.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, s *jsonschema.Schema, source string) error {
	t.Helper()
	asJSON, err := yaml.YAMLToJSON([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

func TestSchemaAcceptsWhatIsRead(t *testing.T) {
	s := compiledSchema(t)
	sources := documented(t)
	sources["whole"] = whole
	sources["steps"] = file(retrieveStep, draftStep)
	files, err := fs.Glob(library, "library/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		data, err := library.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sources[name] = string(data)
	}
	for name, source := range sources {
		if err := validate(t, s, source); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSchemaRefusesWhatIsRefused(t *testing.T) {
	s := compiledSchema(t)
	for name, source := range map[string]string{
		"unknown key":   strings.Replace(whole, "description:", "descr:", 1),
		"two kinds":     file(`  - { id: a, embed: { text: x }, retrieve: { collection: x, query: y } }`),
		"no kind":       file(`  - { id: a }`),
		"not pinned":    file(`  - { id: a, generate: { prompt: p } }`),
		"both":          file(`  - { id: a, generate: { prompt: p@1, user: x } }`),
		"bad type":      strings.Replace(file(draftStep), "q: string", "q: sting", 1),
		"bad label":     file(draftStep) + "label: secret\n",
		"bad duration":  file(draftStep) + "budget: { deadline: soon }\n",
		"empty":         file("  []"),
		"share and usd": file(`  - { id: a, budget: { share: 0.5, usd: 1 }, embed: { text: x } }`),
		"no share":      file(`  - { id: a, budget: { share: 0 }, embed: { text: x } }`),
		"no budget":     file(`  - { id: a, budget: {}, embed: { text: x } }`),
		"case":          file(`  - { id: a, choose: [ { when: "true" } ] }`),
	} {
		if _, err := Parse("x.yaml", []byte(source)); err == nil {
			t.Errorf("%s: Parse reads it", name)
		}
		if validate(t, s, source) == nil {
			t.Errorf("%s: the schema lets it through", name)
		}
	}
}

func TestSchemaHasTheKeysThatAreRead(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	root := doc.(map[string]any)
	defs := root["$defs"].(map[string]any)
	keys := func(o any) []string {
		return slices.Sorted(maps.Keys(o.(map[string]any)["properties"].(map[string]any)))
	}
	for name, want := range map[string][]string{"input": inputKeys, "step": stepKeys, "generate": generateKeys, "format": formatKeys,
		"retrieve": retrieveKeys, "filter": filterKeys, "stepBudget": stepBudgetKeys, "embed": embedKeys, "classify": classifyKeys, "predict": predictKeys, "summarize": summarizeKeys, "case": caseKeys} {
		if diff := cmp.Diff(slices.Sorted(slices.Values(want)), keys(defs[name])); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(chainKeys)), keys(root)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(budgetKeys)), keys(root["properties"].(map[string]any)["budget"])); diff != "" {
		t.Error(diff)
	}
}

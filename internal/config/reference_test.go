package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

const pagePath = "../../docs/configuration.md"

func TestMarkdownIsCommitted(t *testing.T) {
	want := Markdown()
	if *update {
		if err := os.WriteFile(pagePath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(pagePath)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/configuration.md is not what the settings say: go test ./internal/config -run Markdown -update\n%s", diff)
	}
}

// visit calls f for every setting, also below maps.
func visit(s *setting, path string, f func(path string, s *setting)) {
	if path != "" {
		f(path, s)
	}
	for _, child := range s.fields {
		visit(child, strings.TrimPrefix(path+"."+child.key, "."), f)
		if child.mapping != nil {
			visit(child.mapping, strings.TrimPrefix(path+"."+child.key, "."), f)
		}
	}
	if s.elem != nil && s.elem.kind == kindStruct {
		visit(s.elem, path+".NAME", f)
	}
}

func TestEverySettingIsDescribed(t *testing.T) {
	page, envs := Markdown(), map[string]string{}
	visit(schema(), "", func(path string, s *setting) {
		if strings.HasSuffix(path, "NAME") {
			return
		}
		if s.key == "" || s.key != strings.ToLower(s.key) || s.doc == "" || !strings.HasSuffix(s.doc, ".") {
			t.Errorf("%s: a key in lower case and a doc that is a sentence are needed, got %q", path, s.doc)
		}
		if s.leaf() && !s.hasDef && s.defDoc == "" && !s.required &&
			s.kind != kindString && s.kind != kindSecret && s.kind != kindAddress && s.kind != kindList {
			t.Errorf("%s: neither a default nor a defaultdoc", path)
		}
		if !strings.Contains(page, strings.ReplaceAll(s.doc, "|", `\|`)) {
			t.Errorf("%s is not on the page", path)
		}
		if s.env == "" {
			return
		}
		if other := envs[s.env]; other != "" {
			t.Errorf("%s is the variable of %s and %s", s.env, other, path)
		}
		envs[s.env] = path
		if s.leaf() && !strings.Contains(page, "`"+s.env+"`") {
			t.Errorf("%s is not on the page", s.env)
		}
	})
}

// TestEveryVariableIsRead gives each variable a value of its own and looks for it in the dump.
func TestEveryVariableIsRead(t *testing.T) {
	leafValues(schema(), "", reflect.ValueOf(Default()).Elem(), func(path string, s *setting, _ reflect.Value) {
		value := map[kind]string{
			kindBool: "false", kindInt: "7", kindFloat: "0.125", kindDuration: "7s", kindSize: "3KiB", kindString: "x",
			kindSecret: "x", kindList: "http://x", kindLabel: "public",
		}[s.kind]
		switch {
		case len(s.enum) > 0:
			value = s.enum[len(s.enum)-1]
		case path == "server.listen":
			value = "127.0.0.1:7"
		case path == "database.url":
			value = "sqlite:x"
		case path == "database.owner_url":
			value = "postgres://o@h/db"
		case path == "record.usage_keep":
			value = "7h"
		case strings.HasSuffix(path, "endpoint"):
			value = "http://x"
		case path == "chat.default_policy":
			value = "default"
		case path == "chat.auto", path == "retrieval.embedder":
			value = "hashing"
		case path == "retrieval.split.max_bytes":
			value = "64KiB"
		case path == "retrieval.split.target_bytes":
			value = "512B"
		case path == "auth.oidc.issuer":
			value = "https://x"
		}
		environ := []string{s.env + "=" + value, "FAIRLEAD_AUTH_OIDC_AUDIENCE=x"}
		if strings.HasPrefix(path, "server.tls") {
			environ = []string{"FAIRLEAD_SERVER_TLS_CERT=" + value, "FAIRLEAD_SERVER_TLS_KEY=" + value}
		}
		c, r, err := Load(Options{Environ: environ})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		if got := r.Origin(path); got.Kind != OriginEnvironment || !strings.Contains(c.Dump(r), "# $"+s.env+"\n") {
			t.Errorf("%s: origin %v in\n%s", path, got, c.Dump(r))
		}
	})
}

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	if err := compiler.AddResource(SchemaID, doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile(SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// against checks a YAML text against the schema.
func against(t *testing.T, compiled *jsonschema.Schema, text string) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return compiled.Validate(instance)
}

// uncommented gives the starter file with its commented settings switched on.
func uncommented() string {
	var out strings.Builder
	for line := range strings.Lines(Example()) {
		trimmed := strings.TrimLeft(line, " ")
		rest, isComment := strings.CutPrefix(trimmed, "# ")
		key, _, hasKey := strings.Cut(rest, ":")
		if isComment && hasKey && !strings.Contains(strings.TrimSpace(key), " ") {
			line = line[:len(line)-len(trimmed)] + rest
		}
		out.WriteString(line)
	}
	return out.String()
}

func TestSchemaAndLoadAgree(t *testing.T) {
	compiled := compileSchema(t)
	good := map[string]string{
		"example": Example(), "example, all of it": uncommented(), "defaults": Default().Dump(nil), "empty": "{}",
		"weights":                   "policies: { default: { prefer: { cost: 0.2, latency: 0.7 }, scales: { cost_usd: 0.5 }, on_none: extractive, require: { at: p50 } } }\n",
		"sections without settings": "server:\ntargets:\n",
		"from the environment":      "server: { read_limit: \"${X}\" }\ntelemetry: { metrics: \"${M}\" }\nlog: { level: \"${L:-info}\" }\n",
	}
	for name, text := range good {
		if err := against(t, compiled, text); err != nil {
			t.Errorf("%s against the schema: %v", name, err)
		}
		_, r, err := loadText(t, text, "OPENAI_API_KEY=x", "X=1KiB", "M=true")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(r.Warnings) > 0 {
			t.Errorf("%s: warnings %v", name, r.Warnings)
		}
	}
	if c, _, _ := loadText(t, uncommented(), "OPENAI_API_KEY=x"); c == nil || len(c.Backends) != 3 || len(c.Targets) != 2 || c.Chains.Dir == "" || c.Server.TLS.Key == "" {
		t.Errorf("the switched-on starter file is not whole: %+v", c)
	}
	bad := []string{
		"serve: {}", "server: { listen: 5 }", "server: []", "log: { level: loud }", "telemetry: { sample_ratio: 2 }",
		"telemetry: { metrics: 1 }", "backends: { a: {} }", "backends: { \"a b\": { kind: hashing } }",
		"targets: { t: { backend: b, does: [fly] } }", "policies: { p: { attempts: 1.5 } }", "policies: { p: { attempts: 0 } }",
		"policies: { p: { prefer: { speed: 1 } } }", "policies: { p: { prefer: { cost: -1 } } }", "policies: { p: { prefer: [cost] } }",
		"policies: { p: { on_none: shrug } }", "policies: { p: { require: { at: p42 } } }", "policies: { p: { scales: { cost_usd: 0 } } }",
		"chains: { files: x }", "database: { url: null }", "targets: { t: { backend: b, price: { input: -1 } } }",
	}
	for _, text := range bad {
		if err := against(t, compiled, text); err == nil {
			t.Errorf("the schema takes %s", text)
		}
		if _, _, err := loadText(t, text); err == nil {
			t.Errorf("Load takes %s", text)
		}
	}
}

func TestSchemaHasTheDefaults(t *testing.T) {
	var doc map[string]any
	if err := json.Unmarshal(Schema(), &doc); err != nil {
		t.Fatal(err)
	}
	dump := map[string]any{}
	if err := yaml.Unmarshal([]byte(Default().Dump(nil)), &dump); err != nil {
		t.Fatal(err)
	}
	n := 0
	leafValues(schema(), "", reflect.ValueOf(Default()).Elem(), func(path string, s *setting, _ reflect.Value) {
		if !s.hasDef {
			return
		}
		node, value := doc, any(dump)
		for _, key := range strings.Split(path, ".") {
			node = node["properties"].(map[string]any)[key].(map[string]any)
			value = value.(map[string]any)[key]
		}
		if n++; !reflect.DeepEqual(toJSON(t, node["default"]), toJSON(t, value)) {
			t.Errorf("%s: the schema's default is %v, the program's %v", path, node["default"], value)
		}
	})
	if n < 20 {
		t.Errorf("only %d defaults were compared", n)
	}
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestDumpLoadsAgain holds for all but secrets, which are masked.
func TestDumpLoadsAgain(t *testing.T) {
	c, _, err := loadText(t, uncommented(), "OPENAI_API_KEY=key-canary")
	if err != nil {
		t.Fatal(err)
	}
	p := c.Policies["default"]
	p.Require.When = "a == \"x\\n\" ? '${A}' : '$${' # no\n\ttrue: \u00e9\u2028\x01"
	c.Policies["default"] = p
	dump := c.Dump(nil)
	if strings.Contains(dump, "key-canary") {
		t.Errorf("a secret shows:\n%s", dump)
	}
	got, _, err := loadText(t, strings.ReplaceAll(dump, Mask, "${OPENAI_API_KEY}"), "OPENAI_API_KEY=key-canary")
	if err != nil {
		t.Fatalf("%v\n%s", err, dump)
	}
	if diff := cmp.Diff(c, got); diff != "" {
		t.Errorf("(-dumped +loaded):\n%s", diff)
	}
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"", Example(), uncommented(), strings.ReplaceAll(served, "${KEY}", "k"), "a: &a { <<: *a }", "server: {listen: [", "log: !!str x", "? a\n: b", "x: |\n  y", "%YAML 1.2\n---\n",
		"targets: { a: &x { backend: b }, c: *x }", "server: { listen: \"${A:-${B}}\" }", "- - - -", "policies: { p: { prefer: {a: b} } }", "policies: { p: &p { prefer: &w {cost: 1, latency: 0.5}, scales: {}, on_none: cheapest }, q: { <<: *p, prefer: *w } }",
		"log: { level: .inf }", "chains: { files: [*a, &a b] }", "\t", "\x00", "a: 'b", "<<: [*a, {b: c}]",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, r, err := load(Options{Path: "/d/f.yaml", Environ: []string{"A=x"}}, data)
		if (c == nil) == (err == nil) || r == nil {
			t.Fatalf("config %v, report %v, error %v", c, r, err)
		}
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without a text")
			}
			return
		}
		// What loads can be written and loaded again. The default of the database, once it stands in the
		// file, is relative to it.
		if c.Database.URL.Reveal() == "sqlite:fairlead.db" {
			c.Database.URL = NewAddress("sqlite:/d/fairlead.db")
		}
		dump := c.Dump(nil)
		again, _, err := load(Options{Path: "/d/f.yaml", Environ: []string{"A=x"}}, []byte(dump))
		if err != nil {
			t.Fatalf("%v\n%s", err, dump)
		}
		if diff := cmp.Diff(dump, again.Dump(nil)); diff != "" {
			t.Fatalf("(-first +second):\n%s", diff)
		}
	})
}

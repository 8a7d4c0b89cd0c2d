package chain

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"fairlead/providers"
)

func (p *parsing) generate(o *object, s *Step) *Generate {
	g := &Generate{}
	prompt, named := o.get("prompt")
	_, inline := o.get("user")
	switch {
	case named && (inline || o.has("system")):
		p.fail(prompt.at, "generate has both prompt and system or user: give a prompt's name, or the words themselves")
	case named:
		g.Prompt, g.PromptVersion = p.promptRef(prompt.value, "prompt")
	case !inline:
		p.fail(o.at, "generate has neither prompt nor user: say what to ask")
	default:
		g.User, g.System = p.required(o, "user", "generate"), p.optional(o, "system", "generate")
	}
	if f, ok := o.get("with"); ok {
		if !named {
			p.fail(f.at, "with fills a prompt's inputs, and there is no prompt: put {{name}} into user")
		} else if values := p.object(f.value, "with", nil); values != nil {
			g.With = make(map[string]*Template, len(values.fields))
			for _, v := range values.fields {
				g.With[v.key] = p.template(v.value, "with."+v.key)
			}
		}
	}
	if f, ok := o.get("locale"); ok && !named {
		p.fail(f.at, "locale chooses a prompt's variant, and there is no prompt")
	}
	g.Locale, g.Query = p.optional(o, "locale", "generate"), p.optional(o, "query", "generate")
	g.Documents = p.documentsOf(o, s)
	if f, ok := o.get("session"); ok {
		g.Session = p.boolean(f.value, "session")
	}
	g.MaxTokens, g.Temperature = p.sampling(o)
	if f, ok := o.get("top_p"); ok {
		if v, ok := p.number(f.value, "top_p", 0, 1); ok {
			g.TopP = &v
		}
	}
	if f, ok := o.get("seed"); ok {
		if v, ok := p.integer(f.value, "seed", -1<<63, 1<<63-1); ok {
			g.Seed = &v
		}
	}
	if f, ok := o.get("stop"); ok {
		for _, node := range p.list(f.value, "stop") {
			if text, ok := p.text(node, "stop"); ok {
				g.Stop = append(g.Stop, text.text)
			}
		}
		if len(g.Stop) > 16 {
			p.fail(f.at, "stop has more than 16 texts")
		}
	}
	if f, ok := o.get("format"); ok {
		g.Format = p.format(f.value)
	}
	return g
}

func (p *parsing) sampling(o *object) (maxTokens *int, temperature *float64) {
	if f, ok := o.get("max_tokens"); ok {
		if v, ok := p.integer(f.value, "max_tokens", 1, 1_000_000); ok {
			n := int(v)
			maxTokens = &n
		}
	}
	if f, ok := o.get("temperature"); ok {
		if v, ok := p.number(f.value, "temperature", 0, 2); ok {
			temperature = &v
		}
	}
	return maxTokens, temperature
}

// documentsOf reads the name of the retrieve step whose passages a step uses.
func (p *parsing) documentsOf(o *object, s *Step) string {
	f, ok := o.get("documents")
	if !ok {
		return ""
	}
	text, ok := p.text(f.value, "documents")
	if ok {
		p.documents[s] = text
	}
	return text.text
}

func (p *parsing) format(n ast.Node) providers.Format {
	if text, ok := n.(*ast.StringNode); ok {
		switch text.Value {
		case "json":
			return providers.Format{Kind: providers.FormatJSONObject}
		case "text":
			return providers.Format{Kind: providers.FormatText}
		}
		p.fail(placeOf(n), "format must be json, text or {schema: …}")
		return providers.Format{}
	}
	o := p.object(n, "format", formatKeys)
	if o == nil {
		return providers.Format{}
	}
	format := providers.Format{Kind: providers.FormatJSONSchema, Name: "answer"}
	if f, ok := o.get("name"); ok {
		text, ok := p.text(f.value, "format.name")
		if ok && !formatName.MatchString(text.text) {
			p.fail(placeOf(f.value), `format.name must be letters, digits, "_" and "-", 64 at most`)
		}
		format.Name = text.text
	}
	if f, ok := o.get("description"); ok {
		text, _ := p.text(f.value, "format.description")
		format.Description = text.text
	}
	if f, ok := o.get("strict"); ok {
		strict := p.boolean(f.value, "format.strict")
		format.Strict = &strict
	}
	f, ok := o.get("schema")
	if !ok {
		p.fail(o.at, "format has no schema")
		return format
	}
	schema, ok := p.json(f.value, "format.schema")
	if !ok {
		return format
	}
	if _, isObject := schema.(map[string]any); !isObject {
		p.fail(placeOf(f.value), "format.schema must be a JSON Schema, which is a mapping, not %s", kindOf(f.value))
		return format
	}
	if why := compileSchema(schema); why != "" {
		p.fail(placeOf(f.value), "format.schema is not a JSON Schema: %s", why)
	}
	format.Schema = compactJSON(schema)
	return format
}

// noLoader keeps schemas from reading files and addresses that they refer to.
type noLoader struct{}

func (noLoader) Load(string) (any, error) { return nil, errors.New("it refers outside itself") }

// compileSchema says what is wrong with a JSON Schema, or "".
func compileSchema(schema any) string {
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	const at = "mem:///schema.json"
	if err := c.AddResource(at, schema); err != nil {
		return "it cannot be read"
	}
	_, err := c.Compile(at)
	if err == nil {
		return ""
	}
	var invalid *jsonschema.SchemaValidationError
	var verr *jsonschema.ValidationError
	if errors.As(err, &invalid) && errors.As(invalid.Err, &verr) {
		for len(verr.Causes) > 0 {
			verr = verr.Causes[0]
		}
		return fmt.Sprintf("at /%s: %s", strings.Join(verr.InstanceLocation, "/"), strings.Join(verr.ErrorKind.KeywordPath(), " "))
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	return clipTo(strings.ReplaceAll(text, at, ""), 120)
}

package score

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Schema asks that the answer is JSON that a JSON Schema allows (draft 2020-12, or what its "$schema" says). The answer
// must be JSON as a whole, without a word or a fence around it.
type Schema struct {
	// Of is a path into the answer's JSON. Empty: the whole.
	Of string
	// Schema is the JSON Schema. It may refer to nothing outside itself.
	Schema json.RawMessage

	compiled *jsonschema.Schema
}

var _ Scorer = (*Schema)(nil)

// NewSchema compiles the schema.
func NewSchema(s Schema) (*Schema, error) {
	compiled, err := compile(s.Schema)
	if err != nil {
		return nil, err
	}
	s.compiled = compiled
	return &s, Source{Of: s.Of}.check()
}

// noLoader keeps schemas from reading files and addresses that they refer to.
type noLoader struct{}

func (noLoader) Load(string) (any, error) { return nil, errors.New("it refers outside itself") }

func compile(schema []byte) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, errors.New("schema is not JSON")
	}
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	const at = "mem:///schema.json"
	if err := c.AddResource(at, doc); err != nil {
		return nil, errors.New("schema cannot be read")
	}
	compiled, err := c.Compile(at)
	if err != nil {
		text, _, _ := strings.Cut(err.Error(), "\n")
		return nil, fmt.Errorf("schema is not a JSON Schema: %s", strings.ReplaceAll(text, at, ""))
	}
	return compiled, nil
}

// violation says where and by what rule a value breaks a schema, or "".
func violation(s *jsonschema.Schema, v any) string {
	err := s.Validate(v)
	if err == nil {
		return ""
	}
	var bad *jsonschema.ValidationError
	if !errors.As(err, &bad) {
		return "it cannot be checked"
	}
	for len(bad.Causes) > 0 {
		bad = bad.Causes[0]
	}
	return fmt.Sprintf("at /%s: %s", strings.Join(bad.InstanceLocation, "/"), strings.Join(bad.ErrorKind.KeywordPath(), " "))
}

// Score validates.
func (s *Schema) Score(_ context.Context, _ *Case, o *Outcome) (Score, error) {
	if l, ok := lost(o); ok {
		return l, nil
	}
	v, err := o.value()
	if err != nil {
		return right(false, "the answer cannot be read as JSON: %v", err), nil
	}
	v, ok := lookup(v, s.Of)
	if !ok {
		return right(false, "the answer has no %s", s.Of), nil
	}
	why := violation(s.compiled, v)
	return right(why == "", "%s", why), nil
}

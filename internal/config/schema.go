package config

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// SchemaID is the identifier of the JSON Schema.
const SchemaID = "https://fairlead.dev/schema/config.json"

// Schema gives the JSON Schema (draft 2020-12) of the file, for editors. It is what Load checks of types,
// ranges and keys; references between settings are Load's alone.
func Schema() []byte {
	root := schemaOf(schema(), true)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["$id"] = SchemaID
	root["title"] = "Fairlead configuration"
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic("config: the schema is made of what JSON knows: " + err.Error())
	}
	return append(out, '\n')
}

// fromEnvironment is what a value may be instead of its own form.
var fromEnvironment = map[string]any{"type": "string", "pattern": `\$\{[A-Za-z_]`}

func schemaOf(s *setting, top bool) map[string]any {
	out := map[string]any{}
	switch s.kind {
	case kindStruct:
		properties := map[string]any{}
		var required []string
		for _, f := range s.fields {
			properties[f.key] = schemaOf(f, false)
			if f.mapping != nil {
				properties[f.key] = map[string]any{"anyOf": []any{schemaOf(f, false), schemaOf(f.mapping, false)}}
			}
			if f.required {
				required = append(required, f.key)
			}
		}
		out["type"], out["properties"], out["additionalProperties"] = []string{"object", "null"}, properties, false
		if top {
			out["type"] = "object"
		}
		if required != nil {
			out["required"] = required
		}
	case kindMap:
		out["type"], out["additionalProperties"] = []string{"object", "null"}, schemaOf(s.elem, false)
		if s.elem.kind == kindStruct {
			out["propertyNames"] = map[string]any{"pattern": namePattern.String()}
		}
	case kindList:
		item := map[string]any{"type": "string"}
		if s.enum != nil {
			item = orEnvironment(map[string]any{"enum": s.enum})
		}
		out["type"], out["items"] = []string{"array", "null"}, item
	case kindNumbers:
		item := "number"
		if s.typ.Elem().Kind() == reflect.Int {
			item = "integer"
		}
		out["type"], out["items"] = []string{"array", "null"}, map[string]any{"type": item}
	case kindItems:
		out["type"], out["items"] = []string{"array", "null"}, schemaOf(s.elem, false)
	case kindBool:
		out = orEnvironment(map[string]any{"type": "boolean"})
	case kindInt:
		out = orEnvironment(s.limited(map[string]any{"type": "integer"}))
	case kindFloat:
		out = orEnvironment(s.limited(map[string]any{"type": "number"}))
		if s.fraction {
			out["anyOf"] = append(out["anyOf"].([]any), map[string]any{"type": "string", "pattern": `^[0-9.eE+-]+(/[0-9.eE+-]+)?$`})
		}
	case kindSize:
		out["anyOf"] = []any{s.limited(map[string]any{"type": "integer"}), map[string]any{"type": "string"}}
	default:
		out["type"] = "string"
		if s.enum != nil {
			out = orEnvironment(map[string]any{"enum": s.enum})
		}
	}
	if s.doc != "" {
		out["description"] = s.doc
	}
	if s.hasDef {
		out["default"] = s.defaultJSON()
	}
	return out
}

func orEnvironment(form map[string]any) map[string]any {
	return map[string]any{"anyOf": []any{form, fromEnvironment}}
}

// limited adds the range.
func (s *setting) limited(form map[string]any) map[string]any {
	if s.min != "" {
		form["minimum"] = s.bound(s.min)
	}
	if s.max != "" {
		form["maximum"] = s.bound(s.max)
	}
	return form
}

// defaultJSON gives the default as the file would hold it.
func (s *setting) defaultJSON() any {
	switch s.kind {
	case kindBool:
		return s.def == "true"
	case kindInt, kindFloat:
		n, err := strconv.ParseFloat(s.def, 64)
		if err != nil {
			panic("config: the default of " + s.key + " is not a number")
		}
		return n
	case kindList:
		return strings.Split(s.def, ",")
	default:
		return s.def
	}
}

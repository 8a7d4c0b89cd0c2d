package openaihttp

import (
	"fairlead/providers"
)

// tools reads the functions that the model may ask for.
func (r *chatReader) tools() []providers.Tool {
	var tools []providers.Tool
	r.list(func(i int) {
		if i >= maxTools {
			r.fail("expected %d tools at most", maxTools)
			return
		}
		var tool providers.Tool
		var kind string
		r.object(func(name string) {
			switch name {
			case "type":
				kind = r.text()
			case "function":
				tool = r.function()
			}
		})
		switch {
		case r.err != nil:
		case kind == "":
			r.failAt("type", "required")
		case kind != "function":
			r.refuse("only tools of type function are supported")
		case tool.Name == "":
			r.failAt("function.name", "required")
		}
		tools = append(tools, tool)
	})
	return tools
}

func (r *chatReader) function() providers.Tool {
	var tool providers.Tool
	r.object(func(name string) {
		if r.null() {
			return
		}
		switch name {
		case "name":
			tool.Name = r.text()
		case "description":
			tool.Description = r.text()
		case "parameters":
			tool.Parameters = r.rawObject()
		case "strict":
			tool.Strict = new(r.boolean())
		}
	})
	return tool
}

// toolChoice reads a mode, or the name of a function.
func (r *chatReader) toolChoice() providers.ToolChoice {
	switch c := r.peek(); c {
	case '"':
		switch r.text() {
		case "none":
			return providers.ToolChoice{Mode: providers.ToolsNone}
		case "auto":
			return providers.ToolChoice{Mode: providers.ToolsAuto}
		case "required":
			return providers.ToolChoice{Mode: providers.ToolsRequired}
		}
		r.fail("expected none, auto, required or a function")
		return providers.ToolChoice{}
	case '{':
	default:
		r.wrongType(c, "a string or an object")
		return providers.ToolChoice{}
	}
	var kind, function string
	r.object(func(name string) {
		switch name {
		case "type":
			kind = r.text()
		case "function":
			r.object(func(name string) {
				if name == "name" {
					function = r.text()
				}
			})
		}
	})
	switch {
	case r.err != nil:
	case kind != "function":
		r.refuse("only a choice of type function is supported")
	case function == "":
		r.failAt("function.name", "required")
	}
	return providers.ToolChoice{Mode: providers.ToolsNamed, Name: function}
}

// format reads the form that the answer must have.
func (r *chatReader) format() providers.Format {
	var f providers.Format
	var kind string
	var hasSchema bool
	r.object(func(name string) {
		switch name {
		case "type":
			kind = r.text()
		case "json_schema":
			if r.null() {
				return
			}
			hasSchema = true
			r.object(func(name string) {
				if r.null() {
					return
				}
				switch name {
				case "name":
					f.Name = r.text()
				case "description":
					f.Description = r.text()
				case "schema":
					f.Schema = r.rawObject()
				case "strict":
					f.Strict = new(r.boolean())
				}
			})
		}
	})
	if r.err != nil {
		return f
	}
	switch f.Kind = providers.FormatKind(kind); f.Kind {
	case providers.FormatText, providers.FormatJSONObject:
	case providers.FormatJSONSchema:
		switch {
		case !hasSchema:
			r.failAt("json_schema", "required with type json_schema")
		case f.Name == "":
			r.failAt("json_schema.name", "required")
		case f.Schema == nil:
			r.failAt("json_schema.schema", "required")
		}
	case providers.FormatUnset:
		r.failAt("type", "required")
	default:
		r.failAt("type", "expected text, json_object or json_schema")
	}
	return f
}

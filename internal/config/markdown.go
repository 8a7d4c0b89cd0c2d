package config

import (
	"fmt"
	"strings"
)

// Markdown gives the reference page of the configuration.
func Markdown() string {
	var b strings.Builder
	b.WriteString(`# Configuration

<!-- This page is written by internal/config (go test ./internal/config -run Markdown -update). Do not edit it. -->

One YAML file, given by ` + "`--config FILE`" + `. Without one, the defaults below hold and the program works with
what it finds. ` + "`fairlead config init`" + ` writes a starter file, ` + "`fairlead config check`" + ` checks one, and
` + "`fairlead config check --show`" + ` says which values hold and where each came from.

- Values win in this order: flags (` + "`--set server.listen=:9000`" + `), the environment (the variable named with each
  setting), the file, the defaults. What is below a name, such as a backend, has no variable of its own.
- The file is strict. An unknown key, a key written twice, a wrong type or a value out of range is an error with
  file, line and column, and all of them are reported at once.
- ` + "`${NAME}`" + ` in a value reads the environment; ` + "`${NAME:-text}`" + ` falls back to the text when the variable is not set or
  empty; ` + "`$${`" + ` is a plain ` + "`${`" + `. A variable that is not set and has no fallback is an error.
- Secrets print as ` + "`" + Mask + "`" + `. Write them as ` + "`${NAME}`" + `: one that stands in the file is a warning.
- Durations are written as ` + "`800ms`, `30s`, `5m`" + `; sizes as ` + "`512KiB`, `4MiB`" + `; labels by name: public, internal,
  confidential, restricted.
- Relative paths in the file are relative to the file; those from the environment and from flags to the working directory.
- ` + "`fairlead serve`" + ` reads the file again when it changes, and on SIGHUP. A bad file changes nothing and is logged.

A list in a variable or a flag is written with commas: ` + "`FAIRLEAD_SERVER_CORS_ORIGINS=https://a.example,https://b.example`" + `.
A name with a dot in it is quoted in a flag: ` + "`--set 'targets.\"llama3.1\".quality=0.7'`" + `.
`)
	for _, f := range schema().fields {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", f.key, f.doc)
		section := f
		if f.kind == kindMap {
			section = f.elem
			fmt.Fprintf(&b, "Each entry, `%s.NAME`:\n\n", f.key)
			b.WriteString("| key | value | default | meaning |\n|---|---|---|---|\n")
		} else {
			b.WriteString("| key | value | default | variable | meaning |\n|---|---|---|---|---|\n")
		}
		rows(&b, section, "", f.kind != kindMap)
	}
	return b.String()
}

func rows(b *strings.Builder, s *setting, path string, withEnv bool) {
	for _, f := range s.fields {
		at := under(path, f.key)
		columns := []string{"`" + at + "`", f.valueDoc(), f.defaultText()}
		if withEnv {
			env := ""
			if f.env != "" {
				env = "`" + f.env + "`"
			}
			columns = append(columns, env)
		}
		columns = append(columns, f.doc)
		b.WriteString("|")
		for _, c := range columns {
			if c = strings.ReplaceAll(c, "|", `\|`); c != "" {
				c = " " + c
			}
			b.WriteString(c + " |")
		}
		b.WriteByte('\n')
		if f.kind == kindStruct {
			rows(b, f, at, withEnv)
		}
		if f.kind == kindItems {
			rows(b, f.elem, under(at, "NUMBER"), withEnv)
		}
		if f.mapping != nil {
			rows(b, &setting{fields: []*setting{f.mapping}}, path, withEnv)
		}
	}
}

// defaultText says what holds when a setting is not written, for the page.
func (s *setting) defaultText() string {
	switch {
	case s.defDoc != "":
		return s.defDoc
	case s.hasDef:
		return "`" + s.def + "`"
	case s.required:
		return "(must be set)"
	case s.kind == kindStruct:
		return ""
	default:
		return "empty"
	}
}

// valueDoc says what a setting takes, for the page.
func (s *setting) valueDoc() string {
	text := map[kind]string{
		kindString: "text", kindSecret: "secret", kindAddress: "address", kindBool: "true or false", kindInt: "whole number",
		kindFloat: "number", kindDuration: "duration", kindSize: "size", kindList: "list of texts",
		kindLabel: "label", kindMap: "texts by name", kindNumbers: "list of numbers", kindItems: "list of settings",
	}[s.kind]
	if s.kind == kindMap && s.elem.kind == kindSecret {
		text = "secrets by name"
	}
	if s.fraction {
		text = "number or fraction"
	}
	if s.path {
		text = strings.Replace(text, "text", "path", 1)
	}
	if len(s.enum) > 0 && s.kind != kindLabel {
		text = "`" + strings.Join(s.enum, "`, `") + "`"
		if s.kind == kindList {
			text = "list of " + text
		}
	}
	switch {
	case s.min != "" && s.max != "":
		text += fmt.Sprintf(", %s to %s", s.min, s.max)
	case s.min != "" && s.min != "0" && s.min != "0s":
		text += fmt.Sprintf(", %s or more", s.min)
	}
	return text
}

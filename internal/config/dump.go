package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/token"
)

// Dump writes the whole configuration as YAML that Load reads, defaults included, secrets masked. With a
// report, a comment after each value says where it came from. What is empty is left out.
func (c *Config) Dump(r *Report) string {
	var b strings.Builder
	w := dumper{out: &b, report: r}
	w.fields(schema(), "", reflect.ValueOf(c).Elem(), 0)
	return b.String()
}

type dumper struct {
	out    *strings.Builder
	report *Report
}

func (w *dumper) fields(s *setting, path string, v reflect.Value, depth int) {
	for _, f := range s.fields {
		if f.mapping != nil && !f.mapping.at(v).IsNil() {
			f = f.mapping
		}
		w.setting(f, f.key, under(path, f.key), f.at(v), depth)
	}
}

func (w *dumper) setting(s *setting, key, path string, v reflect.Value, depth int) {
	if s.optional {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	indent := strings.Repeat("  ", depth)
	switch s.kind {
	case kindStruct:
		var inner strings.Builder
		nested := dumper{out: &inner, report: w.report}
		nested.fields(s, path, v, depth+1)
		if inner.Len() == 0 {
			fmt.Fprintf(w.out, "%s%s: {}\n", indent, key)
			return
		}
		fmt.Fprintf(w.out, "%s%s:\n%s", indent, key, inner.String())
	case kindMap:
		if v.Len() == 0 {
			return
		}
		fmt.Fprintf(w.out, "%s%s:\n", indent, key)
		names := make([]string, 0, v.Len())
		for _, k := range v.MapKeys() {
			names = append(names, k.String())
		}
		slices.Sort(names)
		for _, name := range names {
			w.setting(s.elem, scalar(name), under(path, name), v.MapIndex(reflect.ValueOf(name)), depth+1)
		}
	default:
		text := yamlText(s, v)
		if text == `""` || text == "[]" {
			return
		}
		fmt.Fprintf(w.out, "%s%s: %s", indent, key, text)
		if w.report != nil {
			fmt.Fprintf(w.out, "  # %s", strings.NewReplacer("\n", " ", "\r", " ").Replace(w.report.Origin(path).String()))
		}
		w.out.WriteByte('\n')
	}
}

// yamlText writes a leaf as YAML.
func yamlText(s *setting, v reflect.Value) string {
	switch s.kind {
	case kindBool, kindInt, kindFloat:
		return s.text(v)
	case kindList:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = scalar(escape(v.Index(i).String()))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case kindNumbers:
		return "[" + s.text(v) + "]"
	case kindItems:
		items := make([]string, v.Len())
		for i := range items {
			var pairs []string
			for _, f := range s.elem.fields {
				value := f.at(v.Index(i))
				if f.optional {
					if value.IsNil() {
						continue
					}
					value = value.Elem()
				}
				if text := yamlText(f, value); text != `""` {
					pairs = append(pairs, f.key+": "+text)
				}
			}
			items[i] = "{" + strings.Join(pairs, ", ") + "}"
		}
		return "[" + strings.Join(items, ", ") + "]"
	case kindDuration, kindSize:
		return s.text(v) // digits and a unit are text and nothing else
	default:
		return scalar(escape(s.text(v)))
	}
}

var plainScalar = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./@+-]*(:[A-Za-z0-9_./@+-]+)*$`)

// scalar writes a text as YAML: plain where it can only be read as that text, and else in double quotes.
func scalar(text string) string {
	if plainScalar.MatchString(text) && !token.IsNeedQuoted(text) {
		return text
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, r)
		case !strconv.IsPrint(r) && r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

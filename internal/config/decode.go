package config

import (
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// decoder reads a tree into a Config, remembers where each value came from, and collects all that is
// wrong.
type decoder struct {
	file string
	// dir is what paths in the file are relative to.
	dir     string
	lookup  func(string) (string, bool)
	anchors map[string]ast.Node
	// merged counts merges: merges of merges could otherwise be made to multiply without end.
	merged   int
	problems []Problem
	report   *Report
}

func (d *decoder) wrong(node ast.Node, path, format string, args ...any) {
	d.problems = append(d.problems, Problem{
		Origin: d.origin(node), Path: path, Text: fmt.Sprintf(format, args...),
	})
}

func (d *decoder) warn(node ast.Node, path, format string, args ...any) {
	d.report.Warnings = append(d.report.Warnings, Problem{
		Origin: d.origin(node), Path: path, Text: fmt.Sprintf(format, args...),
	})
}

func (d *decoder) origin(node ast.Node) Origin { return originOf(d.file, startOf(node)) }

// startOf gives where a node starts: a block mapping's own token is the ":" of its first entry.
func startOf(node ast.Node) *token.Token {
	switch n := node.(type) {
	case nil:
		return nil
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return n.Values[0].Key.GetToken()
		}
	case *ast.MappingValueNode:
		return n.Key.GetToken()
	}
	return node.GetToken()
}

// Visit collects the anchors, for ast.Walk.
func (d *decoder) Visit(node ast.Node) ast.Visitor {
	if a, ok := node.(*ast.AnchorNode); ok && a.Name != nil && a.Value != nil {
		d.anchors[a.Name.GetToken().Value] = a.Value
	}
	return d
}

// resolve gives the node behind anchors and aliases, or nil with the problem noted.
func (d *decoder) resolve(node ast.Node, path string) ast.Node {
	for range maxAliases {
		switch n := node.(type) {
		case *ast.AnchorNode:
			node = n.Value
		case *ast.AliasNode:
			target, ok := d.anchors[n.Value.GetToken().Value]
			if !ok {
				d.wrong(n, path, "no anchor of the name %q", n.Value.GetToken().Value)
				return nil
			}
			node = target
		case *ast.TagNode:
			d.wrong(n, path, "tags such as %s are not used in the configuration: leave it out", quote(n.GetToken().Value))
			return nil
		case nil:
			return nil
		default:
			return node
		}
	}
	d.wrong(node, path, "too many aliases of aliases")
	return nil
}

// isMapping says whether a node is a mapping, behind anchors and aliases.
func (d *decoder) isMapping(node ast.Node) bool {
	for range maxAliases {
		switch n := node.(type) {
		case *ast.AnchorNode:
			node = n.Value
		case *ast.AliasNode:
			node = d.anchors[n.Value.GetToken().Value]
		case *ast.MappingNode, *ast.MappingValueNode:
			return true
		default:
			return false
		}
	}
	return false
}

// entry is one key of a mapping with its value.
type entry struct {
	key   string
	node  ast.Node
	value ast.Node
}

// entries gives a mapping's entries, what it merges in included. ok is false when it is no mapping.
func (d *decoder) entries(node ast.Node, path string, depth int) (list []entry, ok bool) {
	var values []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		return nil, false
	}
	var merges []ast.Node
	seen := map[string]bool{}
	for _, v := range values {
		if v.Key.IsMergeKey() {
			merges = append(merges, v.Value)
			continue
		}
		key, isText := v.Key.(*ast.StringNode)
		if !isText {
			d.wrong(v.Key, path, "a key must be text: write it in quotes")
			continue
		}
		if seen[key.Value] {
			d.wrong(v.Key, under(path, key.Value), "written twice: leave one of them out")
			continue
		}
		seen[key.Value] = true
		list = append(list, entry{key: key.Value, node: v.Key, value: v.Value})
	}
	for _, m := range merges {
		for _, source := range d.mergeSources(m, path) {
			if d.merged++; depth >= maxAliases || d.merged > maxMerges {
				d.wrong(m, path, "too many merges")
				return list, true
			}
			merged, isMap := d.entries(source, path, depth+1)
			if !isMap {
				d.wrong(m, path, "<<: wants an alias of a mapping, such as *base")
			}
			for _, e := range merged {
				if !seen[e.key] {
					seen[e.key] = true
					list = append(list, e)
				}
			}
		}
	}
	return list, true
}

// mergeSources gives what a merge key names: one mapping, or a list of them.
func (d *decoder) mergeSources(node ast.Node, path string) []ast.Node {
	resolved := d.resolve(node, path)
	if resolved == nil {
		return nil
	}
	list, ok := resolved.(*ast.SequenceNode)
	if !ok {
		return []ast.Node{resolved}
	}
	var sources []ast.Node
	for _, v := range list.Values {
		if r := d.resolve(v, path); r != nil {
			sources = append(sources, r)
		}
	}
	return sources
}

// value reads a node into a setting's value.
func (d *decoder) value(s *setting, path string, node ast.Node, v reflect.Value) {
	place := node
	node = d.resolve(node, path)
	if node == nil {
		return
	}
	if path != "" {
		d.report.origins[path] = d.origin(place)
	}
	_, null := node.(*ast.NullNode)
	switch {
	case null && (s.kind == kindStruct || s.kind == kindMap || s.kind == kindList || s.kind == kindNumbers || s.kind == kindItems):
		// "targets:" with everything below it commented out is an empty one.
	case s.kind == kindStruct:
		d.fields(s, path, node, s.hold(v))
	case s.kind == kindMap:
		d.names(s, path, node, v)
	case s.kind == kindList:
		d.list(s, path, node, v)
	case s.kind == kindNumbers:
		d.numbers(s, path, node, v)
	case s.kind == kindItems:
		d.items(s, path, node, v)
	default:
		d.leaf(s, path, node, v)
	}
}

func (d *decoder) fields(s *setting, path string, node ast.Node, v reflect.Value) {
	entries, ok := d.entries(node, path, 0)
	if !ok {
		d.wrong(node, path, "want %s", s.wants())
		return
	}
	for _, e := range entries {
		f := s.field(e.key)
		if f == nil {
			d.wrong(e.node, under(path, e.key), "%s", unknownKey(s, path, e.key))
			continue
		}
		if f.mapping != nil && d.isMapping(e.value) {
			f = f.mapping
		}
		d.value(f, under(path, e.key), e.value, f.at(v))
	}
}

// names reads a map of named entries. An entry that is in the defaults is replaced, not mixed with them.
func (d *decoder) names(s *setting, path string, node ast.Node, v reflect.Value) {
	entries, ok := d.entries(node, path, 0)
	if !ok {
		d.wrong(node, path, "want %s", s.wants())
		return
	}
	if v.IsNil() {
		v.Set(reflect.MakeMap(s.typ))
	}
	for _, e := range entries {
		if why := badName(s, e.key); why != "" {
			d.wrong(e.node, under(path, e.key), "%s", why)
			continue
		}
		elem := s.elem.fresh()
		d.report.origins[under(path, e.key)] = d.origin(e.node)
		d.value(s.elem, under(path, e.key), e.value, elem)
		d.report.origins[under(path, e.key)] = d.origin(e.node) // the name's place, not the value's
		v.SetMapIndex(reflect.ValueOf(e.key), elem)
	}
}

// text gives the text of a node that must be one, with the environment put in. ok is false when it is
// not, with the problem noted.
func (d *decoder) text(node ast.Node, path string) (text string, used, ok bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		text = n.Value
	case *ast.LiteralNode:
		text = n.Value.Value
	default:
		d.wrong(node, path, "want text, got %s", describeNode(node))
		return "", false, false
	}
	expanded, used, wrong := expand(text, d.lookup)
	for _, w := range wrong {
		d.wrong(node, path, "%s", w)
	}
	return expanded, used, len(wrong) == 0
}

// leaf reads one value. A number or a truth must be written as one, or come out of the environment.
func (d *decoder) leaf(s *setting, path string, node ast.Node, v reflect.Value) {
	var text string
	used := false
	switch n := node.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		var ok bool
		if text, used, ok = d.text(node, path); !ok {
			return
		}
		if !used && (s.kind == kindBool || s.kind == kindInt || s.kind == kindFloat && !s.fraction) {
			d.wrong(node, path, "want %s, got text", s.wants())
			return
		}
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		text = strings.TrimSpace(n.GetToken().Value)
		_, isBool := n.(*ast.BoolNode)
		_, isInt := n.(*ast.IntegerNode)
		fits := (isBool && s.kind == kindBool) || (!isBool && s.kind == kindFloat) ||
			(isInt && (s.kind == kindInt || s.kind == kindSize))
		if !fits {
			hint := ""
			if s.kind == kindString && len(s.enum) == 0 {
				hint = ": put it in quotes"
			}
			d.wrong(node, path, "want %s, got %s%s", s.wants(), describeNode(node), hint)
			return
		}
		if isBool {
			text = strings.ToLower(text)
		}
	default:
		d.wrong(node, path, "want %s, got %s", s.wants(), describeNode(node))
		return
	}
	if s.confidential(text) && !used && text != "" {
		d.warn(node, path, "a secret written out in the file: write ${NAME} and set NAME in the environment")
	}
	if err := s.parse(v, d.resolvePath(s, text)); err != nil {
		d.wrong(node, path, "%s", d.refused(err, s, path, text, used))
	}
}

// refused says why a value is not allowed, and repeats it when it cannot be a secret.
func (d *decoder) refused(err error, s *setting, path, text string, used bool) string {
	return refusal(err, s, path, text, !used && !s.confidential(text))
}

func (d *decoder) resolvePath(s *setting, text string) string {
	if !s.path || text == "" || filepath.IsAbs(text) {
		return text
	}
	return filepath.Join(d.dir, text)
}

func refusal(err error, s *setting, path, text string, repeat bool) string {
	why := err.Error()
	if later, ok := notYetValue(path, text); ok {
		return later
	}
	if repeat {
		why += ", got " + quote(text)
		if near, ok := suggest(text, s.enum); ok {
			why += fmt.Sprintf("; did you mean %s?", near)
		}
	}
	return why
}

// describeNode says what a node is, without what it holds.
func describeNode(node ast.Node) string {
	switch node.(type) {
	case *ast.NullNode:
		return "nothing"
	case *ast.BoolNode:
		return "a truth value"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	default:
		return "text"
	}
}

// quote repeats a short value in a message.
func quote(text string) string {
	if r := []rune(text); len(r) > 40 {
		text = string(r[:40]) + "…"
	}
	return fmt.Sprintf("%q", text)
}

// namePattern is what a name is: names are used in the model field of requests and as
// labels of metrics.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,99}$`)

const nameRule = "a name is made of letters, digits and . _ : / @ + -, starts with a letter or a digit and has 100 characters at most"

// badName says why a name of an entry is not allowed. Names of headers are checked with the rest.
func badName(s *setting, name string) string {
	if s.elem.kind == kindSecret || namePattern.MatchString(name) {
		return ""
	}
	return nameRule
}

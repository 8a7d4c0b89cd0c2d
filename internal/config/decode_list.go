package config

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

func (d *decoder) list(s *setting, path string, node ast.Node, v reflect.Value) {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		d.wrong(node, path, "want %s", s.wants())
		return
	}
	items := make([]string, 0, len(list.Values))
	for _, n := range list.Values {
		resolved := d.resolve(n, path)
		if resolved == nil {
			continue
		}
		text, _, ok := d.text(resolved, path)
		if !ok {
			continue
		}
		if len(s.enum) > 0 && !s.allows(text) {
			d.wrong(n, path, "%s", d.refused(s.notOne(), s, path, text, false))
			continue
		}
		items = append(items, d.resolvePath(s, text))
	}
	v.Set(reflect.ValueOf(items))
}

// numbers reads a list of numbers.
func (d *decoder) numbers(s *setting, path string, node ast.Node, v reflect.Value) {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		d.wrong(node, path, "want %s", s.wants())
		return
	}
	texts := make([]string, 0, len(list.Values))
	for _, n := range list.Values {
		switch resolved := d.resolve(n, path).(type) {
		case nil:
			return
		case *ast.IntegerNode, *ast.FloatNode:
			texts = append(texts, strings.TrimSpace(resolved.GetToken().Value))
		default:
			d.wrong(n, path, "want %s, got %s in it", s.wants(), describeNode(resolved))
			return
		}
	}
	if err := s.parse(v, strings.Join(texts, ",")); err != nil {
		d.wrong(node, path, "%s", err.Error())
	}
}

// items reads a list of structs.
func (d *decoder) items(s *setting, path string, node ast.Node, v reflect.Value) {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		d.wrong(node, path, "want %s", s.wants())
		return
	}
	made := reflect.MakeSlice(s.typ, 0, len(list.Values))
	for i, n := range list.Values {
		elem := s.elem.fresh()
		d.value(s.elem, under(path, strconv.Itoa(i)), n, elem)
		made = reflect.Append(made, elem)
	}
	v.Set(made)
}

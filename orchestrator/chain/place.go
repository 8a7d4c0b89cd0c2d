package chain

import (
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// place is a position in the file, from 1.
type place struct{ line, column int }

func placeOf(n ast.Node) place {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		// The token of a block mapping is its first colon.
		return placeOf(m.Values[0].Key)
	}
	if m, ok := n.(*ast.MappingValueNode); ok {
		return placeOf(m.Key)
	}
	if tk := n.GetToken(); tk != nil && tk.Position != nil {
		return place{max(tk.Position.Line, 1), max(tk.Position.Column, 1)}
	}
	return place{1, 1}
}

// within gives the place in the file of a byte of a scalar's text. Where a scalar spans lines in a way
// that folds them, it is the place where the scalar starts.
func (r *reader) within(s scalar, offset int) place {
	start := placeOf(s.node)
	line, column := lineColumn(s.text, offset)
	if literal, ok := s.node.(*ast.LiteralNode); ok {
		if literal.Start == nil || !strings.HasPrefix(literal.Start.Value, "|") {
			return start
		}
		at := start.line + line
		if at > len(r.lines) {
			return start
		}
		for i := start.line; i < len(r.lines); i++ {
			if trimmed := strings.TrimLeft(r.lines[i], " "); trimmed != "" {
				return place{at, len(r.lines[i]) - len(trimmed) + column}
			}
		}
		return start
	}
	tk := s.node.GetToken()
	if start.line > len(r.lines) || tk == nil {
		return start
	}
	raw := []rune(r.lines[start.line-1])
	at := start.column - 1
	quote := tk.Type
	if quote == token.SingleQuoteType || quote == token.DoubleQuoteType {
		at++
	}
	for range utf8.RuneCountInString(s.text[:offset]) {
		if at >= len(raw) {
			return start
		}
		switch {
		case quote == token.SingleQuoteType && raw[at] == '\'':
			at += 2
		case quote == token.DoubleQuoteType && raw[at] == '\\' && at+1 < len(raw):
			size := 2
			switch raw[at+1] {
			case 'x':
				size = 4
			case 'u':
				size = 6
			case 'U':
				size = 10
			}
			at += size
		default:
			at++
		}
	}
	if at > len(raw) {
		return start
	}
	return place{start.line, at + 1}
}

// lineColumn gives the place of a byte in a text, from 1.
func lineColumn(text string, offset int) (line, column int) {
	e := syntaxAt(text, min(offset, len(text)), "")
	return e.Line, e.Column
}

// kindOf names what a node is, for messages.
func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.NullNode, nil:
		return "nothing"
	case *ast.StringNode, *ast.LiteralNode:
		return "text"
	case *ast.IntegerNode:
		return "a whole number"
	case *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "an anchor or alias, which chains do without"
	case *ast.TagNode:
		return "a YAML tag, which chains do without"
	}
	return "something else"
}

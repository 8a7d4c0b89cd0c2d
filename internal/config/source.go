package config

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits on a file, so that a hostile or broken one is refused in little time and stack.
const (
	maxFileBytes = 256 << 10
	maxTokens    = 50000 // the parser's time grows with the square of a mapping's keys
	maxNesting   = 32
	maxAliases   = 16
	maxMerges    = 10000
)

// parseSource reads the file's bytes into a tree. body is nil for a file without a value. The problems
// have their places.
func parseSource(name string, data []byte) (body ast.Node, problem *Problem) {
	at := func(tk *token.Token, format string, args ...any) *Problem {
		return &Problem{Origin: originOf(name, tk), Text: fmt.Sprintf(format, args...)}
	}
	if len(data) > maxFileBytes {
		return nil, at(nil, "reading YAML: the file has %d bytes, and %d is the most", len(data), maxFileBytes)
	}
	// The parser is not ours: should bytes exist that make it panic, that is a bad file and no crash.
	defer func() {
		if recover() != nil {
			body, problem = nil, at(nil, "reading YAML: the file is not YAML that can be read")
		}
	}()
	tokens := lexer.Tokenize(string(data))
	if tk := tooDeep(tokens); tk != nil {
		return nil, at(tk, "reading YAML: nested deeper than %d", maxNesting)
	}
	if len(tokens) > maxTokens {
		return nil, at(tokens[maxTokens], "reading YAML: more than %d words and marks", maxTokens)
	}
	// Duplicate keys are left to the decoder, which reports all of them and not the first alone.
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) {
			return nil, at(syntax.Token, "reading YAML: %s", syntax.Message)
		}
		return nil, at(nil, "reading YAML: the file is not YAML that can be read")
	}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if body != nil {
			return nil, at(startOf(doc.Body), "a second document: the configuration is one document, without ---")
		}
		body = doc.Body
	}
	return body, nil
}

// tooDeep gives the token at which flow collections, or the entries of one line, are nested too deep.
// The parser calls itself for each level, and a stack that overflows ends the process.
func tooDeep(tokens token.Tokens) *token.Token {
	flow, line, entries := 0, 0, 0
	for _, tk := range tokens {
		if tk.Position != nil && tk.Position.Line != line {
			line, entries = tk.Position.Line, 0
		}
		switch tk.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow = max(flow-1, 0)
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			entries++
		}
		if flow > maxNesting || (entries > maxNesting && flow == 0) {
			return tk
		}
	}
	return nil
}

func originOf(name string, tk *token.Token) Origin {
	o := Origin{Kind: OriginFile, Name: name}
	if tk != nil && tk.Position != nil {
		o.Line, o.Column = tk.Position.Line, tk.Position.Column
	}
	return o
}

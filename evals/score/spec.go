package score

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"fairlead/internal/fault"
	"fairlead/internal/yamldepth"
)

// Spec is a scorer as a file declares it: a mapping of its kind to its settings, such as {rouge_l: {min: 0.4}}. It can be
// a field of a struct that goccy/go-yaml decodes. A Spec that was read is whole: an unknown kind, an unknown key and a
// value that is not allowed are errors with line and column.
type Spec struct {
	// Kind is such as "exact": see Kinds.
	Kind string

	settings settings
}

// Deps is what scorers need of others. What is nil is not there: a scorer that needs it cannot be made.
type Deps struct {
	// Judge gives the judge of a name; the empty name is the default one.
	Judge func(name string) (Judge, error)
	// Embedder gives the model that makes vectors, by name; the empty name is the default one.
	Embedder func(name string) (Embedder, error)
	// Dir is where the paths in specs begin, and where commands run. Empty: the current folder.
	Dir string
}

// settings are those of a kind. Settings that are no scorer themselves are makers.
type settings interface {
	// check says what is wrong, as far as it can be told without Deps.
	check() error
}

type maker interface {
	make(d Deps) (Scorer, error)
}

// kinds gives the empty settings of each kind.
var kinds = map[string]func() settings{
	"calls":      func() settings { return &Calls{} },
	"citations":  func() settings { return &citationSettings{} },
	"command":    func() settings { return &commandSettings{} },
	"composite":  func() settings { return &compositeSettings{} },
	"contains":   func() settings { return &Contains{} },
	"cost":       func() settings { return &costSettings{} },
	"exact":      func() settings { return &Exact{} },
	"f1":         func() settings { return &F1{} },
	"fields":     func() settings { return &Fields{} },
	"grounded":   func() settings { return &groundedSettings{} },
	"latency":    func() settings { return &Latency{} },
	"number":     func() settings { return &Number{} },
	"pairwise":   func() settings { return &pairwiseSettings{} },
	"regex":      func() settings { return &regexSettings{} },
	"retrieval":  func() settings { return &Retrieval{} },
	"rouge_l":    func() settings { return &Rouge{} },
	"route":      func() settings { return &Route{} },
	"rubric":     func() settings { return &rubricSettings{} },
	"schema":     func() settings { return &schemaSettings{} },
	"similarity": func() settings { return &similaritySettings{} },
}

// Kinds lists the kinds of scorers, by name.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds)) }

// New makes the scorer that a spec declares. Close it when it is no longer needed. The error is a *fault.Error
// (fault.InvalidArgument).
func New(s Spec, d Deps) (Scorer, error) {
	var made Scorer
	var err error
	switch from := s.settings.(type) {
	case nil:
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "making a scorer: nothing is declared")
	case maker:
		made, err = from.make(d)
	case Scorer:
		made = from
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadRequest, "making the scorer %s: %v", s.Kind, err)
	}
	return made, nil
}

// Limits of what a spec may be.
const (
	maxSpec    = 256 << 10
	maxNesting = 100
)

// ParseSpec reads one spec. file names it in messages. The error is a *fault.Error (fault.InvalidArgument) whose text
// has a line that begins with "file:line:column: ".
func ParseSpec(file string, data []byte) (s Spec, err error) {
	bad := func(at *token.Token, text string) (Spec, error) {
		line, column := 1, 1
		if at != nil && at.Position != nil {
			line, column = max(at.Position.Line, 1), max(at.Position.Column, 1)
		}
		return Spec{}, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "reading a scorer:\n%s:%d:%d: %s", file, line, column, text)
	}
	defer func() {
		// The parser is not ours and its input is: a mistake of its own must not end the process.
		if p := recover(); p != nil {
			s, err = bad(nil, "the YAML cannot be read")
		}
	}()
	if len(data) > maxSpec || yamldepth.Of(data) > maxNesting {
		return bad(nil, "it is too large, or nested too deep")
	}
	parsed, err := parser.ParseBytes(data, 0)
	if err != nil {
		return bad(place(err))
	}
	if len(parsed.Docs) != 1 || parsed.Docs[0].Body == nil {
		return bad(nil, "it must be one YAML document with one scorer")
	}
	if err := s.UnmarshalYAML(parsed.Docs[0].Body); err != nil {
		return bad(place(err))
	}
	return s, nil
}

// place gives where an error of YAML is, and what it says.
func place(err error) (*token.Token, string) {
	var at yaml.Error
	if errors.As(err, &at) {
		return at.GetToken(), at.GetMessage()
	}
	return nil, "the YAML cannot be read"
}

var _ yaml.NodeUnmarshaler = (*Spec)(nil)

// UnmarshalYAML reads a spec from a node. The error is a yaml.Error, which has a place.
func (s *Spec) UnmarshalYAML(n ast.Node) error {
	wrong := func(n ast.Node, format string, args ...any) error {
		return &yaml.SyntaxError{Message: fmt.Sprintf(format, args...), Token: tokenOf(n)}
	}
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	case *ast.StringNode: // the kind alone
		if fresh, ok := kinds[n.Value]; ok {
			return s.read(n.Value, fresh(), nil, n, wrong)
		}
	}
	if len(pairs) != 1 {
		return wrong(n, "a scorer is a mapping of one kind to its settings, such as {exact: {}}")
	}
	key := pairs[0].Key
	name, ok := key.(*ast.StringNode)
	if !ok {
		return wrong(key, "a kind of scorer is plain text")
	}
	fresh, ok := kinds[name.Value]
	if !ok {
		return wrong(key, "there is no scorer %s: use one of %s", quote(name.Value), strings.Join(Kinds(), ", "))
	}
	return s.read(name.Value, fresh(), pairs[0].Value, key, wrong)
}

func (s *Spec) read(kind string, into settings, n ast.Node, key ast.Node, wrong func(ast.Node, string, ...any) error) error {
	if n != nil {
		if bad := refused(n); bad != nil {
			return wrong(bad, "anchors, aliases and tags have no place in a scorer")
		}
	}
	switch n.(type) {
	case nil, *ast.NullNode:
	case *ast.MappingNode, *ast.MappingValueNode:
		if err := yaml.NodeToValue(n, into, yaml.Strict()); err != nil {
			at, text := place(err)
			return &yaml.SyntaxError{Message: kind + ": " + text, Token: cmp.Or(at, tokenOf(n))}
		}
	default:
		return wrong(n, "the settings of %s must be a mapping, such as {%s: {}}", kind, kind)
	}
	if err := into.check(); err != nil {
		return wrong(key, "%s: %v", kind, err)
	}
	s.Kind, s.settings = kind, into
	return nil
}

// refused gives the first node that a spec does without, or nil.
func refused(n ast.Node) ast.Node {
	var v finder
	ast.Walk(&v, n)
	return v.found
}

type finder struct{ found ast.Node }

// Visit looks at a node.
func (f *finder) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		if f.found == nil {
			f.found = n
		}
	}
	return f
}

// tokenOf gives the token at which a node begins.
func tokenOf(n ast.Node) *token.Token {
	switch m := n.(type) {
	case *ast.MappingNode:
		if !m.IsFlowStyle && len(m.Values) > 0 {
			return tokenOf(m.Values[0].Key) // the token of a block mapping is its first colon
		}
	case *ast.MappingValueNode:
		return tokenOf(m.Key)
	}
	return n.GetToken()
}

package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"fairlead/internal/fault"
)

// Condition is a compiled CEL condition over a Scope: input.NAME, steps.ID.FIELD and run.FIELD. CEL has no
// clock, no random numbers and no loops without end, and evaluation has a limit on its cost, so a
// condition gives the same answer for the same scope and soon.
//
// A step that has no result (skipped, or failed and optional) is an empty object, so has(steps.ID.FIELD)
// is false and its fields may not be read otherwise. An input that was left out is not there either:
// has(input.NAME) is false.
//
// A Condition does not change and may be used by several goroutines at once.
type Condition struct {
	source  string
	program cel.Program
	refs    []reference
	// steps are the ids of the steps that it refers to.
	steps []string
}

// reference is a path in a condition or a template with its place there.
type reference struct {
	path path
	// offset is the byte of the text.
	offset int
}

// The limits of a condition. The text's keeps a chain readable; the cost's is that of reading about ten
// megabytes of text once.
const (
	maxConditionLength = 2000
	maxConditionCost   = 1_000_000
)

// conditionEnv is the environment of all conditions: making one costs a millisecond.
var conditionEnv = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		cel.Variable(rootInput, cel.MapType(cel.StringType, cel.DynType)),
		cel.Variable(rootSteps, cel.MapType(cel.StringType, cel.MapType(cel.StringType, cel.DynType))),
		cel.Variable(rootRun, cel.MapType(cel.StringType, cel.DynType)),
		cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(maxConditionLength),
		cel.ParserRecursionLimit(50),
	)
})

// ParseCondition compiles a condition. Errors are *SyntaxError.
func ParseCondition(text string) (*Condition, error) {
	switch {
	case strings.TrimSpace(text) == "":
		return nil, syntaxAt(text, 0, "the condition is empty")
	case utf8.RuneCountInString(text) > maxConditionLength:
		return nil, syntaxAt(text, 0, "the condition is longer than %d characters", maxConditionLength)
	}
	env, err := conditionEnv()
	if err != nil {
		return nil, fmt.Errorf("making the environment of conditions: %w", err)
	}
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		first := issues.Errors()[0]
		message, _, _ := strings.Cut(first.Message, "\n")
		return nil, syntaxAt(text, byteOffset(text, first.Location.Line(), first.Location.Column()), "%s", clipTo(message, 200))
	}
	if kind := checked.OutputType(); !kind.IsExactType(types.BoolType) && !kind.IsExactType(types.DynType) {
		return nil, syntaxAt(text, 0, "a condition must be true or false, and this is %s", kind)
	}
	c := &Condition{source: text}
	if err := c.collect(checked.NativeRep()); err != nil {
		return nil, err
	}
	c.program, err = env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxConditionCost), cel.InterruptCheckFrequency(256))
	if err != nil {
		// What folding constants finds, such as a regular expression that is none.
		return nil, syntaxAt(text, 0, "%s", clipTo(err.Error(), 200))
	}
	return c, nil
}

// byteOffset turns CEL's place (line from 1, column from 0 in characters) into a byte of the text.
func byteOffset(text string, line, column int) int {
	at := 0
	for range line - 1 {
		next := strings.IndexByte(text[at:], '\n')
		if next < 0 {
			break
		}
		at += next + 1
	}
	for i := range text[at:] {
		if column <= 0 {
			return at + i
		}
		column--
	}
	return len(text)
}

func clipTo(s string, runes int) string {
	if utf8.RuneCountInString(s) <= runes {
		return s
	}
	return string([]rune(s)[:runes]) + "…"
}

// collect finds all references, and refuses those whose name is only known at run time: a chain that was
// checked must not fail on a step that is not there.
func (c *Condition) collect(tree *ast.AST) error {
	var failed error
	fail := func(e ast.Expr, format string, args ...any) {
		if failed == nil {
			failed = syntaxAt(c.source, c.place(tree, e.ID()), format, args...)
		}
	}
	var walk func(e ast.Expr)
	walk = func(e ast.Expr) {
		if p, test, root := selection(e); root != nil {
			switch p[0] {
			case rootInput, rootRun, rootSteps:
				if len(p) < 2 || p[0] == rootSteps && len(p) < 3 {
					form := p[0] + ".NAME"
					if p[0] == rootSteps {
						form = "steps.ID.FIELD"
					}
					if test {
						form = "has(" + form + ")"
					}
					fail(root, "%s must name a value: write %s", strings.Join(p, "."), form)
					return
				}
				c.refs = append(c.refs, reference{p, c.place(tree, root.ID())})
				if p[0] == rootSteps && !slices.Contains(c.steps, p[1]) {
					c.steps = append(c.steps, p[1])
				}
			}
			return
		}
		for _, child := range children(e) {
			walk(child)
		}
	}
	walk(tree.Expr())
	return failed
}

// place gives the byte of the text where an expression starts.
func (c *Condition) place(tree *ast.AST, id int64) int {
	at := tree.SourceInfo().GetStartLocation(id)
	if at.Line() < 1 {
		return 0
	}
	return byteOffset(c.source, at.Line(), at.Column())
}

// selection reads a.b["c"].d as a path and gives its root, or nil when e is no such chain of constants.
// The part of a chain after the first that is not constant is left out: steps.a.passages[i].score is read
// as steps.a.passages.
func selection(e ast.Expr) (p path, test bool, root ast.Expr) {
	switch e.Kind() {
	case ast.IdentKind:
		return path{e.AsIdent()}, false, e
	case ast.SelectKind:
		s := e.AsSelect()
		p, _, root = selection(s.Operand())
		if root == nil {
			return nil, false, nil
		}
		return append(p, s.FieldName()), s.IsTestOnly(), root
	case ast.CallKind:
		call := e.AsCall()
		if call.FunctionName() != operators.Index || len(call.Args()) != 2 || call.Args()[1].Kind() != ast.LiteralKind {
			return nil, false, nil
		}
		p, _, root = selection(call.Args()[0])
		if root == nil {
			return nil, false, nil
		}
		return append(p, fmt.Sprint(call.Args()[1].AsLiteral().Value())), false, root
	}
	return nil, false, nil
}

// children gives the expressions within an expression.
func children(e ast.Expr) []ast.Expr {
	var list []ast.Expr
	switch e.Kind() {
	case ast.CallKind:
		if call := e.AsCall(); call.IsMemberFunction() {
			list = append(list, call.Target())
		}
		list = append(list, e.AsCall().Args()...)
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		list = append(list, c.IterRange(), c.AccuInit(), c.LoopCondition(), c.LoopStep(), c.Result())
	case ast.ListKind:
		list = append(list, e.AsList().Elements()...)
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			list = append(list, entry.AsMapEntry().Key(), entry.AsMapEntry().Value())
		}
	case ast.SelectKind:
		list = append(list, e.AsSelect().Operand())
	case ast.StructKind:
		for _, field := range e.AsStruct().Fields() {
			list = append(list, field.AsStructField().Value())
		}
	}
	return list
}

// Source gives the condition as it was written.
func (c *Condition) Source() string { return c.source }

// Holds evaluates the condition. Errors are *fault.Error; their texts hold nothing of the scope's values.
func (c *Condition) Holds(ctx context.Context, s *Scope) (bool, error) {
	steps := make(map[string]any, len(c.steps))
	for _, id := range c.steps {
		if fields := s.Steps[id]; fields != nil {
			steps[id] = fields
		} else {
			steps[id] = map[string]any{}
		}
	}
	out, _, err := c.program.ContextEval(ctx, map[string]any{rootInput: orEmpty(s.Input), rootSteps: steps, rootRun: orEmpty(s.Run)})
	if err != nil {
		if ctx.Err() != nil {
			return false, fault.From(ctx.Err())
		}
		return false, fault.New(fault.FailedPrecondition, fault.ReasonBadChain, "evaluating the condition %q: %s", c.source, c.explain(err))
	}
	holds, ok := out.Value().(bool)
	if !ok {
		return false, fault.New(fault.FailedPrecondition, fault.ReasonBadChain,
			"evaluating the condition %q: the result is %s, and must be true or false", c.source, out.Type().TypeName())
	}
	return holds, nil
}

// Steps gives the ids of the steps that the condition refers to, each once.
func (c *Condition) Steps() []string { return slices.Clone(c.steps) }

func orEmpty(m map[string]any) map[string]any {
	if m == nil {
		return map[string]any{}
	}
	return m
}

// explain says why an evaluation failed. CEL's own text may quote values of the scope (a text that is no
// number, a key that was computed), so only its kind is passed on, with names that the condition itself
// holds.
func (c *Condition) explain(err error) string {
	var typed *types.Err
	text := err.Error()
	if errors.As(err, &typed) {
		text = typed.Error()
	}
	if key, ok := strings.CutPrefix(text, "no such key: "); ok {
		if isName(key) && strings.Contains(c.source, key) {
			return fmt.Sprintf("there is no %q: ask has(…) first where a value may be missing", key)
		}
		return "a key is missing"
	}
	switch {
	case strings.HasPrefix(text, "no such overload"):
		return "the types of the values do not go together"
	case strings.Contains(text, "cost limit"):
		return "it takes too long"
	case strings.Contains(text, "divi") && strings.Contains(text, "zero"):
		return "division by zero"
	case strings.HasPrefix(text, "index out of bounds"):
		return "a list has no element at that place"
	case strings.Contains(text, "overflow"):
		return "a number is too large"
	}
	return "a value cannot be converted as the condition asks"
}

package routing

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/providers"
)

// MaxConditionLength is how long the text of a condition may be, in characters.
const MaxConditionLength = 1000

// compiled is a condition in CEL.
type compiled struct {
	source  string
	program cel.Program
	// locale says that it asks for the locale.
	locale bool
}

var _ Condition = (*compiled)(nil)

// CompileCondition compiles a policy's condition, such as "label <= internal || target.clearance ==
// 'restricted'". It is CEL over
//
//	label                                      the request's label, and to compare it with:
//	public, internal, confidential, restricted the labels, in this order
//	target.name, .backend, .kind, .model, .version, .clearance   text
//	target.quality                             in [0,1]; -1 is unknown
//	target.context                             tokens; 0 is unknown
//	step, tenant                               text
//	prompt_tokens, max_output                  tokens; a max_output that was not said is DefaultOutput
//	needs                                      the capabilities needed, a list of text
//	left_usd                                   dollars left; without a limit more than any number
//	locale                                     the caller's language, such as 'de' or 'de-AT'; empty is unknown
//	hour, weekday                              0 to 23 and 'monday' to 'sunday', in UTC, when the decision is made
//	classes.NAME.label, .probability           what the classifier in step NAME found: text, and [0,1]
//
// A class that is not there makes the condition fail, which lets no target in: ask "'NAME' in classes" first.
// There are no loops: the cost is bounded by the text. The error is a *fault.Error
// (fault.InvalidArgument, fault.ReasonBadConfig) with line and column within the text. What comes back is
// safe for concurrent use.
func CompileCondition(text string) (Condition, error) {
	fail := func(line, column int, format string, args ...any) error {
		return fault.New(fault.InvalidArgument, fault.ReasonBadConfig, "reading a policy's condition: %d:%d: %s", line, column, fmt.Sprintf(format, args...))
	}
	switch {
	case strings.TrimSpace(text) == "":
		return nil, fail(1, 1, "it is empty")
	case utf8.RuneCountInString(text) > MaxConditionLength:
		return nil, fail(1, 1, "it is longer than %d characters", MaxConditionLength)
	}
	env, err := conditionEnv()
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, fault.ReasonInternal, "making the environment of conditions")
	}
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		first := issues.Errors()[0]
		message, _, _ := strings.Cut(first.Message, "\n")
		return nil, fail(first.Location.Line(), first.Location.Column()+1, "%s%s", message, hint(message))
	}
	if !checked.OutputType().IsExactType(types.BoolType) {
		return nil, fail(1, 1, "it must be true or false, and this is %s", checked.OutputType())
	}
	program, err := env.Program(checked, cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		message, _, _ := strings.Cut(err.Error(), "\n")
		return nil, fail(1, 1, "%s", message)
	}
	c := &compiled{source: text, program: program}
	ast.PostOrderVisit(checked.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		c.locale = c.locale || e.Kind() == ast.IdentKind && e.AsIdent() == "locale"
	}))
	return c, nil
}

// UsesLocale says whether a condition asks for the locale, which costs something to find out. Nil does not.
func UsesLocale(c Condition) bool {
	of, ok := c.(*compiled)
	return ok && of.locale
}

// hint helps with what is easily mixed up: label is a number with names, target.clearance is text.
func hint(message string) string {
	switch {
	case strings.Contains(message, "(string, int)"):
		return ": a clearance is text, as in target.clearance == 'restricted'"
	case strings.Contains(message, "(int, string)"):
		return ": labels are names without quotes, as in label <= internal"
	case strings.Contains(message, "undeclared reference to"):
		return ": there are label, target.{name, backend, kind, model, version, clearance, quality, context}, step, tenant, prompt_tokens, max_output, needs, left_usd, locale, hour, weekday and classes"
	}
	return ""
}

// conditionEnv has the fields of target as variables of their own ("target.name"): so a misspelled field
// is found when compiling, and evaluation makes no map. Macros, and with them all loops, are left out.
var conditionEnv = sync.OnceValues(func() (*cel.Env, error) {
	options := []cel.EnvOption{
		cel.ClearMacros(),
		cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(MaxConditionLength),
		cel.ParserRecursionLimit(50),
	}
	for _, name := range []string{"target.name", "target.backend", "target.kind", "target.model", "target.version", "target.clearance", "step", "tenant", "locale", "weekday"} {
		options = append(options, cel.Variable(name, cel.StringType))
	}
	for _, name := range []string{"label", "target.context", "prompt_tokens", "max_output", "hour"} {
		options = append(options, cel.Variable(name, cel.IntType))
	}
	for _, l := range []label.Label{label.Public, label.Internal, label.Confidential, label.Restricted} {
		options = append(options, cel.Constant(l.String(), cel.IntType, types.Int(l)))
	}
	options = append(options, cel.Variable("target.quality", cel.DoubleType), cel.Variable("left_usd", cel.DoubleType),
		cel.Variable("needs", cel.ListType(cel.StringType)),
		cel.Variable("classes", cel.MapType(cel.StringType, cel.MapType(cel.StringType, cel.DynType))))
	return cel.NewEnv(options...)
})

// facts are the variables of one evaluation.
type facts struct {
	req    *Request
	target *Target
}

var _ interpreter.Activation = (*facts)(nil)

// pool keeps facts, which an evaluation would otherwise put on the heap.
var pool = sync.Pool{New: func() any { return new(facts) }}

// Parent is part of interpreter.Activation.
func (f *facts) Parent() interpreter.Activation { return nil }

// ResolveName gives a variable's value.
func (f *facts) ResolveName(name string) (any, bool) {
	switch name {
	case "label":
		return types.Int(f.req.Label), true
	case "target.name":
		return types.String(f.target.Named()), true
	case "target.backend":
		return types.String(f.target.Backend), true
	case "target.kind":
		return types.String(f.target.Kind), true
	case "target.model":
		return types.String(f.target.Model), true
	case "target.version":
		return types.String(f.target.Version), true
	case "target.clearance":
		return types.String(f.target.Clearance.String()), true
	case "target.quality":
		return types.Double(max(f.target.Quality, -1)), true
	case "target.context":
		return types.Int(f.target.Context), true
	case "step":
		return types.String(f.req.Step), true
	case "tenant":
		return types.String(f.req.Tenant), true
	case "prompt_tokens":
		return types.Int(f.req.PromptTokens), true
	case "max_output":
		if f.req.MaxOutput == 0 {
			return types.Int(DefaultOutput), true
		}
		return types.Int(f.req.MaxOutput), true
	case "needs":
		return needsList(f.req.Needs), true
	case "left_usd":
		if !f.req.Left.Limited {
			return types.Double(math.Inf(1)), true
		}
		return types.Double(f.req.Left.Money.USD()), true
	case "locale":
		return types.String(f.req.Locale), true
	case "hour":
		return types.Int(f.req.At.UTC().Hour()), true
	case "weekday":
		return weekdays[f.req.At.UTC().Weekday()], true
	case "classes":
		return classMap(f.req.Classes), true
	}
	return nil, false
}

var weekdays = [...]types.String{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

// classMap gives what classifiers found as a CEL map.
func classMap(classes map[string]Class) ref.Val {
	all := make(map[string]any, len(classes))
	for name, c := range classes {
		all[name] = map[string]any{"label": c.Label, "probability": c.Probability}
	}
	return types.NewStringInterfaceMap(types.DefaultTypeAdapter, all)
}

// needsList gives capabilities as a CEL list.
func needsList(c providers.Capability) ref.Val {
	return types.NewStringList(types.DefaultTypeAdapter, c.Names())
}

// Holds evaluates the condition. The error is a *fault.Error without any of the values.
func (c *compiled) Holds(req *Request, t *Target) (bool, error) {
	f := pool.Get().(*facts)
	f.req, f.target = req, t
	out, _, err := c.program.Eval(f)
	f.req, f.target = nil, nil
	pool.Put(f)
	if err != nil {
		// CEL's text may quote a tenant's or a step's name.
		return false, fault.New(fault.FailedPrecondition, fault.ReasonBadConfig, "evaluating the policy's condition %q failed", c.source)
	}
	return out == types.True, nil
}

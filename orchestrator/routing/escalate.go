package routing

import (
	"fmt"
	"sync"

	"cel.dev/cel-go/cel"

	"fairlead/internal/fault"
)

// Escalation asks another target, once, when an answer does not do.
type Escalation struct {
	// When says that an answer does not do.
	When AnswerCondition
	// WhenText is the condition as it was written, for the record.
	WhenText string
	// To is what is preferred for the second answer. Empty is Best.
	To Preference
}

// Answer is what an escalation's condition sees.
type Answer struct {
	Text string
	// Finish is why the model stopped, such as "stop" or "length".
	Finish string
	// Tokens is how many it wrote, and Citations how many sources it names.
	Tokens, Citations int
	// Target is the name of the target that answered.
	Target string
}

// AnswerCondition is a compiled condition over an answer.
type AnswerCondition interface {
	// Holds says whether the answer is such as the condition says.
	Holds(a *Answer) (bool, error)
}

// answerEnv is the language of escalations. Macros, and with them all loops, are left out.
var answerEnv = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(cel.ClearMacros(), cel.CrossTypeNumericComparisons(true), cel.ParserExpressionSizeLimit(MaxConditionLength), cel.ParserRecursionLimit(50),
		cel.Variable("text", cel.StringType), cel.Variable("finish", cel.StringType), cel.Variable("target", cel.StringType),
		cel.Variable("tokens", cel.IntType), cel.Variable("citations", cel.IntType))
})

type answerCondition struct{ program cel.Program }

// CompileAnswerCondition reads a condition in CEL over text, finish, tokens, citations and target. The error
// is a *fault.Error with ReasonBadConfig.
func CompileAnswerCondition(text string) (AnswerCondition, error) {
	env, err := answerEnv()
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, fault.ReasonInternal, "making the language of conditions")
	}
	tree, issues := env.Compile(text)
	if issues.Err() != nil {
		first := issues.Errors()[0]
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadConfig, "%d:%d: %s; there are text, finish, tokens, citations and target",
			first.Location.Line(), first.Location.Column()+1, first.Message)
	}
	if tree.OutputType() != cel.BoolType {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadConfig, "1:1: the condition is a %s, and must be true or false", tree.OutputType())
	}
	program, err := env.Program(tree, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(100_000))
	if err != nil {
		return nil, fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadConfig, "1:1: the condition cannot be compiled")
	}
	return answerCondition{program}, nil
}

// Holds says whether the answer is such as the condition says.
func (c answerCondition) Holds(a *Answer) (bool, error) {
	out, _, err := c.program.Eval(map[string]any{
		"text": a.Text, "finish": a.Finish, "target": a.Target, "tokens": a.Tokens, "citations": a.Citations,
	})
	if err != nil {
		return false, fmt.Errorf("evaluating the escalation's condition: %w", err)
	}
	return out.Value() == true, nil
}

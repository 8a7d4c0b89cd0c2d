package orchestrator

import (
	"time"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
	"fairlead/retrieval"
)

// Event is what a run says while it runs.
type Event struct {
	// Seq is the place in the run's events, from 1, without gaps.
	Seq  int64
	Time time.Time
	// RunID is the run's id.
	RunID string
	// Step is the path of the step, such as "answer/draft". Empty when the event is about the run.
	Step string
	Body Body
}

// Body is what happened: a pointer to one of the types below.
type Body interface{ body() }

type (
	// RunStarted opens a run.
	RunStarted struct {
		// Chain is empty for a plain chat.
		Chain   string
		Version int
		// Deadline is zero when there is none.
		Deadline time.Time
		// Budget counts when Limited.
		Budget  providers.Money
		Limited bool
		Label   label.Label
	}
	// StepStarted opens a step.
	StepStarted struct{ Kind string }
	// RouteDecided tells the plan of a model step.
	RouteDecided struct {
		Plan *routing.Plan
		// Request, Policy and Candidates are what the plan was made of, at the time Now. They are for observers,
		// which must not change them.
		Request    *routing.Request
		Policy     *routing.Policy
		Candidates []routing.Candidate
		Now        time.Time
		// Pinned is the target that the step or the caller named, which alone could be chosen. Empty: none.
		Pinned string
		// Features are those of the prompt, by Config.Features, for observers. Nil: there are none, or it is too sensitive.
		Features []byte
	}
	// AttemptStarted says that a target is being called.
	AttemptStarted struct {
		Attempt int
		Target  *routing.Target
		// Label is that of what is sent.
		Label label.Label
	}
	// AttemptFailed says that a call failed and why; another may follow.
	AttemptFailed struct {
		Attempt int
		Target  *routing.Target
		// Err is what went wrong, as a *providers.Error.
		Err     error
		Elapsed time.Duration
	}
	// TextDelta is a piece of the answer.
	TextDelta struct {
		Text string
		// Output is true when the text is part of the run's output, and not of an inner step's result.
		Output bool
	}
	// ReasoningDelta is a piece of the model's reasoning, which is not part of the answer.
	ReasoningDelta struct{ Text string }
	// ToolCallDelta is a piece of a tool call.
	ToolCallDelta struct{ providers.ToolCallDelta }
	// Citation ties a mark such as "[1]" in the answer to the place it rests on.
	Citation struct {
		// Number is the mark in the text, from 1.
		Number int
		// Passage is what was shown to the model.
		Passage retrieval.Passage
		// Span is the place within the document: the passage's, or the quote's where that is known.
		Span retrieval.Span
		// Quote is the document's text at Span when the words are known to the letter, else "".
		Quote string
	}
	// Retracted withdraws everything that the step has said so far.
	Retracted struct{ Reason string }
	// AttemptUsage says what an attempt took and cost, also when it failed. There is one for each attempt that was
	// settled; run, step and attempt name it.
	AttemptUsage struct {
		Attempt int
		Target  *routing.Target
		// Reported is the model that the backend says answered.
		Reported string
		Usage    providers.Usage
		// Cost counts when CostKnown.
		Cost      providers.Money
		CostKnown bool
		// TTFT is the time to the first token; 0 when there was none.
		TTFT     time.Duration
		Duration time.Duration
		// Failed is the reason why the attempt failed. Empty: it did not.
		Failed fault.Reason
	}
	// StepFinished closes a step.
	StepFinished struct {
		Status StepStatus
		// Reason is why it was skipped or failed, for people.
		Reason string
		Finish providers.FinishReason
		// Result is the step's result without long texts, made of what JSON knows.
		Result   map[string]any
		Duration time.Duration
		Label    label.Label
	}
	// RunFinished closes a run that went well.
	RunFinished struct {
		Output string
		Finish providers.FinishReason
		Usage  providers.Usage
		Cost   providers.Money
		// CostIncomplete is true when some attempt's price is unknown.
		CostIncomplete bool
		Duration       time.Duration
		Label          label.Label
	}
)

func (*RunStarted) body()     {}
func (*StepStarted) body()    {}
func (*RouteDecided) body()   {}
func (*AttemptStarted) body() {}
func (*AttemptFailed) body()  {}
func (*TextDelta) body()      {}
func (*ReasoningDelta) body() {}
func (*ToolCallDelta) body()  {}
func (*Citation) body()       {}
func (*Retracted) body()      {}
func (*AttemptUsage) body()   {}
func (*StepFinished) body()   {}
func (*RunFinished) body()    {}

// StepStatus says how a step ended.
type StepStatus string

// How a step can end, when the run goes on.
const (
	StepDone    StepStatus = "done"
	StepSkipped StepStatus = "skipped"
	StepFailed  StepStatus = "failed"
)

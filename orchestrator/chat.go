package orchestrator

import (
	"context"
	"iter"
	"slices"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/langchain"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// chatStep is the path of a plain chat's only step.
const chatStep = "chat"

// Chat answers a conversation. It is a run of one step, or of a chain where the model names one.
func (e *Engine) Chat(ctx context.Context, p auth.Principal, req ChatRequest) iter.Seq2[Event, error] {
	if len(req.Request.Messages) == 0 {
		return failed(fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "the conversation has no message: send one at least"))
	}
	st := e.state.Load()
	what, err := st.resolveFor(&p, req.Model)
	if err != nil {
		return failed(err)
	}
	if what.chain != nil {
		return e.chatChain(ctx, st, p, req, what.chain)
	}
	r, err := e.newRun(st, p, req.Limits, nil)
	if err != nil {
		return failed(err)
	}
	r.locale = st.localeOf("", req.Request.Question())
	return r.stream(ctx, func(ctx context.Context, emit emitter) (*RunFinished, error) {
		c := &call{path: chatStep, req: &req.Request, policy: what.policy, label: r.label, output: true}
		if err := emit(chatStep, &StepStarted{Kind: string(chain.KindGenerate)}); err != nil {
			return nil, err
		}
		a, err := r.converse(ctx, c, nil, emit)
		if err != nil {
			return nil, fault.At(chatStep, err)
		}
		done := a.finished(r, c.label)
		done.Duration = time.Since(r.started)
		if err := emit(chatStep, done); err != nil {
			return nil, err
		}
		return &RunFinished{Output: a.Text, Finish: a.Finish, Label: c.label}, nil
	})
}

// chatChain runs a chain for a chat: the last user message is the chain's question, the turns before it
// are the history of steps that take part in a conversation.
func (e *Engine) chatChain(ctx context.Context, st *state, p auth.Principal, req ChatRequest, ch *chain.Chain) iter.Seq2[Event, error] {
	messages := req.Request.Messages
	last := messages[len(messages)-1]
	if last.Role != providers.User {
		return failed(fault.New(fault.InvalidArgument, fault.ReasonBadRequest,
			"chain %s answers a user's message, and the conversation's last message is the %s's", ch.Name, last.Role))
	}
	if last.HasImage() || len(req.Request.Tools) > 0 {
		return failed(fault.New(fault.InvalidArgument, fault.ReasonUnsupported,
			"chain %s takes text: send pictures and tools to a policy or a target", ch.Name))
	}
	name := questionInput(ch)
	if name == "" {
		return failed(fault.New(fault.InvalidArgument, fault.ReasonUnsupported,
			"chain %s cannot be chatted with, because it has no input \"question\": run it by RunService.Run", ch.Name))
	}
	// A front end's own system prompt is not the chain's: the chain's prompts are reviewed and versioned.
	history := slices.DeleteFunc(slices.Clone(messages[:len(messages)-1]), func(m providers.Message) bool { return m.Role == providers.System })
	return e.runChain(ctx, st, p, ch, req.Limits, map[string]any{name: last.TextContent()}, history)
}

// questionInput gives the input that takes a chat's question: "question", or the only text that must be
// given.
func questionInput(ch *chain.Chain) string {
	only := ""
	for _, in := range ch.Inputs {
		if in.Name == "question" && in.Type == chain.String {
			return in.Name
		}
		if !in.Optional && in.Default == nil {
			if only != "" || in.Type != chain.String {
				return ""
			}
			only = in.Name
		}
	}
	return only
}

// converse makes a call that may be part of a conversation: the run's session, the earlier turns of the
// chat, or both, the session's first.
func (r *run) converse(ctx context.Context, c *call, history []providers.Message, emit emitter) (*answer, error) {
	session := r.limits.Session
	if session == "" && len(history) == 0 {
		return r.generate(ctx, c, emit)
	}
	remembered := &conversation{turns: history, call: c, ceiling: r.principal.Ceiling}
	if session != "" {
		remembered.Sessions = r.engine.services.Sessions
	}
	var got *answer
	_, err := langchain.Generate(ctx, langchain.GenerateArgs{
		Request:  *c.req,
		Remember: c.req.Query,
		History:  &langchain.History{Store: remembered, Tenant: r.principal.Tenant, Session: session, Label: c.label},
		Call: func(ctx context.Context, req *providers.Request) (_ *providers.Answer, err error) {
			routed := *c
			routed.req = req
			if got, err = r.generate(ctx, &routed, emit); err != nil {
				return nil, err
			}
			return got.Answer, nil
		},
	})
	return got, err
}

// conversation is what was said before: what a session holds, and what the request itself brought.
type conversation struct {
	// Sessions is nil when the request names none; then nothing is remembered.
	Sessions
	turns []providers.Message
	// call is what the conversation goes out with.
	call    *call
	ceiling label.Label
}

var _ langchain.Sessions = (*conversation)(nil)

// SessionMessages gives the last messages, those of the request last.
func (c *conversation) SessionMessages(ctx context.Context, tenant, session string, limit int) ([]providers.Message, error) {
	if c.Sessions == nil {
		return c.turns, nil
	}
	stored, err := c.Sessions.SessionMessages(ctx, tenant, session, limit)
	if err != nil {
		return nil, err
	}
	// What was said before goes out again with this turn, so it counts for the label. The label is asked for
	// after the messages: another turn, with a higher one, may be remembered meanwhile.
	l, err := c.SessionLabel(ctx, tenant, session)
	if err != nil {
		return nil, err
	}
	if l > c.ceiling {
		return nil, fault.New(fault.PermissionDenied, fault.ReasonBadRequest,
			"session %s holds %s data and the caller may go up to %s", session, l, c.ceiling)
	}
	c.call.label = label.Join(c.call.label, l)
	return append(stored, c.turns...), nil
}

// SessionAppend remembers a turn, with the label that it went out with.
func (c *conversation) SessionAppend(ctx context.Context, tenant, session string, l label.Label, messages []providers.Message) error {
	if c.Sessions == nil {
		return nil
	}
	return c.Sessions.SessionAppend(ctx, tenant, session, label.Join(l, c.call.label), messages)
}

// finished is the end of a model step.
func (a *answer) finished(r *run, l label.Label) *StepFinished {
	return &StepFinished{Status: StepDone, Finish: a.Finish, Label: l, Result: a.result(false)}
}

// result is the step's result: with its text for the steps that follow, without it for the record. The steps that follow
// know a target by the name that its chain does, whichever version of it answered.
func (a *answer) result(whole bool) map[string]any {
	name := a.target.Name
	if whole {
		name = a.target.Named()
	}
	m := map[string]any{
		"target": name, "model": a.Model, "finish": string(a.Finish), "citations": float64(len(a.citations)),
	}
	if whole {
		m["text"] = a.Text
	} else {
		m["bytes"] = float64(len(a.Text))
	}
	if n := len(a.ToolCalls); n > 0 {
		m["tool_calls"] = float64(n)
	}
	return m
}

// Explain decides about a chat as Chat would, and calls nothing. The plan may have no eligible target.
func (e *Engine) Explain(ctx context.Context, p auth.Principal, req ChatRequest) (*routing.Plan, error) {
	if len(req.Request.Messages) == 0 {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "the conversation has no message: send one at least")
	}
	st := e.state.Load()
	what, err := st.resolveFor(&p, req.Model)
	if err != nil {
		return nil, err
	}
	if what.chain != nil {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonUnsupported,
			"a chain has no single decision: name a policy or a target; a run of chain/%s tells each step's plan", what.chain.Name)
	}
	r, err := e.newRun(st, p, req.Limits, nil)
	if err != nil {
		return nil, err
	}
	if req.Session != "" {
		l, err := e.services.Sessions.SessionLabel(ctx, p.Tenant, req.Session)
		if err != nil {
			return nil, err
		}
		r.label = label.Join(r.label, l)
	}
	r.locale = st.localeOf("", req.Request.Question())
	return r.plan(&call{path: chatStep, req: &req.Request, policy: what.policy, label: r.label}), nil
}

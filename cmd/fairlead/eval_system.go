package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"fairlead/evals"
	"fairlead/evals/cassette"
	"fairlead/evals/score"
	fairleadv1 "fairlead/gen/fairlead/v1"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/providers"
)

// sessionHeader names the cassette's session that a call belongs to. Only the server that an eval runs for itself knows
// it.
const sessionHeader = "Fairlead-Eval-Session"

// sessions are those of runs in progress.
type sessions struct {
	mu   sync.Mutex
	next int
	open map[string]*cassette.Session
}

func (s *sessions) begin(c *cassette.Session) (name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	name = strconv.Itoa(s.next)
	if s.open == nil {
		s.open = map[string]*cassette.Session{}
	}
	s.open[name] = c
	return name
}

func (s *sessions) end(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, name)
}

// around puts a call's session into its context.
func (s *sessions) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		c := s.open[r.Header.Get(sessionHeader)]
		s.mu.Unlock()
		if c != nil {
			r = r.WithContext(cassette.With(r.Context(), c))
		}
		next.ServeHTTP(w, r)
	})
}

// evalSystem runs what suites test over the API: on a server that runs elsewhere, or on one of the command's own.
type evalSystem struct {
	client *client
	// sessions is nil where the server runs elsewhere: then there is no cassette.
	sessions *sessions
	// played says that times are those of the cassette.
	played bool

	mu        sync.Mutex
	documents map[string]*fairleadv1.Document
}

var _ evals.System = (*evalSystem)(nil)

// repetition is what a context carries of a repetition of a case.
type repetition struct {
	label   label.Label
	session *cassette.Session
}

type repetitionKey struct{}

func repetitionOf(ctx context.Context) repetition {
	r, _ := ctx.Value(repetitionKey{}).(repetition)
	return r
}

// Begin begins a repetition: what is asked and judged within it is one case's on the cassette, and has its label.
func (s *evalSystem) Begin(ctx context.Context, q *evals.Question) (context.Context, func()) {
	r := repetition{label: q.Label}
	if s.sessions == nil {
		return context.WithValue(ctx, repetitionKey{}, r), func() {}
	}
	r.session = &cassette.Session{Case: q.Case.ID, Epoch: q.Epoch}
	ctx, end := s.within(ctx, r.session)
	return context.WithValue(ctx, repetitionKey{}, r), end
}

// within gives a context whose calls belong to a session.
func (s *evalSystem) within(ctx context.Context, c *cassette.Session) (context.Context, func()) {
	name := s.sessions.begin(c)
	ctx, info := connect.NewClientContext(ctx)
	info.RequestHeader().Set(sessionHeader, name)
	return ctx, func() { s.sessions.end(name) }
}

// Ask puts a question; see evals.System.
func (s *evalSystem) Ask(ctx context.Context, q *evals.Question) (*evals.Answer, error) {
	session := repetitionOf(ctx).session
	if session == nil {
		return s.ask(ctx, q)
	}
	got, err := s.ask(ctx, q)
	if missing := session.Missing(); missing != nil {
		return nil, fault.New(fault.FailedPrecondition, fault.ReasonBadRequest,
			"the cassette has no such call of case %q to %s: the prompt, the passages or the model have changed since it was recorded: record it with `fairlead eval run --update`",
			q.Case.ID, strings.Join(slices.Compact(missing), ", "))
	}
	if err == nil && s.played {
		got.Latency, got.TTFT = 0, 0
		for i, t := range session.Played() { // one after the other, whatever ran side by side
			if i == len(session.Played())-1 && t.TTFT > 0 {
				got.TTFT = got.Latency + t.TTFT
			}
			got.Latency += t.Took
		}
	}
	return got, err
}

func (s *evalSystem) ask(ctx context.Context, q *evals.Question) (*evals.Answer, error) {
	switch u := q.Under; {
	case u.Chain != "":
		in, err := structpb.NewStruct(q.Case.Input)
		if err != nil {
			return nil, fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadRequest, "putting case %q: its input is not what JSON knows", q.Case.ID)
		}
		req := &fairleadv1.RunRequest{Chain: u.Chain, Input: in, Label: toLabel(q.Label), Timeout: durationpb.New(q.Timeout), Budget: budgetOf(q)}
		stream, err := s.client.run.Run(ctx, req)
		if err != nil {
			return broke(err, nil), nil
		}
		return gather(ctx, s, stream), nil
	case u.Policy != "", u.Target != "":
		req, err := chatOf(q)
		if err != nil {
			return nil, err
		}
		stream, err := s.client.chat.Chat(ctx, req)
		if err != nil {
			return broke(err, nil), nil
		}
		return gather(ctx, s, stream), nil
	case u.Classifier != "":
		return s.classify(ctx, q)
	default:
		return s.search(ctx, q)
	}
}

func budgetOf(q *evals.Question) *fairleadv1.Money {
	if !q.Limited {
		return nil
	}
	return &fairleadv1.Money{NanoUsd: int64(q.Budget)}
}

func toLabel(l label.Label) fairleadv1.Label { return fairleadv1.Label(l) }

// chatOf makes a chat of a case: its text, or its messages as the OpenAI dialect writes them, and its settings.
func chatOf(q *evals.Question) (*fairleadv1.ChatRequest, error) {
	model := q.Under.Target
	if q.Under.Policy != "" {
		model = "policy/" + q.Under.Policy
	}
	req := &fairleadv1.ChatRequest{Model: model, Label: toLabel(q.Label), Timeout: durationpb.New(q.Timeout), Budget: budgetOf(q), Sampling: &fairleadv1.Sampling{}}
	for _, t := range q.Case.Tools {
		req.Tools = append(req.Tools, &fairleadv1.Tool{Name: t.Name, Description: t.Description, ParametersJson: string(t.Parameters)})
	}
	for name, v := range q.Case.Input {
		ok := true
		switch name {
		case "question":
			var text string
			if text, ok = v.(string); ok {
				req.Messages = append(req.Messages, said(fairleadv1.Role_ROLE_USER, text))
			}
		case "system":
			_, ok = v.(string)
		case "messages":
			ok = readMessages(v, req)
		case "max_tokens":
			var n float64
			if n, ok = number(v); ok {
				whole := int32(n)
				req.Sampling.MaxTokens = &whole
			}
		case "temperature":
			var n float64
			if n, ok = number(v); ok {
				req.Sampling.Temperature = &n
			}
		default:
			ok = false
		}
		if !ok {
			return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest,
				"putting case %q: input.%s is not known or has the wrong type: a chat takes question or messages, and system, max_tokens and temperature", q.Case.ID, name)
		}
	}
	if text, ok := q.Case.Input["system"].(string); ok {
		req.Messages = append([]*fairleadv1.Message{said(fairleadv1.Role_ROLE_SYSTEM, text)}, req.Messages...)
	}
	if len(req.Messages) == 0 {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "putting case %q: its input has no question and no messages", q.Case.ID)
	}
	seed := q.Seed
	req.Sampling.Seed = &seed
	return req, nil
}

func said(role fairleadv1.Role, text string) *fairleadv1.Message {
	return &fairleadv1.Message{Role: role, Parts: []*fairleadv1.Part{{Kind: &fairleadv1.Part_Text{Text: text}}}}
}

// readMessages reads a list of {role, content}.
func readMessages(v any, req *fairleadv1.ChatRequest) bool {
	list, ok := v.([]any)
	for _, one := range list {
		m, is := one.(map[string]any)
		role, _ := m["role"].(string)
		text, isText := m["content"].(string)
		r, known := map[string]fairleadv1.Role{"system": fairleadv1.Role_ROLE_SYSTEM, "user": fairleadv1.Role_ROLE_USER, "assistant": fairleadv1.Role_ROLE_ASSISTANT}[role]
		if !is || !isText || !known || len(m) != 2 {
			return false
		}
		req.Messages = append(req.Messages, said(r, text))
	}
	return ok && len(list) > 0
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	case uint64: // as YAML reads whole numbers
		return float64(v), true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	}
	return 0, false
}

// broke makes an answer of a call that failed.
func broke(err error, got *evals.Answer) *evals.Answer {
	if got == nil {
		got = &evals.Answer{}
	}
	var ce *connect.Error
	text := err.Error()
	if errors.As(err, &ce) {
		text = ce.Message()
	}
	reason := reasonOf(err)
	got.Err = fault.Wrap(err, fault.Unavailable, fault.Reason(reason), "%s", text)
	return got
}

// gather reads a run to its end and makes an answer of what it told.
func gather[T any, M eventful[T]](ctx context.Context, s *evalSystem, stream *connect.ServerStreamForClient[T]) *evals.Answer {
	defer func() { _ = stream.Close() }() // what matters of the end is in Err
	f := &gathering{answer: &evals.Answer{}, began: time.Now()}
	for stream.Receive() {
		f.event(M(stream.Msg()).GetEvent())
	}
	f.answer.Latency = time.Since(f.began)
	if err := stream.Err(); err != nil {
		return broke(err, f.answer)
	}
	for _, p := range f.places {
		if passage, err := s.passage(ctx, f.collection, p); err == nil {
			f.answer.Passages = append(f.answer.Passages, passage)
		}
	}
	return f.answer
}

// gathering makes an answer of events.
type gathering struct {
	answer     *evals.Answer
	began      time.Time
	collection string
	places     []string
}

func (f *gathering) event(e *fairleadv1.Event) {
	a := f.answer
	switch k := e.GetKind().(type) {
	case *fairleadv1.Event_RouteDecided:
		a.Policy = k.RouteDecided.GetPlan().GetPolicy()
	case *fairleadv1.Event_AttemptStarted:
		a.Clearance = label.Label(k.AttemptStarted.GetClearance())
	case *fairleadv1.Event_TextDelta:
		if a.TTFT == 0 && k.TextDelta.GetOutput() {
			a.TTFT = time.Since(f.began)
		}
	case *fairleadv1.Event_ToolCallDelta:
		d := k.ToolCallDelta
		for int(d.GetIndex()) >= len(a.ToolCalls) {
			a.ToolCalls = append(a.ToolCalls, providers.ToolCall{})
		}
		c := &a.ToolCalls[d.GetIndex()]
		c.ID += d.GetId()
		c.Name += d.GetName()
		c.Arguments += d.GetArguments()
	case *fairleadv1.Event_Retracted:
		a.ToolCalls, a.Citations = nil, nil
	case *fairleadv1.Event_Citation:
		a.Citations = append(a.Citations, score.Citation{Number: int(k.Citation.GetNumber()), Quote: k.Citation.GetQuote()})
	case *fairleadv1.Event_Usage:
		if k.Usage.GetTarget() != "" {
			a.Target = k.Usage.GetTarget()
			a.Targets = append(a.Targets, a.Target)
		}
	case *fairleadv1.Event_StepFinished:
		fields := k.StepFinished.GetResult().GetFields()
		if places := fields["places"].GetListValue(); places != nil {
			f.collection, f.places = fields["collection"].GetStringValue(), nil
			for _, p := range places.GetValues() {
				f.places = append(f.places, p.GetStringValue())
			}
			a.Passages = []score.Passage{}
		}
	case *fairleadv1.Event_RunFinished:
		end := k.RunFinished
		a.Text, a.Label = end.GetOutput(), label.Label(end.GetLabel())
		a.Cost, a.CostKnown = providers.Money(end.GetCost().GetNanoUsd()), !end.GetCostIncomplete()
		a.Usage = providers.Usage{Input: end.GetUsage().GetInputTokens(), CachedInput: end.GetUsage().GetCachedInputTokens(),
			Output: end.GetUsage().GetOutputTokens(), Reasoning: end.GetUsage().GetReasoningTokens(), Estimated: end.GetUsage().GetEstimated()}
		if text := strings.TrimSpace(a.Text); json.Valid([]byte(text)) && text != "" {
			a.JSON = json.RawMessage(text)
		}
	}
}

// passage gives the lines of a document that a place such as "docs/a.md:3-9" names.
func (s *evalSystem) passage(ctx context.Context, collection, place string) (score.Passage, error) {
	at := strings.LastIndexByte(place, ':')
	var from, to int
	if at < 0 {
		return score.Passage{}, errors.New("it is no place")
	}
	if _, err := fmt.Sscanf(place[at+1:], "%d-%d", &from, &to); err != nil {
		return score.Passage{}, err
	}
	uri := place[:at]
	d, err := s.document(ctx, collection, uri)
	if err != nil {
		return score.Passage{}, err
	}
	lines := strings.Split(d.GetText(), "\n")
	from, to = max(min(from, len(lines)), 1), min(to, len(lines))
	return score.Passage{ID: place, Document: uri, Text: strings.Join(lines[from-1:max(to, from-1)], "\n")}, nil
}

func (s *evalSystem) document(ctx context.Context, collection, uri string) (*fairleadv1.Document, error) {
	s.mu.Lock()
	d := s.documents[collection+"\x00"+uri]
	s.mu.Unlock()
	if d != nil {
		return d, nil
	}
	resp, err := s.client.retrieval.GetDocument(ctx, &fairleadv1.GetDocumentRequest{Collection: collection, Document: uri})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.documents == nil {
		s.documents = map[string]*fairleadv1.Document{}
	}
	s.documents[collection+"\x00"+uri] = resp.GetDocument()
	return resp.GetDocument(), nil
}

func (s *evalSystem) search(ctx context.Context, q *evals.Question) (*evals.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, q.Timeout)
	defer cancel()
	began := time.Now()
	resp, err := s.client.retrieval.Search(ctx, &fairleadv1.SearchRequest{Collection: q.Under.Collection, Query: q.Text(), Top: int32(q.Under.Top)})
	if err != nil {
		return broke(err, nil), nil
	}
	a := &evals.Answer{Outcome: score.Outcome{Passages: []score.Passage{}, Latency: time.Since(began), CostKnown: true, Label: q.Label}}
	var shown []string
	for _, h := range resp.GetHits() {
		p := h.GetPassage()
		a.Passages = append(a.Passages, score.Passage{ID: p.GetId(), Document: p.GetUri(), Text: p.GetText()})
		shown = append(shown, fmt.Sprintf("%s:%d-%d", p.GetUri(), p.GetSpan().GetLineStart(), p.GetSpan().GetLineEnd()))
	}
	a.Text = strings.Join(shown, "\n")
	return a, nil
}

func (s *evalSystem) classify(ctx context.Context, q *evals.Question) (*evals.Answer, error) {
	req := &fairleadv1.ClassifyRequest{Target: q.Under.Classifier, Limits: &fairleadv1.InferenceLimits{
		Label: toLabel(q.Label), Timeout: durationpb.New(q.Timeout), Budget: budgetOf(q), NoCache: true}}
	if image, ok := q.Case.Input["image"].(string); ok {
		data, err := base64.StdEncoding.DecodeString(image)
		if err != nil {
			return nil, fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadRequest, "putting case %q: input.image is no base64", q.Case.ID)
		}
		req.Images = [][]byte{data}
	} else {
		req.Texts = []string{q.Text()}
	}
	began := time.Now()
	resp, err := s.client.inference.Classify(ctx, req)
	if err != nil {
		return broke(err, nil), nil
	}
	done := resp.GetAnswered()
	a := &evals.Answer{Targets: []string{done.GetTarget()}, Usage: providers.Usage{Input: done.GetUsage().GetInputTokens(), Output: done.GetUsage().GetOutputTokens()}}
	a.Latency, a.Target, a.Label = time.Since(began), done.GetTarget(), q.Label
	a.Cost, a.CostKnown = providers.Money(done.GetCost().GetNanoUsd()), done.GetCost() != nil
	if len(resp.GetResults()) == 1 && len(resp.GetResults()[0].GetClasses()) > 0 {
		a.Text = resp.GetResults()[0].GetClasses()[0].GetName()
	}
	if a.JSON, err = json.Marshal(resp.GetResults()); err != nil {
		return nil, fault.Wrap(err, fault.Internal, fault.ReasonInternal, "reading the classes of case %q", q.Case.ID)
	}
	return a, nil
}

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

var (
	_ evals.System  = (*evalSystem)(nil)
	_ evals.Spender = (*evalSystem)(nil)
)

// repetition is what a context carries of a repetition of a case.
type repetition struct {
	label   label.Label
	session *cassette.Session
	spent   *spending
}

// spending is what the scorers of a repetition spent.
type spending struct {
	mu       sync.Mutex
	cost     providers.Money
	unpriced bool
}

// add counts a call's cost.
func (s *spending) add(cost *fairleadv1.Money, known bool) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cost += providers.Money(cost.GetNanoUsd())
	s.unpriced = s.unpriced || !known
}

// Spent gives what the judges and embedders of a repetition cost; see evals.Spender.
func (s *evalSystem) Spent(ctx context.Context) (providers.Money, bool) {
	of := repetitionOf(ctx).spent
	if of == nil {
		return 0, true
	}
	of.mu.Lock()
	defer of.mu.Unlock()
	return of.cost, !of.unpriced
}

type repetitionKey struct{}

func repetitionOf(ctx context.Context) repetition {
	r, _ := ctx.Value(repetitionKey{}).(repetition)
	return r
}

// Begin begins a repetition: what is asked and judged within it is one case's on the cassette, and has its label.
func (s *evalSystem) Begin(ctx context.Context, q *evals.Question) (context.Context, func()) {
	r := repetition{label: q.Label, spent: &spending{}}
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

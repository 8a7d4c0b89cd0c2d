package openaihttp

import (
	"context"
	"iter"
	"net/http/httptest"
	"testing"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/orchestrator"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

type scripts map[string]script

func (s scripts) Chat(ctx context.Context, p auth.Principal, req orchestrator.ChatRequest) iter.Seq2[orchestrator.Event, error] {
	run, ok := s[req.Model]
	if !ok {
		run = script{fault.New(fault.NotFound, fault.ReasonUnknownModel, "no such model")}
	}
	return run.Chat(ctx, p, req)
}

func (s scripts) Embed(_ context.Context, _ auth.Principal, req orchestrator.EmbedRequest) (*orchestrator.Embedded, error) {
	e := &providers.Embeddings{Usage: usage}
	for i := range req.Texts {
		e.Vectors = append(e.Vectors, []float32{0.6 - 1.4*float32(i), 0.8 - 0.2*float32(i)})
	}
	return &orchestrator.Embedded{Embeddings: e, Target: req.Model, CostKnown: true}, nil
}
func (s scripts) Targets() (c []routing.Candidate) {
	for _, n := range []string{"fixed", "embedder"} {
		c = append(c, routing.Candidate{Target: &routing.Target{Name: n, Backend: "b"}})
	}
	return c
}
func (s scripts) Policies() []string     { return []string{"default"} }
func (s scripts) Chains() []*chain.Chain { return nil }

func serveEngine(t *testing.T) *httptest.Server {
	fixed := &routing.Target{Name: "fixed"}
	ok := script{&orchestrator.RunStarted{}, attempted(1, fixed), text("one two "), text("three four"), finished("one two three four", providers.FinishStop)}
	rl := fault.New(fault.ResourceExhausted, fault.ReasonRateLimited, "rate limited")
	return serveScript(t, scripts{
		"auto": ok, "fixed": ok, "limited": {rl},
		"down": {(&providers.Error{Kind: providers.KindUnavailable}).Fault()},
		"cut":  {&orchestrator.RunStarted{}, attempted(1, fixed), text("one"), (&providers.Error{Kind: providers.KindTruncated}).Fault()},
		"tool": {&orchestrator.RunStarted{}, attempted(1, fixed), piece(0, "c1", "weather", ""), piece(0, "", "", `{"city":`), piece(0, "", "", `"Köln"}`), finished("", providers.FinishToolCalls)},
	}, Config{})
}

package openaihttp

import (
	"net/http/httptest"
	"testing"

	"fairlead/internal/auth"
	"fairlead/internal/label"
	"fairlead/internal/testdb"
	"fairlead/orchestrator"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/routing"
	"fairlead/prompts"
	"fairlead/providers"
	"fairlead/providers/hashing"
	"fairlead/providers/scripted"
	"fairlead/retrieval"
)

// answerChain streams the answer of its only model; wrappedChain has an output that no model streams.
const (
	answerChain = `
chain: answer
version: 1
input: { question: string }
steps:
  - id: context
    retrieve: { collection: docs, query: "{{question}}", top: 2 }
  - id: draft
    generate: { prompt: answer@2, with: { question: "{{question}}" }, documents: context }
    target: citing
output: "{{steps.draft.text}}"
`
	wrappedChain = `
chain: wrapped
version: 1
input: { question: string }
steps:
  - id: first
    generate: { user: "{{question}}" }
    target: fixed
  - id: second
    generate: { user: "{{question}}" }
    target: priced
output: "A: {{steps.first.text}} B: {{steps.second.text}}"
`
)

// newEngine makes a real engine over scripted models, with the store, prompts and embedder that the program
// has.
func newEngine(t testing.TB) *orchestrator.Engine {
	t.Helper()
	models := scripted.New(scripted.Config{Backend: "pool"})
	free := &providers.Price{}
	scriptedTarget := func(name, model string) orchestrator.Target {
		return orchestrator.Target{Generator: models, Target: routing.Target{
			Name: name, Backend: "pool", Kind: "scripted", Model: model, Does: providers.Chat | providers.JSON | providers.Tools,
			Clearance: label.Internal, Price: free, Quality: 0.5,
		}}
	}
	priced := scriptedTarget("priced", "fixed?text=worth+it&in=1000&out=100")
	priced.Price = &providers.Price{Input: 1, Output: 10}
	unpriced := scriptedTarget("unpriced", "fixed")
	unpriced.Price = nil
	embedder, err := hashing.New(hashing.Config{})
	if err != nil {
		t.Fatal(err)
	}
	library, err := prompts.Load()
	if err != nil {
		t.Fatal(err)
	}
	c := orchestrator.Config{
		Targets: []orchestrator.Target{
			scriptedTarget("fixed", "fixed?text=one+two+three+four"), priced, unpriced,
			scriptedTarget("cut", "cut?after=2"),
			scriptedTarget("limited", "status?code=429"),
			scriptedTarget("busy", "status?code=429&retry_after=2"),
			scriptedTarget("down", "status?code=503"),
			scriptedTarget("tool", "tool?name=weather&args=%7B%22city%22%3A%22K%C3%B6ln%22%7D"),
			scriptedTarget("citing", "fixed?text=Turn+the+red+key+%5B1%5D,+und+z%C3%BCgig+%5B1,+2%5D."),
			scriptedTarget("hang", "hang?after=2"),
			{Embedder: embedder, Target: routing.Target{
				Name: "embedder", Backend: "inside", Kind: "hashing", Model: "hashing", Does: providers.Embed, Clearance: label.Restricted, Price: free,
			}},
		},
		Policies: []routing.Policy{
			{Name: "default", Prefer: routing.Cheapest},
			{Name: "failover", Prefer: routing.Best, When: only{"down", "fixed"}, WhenText: "down before fixed"},
		},
		Prompts: library, DefaultPolicy: "default", DefaultEmbedder: "embedder", Auto: "fixed",
	}
	for i := range c.Targets {
		if c.Targets[i].Name == "down" {
			c.Targets[i].Quality = 0.9 // failover asks it first
		}
	}
	for _, text := range []string{answerChain, wrappedChain} {
		ch, err := chain.Parse("test.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		c.Chains = append(c.Chains, ch)
	}
	store := testdb.SQLite(t)
	e, err := orchestrator.New(orchestrator.Services{Store: store, Sessions: store}, c)
	if err != nil {
		t.Fatal(err)
	}
	results, err := e.Retrieval().Ingest(t.Context(), auth.LocalTenant, "docs", []retrieval.Source{
		{URI: "manual/start.md", Content: []byte("# Starting\n\nTo start the press, turn the red key.\n")},
		{URI: "manual/oil.md", Content: []byte("# Oil\n\nTo start well, the press takes two litres of oil each month.\n")},
	}, label.Restricted)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	return e
}

// only is a condition that holds for the named targets.
type only []string

func (o only) Holds(_ *routing.Request, t *routing.Target) (bool, error) {
	for _, name := range o {
		if t.Name == name {
			return true, nil
		}
	}
	return false, nil
}

// serveEngine serves a real engine over real connections.
func serveEngine(t *testing.T) *httptest.Server {
	t.Helper()
	return serveScript(t, newEngine(t), Config{})
}

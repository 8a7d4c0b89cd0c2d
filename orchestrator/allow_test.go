package orchestrator_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// held gives a caller who may use these models alone.
func held(models ...string) auth.Principal {
	p := auth.Local()
	p.Models = append([]string{}, models...) // nil would be all
	return p
}

// Whatever fails, and however a policy answers it, a target that is not the caller's is never called. Every way is
// seen to be taken.
func TestNoWayLeadsToATargetThatIsNotTheCallers(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 11))
	var hedged, escalated, retried, relaxed, opened, none int
	for round := range 60 {
		synctest.Test(t, func(t *testing.T) {
			var canary atomic.Int64
			ended := make(chan error, 10_000)
			mine := []string{"auto", "policy/default", "outside9"} // the last is not there
			var targets []orchestrator.Target
			for i := range 2 + rng.IntN(2) { // local, and of every temper
				temper := rng.IntN(5)
				var calls atomic.Int64
				tg := target(fmt.Sprintf("local%d", i), rng.Float64(), func(ctx context.Context, req *providers.Request, yield func(providers.Chunk, error) bool) {
					switch n := calls.Add(1); {
					case temper == 0:
						breaks("", providers.KindUnavailable)(ctx, req, yield)
					case temper == 1 && n%3 == 0:
						breaks("par", providers.KindTruncated)(ctx, req, yield)
					case temper == 2 && n > 20 && n%5 == 0:
						hangs("", ended)(ctx, req, yield)
					default:
						time.Sleep(time.Millisecond)
						says("an answer")(ctx, req, yield)
					}
				})
				tg.FirstToken = 10 * time.Second
				targets = append(targets, tg)
				mine = append(mine, tg.Name)
			}
			for i := range 3 { // outside: better, cheaper and faster than all others
				tg := target(fmt.Sprintf("outside%d", i), 0.99, func(ctx context.Context, req *providers.Request, yield func(providers.Chunk, error) bool) {
					canary.Add(1)
					says("leak")(ctx, req, yield)
				})
				tg.Price, tg.TTFT, tg.PerToken = &providers.Price{}, 1, 1
				targets = append(targets, tg)
			}
			policy := routing.Policy{
				Prefer: []routing.Preference{routing.Best, routing.Cheapest, routing.Fastest}[rng.IntN(3)], Attempts: 1 + rng.IntN(5),
				Midstream: routing.MidstreamRestart, Hedge: &routing.Hedge{Budget: 1},
				OnNone: []routing.OnNone{routing.OnNoneFail, routing.OnNoneCheapest, routing.OnNoneExtractive}[rng.IntN(3)],
			}
			if rng.IntN(2) == 0 {
				policy.Escalate = escalation(t, "text.size() < 100")
			}
			if rng.IntN(4) == 0 {
				policy.MinQuality = 0.95 // none of the local ones has it
			}
			e := bare(t, policy, targets...)
			caller := held(mine...)
			for range 60 {
				req := chat("hi")
				req.Whole = rng.IntN(2) == 0
				switch rng.IntN(10) {
				case 0:
					req.Model = "outside0"
				case 1:
					req.Model = "policy/default"
				}
				var started int
				for ev, err := range e.Chat(t.Context(), caller, req) {
					if err != nil {
						none++
						break
					}
					switch b := ev.Body.(type) {
					case *orchestrator.AttemptStarted:
						started++
						if !strings.HasPrefix(b.Target.Name, "local") {
							t.Fatalf("attempt on %s", b.Target.Name)
						}
					case *orchestrator.RouteDecided:
						for _, rec := range b.Plan.Order() {
							if !strings.HasPrefix(rec.Target.Name, "local") {
								t.Fatalf("%s is in the plan", rec.Target.Name)
							}
						}
						for _, rec := range b.Plan.Records {
							if strings.HasPrefix(rec.Target.Name, "outside") && (rec.Reason != routing.OutNotAllowed || rec.Detail() != "the caller may not use it") {
								t.Fatalf("%s is out for %q: %s", rec.Target.Name, rec.Reason, rec.Detail())
							}
						}
						if b.Plan.Relaxed != "" {
							relaxed++
						}
					case *orchestrator.Retracted:
						if b.Reason == "escalated" {
							escalated++
						}
					case *orchestrator.AttemptFailed:
						if providers.KindOf(b.Err) == providers.KindCanceled {
							hedged++
						}
					}
				}
				if started > len(targets)-3 {
					retried++
				}
				for _, c := range e.Targets() {
					if c.State.OpenFor > 0 {
						opened++
					}
				}
			}
			if n := canary.Load(); n > 0 {
				t.Errorf("round %d: targets that are not the caller's were called %d times", round, n)
			}
		})
	}
	t.Logf("hedged %d, escalated %d, retried %d, relaxed %d, breakers seen open %d, refused %d", hedged, escalated, retried, relaxed, opened, none)
	if hedged == 0 || escalated == 0 || retried == 0 || relaxed == 0 || opened == 0 || none == 0 {
		t.Error("a way was not taken: the test does not see what it should")
	}
}

const stepsChain = `
chain: steps
version: 1
input: { q: string }
steps:
  - { id: context, retrieve: { collection: docs, query: "{{q}}", top: 1 } }
  - { id: say, policy: careful, generate: { user: "{{q}}" } }
output: "{{steps.say.text}}"
`

// allowing makes an engine with two targets, two policies and two chains, one of which pins a target.
func allowing(t *testing.T, calls *[]providers.Request) *orchestrator.Engine {
	t.Helper()
	return engine(t, setup{
		targets:   []orchestrator.Target{target("near", 0.5, says("near")), target("far", 0.9, asked(calls, says("far")))},
		documents: map[string]string{"a.md": "the days are thirty\n"},
		chains: []string{stepsChain, `
chain: pinned
version: 1
input: { q: string }
steps:
  - { id: say, target: far, generate: { user: "{{q}}" } }
output: "{{steps.say.text}}"
`, `
chain: vectors
version: 1
input: { q: string }
steps:
  - { id: v, embed: { text: "{{q}}" } }
output: "{{steps.v.dimensions}}"
`},
		config: func(c *orchestrator.Config) {
			c.Policies = append(c.Policies, routing.Policy{Name: "careful", Prefer: routing.Best, Attempts: 2})
		},
	})
}

func TestWhatIsNotTheCallersIsNotThere(t *testing.T) {
	var calls []providers.Request
	e := allowing(t, &calls)
	policies := func(p auth.Principal, names ...string) auth.Principal { p.Policies = names; return p }
	for _, c := range []struct {
		name, model string
		p           auth.Principal
		want        string // what answers; empty: it is not there
	}{
		{"all", "far", auth.Local(), "far"},
		{"its own", "near", held("near"), "near"},
		{"another's", "far", held("near"), ""},
		{"none at all", "near", held(), ""},
		{"auto is a name too", "auto", held("near"), ""},
		{"nothing is auto", "", held("near"), ""},
		{"auto", "", held("near", "auto"), "near"},
		{"a policy", "policy/careful", held("near", "policy/careful"), "near"},
		{"another policy", "policy/default", held("near", "policy/careful"), ""},
		{"no such policy", "policy/nothing", held("near", "policy/nothing"), ""},
		{"by a policy", "policy/careful", policies(auth.Local(), "careful"), "far"},
		{"by another policy", "policy/default", policies(auth.Local(), "careful"), ""},
		{"auto by another policy", "auto", policies(auth.Local(), "careful"), ""},
		{"around the policy", "far", policies(auth.Local(), "careful"), ""},
		{"around it, as agreed", "far", policies(held("far"), "careful"), "far"},
		{"a list with the policy only", "policy/careful", policies(held("policy/careful", "near"), "careful"), "near"},
	} {
		req := chat("hi")
		req.Model = c.model
		events, err := read(t, e.Chat(t.Context(), c.p, req))
		_, text := kinds(events)
		if c.want == "" {
			if err == nil || fault.CodeOf(err) != fault.NotFound || fault.ReasonOf(err) != fault.ReasonUnknownModel || len(events) > 0 {
				t.Errorf("%s: %q, %v", c.name, text, err)
			}
			if _, err := e.Explain(t.Context(), c.p, req); err == nil || fault.ReasonOf(err) != fault.ReasonUnknownModel {
				t.Errorf("%s, explained: %v", c.name, err)
			}
		} else if err != nil || text != c.want {
			t.Errorf("%s: %q, %v", c.name, text, err)
		}
	}
	// What is there and what is not read the same.
	texts := map[string]bool{}
	for _, model := range []string{"far", "fog"} {
		req := chat("hi")
		req.Model = model
		_, err := read(t, e.Chat(t.Context(), held("near"), req))
		texts[strings.ReplaceAll(err.Error(), model, "X")] = true
	}
	if len(texts) != 1 {
		t.Errorf("texts: %v", texts)
	}
	// Where nothing is left to be chosen from, no name of another's target is told.
	_, err := read(t, e.Chat(t.Context(), held("auto"), chat("hi")))
	if err == nil || fault.ReasonOf(err) != fault.ReasonNoTarget || strings.Contains(err.Error(), "far") {
		t.Errorf("nothing is left: %v", err)
	}
}

func TestChainsAreHeldToWhatTheCallerMayUse(t *testing.T) {
	var calls []providers.Request
	e := allowing(t, &calls)
	run := func(p auth.Principal, name string) (string, error) {
		t.Helper()
		events, err := read(t, e.Run(t.Context(), p, orchestrator.RunRequest{Chain: name, Input: map[string]any{"q": "the days"}}))
		if err != nil {
			return "", err
		}
		return find[*orchestrator.RunFinished](events)[0].Output, nil
	}
	// The chain's name is enough to run it; what embeds the collection is the collection's, not the caller's.
	if out, err := run(held("chain/steps", "near"), "steps"); err != nil || out != "near" {
		t.Errorf("its own chain: %q, %v", out, err)
	}
	for name, c := range map[string]struct {
		p      auth.Principal
		chain  string
		reason fault.Reason
	}{
		"another's chain":           {held("near"), "steps", fault.ReasonUnknownChain},
		"a chain that is not there": {held("near"), "nothing", fault.ReasonUnknownChain},
		"a step's target":           {held("chain/pinned", "near"), "pinned", fault.ReasonNoTarget},
		"a step that embeds":        {held("chain/vectors", "near"), "vectors", fault.ReasonNoTarget},
	} {
		if out, err := run(c.p, c.chain); err == nil || fault.ReasonOf(err) != c.reason {
			t.Errorf("%s: %q, %v", name, out, err)
		}
	}
	if len(calls) > 0 {
		t.Errorf("another's target was called %d times", len(calls))
	}
	byDefault := auth.Local()
	byDefault.Policies = []string{"default"}
	if _, err := run(byDefault, "steps"); err == nil || fault.ReasonOf(err) != fault.ReasonUnknownPolicy {
		t.Errorf("a step's policy: %v", err)
	}
	byDefault.Policies = []string{"careful"}
	if out, err := run(byDefault, "steps"); err != nil || out != "far" {
		t.Errorf("a step's policy: %q, %v", out, err)
	}
	if _, err := run(byDefault, "pinned"); err == nil || fault.ReasonOf(err) != fault.ReasonUnknownPolicy {
		t.Errorf("a step without a policy is under the default one: %v", err)
	}
	// As a model in a chat.
	req := chat("the days")
	req.Model = "chain/steps"
	if _, err := read(t, e.Chat(t.Context(), held("near"), req)); err == nil || fault.ReasonOf(err) != fault.ReasonUnknownModel {
		t.Errorf("a chain as a model: %v", err)
	}
}

func TestWhatEmbedsIsTheCallersToUse(t *testing.T) {
	var calls []providers.Request
	e := allowing(t, &calls)
	for name, c := range map[string]struct {
		p     auth.Principal
		model string
		ok    bool
	}{
		"all": {auth.Local(), "", true}, "named": {held("hashing"), "hashing", true}, "not named": {held("near"), "hashing", false},
		"auto alone": {held("auto"), "", false}, "auto": {held("auto", "hashing"), "", true},
	} {
		_, err := e.Embed(t.Context(), c.p, orchestrator.EmbedRequest{Model: c.model, Texts: []string{"a"}, Limits: orchestrator.Limits{Label: label.Internal}})
		if (err == nil) != c.ok || err != nil && fault.ReasonOf(err) != fault.ReasonUnknownModel {
			t.Errorf("%s: %v", name, err)
		}
	}
}

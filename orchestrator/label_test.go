package orchestrator_test

import (
	"context"
	"testing"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// racing is a store of sessions where another turn is remembered just before a conversation is read.
type racing struct {
	orchestrator.Sessions
	label label.Label
}

func (r *racing) SessionMessages(ctx context.Context, tenant, session string, limit int) ([]providers.Message, error) {
	turn := []providers.Message{providers.Text(providers.User, "the secret"), providers.Text(providers.Assistant, "is kept")}
	if err := r.SessionAppend(ctx, tenant, session, r.label, turn); err != nil {
		return nil, err
	}
	return r.Sessions.SessionMessages(ctx, tenant, session, limit)
}

func TestATurnThatIsRememberedMeanwhileCountsForTheLabel(t *testing.T) {
	var outer, inner []providers.Request
	in := target("inner", 0.5, asked(&inner, says("ok")))
	in.Clearance = label.Restricted
	e := engine(t, setup{
		targets:  []orchestrator.Target{target("outer", 0.9, asked(&outer, says("leak"))), in},
		sessions: func(s orchestrator.Sessions) orchestrator.Sessions { return &racing{s, label.Restricted} },
	})
	req := chat("hi")
	req.Session = "s"
	events, err := read(t, e.Chat(t.Context(), auth.Local(), req))
	if err != nil {
		t.Fatal(err)
	}
	if len(outer) > 0 {
		t.Errorf("a restricted turn reached a backend cleared for internal: %+v", outer[0].Messages)
	}
	if l := find[*orchestrator.RunFinished](events)[0].Label; l != label.Restricted {
		t.Errorf("the output's label is %v", l)
	}
	low := auth.Local()
	low.Ceiling = label.Internal
	if _, err := read(t, e.Chat(t.Context(), low, req)); fault.CodeOf(err) != fault.PermissionDenied {
		t.Errorf("above the caller's ceiling: %v", err)
	}
}

func TestACaseIsAsSensitiveAsWhatItWasChosenBy(t *testing.T) {
	var outer []providers.Request
	in := target("inner", 0.5, says(`{"fired":true}`))
	in.Clearance = label.Restricted
	e := engine(t, setup{targets: []orchestrator.Target{target("outer", 0.9, asked(&outer, says("leak"))), in}, chains: []string{`
chain: c
version: 1
input: { q: string }
steps:
  - { id: secret, label: restricted, generate: { user: "{{q}}", format: json } }
  - id: way
    choose:
      - { name: no, when: "!steps.secret.json.fired", steps: [ { id: a, target: inner, generate: { user: x } } ] }
      - else: [ { id: b, target: inner, generate: { user: x } } ]
  - { id: say, generate: { user: "case {{steps.way.case}}" } }
output: "{{steps.say.text}}"
`}})
	events, err := run(e, t, "c", map[string]any{"q": "x"}, orchestrator.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if len(outer) > 0 {
		t.Errorf("what a restricted answer decided was told to a backend cleared for internal: %+v", outer[0].Messages)
	}
	if l := find[*orchestrator.RunFinished](events)[0].Label; l != label.Restricted {
		t.Errorf("the output's label is %v", l)
	}
}

func TestAStepsTargetMustStillSatisfyThePolicy(t *testing.T) {
	const text = `
chain: c
version: 1
input: { q: string }
steps:
  - { id: say, target: other, generate: { user: "{{q}}" } }
output: "{{steps.say.text}}"
`
	var reqs []providers.Request
	e := engine(t, setup{chains: []string{text}, policy: routing.Policy{Targets: []string{"allowed"}},
		targets: []orchestrator.Target{target("allowed", 0.5, says("ok")), target("other", 0.9, asked(&reqs, says("no")))}})
	_, err := run(e, t, "c", map[string]any{"q": "x"}, orchestrator.Limits{})
	if err == nil || fault.ReasonOf(err) != fault.ReasonNoTarget || len(reqs) > 0 {
		t.Errorf("error %v, %d calls of a target that the policy does not name", err, len(reqs))
	}
}

func TestAnEmbedStepsPolicyHolds(t *testing.T) {
	e := engine(t, setup{chains: []string{`
chain: c
version: 1
input: { q: string }
steps:
  - { id: v, policy: strict, embed: { text: "{{q}}" } }
output: "{{steps.v.dimensions}}"
`}, config: func(c *orchestrator.Config) {
		c.Policies = append(c.Policies, routing.Policy{Name: "strict", MinQuality: 0.9})
	}})
	if _, err := run(e, t, "c", map[string]any{"q": "x"}, orchestrator.Limits{}); err == nil || fault.ReasonOf(err) != fault.ReasonNoTarget {
		t.Errorf("error %v", err)
	}
}

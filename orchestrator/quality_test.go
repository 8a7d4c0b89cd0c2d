package orchestrator_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/auth"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// oracle expects something of the targets whose names it knows, and remembers what it was asked about.
type oracle struct {
	of    map[string]routing.QualityEstimate
	asked []string
}

func (o *oracle) Estimate(prompt string, targets []string, into []routing.QualityEstimate) {
	o.asked = append(o.asked, prompt)
	for i, name := range targets {
		into[i] = o.of[name]
	}
}

var _ orchestrator.Qualities = (*oracle)(nil)

func TestStepsGoWhereTheirPromptIsExpectedToBeAnsweredWell(t *testing.T) {
	o := &oracle{of: map[string]routing.QualityEstimate{"small": {Value: 0.97, Low: 0.9, High: 0.99, Source: "learned"}}}
	e := engine(t, setup{
		targets: []orchestrator.Target{target("small", 0.4, says("small")), target("large", 0.9, says("large"))},
		config:  func(c *orchestrator.Config) { c.Qualities = o },
	})
	ask := func(req orchestrator.ChatRequest) (plan *routing.Plan, text string) {
		for ev, err := range e.Chat(t.Context(), auth.Local(), req) {
			if err != nil {
				t.Fatal(err)
			}
			switch b := ev.Body.(type) {
			case *orchestrator.RouteDecided:
				plan = b.Plan
			case *orchestrator.TextDelta:
				text += b.Text
			}
		}
		return plan, text
	}
	req := chat("what is it?")
	req.Request.Messages = append([]providers.Message{providers.Text(providers.System, "be brief"), providers.Text(providers.User, "earlier"), providers.Text(providers.Assistant, "yes")}, req.Request.Messages...)
	plan, text := ask(req)
	if text != "small" || plan.Records[0].Estimate == nil || plan.Records[0].Estimate.Value != 0.97 {
		t.Errorf("%q answered, by %+v", text, plan.Records[0])
	}
	// One question, although the plan has many targets: the one that the user asked last.
	if diff := cmp.Diff([]string{"what is it?"}, o.asked); diff != "" {
		t.Errorf("asked about (-want +got):\n%s", diff)
	}
	// Where nothing is expected, the targets' own qualities hold.
	o.of = nil
	if plan, text = ask(chat("and that?")); text != "large" || plan.Records[0].Estimate != nil {
		t.Errorf("%q answered, by %+v", text, plan.Records[0])
	}
}

func TestNobodyIsAskedWhatHasNoWords(t *testing.T) {
	o := &oracle{}
	e := engine(t, setup{targets: []orchestrator.Target{target("a", 0.4, says("yes"))}, config: func(c *orchestrator.Config) { c.Qualities = o }})
	req := chat("")
	req.Request.Messages = []providers.Message{{Role: providers.User, Parts: []providers.Part{{Image: &providers.Image{URL: "https://example.com/a.png"}}}}}
	for range e.Chat(t.Context(), auth.Local(), req) { //nolint:revive // how it ends does not matter
	}
	if len(o.asked) > 0 {
		t.Errorf("asked about %q", o.asked)
	}
}

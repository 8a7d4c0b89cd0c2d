package orchestrator_test

import (
	"context"
	"testing"

	"fairlead/internal/auth"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// under gives a policy with a condition.
func under(t *testing.T, name, when string) routing.Policy {
	t.Helper()
	c, err := routing.CompileCondition(when)
	if err != nil {
		t.Fatal(err)
	}
	return routing.Policy{Name: name, Prefer: routing.Best, When: c, WhenText: when}
}

func TestAPolicySeesWhatClassifiersFound(t *testing.T) {
	const text = `
chain: c
version: 1
input: { q: string }
steps:
  - { id: intent, optional: true, classify: { target: intent, text: "{{q}}", unknown_below: 0.6 } }
  - id: way
    parallel:
      - { id: say, policy: frugal, generate: { user: "{{q}}" } }
  - { id: sum, policy: frugal, summarize: { text: "{{q}}" } }
output: "{{steps.say.target}} {{steps.sum.text}}"
`
	for model, want := range map[string]string{
		"classify?label=simple&other=hard":        "small small",
		"classify?label=hard&other=simple":        "large large",
		"classify?label=simple&other=hard&p=0.55": "large large",
		"status?code=500":                         "large large",
	} {
		e := engine(t, setup{chains: []string{text}, targets: []orchestrator.Target{
			classifier("intent", model), target("large", 0.9, says("large")), target("small", 0.3, says("small"))},
			config: func(c *orchestrator.Config) {
				c.Policies = append(c.Policies, under(t, "frugal", "classes.intent.label == 'simple' ? target.name == 'small' : target.name == 'large'"))
			}})
		events, err := run(e, t, "c", map[string]any{"q": "a question"}, orchestrator.Limits{})
		if err != nil {
			t.Fatal(model, err)
		}
		if got := find[*orchestrator.RunFinished](events)[0].Output; got != want {
			t.Errorf("%s: %q, want %q", model, got, want)
		}
		decided := find[*orchestrator.RouteDecided](events)
		if last := decided[len(decided)-1]; last.Request.Locale != "" || len(last.Request.Classes) != 1 {
			t.Errorf("%s: the request has the locale %q, which nobody asked for, and the classes %v", model, last.Request.Locale, last.Request.Classes)
		}
	}
}

func TestAPolicySeesTheLocale(t *testing.T) {
	const text = `
chain: c
version: 1
input: { question: string, locale: string?, other: { type: string, default: Wie ist das mit dem langen deutschen Text hier } }
steps:
  - { id: say, generate: { user: "{{question}}" } }
output: "{{steps.say.text}}"
`
	targets := []orchestrator.Target{target("german", 0.5, says("de")), target("other", 0.9, says("other"))}
	config := func(c *orchestrator.Config) {
		c.Policies[0].When = under(t, "", "!locale.startsWith('de') || target.name == 'german'").When
	}
	e := engine(t, setup{chains: []string{text}, targets: targets, config: config})
	for _, k := range []struct{ question, locale, want string }{
		{"Wie viele Urlaubstage habe ich?", "", "de"},
		{"How many days of vacation do I have?", "", "other"},
		{"How many days of vacation do I have?", "de_AT", "de"},
		{"Wie viele Urlaubstage habe ich?", "en", "other"},
		{"Wie viele Urlaubstage habe ich?", "no such language at all", "de"},
		{"12345", "", "other"},
	} {
		input := map[string]any{"question": k.question}
		if k.locale != "" {
			input["locale"] = k.locale
		}
		events, err := run(e, t, "c", input, orchestrator.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got := find[*orchestrator.RunFinished](events)[0].Output; got != k.want {
			t.Errorf("%q in %q: %s", k.question, k.locale, got)
		}
	}
	events, err := read(t, e.Chat(t.Context(), auth.Local(), chat("Wie viele Urlaubstage habe ich?")))
	if err != nil {
		t.Fatal(err)
	}
	if _, text := kinds(events); text != "de" {
		t.Errorf("a chat in German went to %s", text)
	}
	plan, err := e.Explain(t.Context(), auth.Local(), chat("Wie viele Urlaubstage habe ich?"))
	if err != nil || plan.Records[0].Target.Name != "german" {
		t.Errorf("explained %+v, %v", plan, err)
	}
	// Of other languages nothing is guessed.
	e = engine(t, setup{chains: []string{text}, targets: targets, config: func(c *orchestrator.Config) { config(c); c.Languages = []string{"en", "fr"} }})
	if events, err = read(t, e.Chat(t.Context(), auth.Local(), chat("Wie viele Urlaubstage habe ich?"))); err != nil {
		t.Fatal(err)
	}
	if _, text := kinds(events); text != "other" {
		t.Errorf("a language that was not asked for was found: %s", text)
	}
	if _, err := orchestrator.New(orchestrator.Services{}, orchestrator.Config{Policies: []routing.Policy{{Name: "p"}}, DefaultPolicy: "p", Languages: []string{"xx"}}); err == nil {
		t.Error("there is no language xx")
	}
}

func TestAChainSeesTheLocale(t *testing.T) {
	echo := generator(func(_ context.Context, req *providers.Request, yield func(providers.Chunk, error) bool) {
		yield(providers.Chunk{Text: req.Question(), Finish: providers.FinishStop}, nil)
	})
	e := engine(t, setup{targets: []orchestrator.Target{target("echo", 0.9, echo)}, chains: []string{`
chain: c
version: 1
input: { text: string, short: string? }
steps:
  - id: way
    choose:
      - when: run.locale == 'fr'
        steps: [ { id: a, generate: { user: "bonjour" } } ]
      - else: [ { id: b, generate: { user: "hello" } } ]
output: "{{run.locale}} {{steps.a.text}}{{steps.b.text}}"
`}})
	for text, want := range map[string]string{"Combien de jours de congé ai-je ?": "fr bonjour", "How many days?": "en hello", "123": " hello"} {
		events, err := run(e, t, "c", map[string]any{"text": text}, orchestrator.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got := find[*orchestrator.RunFinished](events)[0].Output; got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

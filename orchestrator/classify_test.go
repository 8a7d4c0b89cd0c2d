package orchestrator_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
	"fairlead/providers/scripted"
)

// classifier is a target that classifies as a scripted model says.
func classifier(name, model string) orchestrator.Target {
	return orchestrator.Target{Classifier: scripted.New(scripted.Config{}), Target: routing.Target{
		Name: name, Backend: "b-" + name, Kind: "scripted", Model: model, Does: providers.Classify,
		Clearance: label.Restricted, Price: &providers.Price{Input: 1}, Quality: -1,
	}}
}

// classes is a classifier that is made of a function.
type classes func(*providers.ClassifyRequest) (*providers.Classification, error)

func (c classes) Classify(_ context.Context, req *providers.ClassifyRequest) (*providers.Classification, error) {
	return c(req)
}

const branching = `
chain: c
version: 1
input: { q: string }
steps:
  - id: intent
    optional: true
    timeout: 300ms
    classify: { target: intent, text: "{{q}}", unknown_below: 0.6 }
  - id: way
    choose:
      - name: down
        when: "!has(steps.intent.label)"
        steps: [ { id: a, generate: { user: down } } ]
      - name: unsure
        when: steps.intent.unknown
        steps: [ { id: b, generate: { user: "unsure {{steps.intent.label}} {{steps.intent.classes.0.name}}" } } ]
      - name: simple
        when: steps.intent.label == 'simple' && steps.intent.probability > 0.8 && steps.intent.classes[1].name == 'hard'
        steps: [ { id: c, generate: { user: simple } } ]
      - else: [ { id: d, generate: { user: else } } ]
output: "{{steps.way.case}}: {{steps.a.text}}{{steps.b.text}}{{steps.c.text}}{{steps.d.text}}"
`

func TestEveryOutcomeOfAClassifierHasItsBranch(t *testing.T) {
	echo := generator(func(_ context.Context, req *providers.Request, yield func(providers.Chunk, error) bool) {
		yield(providers.Chunk{Text: req.Question(), Finish: providers.FinishStop}, nil)
	})
	for model, want := range map[string]string{
		"classify?label=simple&other=hard&p=0.9":      "simple: simple",
		"classify?label=hard&other=simple&p=0.9":      "else: else",
		"classify?label=simple&other=hard&p=0.55":     "unsure: unsure unknown simple",
		"classify?label=hard&other=simple&p=0.45":     "unsure: unsure unknown simple",
		"status?code=503":                             "down: down",
		"status?code=429&after=1s":                    "down: down",
		"hang":                                        "down: down",
		"classify?label=simple&other=hard&ttft=500ms": "down: down",
	} {
		t.Run(model, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := engine(t, setup{targets: []orchestrator.Target{classifier("intent", model), target("echo", 0.9, echo)}, chains: []string{branching}})
				before := time.Now()
				events, err := run(e, t, "c", map[string]any{"q": "some words"}, orchestrator.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				if got := find[*orchestrator.RunFinished](events)[0].Output; got != want {
					t.Errorf("output %q, want %q", got, want)
				}
				if took := time.Since(before); took > 300*time.Millisecond {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

func TestAClassifyStepTellsTheWholeStory(t *testing.T) {
	const text = `
chain: c
version: 1
steps:
  - { id: a, classify: { target: intent, text: "some words", unknown_below: 0.6 } }
output: "{{steps.a.label}} {{steps.a.probability}} {{steps.a.unknown}} {{steps.a.target}} {{steps.a.classes}}"
`
	e := engine(t, setup{targets: []orchestrator.Target{classifier("intent", "classify?label=spam&other=ham&p=0.75")}, chains: []string{text}})
	events, err := run(e, t, "c", nil, orchestrator.Limits{Limited: true, Budget: providers.USD(1)})
	if err != nil {
		t.Fatal(err)
	}
	if names, _ := kinds(events); names != "RunStarted StepStarted RouteDecided AttemptStarted AttemptUsage StepFinished:done RunFinished" {
		t.Errorf("events %s", names)
	}
	end := find[*orchestrator.RunFinished](events)[0]
	if want := `spam 0.75 false intent [{"name":"spam","probability":0.75},{"name":"ham","probability":0.25}]`; end.Output != want {
		t.Errorf("output %s", end.Output)
	}
	u := find[*orchestrator.AttemptUsage](events)[0]
	if u.Cost != 2000 || !u.CostKnown || end.Cost != u.Cost || end.Usage.Input != 2 {
		t.Errorf("usage %+v of %+v", u, end)
	}
	for _, c := range e.Targets() {
		if live := c.State.Live; c.Target.Name == "intent" && (live.Attempts < 0.9 || live.TTFT50 <= 0 || live.InFlight != 0) {
			t.Errorf("nothing was learned of it: %+v", live)
		}
	}
}

func TestAClassifierIsRoutedAsEveryTarget(t *testing.T) {
	const step = `
chain: c
version: 1
steps:
  - { id: a, policy: %s, label: %s, classify: { target: intent, text: "some words" } }
output: "{{steps.a.label}}"
`
	for _, k := range []struct {
		name, policy, label string
		change              func(*orchestrator.Target)
		limits              orchestrator.Limits
		want                fault.Reason
	}{
		{"it may", "loose", "internal", nil, orchestrator.Limits{Limited: true, Budget: providers.USD(1)}, ""},
		{"a policy's quality", "strict", "internal", nil, orchestrator.Limits{}, fault.ReasonNoTarget},
		{"a policy's targets", "other", "internal", nil, orchestrator.Limits{}, fault.ReasonNoTarget},
		{"the clearance", "loose", "restricted", func(t *orchestrator.Target) { t.Clearance = label.Internal }, orchestrator.Limits{}, fault.ReasonNoTarget},
		{"the budget", "loose", "internal", nil, orchestrator.Limits{Limited: true, Budget: 1}, fault.ReasonBudgetExceeded},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := classifier("intent", "classify")
			inner := c.Classifier
			calls := 0
			c.Classifier = classes(func(req *providers.ClassifyRequest) (*providers.Classification, error) {
				calls++
				return inner.Classify(t.Context(), req)
			})
			if k.change != nil {
				k.change(&c)
			}
			e := engine(t, setup{targets: []orchestrator.Target{c}, chains: []string{fmt.Sprintf(step, k.policy, k.label)}, config: func(c *orchestrator.Config) {
				c.Policies = append(c.Policies, routing.Policy{Name: "loose"}, routing.Policy{Name: "strict", MinQuality: 0.9},
					routing.Policy{Name: "other", Targets: []string{"hashing"}})
			}})
			_, err := run(e, t, "c", nil, k.limits)
			if err == nil != (k.want == "") || err != nil && fault.ReasonOf(err) != k.want {
				t.Errorf("error %v, want %q", err, k.want)
			}
			if (calls > 0) != (k.want == "") {
				t.Errorf("%d calls", calls)
			}
		})
	}
}

func TestABrokenClassifierIsAFailedCall(t *testing.T) {
	const text = `
chain: c
version: 1
steps:
  - { id: a, optional: true, classify: { target: intent, text: x } }
output: "got {{steps.a.label}}"
`
	one := func(name string, p float64) *providers.Classification {
		return &providers.Classification{Classes: [][]providers.Class{{{Name: "low", Probability: 0.1}, {Name: name, Probability: p}}}}
	}
	for name, k := range map[string]struct {
		classes
		want string
	}{
		"a panic": {func(*providers.ClassifyRequest) (*providers.Classification, error) { panic("broken") }, "got "},
		"no list": {func(*providers.ClassifyRequest) (*providers.Classification, error) {
			return &providers.Classification{}, nil
		}, "got "},
		"no class": {func(*providers.ClassifyRequest) (*providers.Classification, error) {
			return &providers.Classification{Classes: make([][]providers.Class, 1)}, nil
		}, "got "},
		"no number":           {func(*providers.ClassifyRequest) (*providers.Classification, error) { return one("x", math.NaN()), nil }, "got "},
		"no probability":      {func(*providers.ClassifyRequest) (*providers.Classification, error) { return one("x", 1.5), nil }, "got "},
		"an order of its own": {func(*providers.ClassifyRequest) (*providers.Classification, error) { return one("high", 0.9), nil }, "got high"},
	} {
		c := classifier("intent", "m")
		c.Classifier = k.classes
		e := engine(t, setup{targets: []orchestrator.Target{c}, chains: []string{text}})
		events, err := run(e, t, "c", nil, orchestrator.Limits{})
		if err != nil {
			t.Fatal(name, err)
		}
		if got := find[*orchestrator.RunFinished](events)[0].Output; got != k.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestAClassifiersBreakerOpens(t *testing.T) {
	calls := 0
	c := classifier("intent", "m")
	c.Classifier = classes(func(*providers.ClassifyRequest) (*providers.Classification, error) {
		calls++
		return nil, &providers.Error{Kind: providers.KindUnavailable}
	})
	e := engine(t, setup{targets: []orchestrator.Target{c}, chains: []string{`
chain: c
version: 1
steps:
  - { id: a, classify: { target: intent, text: x } }
output: "x"
`}})
	var err error
	for range 40 {
		_, err = run(e, t, "c", nil, orchestrator.Limits{})
	}
	if calls != 20 || fault.ReasonOf(err) != fault.ReasonUpstreamDown {
		t.Errorf("%d calls, then %v", calls, err)
	}
}

// guarding has a classifier before a step; %s are what the classify step has besides, and its place.
const guarding = `
chain: c
version: 1
input: { q: string }
steps:
%s
  - { id: say, generate: { user: "hello" } }
output: "{{steps.say.text}} {{run.label}}"
`

func TestAClassRaisesTheLabelOfTheRun(t *testing.T) {
	const guard = `classify: { target: guard, text: "{{q}}", unknown_below: 0.6, labels: { secret: restricted, odd: confidential } }`
	for _, k := range []struct {
		name, model, steps string
		want               label.Label
	}{
		{"a class with a label", "classify?label=secret&other=fine", "  - { id: g, " + guard + " }", label.Restricted},
		{"another class", "classify?label=fine&other=secret", "  - { id: g, " + guard + " }", label.Internal},
		{"a lesser class", "classify?label=odd&other=secret", "  - { id: g, " + guard + " }", label.Confidential},
		{"not sure: it may be the highest", "classify?label=fine&other=secret&p=0.55", "  - { id: g, " + guard + " }", label.Restricted},
		{"not sure, and said what then", "classify?label=fine&other=secret&p=0.55",
			"  - { id: g, " + strings.Replace(guard, "odd:", "unknown:", 1) + " }", label.Confidential},
		{"down", "status?code=503", "  - { id: g, optional: true, " + guard + " }", label.Restricted},
		{"late", "hang", "  - { id: g, optional: true, timeout: 10ms, " + guard + " }", label.Restricted},
		{"in a branch", "classify?label=secret&other=fine",
			"  - { id: c, choose: [ { when: 'true', steps: [ { id: g, " + guard + " } ] } ] }", label.Restricted},
		{"in a branch that fails later", "classify?label=secret&other=fine",
			"  - { id: c, optional: true, choose: [ { when: 'true', steps: [ { id: g, " + guard + " }, { id: f, target: bad, generate: { user: x } } ] } ] }", label.Restricted},
		{"beside others", "classify?label=secret&other=fine",
			"  - { id: p, parallel: [ { id: g, " + guard + " }, { id: v, embed: { text: x } } ] }", label.Restricted},
		{"beside one that fails", "classify?label=secret&other=fine",
			"  - { id: p, optional: true, parallel: [ { id: g, " + guard + " }, { id: f, target: bad, generate: { user: x } } ] }", label.Restricted},
		{"its condition does not hold", "classify?label=secret&other=fine", "  - { id: g, when: 'false', " + guard + " }", label.Internal},
	} {
		t.Run(k.name, func(t *testing.T) {
			var canary []providers.Request
			inner := target("inner", 0.1, says("inside"))
			inner.Clearance = label.Restricted
			bad := target("bad", 0.05, breaks("", providers.KindUnavailable))
			bad.Clearance = label.Restricted
			e := engine(t, setup{chains: []string{fmt.Sprintf(guarding, k.steps)},
				targets: []orchestrator.Target{classifier("guard", k.model), target("canary", 0.9, asked(&canary, says("outside"))), inner, bad}})
			events, err := run(e, t, "c", map[string]any{"q": "the words"}, orchestrator.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			end := find[*orchestrator.RunFinished](events)[0]
			want := "inside " + k.want.String()
			if k.want == label.Internal {
				want = "outside " + k.want.String()
			}
			if end.Output != want || end.Label != k.want {
				t.Errorf("output %q under %v, want %q", end.Output, end.Label, want)
			}
			if k.want > label.Internal && len(canary) > 0 {
				t.Errorf("a backend that is cleared for internal data saw %+v", canary[0].Messages)
			}
		})
	}
}

func TestAClassifyStepsTargetMustClassify(t *testing.T) {
	broken := classifier("broken", "classify")
	broken.Classifier = nil
	ch, err := chain.Parse("c.yaml", []byte(`
chain: c
version: 1
steps:
  - { id: a, classify: { target: talker, text: x } }
output: "x"
`))
	if err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]orchestrator.Config{
		"target broken: it is said to classify, and backends of kind scripted do not": {Targets: []orchestrator.Target{broken}},
		"c.yaml:5:5: step a: target talker does not classify":                         {Targets: []orchestrator.Target{target("talker", 0.9, says("x"))}, Chains: []*chain.Chain{ch}},
		`c.yaml:5:5: step a: there is no target "talker"`:                             {Chains: []*chain.Chain{ch}},
	} {
		c.Policies, c.DefaultPolicy = []routing.Policy{{Name: "default"}}, "default"
		if _, err := orchestrator.New(orchestrator.Services{}, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

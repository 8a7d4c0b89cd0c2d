package orchestrator_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/fault"
	"fairlead/orchestrator"
	"fairlead/providers"
)

// metered is a target that costs 10,000 billionths for each token that it may write, and takes 10 of them.
func metered(name string) orchestrator.Target {
	tg := target(name, 0.5, says("words"))
	tg.Price = &providers.Price{Output: 10}
	return tg
}

// seen gives what each step's decision saw as left, in thousands of billionths.
func seen(events []orchestrator.Event) map[string]int {
	left := map[string]int{}
	for _, ev := range events {
		if d, ok := ev.Body.(*orchestrator.RouteDecided); ok && d.Request.Left.Limited {
			left[strings.TrimPrefix(ev.Step, "c/")] = int(d.Request.Left.Money / 1000)
		}
	}
	return left
}

// A run with 1,000 (thousands of billionths), of which each call takes 100.
func TestWhatIsLeftForEachStep(t *testing.T) {
	for _, tt := range []struct {
		name, steps string
		want        map[string]int
	}{
		{"equal parts", `
  - { id: a, generate: { user: x, max_tokens: 10 } }
  - { id: b, generate: { user: "{{steps.a.text}}", max_tokens: 10 } }
  - { id: d, generate: { user: "{{steps.b.text}}", max_tokens: 10 } }`, map[string]int{"a": 333, "b": 450, "d": 800}},
		{"shares and amounts", `
  - { id: a, budget: { share: 0.2 }, generate: { user: x, max_tokens: 10 } }
  - { id: b, generate: { user: x, max_tokens: 10 } }
  - { id: d, budget: { usd: 0.0003 }, generate: { user: x, max_tokens: 10 } }
  - { id: e, budget: { share: 0.25 }, generate: { user: x, max_tokens: 10 } }`, map[string]int{"a": 200, "b": 350, "d": 300, "e": 250}},
		{"one branch runs", `
  - { id: a, generate: { user: x, max_tokens: 10 } }
  - id: way
    choose:
      - { when: "true", steps: [ { id: p, generate: { user: "{{steps.a.text}}", max_tokens: 10 } }, { id: q, generate: { user: "{{steps.p.text}}", max_tokens: 10 } } ] }
      - else: [ { id: r, generate: { user: x, max_tokens: 10 } } ]`, map[string]int{"a": 333, "p": 450, "q": 800}},
		{"side by side", `
  - { id: a, generate: { user: x, max_tokens: 10 } }
  - id: all
    parallel:
      - { id: p, generate: { user: x, max_tokens: 10 } }
      - { id: q, generate: { user: x, max_tokens: 10 } }
      - { id: r, generate: { user: x, max_tokens: 10 } }
  - { id: z, generate: { user: "{{steps.p.text}}", max_tokens: 10 } }`, map[string]int{"a": 200, "p": 225, "q": 225, "r": 225, "z": 600}},
		{"shares side by side", `
  - id: all
    parallel:
      - { id: p, budget: { share: 0.5 }, generate: { user: x, max_tokens: 10 } }
      - { id: q, optional: true, budget: { share: 0.4 }, generate: { user: x, max_tokens: 10 } }
      - { id: r, generate: { user: x, max_tokens: 10 } }`, map[string]int{"p": 500, "q": 250, "r": 250}},
		{"an optional step keeps nothing", `
  - { id: a, generate: { user: x, max_tokens: 10 } }
  - { id: o, optional: true, generate: { user: "{{steps.a.text}}", max_tokens: 10 } }`, map[string]int{"a": 1000, "o": 900}},
		{"what later steps cost is known", `
  - { id: o, optional: true, generate: { user: x, max_tokens: 10 } }
  - { id: a, generate: { user: x, max_tokens: 10 } }
  - { id: b, generate: { user: x, max_tokens: 20 } }`, map[string]int{"o": 700, "a": 450, "b": 800}},
		{"what later steps cost is not known", `
  - { id: o, optional: true, generate: { user: x, max_tokens: 10 } }
  - { id: a, generate: { user: "{{steps.o.text}}", max_tokens: 10 } }`, map[string]int{"o": 500, "a": 900}},
		{"a step dearer than its part", `
  - { id: a, generate: { user: x, max_tokens: 70 } }
  - { id: b, generate: { user: x, max_tokens: 10 } }`, map[string]int{"a": 700, "b": 900}},
		{"a step dearer than all but the others", `
  - { id: a, optional: true, generate: { user: x, max_tokens: 95 } }
  - { id: b, generate: { user: x, max_tokens: 10 } }`, map[string]int{"a": 900, "b": 1000}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := engine(t, setup{targets: []orchestrator.Target{metered("t")},
				chains: []string{"chain: c\nversion: 1\nsteps:" + tt.steps + "\noutput: done\n"}})
			events, err := run(e, t, "c", nil, orchestrator.Limits{Limited: true, Budget: 1_000_000})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]int{}
			for path, left := range seen(events) {
				got[path[strings.LastIndexByte(path, '/')+1:]] = left
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			events, err = run(e, t, "c", nil, orchestrator.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if left := seen(events); !strings.Contains(tt.steps, "usd") && len(left) > 0 {
				t.Errorf("a run without a limit has one: %v", maps.Collect(maps.All(left)))
			}
		})
	}
}

func TestAnOptionalStepGivesWayToThoseThatMustFollow(t *testing.T) {
	e := engine(t, setup{targets: []orchestrator.Target{metered("t")}, chains: []string{`
chain: c
version: 1
steps:
  - id: nice
    optional: true
    parallel: [ { id: more, generate: { user: x, max_tokens: 95 } } ]
  - { id: must, generate: { user: x, max_tokens: 10 } }
output: "{{steps.must.text}}"
`}})
	events, err := run(e, t, "c", nil, orchestrator.Limits{Limited: true, Budget: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range events {
		end, ok := ev.Body.(*orchestrator.StepFinished)
		switch {
		case !ok:
		case ev.Step == "c/nice":
			if end.Status != orchestrator.StepSkipped || !strings.HasPrefix(end.Reason, "what is left is kept for the steps after it: the step wants $0.000950 at the least and may spend $0.000900") {
				t.Errorf("%s: %s", end.Status, end.Reason)
			}
		case end.Status != orchestrator.StepDone:
			t.Errorf("%s: %+v", ev.Step, end)
		}
	}
	// What fails with nobody to give way to has failed.
	events, err = run(e, t, "c", nil, orchestrator.Limits{Limited: true, Budget: 50_000})
	if fault.ReasonOf(err) != fault.ReasonBudgetExceeded {
		t.Errorf("error %v after %d events", err, len(events))
	}
}

func TestARefusalSaysWhatWasWantedAndForWhomTheRestIsKept(t *testing.T) {
	for _, tt := range []struct{ steps, want string }{
		{`
  - { id: a, generate: { user: x, max_tokens: 60 } }
  - { id: b, generate: { user: "{{steps.a.text}}", max_tokens: 10 } }`,
			"c/a: the step wants $0.000600 at the least and may spend $0.000500; the run has $0.001000 left, and keeps $0.000500 for b: allow more"},
		{`
  - id: all
    parallel:
      - { id: a, generate: { user: x, max_tokens: 60 } }
      - { id: b, generate: { user: x, max_tokens: 1 } }
  - { id: d, generate: { user: "{{steps.a.text}}", max_tokens: 10 } }`,
			"c/all/a: the step wants $0.000600 at the least and may spend $0.000333333; the run has "},
		{`
  - { id: a, budget: { usd: 0.00005 }, generate: { user: x, max_tokens: 10 } }`,
			"c/a: the step wants $0.000100 at the least and may spend $0.000050 by its budget; the run has $0.001000 left: allow more"},
	} {
		e := engine(t, setup{targets: []orchestrator.Target{metered("t")},
			chains: []string{"chain: c\nversion: 1\nsteps:" + tt.steps + "\noutput: done\n"}})
		_, err := run(e, t, "c", nil, orchestrator.Limits{Limited: true, Budget: 1_000_000})
		if fault.ReasonOf(err) != fault.ReasonBudgetExceeded || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("error %v", err)
		}
		if strings.Contains(tt.want, "c/all") && !strings.Contains(err.Error(), "for b, d: allow more") {
			t.Errorf("error %v", err)
		}
	}
}

func TestTimeIsKeptForLaterSteps(t *testing.T) {
	e := engine(t, setup{targets: []orchestrator.Target{metered("t"), target("slow", 0.1, hangs("", make(chan error, 1)))}, chains: []string{`
chain: c
version: 1
budget: { deadline: 10s }
steps:
  - { id: a, target: t, generate: { user: x } }
  - { id: b, target: t, timeout: 1h, budget: { time: 3s }, generate: { user: x } }
  - id: way
    choose: [ { when: "true", steps: [ { id: d, target: t, budget: { time: 1s }, generate: { user: x } }, { id: f, target: t, budget: { time: 1s }, generate: { user: x } } ] } ]
  - { id: o, optional: true, target: t, budget: { time: 5s }, generate: { user: x } }
output: done
`, `
chain: late
version: 1
budget: { deadline: 1m }
steps:
  - { id: a, target: slow, generate: { user: x } }
  - { id: b, target: t, budget: { time: 59.98s }, generate: { user: x } }
output: done
`}})
	events, err := run(e, t, "c", nil, orchestrator.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	end := find[*orchestrator.RunStarted](events)[0].Deadline
	want := map[string]time.Duration{"c/a": 5 * time.Second, "c/b": 2 * time.Second, "c/way/d": time.Second, "c/way/f": 0, "c/o": 0}
	for _, ev := range events {
		if d, ok := ev.Body.(*orchestrator.RouteDecided); ok {
			path := ev.Step
			for of := range want {
				if of[strings.LastIndexByte(of, '/'):] == path[strings.LastIndexByte(path, '/'):] {
					if got := end.Sub(d.Request.Left.Deadline); got != want[of] {
						t.Errorf("%s must be over %s before the run, want %s", path, got, want[of])
					}
					delete(want, of)
				}
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("nothing was decided about %v", want)
	}
	_, err = run(e, t, "late", nil, orchestrator.Limits{})
	if fault.ReasonOf(err) != fault.ReasonDeadline || !strings.HasPrefix(err.Error(), "late/a: the step's time was up: 59.98s of the run's is kept for b") {
		t.Errorf("error %v", err)
	}
}

package orchestrator_test

import (
	"context"
	"fmt"
	"math"
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
	"fairlead/prompts"
	"fairlead/providers"
	"fairlead/providers/hashing"
	"fairlead/providers/scripted"
)

// with gives a target a canary for so many of 100 callers.
func with(t orchestrator.Target, percent float64, g generator) orchestrator.Target {
	v := &orchestrator.Variant{Target: t, Percent: percent}
	v.Model, v.Generator = t.Model+"-new", g
	t.Canary = v
	return t
}

func caller(n int) auth.Principal {
	return auth.Principal{Tenant: auth.LocalTenant, Name: fmt.Sprintf("key-%d", n), Ceiling: label.Restricted, Scopes: auth.AllScopes}
}

// gets gives what answers a caller who names triage.
func gets(t *testing.T, e *orchestrator.Engine, p auth.Principal) string {
	t.Helper()
	req := chat("hi")
	req.Model = "triage"
	events, err := read(t, e.Chat(t.Context(), p, req))
	if err != nil {
		t.Fatal(err)
	}
	return find[*orchestrator.RunFinished](events)[0].Output
}

// chosen gives the first of the callers who get the canary, and the first who do not.
func chosen(t *testing.T, e *orchestrator.Engine) (canary, stable auth.Principal) {
	t.Helper()
	for n := 0; canary.Name == "" || stable.Name == ""; n++ {
		req := chat("hi")
		req.Model = "triage"
		plan, err := e.Explain(t.Context(), caller(n), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range plan.Order() {
			if rec.Target.Name == "triage@canary" && canary.Name == "" {
				canary = caller(n)
			} else if rec.Target.Name == "triage" && stable.Name == "" {
				stable = caller(n)
			}
		}
	}
	return canary, stable
}

func TestACallerGetsTheSameVersionAlways(t *testing.T) {
	made := func(percent float64) *orchestrator.Engine {
		return engine(t, setup{targets: []orchestrator.Target{with(target("triage", 0.9, says("old")), percent, says("new"))}})
	}
	here, there := made(5), made(5)
	const callers = 1000
	count := map[string]int{}
	was := map[int]string{}
	for n := range callers {
		was[n] = gets(t, here, caller(n))
		count[was[n]]++
	}
	// Binomial: 50 of 1,000, within five standard deviations.
	if sigma := math.Sqrt(callers * 0.05 * 0.95); math.Abs(float64(count["new"])-50) > 5*sigma || count["new"]+count["old"] != callers {
		t.Errorf("%v of %d callers", count, callers)
	}
	canary, stable := chosen(t, here)
	for n := range 1000 { // of one caller, on two servers, of which one is configured anew
		e := []*orchestrator.Engine{here, there}[n%2]
		if got := gets(t, e, canary); got != "new" {
			t.Fatalf("call %d of %s got %q", n, canary.Name, got)
		}
		if n == 500 {
			if err := there.Configure(configOf(t, with(target("triage", 0.9, says("old")), 5, says("new")))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := gets(t, there, stable); got != "old" {
		t.Errorf("%s got %q", stable.Name, got)
	}
	for _, percent := range []float64{0, 10, 50, 100} {
		if err := here.Configure(configOf(t, with(target("triage", 0.9, says("old")), percent, says("new")))); err != nil {
			t.Fatal(err)
		}
		more := 0
		for n := range callers {
			got := gets(t, here, caller(n))
			if got == "new" {
				more++
			}
			if percent >= 5 && was[n] == "new" && got != "new" {
				t.Fatalf("%s has the canary with 5 of 100 and not with %v", caller(n).Name, percent)
			}
		}
		if p := percent / 100; math.Abs(float64(more)-callers*p) > 5*math.Sqrt(callers*p*(1-p)) {
			t.Errorf("with %v of 100: %d of %d callers", percent, more, callers)
		}
	}
	t.Logf("5 of 100: %v of %d callers", count, callers)
}

// configOf is the configuration of an engine with some targets and a policy for all.
func configOf(t *testing.T, targets ...orchestrator.Target) orchestrator.Config {
	t.Helper()
	library, err := prompts.Load()
	if err != nil {
		t.Fatal(err)
	}
	return orchestrator.Config{Targets: targets, Prompts: library, DefaultPolicy: "default", Policies: []routing.Policy{{Name: "default", Prefer: routing.Best}}}
}

func TestNobodyNamesAVariant(t *testing.T) {
	tg := with(target("triage", 0.9, says("old")), 100, says("new"))
	tg.Shadow = &orchestrator.Variant{Target: tg.Canary.Target}
	tg.Shadow.Model = "m-shadow"
	e := engine(t, setup{targets: []orchestrator.Target{tg}})
	for _, name := range []string{"triage@canary", "triage@shadow"} {
		p := caller(1)
		for _, models := range [][]string{nil, {name}, {name, "triage"}} {
			p.Models = models
			req := chat("hi")
			req.Model = name
			if _, err := read(t, e.Chat(t.Context(), p, req)); fault.ReasonOf(err) != fault.ReasonUnknownModel || strings.Contains(strings.TrimPrefix(err.Error(), fmt.Sprintf("there is no model %q", name)), name+",") {
				t.Errorf("%s by one who may use %v: %v", name, models, err)
			}
			if _, err := e.Embed(t.Context(), p, orchestrator.EmbedRequest{Model: name, Texts: []string{"x"}}); fault.CodeOf(err) != fault.NotFound {
				t.Errorf("embedding with %s: %v", name, err)
			}
		}
	}
	// Who may use the target may use what stands for it, and is told what that was.
	p := caller(1)
	p.Models = []string{"triage"}
	if got := gets(t, e, p); got != "new" {
		t.Errorf("got %q", got)
	}
	var names []string
	for _, c := range e.Targets() {
		if c.Target.Named() == "triage" {
			names = append(names, c.Target.Name+" of "+c.Target.Of)
		}
	}
	if got := strings.Join(names, ", "); got != "triage of , triage@canary of triage, triage@shadow of triage" {
		t.Errorf("listed are %s", got)
	}
	if tr, ok := e.Traffic("triage"); !ok || tr.Canary != "triage@canary" || tr.Percent != 100 || tr.RolledBack || tr.Shadow != "triage@shadow" {
		t.Errorf("%+v", tr)
	}
	if _, ok := e.Traffic("triage@canary"); ok {
		t.Error("a canary has traffic of its own")
	}
}

func TestPoliciesAndStepsNameTheTarget(t *testing.T) {
	const steps = "\nchain: c\nversion: 1\ninput: { q: string }\nsteps:\n  - { id: a, target: triage, generate: { user: \"{{q}}\" } }\noutput: \"{{steps.a.text}}\"\n"
	for _, percent := range []float64{0, 100} {
		e := engine(t, setup{chains: []string{steps}, policy: routing.Policy{Targets: []string{"triage"}},
			targets: []orchestrator.Target{with(target("triage", 0.5, says("old")), percent, says("new")), target("better", 0.9, says("better"))}})
		want, name := "old", "triage"
		if percent == 100 {
			want, name = "new", "triage@canary"
		}
		for _, model := range []string{"auto", "policy/default", "triage", "chain/c"} {
			req := chat("hi")
			req.Model = model
			events, err := read(t, e.Chat(t.Context(), caller(1), req))
			if err != nil {
				t.Fatal(model, err)
			}
			if got := find[*orchestrator.RunFinished](events)[0].Output; got != want {
				t.Errorf("%s with %v of 100: %q", model, percent, got)
			}
			if used := find[*orchestrator.AttemptUsage](events); len(used) != 1 || used[0].Target.Name != name {
				t.Errorf("%s with %v of 100: used %+v", model, percent, used)
			}
			for _, c := range find[*orchestrator.RouteDecided](events)[0].Candidates {
				if other := map[string]string{"triage": "triage@canary", "triage@canary": "triage"}[name]; c.Target.Name == other {
					t.Errorf("%s is a candidate beside %s", other, name)
				}
			}
		}
	}
}

func TestACanaryClassifies(t *testing.T) {
	intent := classifier("triage", "classify?label=simple&other=hard&p=0.9")
	intent.Canary = &orchestrator.Variant{Target: intent, Percent: 100}
	intent.Canary.Model = "classify?label=hard&other=simple&p=0.9"
	const c = "\nchain: c\nversion: 1\ninput: { q: string }\nsteps:\n  - { id: a, classify: { target: triage, text: \"{{q}}\" } }\noutput: \"{{steps.a.label}} by {{steps.a.target}}\"\n"
	e := engine(t, setup{chains: []string{c}, targets: []orchestrator.Target{intent}})
	for _, want := range []string{"hard by triage", "simple by triage"} {
		events, err := run(e, t, "c", map[string]any{"q": "x"}, orchestrator.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got := find[*orchestrator.RunFinished](events)[0].Output; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		e.SetTraffic([]string{"triage"})
	}
}

func TestACanaryThatFailsTakesNothingFromItsCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var broken atomic.Bool
		broken.Store(true)
		var calls atomic.Int64
		canary := generator(func(ctx context.Context, req *providers.Request, yield func(providers.Chunk, error) bool) {
			calls.Add(1)
			if broken.Load() {
				breaks("", providers.KindUnavailable)(ctx, req, yield)
				return
			}
			says("new")(ctx, req, yield)
		})
		e := engine(t, setup{targets: []orchestrator.Target{with(target("triage", 0.9, says("old")), 50, canary)}})
		theirs, mine := chosen(t, e)
		req := chat("hi")
		req.Model = "triage"
		failed := 0
		for range 20 { // so many, until its breaker opens
			if _, err := read(t, e.Chat(t.Context(), theirs, req)); err != nil {
				failed++
			}
		}
		if failed != 20 {
			t.Errorf("%d of 20 calls failed", failed)
		}
		events, err := read(t, e.Chat(t.Context(), theirs, req))
		if err != nil {
			t.Fatal(err)
		}
		if got := find[*orchestrator.RunFinished](events)[0].Output; got != "old" || calls.Load() != 20 {
			t.Errorf("got %q after %d calls of the canary", got, calls.Load())
		}
		decided := find[*orchestrator.RouteDecided](events)[0]
		if rec := decided.Plan.Records[0]; rec.Target.Name != "triage" || rec.InsteadOf != "triage@canary" || !strings.Contains(rec.Detail(), "triage@canary") {
			t.Errorf("the record is of %s, instead of %q: %q", rec.Target.Name, rec.InsteadOf, rec.Detail())
		}
		if got := gets(t, e, mine); got != "old" {
			t.Errorf("another caller got %q", got)
		}
		// After a while one call looks whether it is back; what comes meanwhile gets the stable version.
		time.Sleep(6 * time.Second)
		broken.Store(false)
		if got := gets(t, e, theirs); got != "new" {
			t.Errorf("when it was back: %q", got)
		}
	})
}

func TestWhileOneCallLooksWhetherACanaryIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		release := make(chan struct{})
		canary := generator(func(ctx context.Context, req *providers.Request, yield func(providers.Chunk, error) bool) {
			if calls.Add(1) <= 20 {
				breaks("", providers.KindUnavailable)(ctx, req, yield)
				return
			}
			<-release
			says("new")(ctx, req, yield)
		})
		e := engine(t, setup{targets: []orchestrator.Target{with(target("triage", 0.9, says("old")), 100, canary)}})
		req := chat("hi")
		req.Model = "triage"
		for range 20 {
			_, _ = read(t, e.Chat(t.Context(), caller(1), req))
		}
		time.Sleep(6 * time.Second)
		looking := make(chan string)
		go func() { looking <- gets(t, e, caller(1)) }()
		synctest.Wait() // it is the one that looks
		if got := gets(t, e, caller(2)); got != "old" {
			t.Errorf("meanwhile: %q", got)
		}
		close(release)
		if got := <-looking; got != "new" {
			t.Errorf("the one that looked: %q", got)
		}
		if calls.Load() != 21 {
			t.Errorf("%d calls of the canary", calls.Load())
		}
	})
}

func TestARollbackCountsForTheNextAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e *orchestrator.Engine
		canary := generator(func(ctx context.Context, req *providers.Request, yield func(providers.Chunk, error) bool) {
			e.SetTraffic([]string{"triage", "gone"}) // while the run is in progress
			breaks("", providers.KindUnavailable)(ctx, req, yield)
		})
		e = engine(t, setup{policy: routing.Policy{Attempts: 3}, targets: []orchestrator.Target{with(target("triage", 0.9, says("old")), 100, canary)}})
		events, err := read(t, e.Chat(t.Context(), caller(1), chat("hi")))
		if err != nil {
			t.Fatal(err)
		}
		var tried []string
		for _, a := range find[*orchestrator.AttemptStarted](events) {
			tried = append(tried, a.Target.Name)
		}
		if got := strings.Join(tried, " "); got != "triage@canary triage" || find[*orchestrator.RunFinished](events)[0].Output != "old" {
			t.Errorf("tried %s", got)
		}
		if tr, _ := e.Traffic("triage"); !tr.RolledBack {
			t.Errorf("%+v", tr)
		}
		// It outlives a change of the configuration.
		if err := e.Configure(configOf(t, with(target("triage", 0.9, says("old")), 100, says("new")))); err != nil {
			t.Fatal(err)
		}
		if got := gets(t, e, caller(1)); got != "old" {
			t.Errorf("configured anew: %q", got)
		}
		e.SetTraffic(nil)
		if tr, _ := e.Traffic("triage"); tr.RolledBack {
			t.Errorf("%+v", tr)
		}
	})
}

func TestWhatIsNoVariant(t *testing.T) {
	embedder, err := hashing.New(hashing.Config{})
	if err != nil {
		t.Fatal(err)
	}
	embeds := orchestrator.Target{Embedder: embedder, Target: routing.Target{Name: "e", Backend: "b", Kind: "k", Model: "m", Does: providers.Embed, Clearance: label.Internal}}
	good := func() orchestrator.Target { return with(target("a", 0.5, says("old")), 5, says("new")) }
	for want, change := range map[string]func(*orchestrator.Target){
		"on another backend":               func(t *orchestrator.Target) { t.Canary.Backend = "elsewhere" },
		"its canary is on another backend": func(t *orchestrator.Target) { t.Canary.Clearance = label.Restricted },
		"has the target's own model":       func(t *orchestrator.Target) { t.Canary.Model = t.Model },
		"a variant does the same":          func(t *orchestrator.Target) { t.Canary.Does = providers.Chat },
		"cannot be called in all the ways": func(t *orchestrator.Target) { t.Canary.Generator = nil },
		"for 101 of 100":                   func(t *orchestrator.Target) { t.Canary.Percent = 101 },
		"for NaN of 100":                   func(t *orchestrator.Target) { t.Canary.Percent = math.NaN() },
		"its shadow is for -1 of 100":      func(t *orchestrator.Target) { s := *t.Canary; s.Percent = -1; t.Shadow = &s },
		"has no / and no @":                func(t *orchestrator.Target) { t.Name = "a@canary" },
		"vectors of two versions cannot": func(t *orchestrator.Target) {
			*t = embeds
			t.Canary = &orchestrator.Variant{Target: embeds, Percent: 1}
		},
		"its canary cannot be called in all t": func(t *orchestrator.Target) { t.Canary.Classifier = scripted.New(scripted.Config{}) },
	} {
		tg := good()
		change(&tg)
		_, err := orchestrator.New(orchestrator.Services{}, configOf(t, tg))
		if fault.ReasonOf(err) != fault.ReasonBadConfig || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := orchestrator.New(orchestrator.Services{}, configOf(t, good())); err != nil {
		t.Error(err)
	}
}

func TestAnEscalationNamesTheTarget(t *testing.T) {
	cheap := with(target("cheap", 0.2, says("old")), 100, says("new"))
	cheap.Price = &providers.Price{}
	cheap.Canary.Price = cheap.Price
	e := bare(t, routing.Policy{Prefer: routing.Cheapest, Attempts: 2, Escalate: escalation(t, "target == 'cheap'")}, cheap, target("good", 0.9, says("better answer")))
	events, err := read(t, e.Chat(t.Context(), caller(1), chat("hi")))
	if _, text := kinds(events); err != nil || text != "better answer" {
		t.Errorf("%q, %v", text, err)
	}
}

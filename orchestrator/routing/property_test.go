package routing

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"fairlead/internal/label"
	"fairlead/providers"
)

// random makes fleets, requests and policies of all kinds.
type random struct{ *rand.Rand }

func (r random) yes() bool { return r.IntN(2) == 0 }

func (r random) candidate(i int) Candidate {
	t := &Target{Name: fmt.Sprintf("t%02d", i), Kind: []string{"openai", "ollama"}[r.IntN(2)],
		Does: providers.Chat | providers.Capability(r.IntN(128)), Clearance: label.Label(1 + r.IntN(4)), Quality: min(r.Float64()*1.2-0.2, 1)}
	if r.IntN(5) == 0 {
		t.Does = providers.Extract
	}
	if r.IntN(3) > 0 {
		t.Price = price(r.Float64(), r.Float64()*3)
	}
	if r.IntN(3) > 0 {
		t.Context = r.IntN(5000)
	}
	if r.IntN(3) > 0 {
		t.TTFT, t.PerToken = time.Duration(r.IntN(1e9)), time.Duration(r.IntN(1e7))
	}
	c := Candidate{Target: t}
	if r.yes() {
		c.State.Prediction = &Prediction{TTFT: time.Duration(r.IntN(1e9)), TTFTKnown: r.yes(), Latency: time.Duration(r.IntN(4e9)), Known: r.yes(),
			Assumed: r.IntN(4) == 0, Finish: r.Float64() / 4, FinishKnown: r.IntN(4) == 0}
	}
	if r.IntN(6) == 0 {
		c.State.OpenFor = time.Second
	}
	if r.IntN(6) == 0 {
		c.State.PausedUntil = now.Add(time.Duration(r.IntN(3)-1) * time.Second)
	}
	return c
}

func (r random) fleet() (all []Candidate) {
	for i := range 1 + r.IntN(12) {
		all = append(all, r.candidate(i))
	}
	return all
}

func (r random) request() *Request {
	var allowed []string
	if r.IntN(4) == 0 {
		allowed = []string{"t01", "t02", "t05"}[:r.IntN(4)]
	}
	return &Request{Allowed: allowed, Label: label.Label(1 + r.IntN(4)), Needs: providers.Capability(r.IntN(16)) | providers.Chat, Documents: r.yes(),
		PromptTokens: r.IntN(4000), MaxOutput: r.IntN(1000), Left: Left{Limited: r.yes(), Money: providers.USD(r.Float64() / 500), Deadline: now.Add(time.Minute)}}
}

func (r random) policy() *Policy {
	p := &Policy{Prefer: []Preference{Cheapest, Best, Fastest}[r.IntN(3)], MinQuality: r.Float64() * float64(r.IntN(2)),
		MaxCost: providers.USD(r.Float64()/200) * providers.Money(r.IntN(2)), MaxTTFT: time.Duration(r.IntN(1e9) * r.IntN(2)),
		MaxLatency: time.Duration(r.IntN(4e9) * r.IntN(2)), OnNone: []OnNone{"", OnNoneFail, OnNoneCheapest, OnNoneExtractive}[r.IntN(4)]}
	if r.yes() {
		p.Weights = Weights{Cost: r.Float64(), Latency: r.Float64(), Quality: r.Float64()}
	}
	if r.IntN(4) == 0 {
		p.Targets = []string{"t00", "t03", "t05", "t07"}
	}
	switch r.IntN(6) {
	case 0:
		p.When = condition(func(_ *Request, t *Target) (bool, error) { return t.Kind == "ollama", nil })
	case 1:
		p.When = condition(func(_ *Request, t *Target) (bool, error) {
			if t.Kind == "ollama" {
				return true, errors.New("boom")
			}
			return true, nil
		})
	}
	return p
}

// forbidden says which hard limit a target breaks, if any, and what soft one. It is written apart from Decide.
func forbidden(req *Request, c *Candidate, p *Policy, r *Record) (hard, soft string) {
	t := c.Target
	can := t.Does&req.Needs == req.Needs || req.Documents && req.Needs == providers.Chat && t.Does.Has(providers.Extract)
	switch {
	case t.Clearance < req.Label:
		hard = "clearance"
	case req.Allowed != nil && !slices.Contains(req.Allowed, t.Name):
		hard = "caller"
	case !can:
		hard = "capability"
	case t.Context > 0 && req.PromptTokens+req.MaxOutput > t.Context:
		hard = "context"
	case req.Left.Limited && (t.Price == nil || r.Cost > req.Left.Money):
		hard = "budget"
	case len(p.Targets) > 0 && !slices.Contains(p.Targets, t.Name):
		hard = "list"
	case c.State.OpenFor > 0 || c.State.PausedUntil.After(now):
		hard = "rest"
	case r.FinishKnown && r.Finish < minFinish && !r.Assumed:
		hard = "deadline"
	case p.When != nil:
		if ok, err := p.When.Holds(req, t); !ok || err != nil {
			hard = "when"
		}
	}
	switch {
	case p.MinQuality > 0 && t.Quality < p.MinQuality:
		soft = "quality"
	case p.MaxCost > 0 && (t.Price == nil || r.Cost > p.MaxCost):
		soft = "cost"
	case !r.Assumed && (p.MaxTTFT > 0 && r.TTFT > p.MaxTTFT || p.MaxLatency > 0 && r.Latency > p.MaxLatency):
		soft = "latency"
	}
	return hard, soft
}

// No plan holds a target that breaks a hard limit, relaxed or not; only a relaxed plan holds one that misses
// a soft one, and it is relaxed only when no target meets them all. Every other target is out.
func TestLimitsHold(t *testing.T) {
	rng := random{rand.New(rand.NewPCG(1, 2))}
	var relaxed, met, none int
	for range 6000 {
		candidates, req, policy := rng.fleet(), rng.request(), rng.policy()
		plan := Decide(req, candidates, policy, now)
		meets := 0
		for i := range plan.Records {
			r := &plan.Records[i]
			at := slices.IndexFunc(candidates, func(c Candidate) bool { return c.Target == r.Target })
			hard, soft := forbidden(req, &candidates[at], policy, r)
			if hard == "" && soft == "" {
				meets++
			}
			in := r.Reason == In
			quotes := r.Target.Does.Has(providers.Extract) && !r.Target.Does.Has(providers.Chat)
			want := hard == "" && (soft == "" || plan.Relaxed == "cheapest" || plan.Relaxed == "extractive" && quotes)
			if in != want {
				t.Fatalf("%+v: in %v, want %v (hard %q, soft %q, relaxed %q) for %+v under %+v", r.Target, in, want, hard, soft, plan.Relaxed, req, policy)
			}
			if in && (soft != "") != (r.Relaxed != "") || r.Relaxed != "" && string(r.Relaxed) != soft {
				t.Fatalf("relaxed for %q, and it misses %q", r.Relaxed, soft)
			}
			if r.Scored && (r.Score < 0 || r.Score > 1) || r.ScoreCost() > 1 || r.ScoreLatency() > 1 || r.ScoreQuality() > 1 {
				t.Fatalf("score %v of %v, %v, %v", r.Score, r.ScoreCost(), r.ScoreLatency(), r.ScoreQuality())
			}
			if (r.Detail() == "") != (in && r.Relaxed == "") {
				t.Fatalf("detail %q of %+v", r.Detail(), r)
			}
		}
		switch {
		case plan.Relaxed != "" && (meets > 0 || plan.Eligible == 0 || string(policy.OnNone) != plan.Relaxed):
			t.Fatalf("relaxed as %q where %d meet the policy", plan.Relaxed, meets)
		case plan.Relaxed != "":
			relaxed++
		case plan.Eligible > 0:
			met++
		default:
			none++
		}
	}
	if relaxed < 100 || met < 100 || none < 100 {
		t.Errorf("too few of a kind: %d relaxed, %d met, %d none", relaxed, met, none)
	}
}

// The order of the candidates changes nothing at all.
func TestOrderOfCandidatesNeverMatters(t *testing.T) {
	rng := random{rand.New(rand.NewPCG(3, 4))}
	say := func(p *Plan) string {
		s := p.Summary() + p.Relaxed
		for i := range p.Records {
			r := &p.Records[i]
			s += fmt.Sprintln(r.Target.Name, r.Rank, r.Reason, r.Relaxed, r.Score, r.Scored, r.Cost, r.Latency, r.Detail())
		}
		return s
	}
	for range 2000 {
		candidates, req, policy := rng.fleet(), rng.request(), rng.policy()
		first := say(Decide(req, candidates, policy, now))
		rng.Shuffle(len(candidates), func(i, j int) { candidates[i], candidates[j] = candidates[j], candidates[i] })
		if again := say(Decide(req, candidates, policy, now)); again != first {
			t.Fatalf("in another order:\n%s\n%s", first, again)
		}
	}
}

// More targets than there is room for on the stack are ordered as few are.
func TestManyTargets(t *testing.T) {
	rng := random{rand.New(rand.NewPCG(9, 10))}
	for _, n := range []int{0, 1, 127, 128, 129, 1000} {
		var candidates []Candidate
		for i := range n {
			c := rng.candidate(i)
			c.Target.Name = fmt.Sprintf("t%04d", i)
			candidates = append(candidates, c)
		}
		rng.Shuffle(n, func(i, j int) { candidates[i], candidates[j] = candidates[j], candidates[i] })
		plan := Decide(&Request{Label: label.Public, Needs: providers.Chat}, candidates, &Policy{}, now)
		seen := map[string]bool{}
		for i := range plan.Records {
			r := &plan.Records[i]
			seen[r.Target.Name] = true
			switch {
			case i < plan.Eligible && (r.Reason != In || r.Rank != i+1):
				t.Errorf("%d of %d: %+v", i, n, r)
			case i >= plan.Eligible && r.Reason == In, i > plan.Eligible && r.Target.Name < plan.Records[i-1].Target.Name:
				t.Errorf("%d of %d: %s after %s", i, n, r.Target.Name, plan.Records[i-1].Target.Name)
			case i > 0 && i < plan.Eligible && r.Score > plan.Records[i-1].Score:
				t.Errorf("%d of %d: %v after %v", i, n, r.Score, plan.Records[i-1].Score)
			}
		}
		if len(seen) != n {
			t.Errorf("%d of %d targets", len(seen), n)
		}
	}
}

// A target's score depends on the target, the request and the policy, never on the other targets: so adding
// one never makes the best score worse, and scores of different requests can be compared.
func TestScoresAreComparable(t *testing.T) {
	rng := random{rand.New(rand.NewPCG(5, 6))}
	for range 3000 {
		candidates, req, policy := rng.fleet(), rng.request(), rng.policy()
		policy.OnNone = OnNoneFail
		all := Decide(req, candidates, policy, now)
		best := 0.0
		for i := range all.Order() {
			r := &all.Records[i]
			at := slices.IndexFunc(candidates, func(c Candidate) bool { return c.Target == r.Target })
			alone := Decide(req, candidates[at:at+1], policy, now)
			if got := alone.Records[0]; got.Score != r.Score || got.Scored != r.Scored || alone.Eligible != 1 {
				t.Fatalf("%s scores %v alone and %v among others", r.Target.Name, got.Score, r.Score)
			}
			if r.Scored && i > 0 && r.Score > all.Records[i-1].Score {
				t.Fatalf("a better score comes later: %v after %v", r.Score, all.Records[i-1].Score)
			}
			best = max(best, r.Score)
		}
		more := Decide(req, append(candidates, rng.candidate(99)), policy, now)
		if all.Eligible > 0 && (more.Eligible < all.Eligible || more.Records[0].Score < best) {
			t.Fatalf("adding a target made the best score worse: %v → %v", best, more.Records[0].Score)
		}
		// A dearer, slower request scores no better.
		dearer := *req
		dearer.PromptTokens, dearer.MaxOutput, dearer.Left.Limited = req.PromptTokens+100, req.MaxOutput+100, false
		for _, c := range candidates {
			easy := scoreOf(req, c, policy)
			if hard := scoreOf(&dearer, c, policy); req.MaxOutput > 0 && hard > easy {
				t.Fatalf("more work scores better: %v → %v", easy, hard)
			}
		}
	}
}

// scoreOf gives what a target scores under the preference of a policy, without its limits.
func scoreOf(req *Request, c Candidate, p *Policy) float64 {
	free := &Policy{Prefer: p.Prefer, Weights: p.Weights}
	q := *req
	q.Label, q.Needs, q.Left = label.Public, 0, Left{}
	plain := *c.Target
	plain.Context = 0
	return Decide(&q, []Candidate{{Target: &plain, State: State{Prediction: c.State.Prediction}}}, free, now).Records[0].Score
}

func TestWeightsExplainThemselves(t *testing.T) {
	req := &Request{Label: label.Internal, Needs: providers.Chat, PromptTokens: 1000, MaxOutput: 100}
	candidates := fleet()
	for i, s := range predicted(4*time.Second, time.Second, 250*time.Millisecond) {
		at := slices.IndexFunc(candidates, func(c Candidate) bool { return c.Target.Name == i })
		candidates[at].State = s
	}
	// The weights count in proportion: these are 0.2, 0.7 and 0.1.
	plan := Decide(req, candidates, &Policy{Weights: Weights{Cost: 2, Latency: 7, Quality: 1}}, now)
	if got, want := plan.Summary(), "frontier: best score, 0.63 (cost 0.96×0.20 + latency 0.50×0.70 + quality 0.90×0.10), of 3 that qualify out of 4"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	mystery := &plan.Records[1]
	if mystery.ScoreCost() != -1 || mystery.ScoreQuality() != -1 || mystery.ScoreLatency() != 0.8 || !mystery.Scored || mystery.Score < 0.559 || mystery.Score > 0.561 {
		t.Errorf("%v, %v, %v: %v", mystery.ScoreCost(), mystery.ScoreLatency(), mystery.ScoreQuality(), mystery.Score)
	}
	plan = Decide(req, []Candidate{candidates[2], candidates[0]}, &Policy{Weights: Weights{Latency: 1, Quality: 0.25}}, now)
	if got, want := plan.Summary(), "mystery: best score, 0.64 (latency 0.80×0.80 + quality unknown×0.20), of 2 that qualify out of 2"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestRelaxedPlansSaySo(t *testing.T) {
	req := &Request{Label: label.Internal, Needs: providers.Chat, PromptTokens: 1000, MaxOutput: 100, Documents: true}
	plan := Decide(req, fleet(), &Policy{Prefer: Best, MinQuality: 0.7, MaxCost: 1, OnNone: OnNoneCheapest}, now)
	if got, want := plan.Summary(), "local: no target meets the policy, so the cheapest of 4 without its limits on quality and cost (on_none: cheapest)"; got != want || plan.Relaxed != "cheapest" {
		t.Errorf("%s\nwant %s", got, want)
	}
	for name, want := range map[string]string{"local": "it is tried although quality 0.60 is under the policy's 0.70", "frontier": "it is tried although up to $0.000450 is over the policy's $0.000000001"} {
		i := slices.IndexFunc(plan.Records, func(r Record) bool { return r.Target.Name == name })
		if got := plan.Records[i].Detail(); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	plan = Decide(req, fleet(), &Policy{MinQuality: 0.95, OnNone: OnNoneExtractive}, now)
	if got, want := plan.Summary(), "quotes: no target meets the policy, so the sources are quoted (on_none: extractive)"; got != want || plan.Relaxed != "extractive" {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestConditionsSeeWhenTheDecisionIsMade(t *testing.T) {
	when, err := CompileCondition("hour == 12 && weekday == 'sunday'")
	if err != nil {
		t.Fatal(err)
	}
	req := &Request{Label: label.Internal, Needs: providers.Chat}
	policy := &Policy{When: when, WhenText: "hour == 12"}
	if plan := Decide(req, fleet(), policy, now); plan.Eligible != 3 || !req.At.IsZero() {
		t.Errorf("%s, %v", plan.Summary(), req.At)
	}
	plan := Decide(req, fleet(), policy, now.Add(time.Hour))
	if plan.Eligible != 0 || plan.Records[0].Detail() != "the policy's condition does not hold: hour == 12" {
		t.Errorf("%s: %s", plan.Summary(), plan.Records[0].Detail())
	}
	req.At = now
	if plan := Decide(req, fleet(), policy, now.Add(time.Hour)); plan.Eligible != 3 {
		t.Errorf("a time that is given does not count: %s", plan.Summary())
	}
}

// fifty gives targets with all that is known of one that is in use.
func fifty() (all []Candidate) {
	rng := rand.New(rand.NewPCG(7, 8))
	for i := range 50 {
		c := fleet()[i%4]
		t := *c.Target
		t.Name = fmt.Sprintf("%s-%02d", t.Name, i)
		all = append(all, Candidate{Target: &t, State: State{
			Live: &Live{Attempts: 100},
			Prediction: &Prediction{Wait: time.Duration(rng.IntN(1e8)), TTFT: time.Duration(1 + rng.IntN(1e9)), TTFTKnown: true, Latency: time.Duration(1 + rng.IntN(4e9)), Known: true,
				Finish: 0.9, FinishKnown: true, Samples: 100, Source: "observed"},
		}})
	}
	return all
}

func benchmarkDecide(b *testing.B, policy *Policy) {
	candidates := fifty()
	req := &Request{Step: "answer/draft", Tenant: "acme", Label: label.Internal, Needs: providers.Chat, PromptTokens: 1000, MaxOutput: 100,
		Left: Left{Limited: true, Money: providers.USD(1), Deadline: now.Add(time.Minute)}}
	b.ReportAllocs()
	for b.Loop() {
		if plan := Decide(req, candidates, policy, now); len(plan.Records) != 50 || plan.Eligible < 10 {
			b.Fatal(plan.Summary())
		}
	}
}

// limits are those of a policy that looks at everything.
var limits = Policy{Weights: Weights{Cost: 0.2, Latency: 0.7, Quality: 0.1}, MinQuality: 0.3, MaxCost: providers.USD(0.5), MaxTTFT: 10 * time.Second, MaxLatency: time.Minute}

func BenchmarkDecide50(b *testing.B) {
	policy := limits
	benchmarkDecide(b, &policy)
}

func BenchmarkDecide50CEL(b *testing.B) {
	policy := limits
	policy.WhenText = "label <= internal || target.clearance == 'restricted'"
	var err error
	if policy.When, err = CompileCondition(policy.WhenText); err != nil {
		b.Fatal(err)
	}
	benchmarkDecide(b, &policy)
}

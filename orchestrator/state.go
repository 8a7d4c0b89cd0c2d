package orchestrator

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/locale"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/routing"
	"fairlead/prompts"
	"fairlead/providers"
	"fairlead/providers/tokens"
)

// state is a validated Config. It does not change, but for what targets learn.
type state struct {
	// targets are those that may be named, by name; byName has the same.
	targets []*target
	byName  map[string]*target
	// names are those of targets, in their order.
	names []string
	// qualities may be nil.
	qualities Qualities
	// features may be nil.
	features      func(prompt string) []byte
	featuresLabel label.Label
	// every has them with their variants, which nobody may name.
	every map[string]*target
	// encodings are those of the targets that answer; the first stands for all where one must.
	encodings     []tokens.Encoding
	policies      map[string]*routing.Policy
	chains        map[string]*chain.Chain
	chainList     []*chain.Chain // by name
	prompts       *prompts.Library
	defaultPolicy *routing.Policy
	auto          string
	embedder      string
	label         label.Label
	languages     *locale.Detector
}

func newState(c Config) (*state, error) {
	st := &state{
		byName:   map[string]*target{},
		every:    map[string]*target{},
		policies: map[string]*routing.Policy{},
		chains:   map[string]*chain.Chain{},
		prompts:  c.Prompts,
		auto:     c.Auto,
		embedder: c.DefaultEmbedder,
		label:    c.DefaultLabel.Or(label.Internal),

		qualities: c.Qualities,

		features:      c.Features,
		featuresLabel: c.FeaturesLabel.Or(label.Internal),
	}
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	var err error
	if st.languages, err = locale.New(c.Languages); err != nil {
		problems = append(problems, err)
	}
	for _, t := range c.Targets {
		switch {
		case t.Name == "" || strings.ContainsAny(t.Name, "/@") || t.Name == "auto":
			problem("target %q: a target's name is not empty, not \"auto\", and has no / and no @", t.Name)
		case st.byName[t.Name] != nil:
			problem("target %s: there are two of that name", t.Name)
		case !t.Clearance.Valid():
			problem("target %s: its backend %s has no clearance", t.Name, t.Backend)
		case t.Does&(providers.Chat|providers.Extract) != 0 && t.Generator == nil:
			problem("target %s: it is said to chat, and backends of kind %s do not", t.Name, t.Kind)
		case t.Does.Has(providers.Embed) && t.Embedder == nil:
			problem("target %s: it is said to embed, and backends of kind %s do not", t.Name, t.Kind)
		case t.Does.Has(providers.Classify) && t.Classifier == nil:
			problem("target %s: it is said to classify, and backends of kind %s do not", t.Name, t.Kind)
		case t.Does.Has(providers.Predict) && t.Predictor == nil:
			problem("target %s: it is said to predict, and backends of kind %s do not", t.Name, t.Kind)
		default:
			made := newTarget(t)
			st.byName[t.Name], st.every[t.Name] = made, made
			problems = append(problems, st.variants(made)...)
		}
	}
	meters := map[string]*meter{}
	for _, name := range slices.Sorted(maps.Keys(st.every)) {
		t := st.every[name]
		if t.Of == "" {
			st.targets, st.names = append(st.targets, t), append(st.names, t.Name)
		}
		if m := meters[t.Backend]; m != nil {
			t.meter = m
		}
		meters[t.Backend] = t.meter
		if t.Generator != nil && t.Encoding != "" && t.Does&(providers.Chat|providers.Extract) != 0 && !slices.Contains(st.encodings, t.Encoding) {
			st.encodings = append(st.encodings, t.Encoding)
		}
	}
	slices.SortFunc(st.encodings, func(a, b tokens.Encoding) int { return strings.Compare(string(b), string(a)) }) // the newest first
	for i := range c.Policies {
		p := &c.Policies[i]
		if st.policies[p.Name] != nil {
			problem("policy %s: there are two of that name", p.Name)
		}
		st.policies[p.Name] = p
		for _, name := range p.Targets {
			if st.byName[name] == nil {
				problem("policy %s: it names the target %q, and there is none: %s", p.Name, name, known("targets", st.byName))
			}
		}
	}
	if st.defaultPolicy = st.policies[c.DefaultPolicy]; st.defaultPolicy == nil {
		problem("the default policy is %q, and there is none: %s", c.DefaultPolicy, known("policies", st.policies))
	}
	if t := st.byName[st.embedder]; st.embedder != "" && (t == nil || !t.Does.Has(providers.Embed)) {
		problem("the default embedder is %q, which is no target that embeds", st.embedder)
	}
	for _, ch := range c.Chains {
		if other := st.chains[ch.Name]; other != nil {
			problem("chain %s: there are two of that name, in %s and %s", ch.Name, other.File, ch.File)
			continue
		}
		st.chains[ch.Name] = ch
		if _, err := ch.Check(st.refs()); err != nil {
			problems = append(problems, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(st.chains)) {
		st.chainList = append(st.chainList, st.chains[name])
	}
	if st.auto == "" {
		st.auto = "policy/" + c.DefaultPolicy
	}
	if _, err := st.resolve(st.auto); err != nil && len(problems) == 0 {
		problem("\"auto\" stands for %q: %s", st.auto, err.Error())
	}
	if len(problems) > 0 {
		texts := make([]string, len(problems))
		for i, err := range problems {
			texts[i] = err.Error()
		}
		return nil, fault.Wrap(errors.Join(problems...), fault.InvalidArgument, fault.ReasonBadConfig, "%s", strings.Join(texts, "\n"))
	}
	return st, nil
}

// refs is what chains are checked against. Collections belong to tenants and may be made later, so they
// are not looked at.
func (st *state) refs() chain.Refs {
	return chain.Refs{
		Policy: func(name string) bool { return st.policies[name] != nil },
		Target: func(name string) bool { return st.byName[name] != nil },
		Classifies: func(name string) bool {
			t := st.byName[name]
			return t != nil && t.Does.Has(providers.Classify)
		},
		Predicts: func(name string) bool {
			t := st.byName[name]
			return t != nil && t.Does.Has(providers.Predict)
		},
		Prompt: func(name string, version int) ([]chain.PromptInput, error) {
			p, err := st.prompts.Get(name, version, "")
			if err != nil {
				return nil, err
			}
			var inputs []chain.PromptInput
			for _, in := range p.Inputs() {
				inputs = append(inputs, chain.PromptInput{Name: in.Name, Optional: in.Optional})
			}
			return inputs, nil
		},
	}
}

// resolved is what the model of a request stands for: a chain, or a policy.
type resolved struct {
	chain  *chain.Chain
	policy *routing.Policy
}

// resolve reads a request's model: "auto", "policy/NAME", "chain/NAME" or a target's name.
func (st *state) resolve(model string) (resolved, error) {
	if model == "" || model == "auto" {
		model = st.auto
	}
	if name, ok := strings.CutPrefix(model, "chain/"); ok {
		if ch := st.chains[name]; ch != nil {
			return resolved{chain: ch}, nil
		}
		return resolved{}, fault.New(fault.NotFound, fault.ReasonUnknownModel, "there is no chain %q: %s", name, known("chains", st.chains))
	}
	if name, ok := strings.CutPrefix(model, "policy/"); ok {
		if p := st.policies[name]; p != nil {
			return resolved{policy: p}, nil
		}
		return resolved{}, fault.New(fault.NotFound, fault.ReasonUnknownModel, "there is no policy %q: %s", name, known("policies", st.policies))
	}
	if t := st.byName[model]; t != nil {
		// Naming a target is the caller's own choice: only what may never be broken still holds, which is
		// its clearance, its abilities and the run's budget.
		return resolved{policy: &routing.Policy{Name: "target/" + t.Name, Prefer: routing.Best, Targets: []string{t.Name}, Attempts: 1}}, nil
	}
	return resolved{}, fault.New(fault.NotFound, fault.ReasonUnknownModel,
		"there is no model %q: use auto, policy/NAME, chain/NAME or a target's name; %s", model, known("targets", st.byName))
}

// policy gives the policy of a step, narrowed to one target where the step names one.
func (st *state) policy(name, target string) (*routing.Policy, error) {
	p := st.defaultPolicy
	if name != "" {
		if p = st.policies[name]; p == nil {
			return nil, fault.New(fault.NotFound, fault.ReasonUnknownPolicy, "there is no policy %q: %s", name, known("policies", st.policies))
		}
	}
	if target == "" {
		return p, nil
	}
	if len(p.Targets) > 0 && !slices.Contains(p.Targets, target) {
		return nil, fault.New(fault.FailedPrecondition, fault.ReasonNoTarget,
			"target %s is not one of those that policy %s names: %s", target, p.Name, strings.Join(p.Targets, ", "))
	}
	narrowed := *p
	narrowed.Targets = []string{target}
	return &narrowed, nil
}

func known[T any](what string, m map[string]T) string {
	if len(m) == 0 {
		return "there are no " + what
	}
	return what + " are " + strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}

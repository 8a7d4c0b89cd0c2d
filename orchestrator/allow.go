package orchestrator

import (
	"slices"
	"strings"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/routing"
)

// MayName says whether a caller may give a name as the model of a request. What it stands for may have targets
// that the caller may not be sent to: routing leaves those out.
//
// A caller who is held to some policies may name a target only where its own list names it: a target that is
// named is routed by no policy.
func MayName(p *auth.Principal, model string) bool {
	if model == "" {
		model = "auto"
	}
	if !p.MayUseModel(model) {
		return false
	}
	if name, ok := strings.CutPrefix(model, "policy/"); ok {
		return p.MayUsePolicy(name)
	}
	if model == "auto" || strings.HasPrefix(model, "chain/") {
		return true
	}
	return p.Policies == nil || slices.Contains(p.Models, model)
}

// resolveFor reads a request's model for a caller. What the caller may not use is not there.
func (st *state) resolveFor(p *auth.Principal, model string) (resolved, error) {
	if model == "" {
		model = "auto"
	}
	named := model
	if model == "auto" {
		named = st.auto
	}
	if MayName(p, model) {
		what, err := st.resolve(named)
		if err != nil && p.Models == nil && p.Policies == nil {
			return what, err
		}
		// "auto" may stand for a policy or a target that another name would have been refused for.
		if err == nil && st.mayUse(p, what) {
			return what, nil
		}
	}
	kind := "model"
	if name, ok := strings.CutPrefix(model, "chain/"); ok {
		kind, model = "chain", name
	} else if name, ok := strings.CutPrefix(model, "policy/"); ok {
		kind, model = "policy", name
	}
	return resolved{}, fault.New(fault.NotFound, fault.ReasonUnknownModel, "there is no %s %q that this caller may use: %s", kind, model, st.usable(p))
}

// mayUse says whether what a name stands for is the caller's to use.
func (st *state) mayUse(p *auth.Principal, what resolved) bool {
	switch {
	case what.chain != nil:
		return true // its name was allowed, and each of its steps is held to what the caller may use
	case st.policies[what.policy.Name] == what.policy:
		return p.MayUsePolicy(what.policy.Name)
	default:
		return p.MayUseModel(what.policy.Targets[0])
	}
}

// usable names what a caller may name.
func (st *state) usable(p *auth.Principal) string {
	var names []string
	add := func(name string) {
		if MayName(p, name) {
			names = append(names, name)
		}
	}
	if what, err := st.resolve(st.auto); err == nil && st.mayUse(p, what) {
		add("auto")
	}
	for _, t := range st.targets {
		add(t.Name)
	}
	for name := range st.policies {
		add("policy/" + name)
	}
	for name := range st.chains {
		add("chain/" + name)
	}
	if len(names) == 0 {
		return "there is none"
	}
	slices.Sort(names)
	return "there are " + strings.Join(names, ", ")
}

// chainFor gives the chain of a name that the caller may run, or nil.
func (st *state) chainFor(p *auth.Principal, name string) *chain.Chain {
	if !MayName(p, "chain/"+name) {
		return nil
	}
	return st.chains[name]
}

// embedderFor gives the target that embeds for a caller: the named one, or the default.
func (st *state) embedderFor(p *auth.Principal, name string) (*target, error) {
	if name == "" {
		name = "auto"
	}
	if p.MayUseModel(name) {
		t, err := st.embedderTarget(name)
		if err != nil || p.MayUseModel(t.Name) {
			return t, err
		}
	}
	return nil, fault.New(fault.NotFound, fault.ReasonUnknownModel, "there is no model %q that this caller may embed with", name)
}

// policyFor gives the policy of a step, which the caller must be allowed to be routed by, narrowed to one target
// where the step names one.
func (r *run) policyFor(name, target string) (*routing.Policy, error) {
	p, err := r.st.policy(name, target)
	if err != nil {
		return nil, err
	}
	if !r.principal.MayUsePolicy(p.Name) {
		return nil, fault.New(fault.NotFound, fault.ReasonUnknownPolicy, "there is no policy %q that this caller may be routed by", p.Name)
	}
	return p, nil
}

// mustAllow fails where the caller may not use a target. Decide never lets it come to this; nothing is sent if it does.
func (r *run) mustAllow(t *routing.Target) error {
	if r.principal.MayUseModel(t.Named()) {
		return nil
	}
	return fault.New(fault.Internal, fault.ReasonInternal, "target %s is not one that this caller may use", t.Name)
}

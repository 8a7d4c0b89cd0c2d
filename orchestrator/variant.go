package orchestrator

import (
	"fmt"
	"time"

	"fairlead/orchestrator/routing"
	"fairlead/orchestrator/routing/observe"
	"fairlead/providers"
)

// What the names of variants end with. No target of a configuration has an @ in its name, so nobody can name them.
const (
	canarySuffix = "@canary"
	shadowSuffix = "@shadow"
)

// Variant is another model in the place of a target's, or beside it: a target of its own, with a breaker, prices and
// predictions of its own, which nobody names.
type Variant struct {
	Target
	// Percent is of how many of 100: of callers for a canary, of calls for a shadow.
	Percent float64
	// Timeout is how long a shadow's answer is waited for.
	Timeout time.Duration
}

// variants makes the variants of a target, and says what is wrong with them.
func (st *state) variants(t *target) (problems []error) {
	add := func(what, suffix string, v *Variant) *target {
		if v == nil {
			return nil
		}
		if err := v.check(&t.Target); err != nil {
			problems = append(problems, fmt.Errorf("target %s: its %s %w", t.Name, what, err))
			return nil
		}
		made := newTarget(v.Target)
		made.Name, made.Of, made.stable = t.Name+suffix, t.Name, t
		made.Canary, made.Shadow = nil, nil
		st.every[made.Name] = made
		return made
	}
	if t.Canary != nil && t.Does.Has(providers.Embed) {
		problems = append(problems, fmt.Errorf("target %s: a target that embeds has no canary, because vectors of two versions cannot be compared: make another target, and reindex collections with it", t.Name))
	} else {
		t.canary = add("canary", canarySuffix, t.Canary)
	}
	if t.shadow = add("shadow", shadowSuffix, t.Shadow); t.shadow != nil {
		t.shadow.compared = &compared{}
	}
	return problems
}

// check says what a variant has otherwise than its target and must not: where its data goes, and what it can do.
func (v *Variant) check(t *Target) error {
	switch {
	case v.Percent < 0 || v.Percent > 100 || v.Percent != v.Percent:
		return fmt.Errorf("is for %v of 100, which is not from 0 to 100", v.Percent)
	case v.Backend != t.Backend || v.Kind != t.Kind || v.Clearance != t.Clearance:
		return fmt.Errorf("is on another backend: make it a target of its own")
	case v.Does != t.Does:
		return fmt.Errorf("does %s and the target %s: a variant does the same", v.Does, t.Does)
	case v.Model == t.Model && v.Version == t.Version:
		return fmt.Errorf("has the target's own model and version: name another")
	case (v.Generator == nil) != (t.Generator == nil) || (v.Embedder == nil) != (t.Embedder == nil) ||
		(v.Classifier == nil) != (t.Classifier == nil) || (v.Predictor == nil) != (t.Predictor == nil):
		return fmt.Errorf("cannot be called in all the ways that the target can")
	}
	return nil
}

// gets says whether a caller is among those who get a target's canary. It is a function of the caller, the target and
// the percentage alone, on every server and after every start, and who gets it at some percentage gets it at every
// higher one.
func (r *run) gets(t *target) bool {
	return observe.ProbeShare(r.principal.Tenant+"\x00"+r.principal.Name+"\x00"+t.Name, t.Canary.Percent/100)
}

// variant gives what stands for a target now, for this caller: the target, or its canary.
func (r *run) variant(t *target) *target {
	v, _ := r.variantOrWhy(t)
	return v
}

// variantOrWhy is variant, with the name of the canary that the target stands in for while that one is left alone. A
// canary must not take a target away from its callers.
func (r *run) variantOrWhy(t *target) (_ *target, insteadOf string) {
	c := t.canary
	switch {
	case c == nil || r.engine.rolledBack(t.Name) || !r.gets(t):
		return t, ""
	case c.alone():
		return t, c.Name
	}
	return c, ""
}

// alone says whether a target is left alone: its breaker is open, its model is not ready, or its backend asked to wait
// for its sake. That the backend as a whole takes no more calls for the moment is no reason, because it is shared.
func (t *target) alone() bool {
	s := t.live()
	return s.OpenFor > 0 || s.NotReady != "" || t.pausedUntil.Load() > time.Now().UnixNano()
}

// candidates gives the targets that this caller may get, each as the variant that is the caller's.
func (r *run) candidates() []routing.Candidate {
	out := make([]routing.Candidate, len(r.st.targets))
	for i, t := range r.st.targets {
		out[i] = r.candidate(t)
	}
	return out
}

// candidate gives a target as the variant that is the caller's.
func (r *run) candidate(t *target) routing.Candidate {
	v, insteadOf := r.variantOrWhy(t)
	c := routing.Candidate{Target: &v.Target.Target, State: v.live()}
	c.State.InsteadOf = insteadOf
	return c
}

// instead gives the stable version as what stands in for its canary.
func (t *target) instead() routing.Candidate {
	c := routing.Candidate{Target: &t.stable.Target.Target, State: t.stable.live()}
	c.State.InsteadOf = t.Name
	return c
}

// decideStable decides anew about a call whose plan has a canary that is not to be called any more, and gives the
// record of its stable version; nil where that one does not qualify.
func (d *dispatch) decideStable(canary *target) *routing.Record {
	candidates := d.candidates()
	for i := range candidates {
		if candidates[i].Target == &canary.Target.Target {
			candidates[i] = canary.instead()
		}
	}
	c := *d.call // the other attempt of a race reads it
	plan := d.decideAmong(&c, candidates).Plan
	for i := range plan.Order() {
		if rec := &plan.Records[i]; rec.Target == &canary.stable.Target.Target {
			return rec
		}
	}
	return nil
}

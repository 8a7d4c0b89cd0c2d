package orchestrator

import (
	"context"
	"errors"
	"slices"

	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// reasonEscalated is why text is withdrawn for a better answer.
const reasonEscalated = "escalated"

// escalate asks another target, once, when the answer is such as the policy says does not do. Where what was
// told cannot be withdrawn, or nobody else qualifies, the answer stands; and so it does when the second one
// fails.
func (d *dispatch) escalate(ctx context.Context, got *answer) (*answer, error) {
	e := d.policy.Escalate
	if e == nil || !d.withdrawable() || len(got.ToolCalls) > 0 {
		return got, nil
	}
	wanted, err := e.When.Holds(&routing.Answer{
		Text: got.Text, Finish: string(got.Finish), Tokens: providers.EstimateTokens(len(got.Text)), Citations: len(got.citations), Target: got.target.Named(),
	})
	if err != nil || !wanted {
		return got, nil //nolint:nilerr // a condition that cannot be evaluated asks for nothing
	}
	policy := *d.policy
	policy.Escalate, policy.Hedge, policy.Prefer = nil, nil, e.To
	if policy.Prefer == "" {
		policy.Prefer = routing.Best
	}
	c := *d.call
	c.policy = &policy
	decided := d.decide(&c)
	records := make([]*routing.Record, 0, decided.Plan.Eligible)
	for i := range decided.Plan.Order() {
		if rec := &decided.Plan.Records[i]; rec.Target.Named() != got.target.Named() {
			records = append(records, rec)
		}
	}
	if len(records) == 0 {
		return got, nil
	}
	if err := d.emit(d.path, decided); err != nil {
		return nil, err
	}
	if err := d.withdraw(reasonEscalated); err != nil {
		return nil, err
	}
	second := &dispatch{run: d.run, call: &c, plan: decided.Plan, emit: d.emit, attempts: d.attempts}
	second.plan.Attempts += d.attempts
	better, _, err := second.round(ctx, 0, records)
	switch {
	case better != nil:
		return better, nil
	case ctx.Err() != nil || errors.Is(err, errStopped):
		return nil, err
	}
	return got, d.tellAgain(got)
}

// withdrawable says whether the caller can be told to forget what the step has said.
func (d *dispatch) withdrawable() bool {
	return d.silent || !d.output || d.limits.Whole || !d.limits.NoRetract
}

// withdraw takes back what the step has said.
func (d *dispatch) withdraw(reason string) error {
	if d.silent {
		return nil
	}
	return d.emit(d.path, &Retracted{Reason: reason})
}

// tellAgain tells an answer that was withdrawn for one that did not come.
func (d *dispatch) tellAgain(a *answer) error {
	if d.silent {
		return nil
	}
	if err := d.withdraw(reasonEscalated); err != nil { // what a part of the second one has said
		return err
	}
	if err := d.emit(d.path, &TextDelta{Text: a.Text, Output: d.output}); err != nil {
		return err
	}
	for _, c := range slices.Clone(a.citations) {
		if err := d.emit(d.path, c); err != nil {
			return err
		}
	}
	return nil
}

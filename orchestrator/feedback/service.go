package feedback

import (
	"context"
	"slices"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/orchestrator/record"
)

// Given is what a caller says.
type Given struct {
	RunID string
	// Step is the path of the step that it is about. Empty: the run's last step in which a model wrote.
	Step string
	// Score is in [0,1]: 1 is good.
	Score float64
	// Reason is a short word. Empty: none.
	Reason string
}

// Service takes feedback. It is safe for concurrent use.
type Service struct{ store Store }

// New makes a service. A nil store is a server that does not record decisions.
func New(store Store) *Service { return &Service{store: store} }

// late are the waits for a run that is not there yet: what was decided is written a moment after the run's end, and its caller
// may be faster.
var late = []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 300 * time.Millisecond, 400 * time.Millisecond}

// Give keeps what a caller says of a run of its tenant, and gives it as it is kept, with the step and the target that it is
// about. NotFound with ReasonUnknownRun when there is no such run, for whatever reason; InvalidArgument when the run has no such
// step; FailedPrecondition when no model answered it, or decisions are not recorded.
func (s *Service) Give(ctx context.Context, p auth.Principal, g Given) (*Feedback, error) {
	if s.store == nil {
		return nil, fault.New(fault.FailedPrecondition, fault.ReasonUnsupported, "taking feedback: this server does not record decisions: switch on record.decisions")
	}
	decisions, err := s.find(ctx, p.Tenant, g.RunID)
	if err != nil {
		return nil, err
	}
	d, err := about(decisions, g.Step)
	if err != nil {
		return nil, err
	}
	f := &Feedback{RunID: d.RunID, Seq: d.Seq, Step: d.Step, Target: d.Chosen, Principal: p.Name, Score: g.Score, Reason: g.Reason, At: time.Now().UTC().Truncate(time.Microsecond)}
	if err := f.Check(); err != nil {
		return nil, err
	}
	if err := s.store.FeedbackPut(ctx, p.Tenant, f, MaxOfRun); err != nil {
		return nil, err
	}
	return f, nil
}

// find gives the decisions of a run.
func (s *Service) find(ctx context.Context, tenant, run string) ([]record.Decision, error) {
	for attempt := 0; ; attempt++ {
		decisions, err := s.store.DecisionsOfRun(ctx, tenant, run)
		if err != nil || len(decisions) > 0 {
			return decisions, err
		}
		if attempt == len(late) {
			return nil, UnknownRun()
		}
		select {
		case <-time.After(late[attempt]):
		case <-ctx.Done():
			return nil, fault.Wrap(ctx.Err(), fault.Canceled, fault.ReasonCanceled, "taking feedback: the caller left")
		}
	}
}

// about gives the decision that the answer of a step came of: the step's last that was answered. Without a step it is the
// last that wrote, or where none did, the last that was answered.
func about(decisions []record.Decision, step string) (*record.Decision, error) {
	var found *record.Decision
	there := step == ""
	for i := range decisions {
		d := &decisions[i]
		if step != "" && d.Step != step {
			continue
		}
		there = true
		if d.Outcome != record.OK || d.Chosen == "" {
			continue
		}
		if found == nil || step != "" || writes(d) || !writes(found) {
			found = d
		}
	}
	switch {
	case !there:
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "taking feedback: the run has no step %.100q for which a model was chosen: leave it out for the last one", step)
	case found == nil:
		return nil, fault.New(fault.FailedPrecondition, fault.ReasonBadRequest, "taking feedback: no model answered there, so there is nothing to score")
	}
	return found, nil
}

// writes says whether a decision was about who writes.
func writes(d *record.Decision) bool { return slices.Contains(d.Needs, "chat") }

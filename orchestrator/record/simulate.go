package record

import (
	"maps"
	"math"
	"slices"
	"strings"

	"fairlead/evals/stat"
	"fairlead/orchestrator/routing"
)

// Simulation decides recorded steps anew, under other policies or for other targets. What was observed of the
// targets is what it was then. It tells which target would have come first; how that one would have done is
// only known as far as it was observed.
type Simulation struct {
	policies map[string]*routing.Policy
	targets  map[string]*routing.Target // nil: the recorded ones
	report   Report
	moves    map[Move]int
	left     map[string]bool
	// Of each step whose old and new figures are known, in dollars and seconds.
	oldCost, newCost, oldLatency, newLatency []float64
}

// Report is what a simulation found.
type Report struct {
	// Steps is how many recorded steps were decided anew.
	Steps int `json:"steps"`
	// LeftOut is how many were not, because there is no policy of their name; Missing names those policies.
	LeftOut int      `json:"left_out"`
	Missing []string `json:"missing_policies,omitempty"`
	// Escalations is how many plans were for a second answer, because the first did not do. They are left out:
	// whether there would be one depends on the first.
	Escalations int `json:"escalations,omitempty"`
	// Changed is how many would have gone to another target first, or to none where there was one, or the
	// other way round.
	Changed int `json:"changed"`
	// Moves says from where to where, the most frequent first. An empty name is no target.
	Moves []Move `json:"moves"`
	// NoTarget is how many would have no target, and NewlyNone how many of those had one.
	NoTarget  int `json:"no_target"`
	NewlyNone int `json:"newly_without_target"`
	// Violations is how many would have a target that is not cleared for their label: it must be 0.
	Violations int `json:"label_violations"`
	// NoEvidence is how many would have a first target of which nothing was observed then, and Unknown how many
	// of those a target that the record does not know at all.
	NoEvidence int `json:"no_evidence"`
	Unknown    int `json:"unknown_target"`
	// OtherQuantile is how many have a policy that predicts at another quantile than was recorded: their
	// latencies are those of the recorded one.
	OtherQuantile int `json:"other_quantile"`
	// Cost is in US dollars and Latency in seconds, as predicted for the targets that come first.
	Cost    Comparison `json:"cost_usd"`
	Latency Comparison `json:"latency_seconds"`
}

// Move is steps that went from one target to another.
type Move struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Steps int    `json:"steps"`
}

// Comparison is a figure over the steps for which it is known before and after.
type Comparison struct {
	Steps int     `json:"steps"`
	Old   float64 `json:"old"`
	New   float64 `json:"new"`
	// PerStep is the mean of new - old over the steps, with its 95 % interval by the bootstrap.
	PerStep stat.Estimate `json:"difference_per_step"`
}

// Increase is by which share the sum grew: 0.1 is a tenth more. It is +Inf where nothing became something.
func (c *Comparison) Increase() float64 {
	switch {
	case c.New == c.Old:
		return 0
	case c.Old == 0:
		return math.Inf(1)
	default:
		return (c.New - c.Old) / c.Old
	}
}

// NewSimulation makes a simulation of policies. Targets are those that there would be; nil stands for those
// that were recorded with each step. Recorded targets that were discovered, and not configured, stay.
func NewSimulation(policies []routing.Policy, targets []routing.Target) *Simulation {
	s := &Simulation{policies: map[string]*routing.Policy{}, moves: map[Move]int{}, left: map[string]bool{}}
	for i := range policies {
		s.policies[policies[i].Name] = &policies[i]
	}
	if targets != nil {
		s.targets = make(map[string]*routing.Target, len(targets))
		for i := range targets {
			s.targets[targets[i].Name] = &targets[i]
		}
	}
	return s
}

// Add decides a recorded step anew.
func (s *Simulation) Add(d *Decision) {
	if d.Escalated {
		s.report.Escalations++
		return
	}
	policy := s.policy(d)
	if policy == nil {
		s.report.LeftOut++
		s.left[d.Policy] = true
		return
	}
	s.report.Steps++
	quantile := policy.Quantile
	if quantile == 0 {
		quantile = routing.DefaultQuantile
	}
	if quantile != d.Quantile {
		s.report.OtherQuantile++
	}
	candidates, recorded := s.candidates(d)
	plan := routing.Decide(d.request(), candidates, policy, d.Time)
	for _, rec := range plan.Order() {
		if d.Label > rec.Target.Clearance { // counted apart from Decide, which is what is being tried
			s.report.Violations++
			break
		}
	}
	old := d.first()
	move := Move{}
	if old != nil {
		move.From = old.Target.Name
	}
	if plan.Eligible == 0 {
		s.report.NoTarget++
		if old != nil {
			s.report.NewlyNone++
		}
	} else {
		first := &plan.Records[0]
		move.To = first.Target.Name
		s.evidence(candidates, recorded, move.To)
		if old != nil {
			s.compare(old, first)
		}
	}
	if move.From != move.To {
		s.report.Changed++
	}
	s.moves[move]++
}

// evidence counts a step whose first target nothing is known of.
func (s *Simulation) evidence(candidates []routing.Candidate, recorded map[string]bool, name string) {
	i := slices.IndexFunc(candidates, func(c routing.Candidate) bool { return c.Target.Name == name })
	if p := candidates[i].State.Prediction; p != nil && p.Samples > 0 {
		return
	}
	s.report.NoEvidence++
	if !recorded[name] {
		s.report.Unknown++
	}
}

func (s *Simulation) compare(old *Candidate, first *routing.Record) {
	if old.CostKnown && first.CostKnown {
		s.oldCost, s.newCost = append(s.oldCost, old.Cost.USD()), append(s.newCost, first.Cost.USD())
	}
	if old.Latency > 0 && first.Latency > 0 {
		s.oldLatency, s.newLatency = append(s.oldLatency, old.Latency.Seconds()), append(s.newLatency, first.Latency.Seconds())
	}
}

// policy gives the policy that a step would have now; nil when there is none.
func (s *Simulation) policy(d *Decision) *routing.Policy {
	if d.Pinned != "" && strings.HasPrefix(d.Policy, "target/") {
		// The caller named a target: no policy had a say, and none would have.
		return &routing.Policy{Name: d.Policy, Prefer: routing.Best, Targets: []string{d.Pinned}, Attempts: 1, Quantile: d.Quantile}
	}
	p := s.policies[d.Policy]
	if p == nil || d.Pinned == "" {
		return p
	}
	narrowed := *p
	if len(p.Targets) > 0 && !slices.Contains(p.Targets, d.Pinned) {
		// The engine refuses a step that pins what its policy does not name: no target bears both names.
		narrowed.Targets = []string{""}
	} else {
		narrowed.Targets = []string{d.Pinned}
	}
	return &narrowed
}

// candidates gives the targets that there would be, with what was known of them then, and the names of those
// that the record knows.
func (s *Simulation) candidates(d *Decision) ([]routing.Candidate, map[string]bool) {
	out := make([]routing.Candidate, 0, len(d.Candidates))
	recorded := make(map[string]bool, len(d.Candidates))
	for i := range d.Candidates {
		kept := &d.Candidates[i]
		c := kept.candidate(d.Time)
		name := c.Target.Name
		if s.targets != nil {
			now := s.targets[c.Target.Named()]
			switch {
			case now != nil && c.Target.Of != "": // who got the variant then gets it again
			case now != nil:
				c = moved(c, now)
			case c.Target.Origin == "config":
				continue // it would not be there
			}
		}
		recorded[name], recorded[c.Target.Named()] = true, true
		out = append(out, c)
	}
	for _, name := range slices.Sorted(maps.Keys(s.targets)) {
		if !recorded[name] {
			out = append(out, routing.Candidate{Target: s.targets[name]})
		}
	}
	return out, recorded
}

// moved gives a recorded candidate as the target that bears its name now. What was seen of another model is
// no evidence, and where mostly assumptions spoke, the new ones do.
func moved(c routing.Candidate, now *routing.Target) routing.Candidate {
	then := c.Target
	c.Target = now
	if then.Backend != now.Backend || then.Kind != now.Kind || then.Model != now.Model || then.Version != now.Version {
		c.State = routing.State{}
		return c
	}
	if p := c.State.Prediction; p != nil && p.Source != "observed" && (then.TTFT != now.TTFT || then.PerToken != now.PerToken) {
		c.State.Prediction = nil
	}
	return c
}

// seed makes intervals the same for the same record.
const seed = 1

// Report gives what was found so far.
func (s *Simulation) Report() Report {
	r := s.report
	r.Missing = slices.Sorted(maps.Keys(s.left))
	r.Moves = make([]Move, 0, len(s.moves))
	for m, n := range s.moves {
		m.Steps = n
		r.Moves = append(r.Moves, m)
	}
	slices.SortFunc(r.Moves, func(a, b Move) int {
		if a.Steps != b.Steps {
			return b.Steps - a.Steps
		}
		return strings.Compare(a.From+"\x00"+a.To, b.From+"\x00"+b.To)
	})
	r.Cost = comparison(s.oldCost, s.newCost)
	r.Latency = comparison(s.oldLatency, s.newLatency)
	return r
}

func comparison(before, after []float64) Comparison {
	c := Comparison{Steps: len(before), PerStep: stat.Difference(after, before, seed)}
	for i := range before {
		c.Old += before[i]
		c.New += after[i]
	}
	return c
}

// Limits are what a change may cost.
type Limits struct {
	// CostIncrease is the most share by which the predicted cost may grow.
	CostIncrease float64
	// Violations is the most steps with a target that is not cleared for them.
	Violations int
}

// Crossed says in words which limits a report crosses; none is nil.
func (r *Report) Crossed(l Limits) (crossed []string) {
	if r.Violations > l.Violations {
		crossed = append(crossed, "label violations")
	}
	if r.Cost.Increase() > l.CostIncrease {
		crossed = append(crossed, "predicted cost")
	}
	return crossed
}

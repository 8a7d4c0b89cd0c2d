package orchestrator

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"fairlead/internal/fault"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/ledger"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// key gives the ledger's key of the run's next attempt at a step. Attempts are numbered over the whole run, so
// that two calls of one step never share a key.
func (r *run) key(step string) ledger.Key {
	return ledger.Key{Run: r.id, Step: step, Attempt: int(r.attempts.Add(1))}
}

// origin gives the run itself, of which r may be what a step sees.
func (r *run) origin() *run {
	if r.whole != nil {
		return r.whole
	}
	return r
}

// kept is the money that a step may not have, because other steps are to have it.
type kept struct {
	money providers.Money
	steps []string
}

// demand is what steps ask of a list's money: amounts, and equal parts of the rest.
type demand struct {
	parts  int64
	amount providers.Money
}

func (d demand) plus(o demand) demand {
	return demand{d.parts + o.parts, d.amount + o.amount}
}

// demandOf gives what a step asks for while it runs. began is what its list of steps began with; below 0 it
// is not known, and then a share is a part as any other.
func demandOf(s *chain.Step, began providers.Money) demand {
	switch {
	case s.CallsModel() && s.Budget.Says() && (s.Budget.Limited || began >= 0):
		return demand{amount: s.Budget.Amount(began)}
	case s.CallsModel():
		return demand{parts: 1}
	case s.Choose != nil: // one branch runs
		most := required(s.Choose.Else, -1)
		for _, c := range s.Choose.Cases {
			d := required(c.Steps, -1)
			most = demand{max(most.parts, d.parts), max(most.amount, d.amount)}
		}
		return most
	default:
		return required(s.Parallel, -1)
	}
}

// required gives what steps must have: optional ones need nothing.
func required(steps []*chain.Step, began providers.Money) (d demand) {
	for _, s := range steps {
		if !s.Optional {
			d = d.plus(demandOf(s, began))
		}
	}
	return d
}

// part gives what a step may spend of what is left so that others can have theirs: its amount, and its parts
// of what is left beside all amounts. A step that counts for nothing counts for a part while it runs.
func part(left providers.Money, own, others demand) providers.Money {
	free := max(left-others.amount, 0)
	if others.parts == 0 {
		return free
	}
	if own == (demand{}) {
		own.parts = 1
	}
	fixed := min(own.amount, free)
	rest, n := free-fixed, providers.Money(own.parts+others.parts)
	return fixed + rest/n*providers.Money(own.parts) + rest%n*providers.Money(own.parts)/n
}

// share gives what step s of a list that began with so much may spend while the later ones are still to come.
// The rule is that of docs/chains.md.
func (b *branch) share(s *chain.Step, later []*chain.Step, began, left providers.Money) providers.Money {
	own, others := demandOf(s, began), required(later, began)
	switch {
	case s.Optional:
		may := part(left, own, b.estimated(later, began))
		if s.Budget.Says() {
			may = min(may, own.amount)
		}
		return may
	case s.Budget.Says():
		return min(own.amount, max(left-others.amount, 0))
	case others == demand{}:
		return left
	}
	may := part(left, own, others)
	// A step that is dearer than its part may be paid when the later ones still can be.
	if worst, ok := b.worst(s); ok && worst > may {
		may = max(may, min(worst, part(left, own, b.estimated(later, began))))
	}
	return may
}

// estimated is as required, with the amount that a step will cost at the most where that is known.
func (b *branch) estimated(later []*chain.Step, began providers.Money) (d demand) {
	for _, s := range later {
		if s.Optional {
			continue
		}
		if worst, ok := b.worst(s); ok && !s.Budget.Says() {
			d.amount += worst
		} else {
			d = d.plus(demandOf(s, began))
		}
	}
	return d
}

// worst gives the most that a step costs with the cheapest target that may do it. It is known when all that
// the step's prompt is made of is there.
func (b *branch) worst(s *chain.Step) (providers.Money, bool) {
	var sum providers.Money
	for _, inner := range s.Parallel {
		worst, ok := b.worst(inner)
		if !ok && !inner.Optional {
			return 0, false
		}
		if !inner.Optional {
			sum += worst
		}
	}
	if s.Parallel != nil {
		return sum, true
	}
	g := s.Generate
	if g == nil || g.Session || !b.knows(g) {
		return 0, false
	}
	c, err := b.ask(s, b.pathOf(s.ID))
	if err != nil {
		return 0, false
	}
	r := *b.run
	r.ledger = ledger.New(ledger.Config{}) // what it costs, not whether it can be paid
	plan := r.plan(c)
	worst, known := cheapest(plan, routing.In)
	return worst, known
}

// knows says whether all that a step refers to is there.
func (b *branch) knows(g *chain.Generate) bool {
	templates := []*chain.Template{g.System, g.User, g.Locale, g.Query}
	for _, t := range g.With {
		templates = append(templates, t)
	}
	for _, t := range templates {
		if t == nil {
			continue
		}
		for _, path := range t.Paths() {
			if rest, ok := strings.CutPrefix(path, "steps."); ok {
				id, _, _ := strings.Cut(rest, ".")
				if _, there := b.results[id]; !there {
					return false
				}
			}
		}
	}
	_, there := b.results[g.Documents]
	return g.Documents == "" || there
}

// cheapest gives the least cost of a plan's targets that are in or out for a reason.
func cheapest(plan *routing.Plan, reason routing.Reason) (least providers.Money, known bool) {
	for i := range plan.Records {
		if rec := &plan.Records[i]; rec.Reason == reason && rec.CostKnown && (!known || rec.Cost < least) {
			least, known = rec.Cost, true
		}
	}
	return least, known
}

// span gives the time that is kept for a step.
func span(s *chain.Step) (d time.Duration) {
	switch {
	case s.Optional:
	case s.Budget != nil:
		d = s.Budget.Time
	case s.Choose != nil:
		d = spans(s.Choose.Else)
		for _, c := range s.Choose.Cases {
			d = max(d, spans(c.Steps))
		}
	default:
		for _, inner := range s.Parallel {
			d = max(d, span(inner))
		}
	}
	return d
}

func spans(steps []*chain.Step) (d time.Duration) {
	for _, s := range steps {
		d += span(s)
	}
	return d
}

// purse is what a step may spend.
type purse struct {
	// money is the most that the step may spend. It counts when limited.
	money   providers.Money
	limited bool
	kept    kept
	// time is what the steps timed, which come later, are to have.
	time  time.Duration
	timed []string
}

// leftFor gives what is left for step s of a list that began with so much: the later steps are to have theirs.
func (b *branch) leftFor(s *chain.Step, later []*chain.Step, began providers.Money) (p purse) {
	for _, other := range later {
		if d := span(other); d > 0 {
			p.time += d
			p.timed = append(p.timed, other.ID)
		}
	}
	left, limited := b.ledger.Left()
	switch {
	case s.Retrieve != nil: // a query's vector is next to nothing
	case limited:
		p.limited, p.money = true, b.share(s, later, began, left)
		p.keep(later, left)
	case s.Budget != nil && s.Budget.Limited:
		p.limited, p.money = true, s.Budget.Money
	}
	return p
}

// keep notes for which steps the rest of what is left is kept.
func (p *purse) keep(others []*chain.Step, left providers.Money) {
	for _, other := range others {
		if !other.Optional && demandOf(other, -1) != (demand{}) {
			p.kept.steps = append(p.kept.steps, other.ID)
		}
	}
	if p.kept.steps != nil {
		p.kept.money = max(left-p.money, 0)
	}
}

// leftForEach gives what is left for each of some steps that run side by side. Optional ones run now, too:
// each counts for a part.
func (b *branch) leftForEach(steps []*chain.Step) []purse {
	purses := make([]purse, len(steps))
	left, limited := b.ledger.Left()
	ask := func(s *chain.Step) demand {
		d := demandOf(s, left)
		if s.Optional && d != (demand{}) {
			return demand{parts: 1}
		}
		return d
	}
	for i, s := range steps {
		p := &purses[i]
		if !limited || s.Retrieve != nil {
			*p = b.leftFor(s, nil, left)
			continue
		}
		var all demand
		for j, other := range steps {
			if j != i {
				all = all.plus(ask(other))
			}
		}
		p.limited, p.money = true, part(left, ask(s), all)
		if s.Budget.Says() {
			p.money = min(s.Budget.Amount(left), p.money)
		}
		p.keep(slices.Concat(steps[:i], steps[i+1:]), left)
	}
	return purses
}

// spares says whether a step failed because what it wanted is kept for others.
func (p *purse) spares(err error) bool {
	return fault.ReasonOf(err) == fault.ReasonBudgetExceeded && p.kept.steps != nil
}

// narrowed gives the run as a step sees it, which spends from the purse and must be over by the deadline.
func (r *run) narrowed(p purse, deadline time.Time) *run {
	n := *r
	n.whole, n.deadline = r.origin(), deadline
	n.kept = kept{r.kept.money + p.kept.money, slices.Concat(p.kept.steps, r.kept.steps)}
	if p.limited {
		n.ledger = r.ledger.Part("the step", p.money)
	}
	return &n
}

// until gives when a step must be over: in its own time, and so that the time of later steps is left. It says
// what is the matter when that time is up. No deadline is the zero time.
func (b *branch) until(s *chain.Step, p purse) (deadline time.Time, why string) {
	if deadline = b.deadline; !deadline.IsZero() && p.time > 0 {
		deadline = deadline.Add(-p.time)
		why = fmt.Sprintf("the step's time was up: %s of the run's is kept for %s", p.time, strings.Join(p.timed, ", "))
	}
	if s.Timeout > 0 {
		if own := time.Now().Add(s.Timeout); deadline.IsZero() || own.Before(deadline) {
			deadline, why = own, fmt.Sprintf("the step's time of %s was up", s.Timeout)
		}
	}
	return deadline, why
}

// refusal says of a model step that could not be paid what it wanted, what it has, and for whom the rest is kept.
func (b *branch) refusal(s *chain.Step, err error) error {
	f := fault.From(err)
	if f.Reason != fault.ReasonBudgetExceeded || !s.CallsModel() {
		return err
	}
	wants := ""
	if plan, ok := f.Detail.(*routing.Plan); ok {
		if least, known := cheapest(plan, routing.OutBudget); known {
			wants = fmt.Sprintf("wants %s at the least and ", least)
		}
	}
	mine, _ := b.ledger.Left()
	text := fmt.Sprintf("the step %smay spend %s", wants, mine)
	if s.Budget.Says() {
		text += " by its budget"
	}
	if all, limited := b.origin().ledger.Left(); limited {
		text += fmt.Sprintf("; the run has %s left", all)
		if len(b.kept.steps) > 0 {
			text += fmt.Sprintf(", and keeps %s for %s", b.kept.money, strings.Join(b.kept.steps, ", "))
		}
	}
	told := *f
	told.Text = text + ": allow more, ask for less, or say in the steps' budgets who may spend what; " + f.Text
	return &told
}

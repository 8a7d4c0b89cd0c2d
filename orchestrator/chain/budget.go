package chain

import (
	"fmt"
	"strings"
	"time"

	"fairlead/providers"
)

// Budget is a step's part of what the run may spend: what is kept for it until it has run, and the most that
// it may spend. Nothing is kept for an optional step.
type Budget struct {
	// Share is the part of the money that the list of steps it stands in began with, in (0,1]. 0: not said.
	Share float64
	// Money is an amount. It counts when Limited, and then Share does not.
	Money   providers.Money
	Limited bool
	// Time is the part of the run's time that is kept for the step. It is no limit; Step.Timeout is. 0: none.
	Time time.Duration
}

// Says tells whether the budget says something about money.
func (b *Budget) Says() bool { return b != nil && (b.Limited || b.Share > 0) }

// Amount gives the most that the step may spend where its list of steps began with so much.
func (b *Budget) Amount(began providers.Money) providers.Money {
	if b.Limited {
		return b.Money
	}
	return providers.Money(float64(began) * b.Share)
}

// stepBudgetKeys are the keys of a step's budget.
var stepBudgetKeys = []string{"share", "usd", "time"}

// CallsModel says whether the step itself calls a model, and so may have a policy, a target and a budget.
func (s *Step) CallsModel() bool {
	switch s.Kind {
	case KindGenerate, KindSummarize, KindEmbed, KindClassify, KindPredict:
		return true
	}
	return false
}

func (p *parsing) stepBudget(f field, s *Step, what string) *Budget {
	if !s.CallsModel() && s.Kind != "" {
		p.fail(f.at, "%s calls no model: budget is for steps that do", what)
		return nil
	}
	o := p.object(f.value, "budget", stepBudgetKeys)
	if o == nil {
		return nil
	}
	b := &Budget{}
	if f, ok := o.get("share"); ok {
		if share, ok := p.number(f.value, "budget.share", 0, 1); ok && share == 0 {
			p.fail(placeOf(f.value), "budget.share must be above 0")
		} else {
			b.Share = share
		}
	}
	if f, ok := o.get("usd"); ok {
		if o.has("share") {
			p.fail(f.at, "budget has both share and usd: give one")
		}
		if usd, ok := p.number(f.value, "budget.usd", 0, 1_000_000); ok {
			b.Money, b.Limited = providers.USD(usd), true
		}
	}
	if f, ok := o.get("time"); ok {
		b.Time = p.duration(f.value, "budget.time")
	}
	if len(o.fields) == 0 {
		p.fail(f.at, "budget says nothing: give it share or usd, or time")
	}
	return b
}

// checkBudgets checks that what is kept for the steps of each list is there.
func (p *parsing) checkBudgets(steps []*Step) {
	share := 0.0
	var shares, amounts, times []string
	var money providers.Money
	var span time.Duration
	for _, s := range steps {
		switch {
		case s.Choose != nil:
			for _, c := range s.Choose.Cases {
				p.checkBudgets(c.Steps)
			}
			p.checkBudgets(s.Choose.Else)
		case s.Parallel != nil:
			p.checkBudgets(s.Parallel)
		}
		if s.Budget == nil || s.Optional {
			continue
		}
		if at := (place{s.Line, s.Column}); s.Budget.Share > 0 {
			share += s.Budget.Share
			shares = append(shares, s.ID)
			if share > 1+1e-9 && share-s.Budget.Share <= 1+1e-9 { // told once
				p.fail(at, "the shares of the steps %s are %s together: 1 is all there is", strings.Join(shares, ", "), tidy(share))
			}
		} else if s.Budget.Limited {
			money += s.Budget.Money
			amounts = append(amounts, s.ID)
			if limit := p.chain.Budget; p.chain.Limited && money > limit && money-s.Budget.Money <= limit {
				p.fail(at, "the steps %s may spend %s together, and the chain's budget is %s", strings.Join(amounts, ", "), money, limit)
			}
		}
		if limit := p.chain.Deadline; s.Budget.Time > 0 && limit > 0 {
			span += s.Budget.Time
			times = append(times, s.ID)
			if span > limit && span-s.Budget.Time <= limit {
				p.fail(place{s.Line, s.Column}, "the time of the steps %s is %s together, and the chain's deadline is %s", strings.Join(times, ", "), span, limit)
			}
		}
	}
}

func tidy(share float64) string {
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.4f", share), "0"), ".")
}

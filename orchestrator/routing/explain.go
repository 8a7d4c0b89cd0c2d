package routing

import (
	"fmt"
	"strings"
	"time"

	"fairlead/providers"
)

// Detail says for people, with the figures, why the target is out; or, of a target that is in although it
// misses a soft limit, which; or what it stands in for; or that its server is busy. It is empty for the others.
func (r *Record) Detail() string {
	switch {
	case r.Text != "":
		return r.Text
	case r.Reason != In && r.from == nil:
		return string(r.Reason)
	case r.Reason != In:
		return r.why(r.Reason)
	case r.Relaxed != In && r.from != nil:
		return "it is tried although " + r.why(r.Relaxed)
	case r.InsteadOf != "":
		return "it stands in for " + r.InsteadOf + ", which is left alone for a moment" + r.slow("; ")
	default:
		return r.slow("")
	}
}

// slow says, after a separator, what its backend itself has said that makes the target slower than it usually is.
// Empty: nothing.
func (r *Record) slow(separator string) string {
	if r.state == nil || r.state.Prediction == nil {
		return ""
	}
	p := r.state.Prediction
	var parts []string
	switch {
	case p.Queue > 0 && p.Waiting > 0:
		parts = append(parts, fmt.Sprintf("its server has %d waiting, which is about %s", p.Waiting, round(p.Queue)))
	case p.Queue > 0:
		parts = append(parts, fmt.Sprintf("its server is full, which is about %s to wait", round(p.Queue)))
	}
	if p.Loading > 0 {
		parts = append(parts, fmt.Sprintf("its model is loaded first, in about %s", round(p.Loading)))
	}
	if len(parts) == 0 {
		return ""
	}
	return separator + strings.Join(parts, "; ")
}

// unpriced says why the cost of a target is not known.
func unpriced(t *Target) string {
	if t.Price == nil {
		return "its price is not known"
	}
	return "it is paid by the hour, and how long it takes is not known: give it ttft and per_token, or let it answer without a limit first"
}

// why says a reason with its figures.
func (r *Record) why(reason Reason) string {
	t, q, p := r.Target, &r.from.req, r.from.policy
	switch reason {
	case OutLabel:
		return fmt.Sprintf("the data is %s; backend %s is cleared up to %s", q.Label, t.Backend, t.Clearance)
	case OutNotAllowed:
		return "the caller may not use it"
	case OutNotNamed:
		return "the request or the policy names " + strings.Join(p.Targets, ", ")
	case OutCapability:
		if q.Needs == providers.Chat && t.Does.Has(providers.Extract) {
			return "it answers only from documents, and the request carries none"
		}
		return fmt.Sprintf("it does %s; the step needs %s", t.Does, q.Needs)
	case OutDialect:
		return fmt.Sprintf("the request has %s, which only %s backends understand", strings.Join(q.DialectFields, ", "), q.Dialect)
	case OutContext:
		return fmt.Sprintf("about %d prompt + %d output tokens do not fit a window of %d", r.PromptTokens, q.MaxOutput, t.Context)
	case OutQuality:
		if r.Quality() < 0 {
			return fmt.Sprintf("its quality is not known; the policy wants %.2f", p.MinQuality)
		}
		return fmt.Sprintf("quality %s is under the policy's %.2f", r.qualityText(), p.MinQuality)
	case OutCost:
		if !r.CostKnown {
			return unpriced(t) + ", and the policy limits cost"
		}
		return fmt.Sprintf("up to %s is over the policy's %s", r.Cost, p.MaxCost)
	case OutBudget:
		if !r.CostKnown {
			return unpriced(t) + ", and the run has a budget"
		}
		return fmt.Sprintf("up to %s is over the %s that is left for it", r.Cost, q.Left.Money)
	case OutLatency:
		if p.MaxTTFT > 0 && r.TTFT > p.MaxTTFT {
			return fmt.Sprintf("first token in about %s is over the policy's %s", round(r.TTFT), p.MaxTTFT) + r.slow("; ")
		}
		return fmt.Sprintf("about %s is over the policy's %s", round(r.Latency), p.MaxLatency) + r.slow("; ")
	case OutDeadline:
		return fmt.Sprintf("it ends within the %s that are left in %.0f of 100 cases", round(q.Left.Deadline.Sub(r.from.now)), r.Finish*100) + r.slow("; ")
	case OutNotReady:
		return fmt.Sprintf("%s; its backend is asked again in %s", r.state.NotReady, round(r.RetryAfter))
	case OutOpen:
		if r.state.Silent {
			return fmt.Sprintf("its backend does not answer; it is asked again in %s", round(r.RetryAfter))
		}
		return fmt.Sprintf("too many of its calls have failed; it is looked at again in %s", round(r.RetryAfter))
	case OutPaused:
		return fmt.Sprintf("its backend asked to wait %s more", round(r.RetryAfter))
	case OutWhen:
		if r.broken {
			return "the policy's condition could not be evaluated: " + p.WhenText
		}
		return "the policy's condition does not hold: " + p.WhenText
	default:
		return string(reason)
	}
}

// qualityText is the quality for people, and who expects it where it is not the target's own.
func (r *Record) qualityText() string {
	if r.Estimate != nil {
		return r.Estimate.String()
	}
	return fmt.Sprintf("%.2f", r.Target.Quality)
}

func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// Summary is one sentence: which target is first, and why.
func (p *Plan) Summary() string {
	switch {
	case p.Text != "":
		return p.Text
	case p.asked.policy == nil:
		return ""
	case p.Eligible == 0:
		return "no target qualifies"
	}
	first := &p.Records[0]
	switch {
	case p.Relaxed == string(OnNoneExtractive):
		return fmt.Sprintf("%s: no target meets the policy, so the sources are quoted (on_none: extractive)", first.Target.Name)
	case p.Relaxed != "":
		return fmt.Sprintf("%s: no target meets the policy, so the cheapest of %d without its limits on %s (on_none: %s)",
			first.Target.Name, p.Eligible, p.relaxed(), p.Relaxed)
	case first.Probe && p.Eligible > 1:
		return fmt.Sprintf("%s: tried first to learn how fast it is now, out of %d that qualify", first.Target.Name, p.Eligible)
	case p.Eligible == 1:
		return fmt.Sprintf("%s: the only one of %d that qualifies", first.Target.Name, len(p.Records))
	}
	return fmt.Sprintf("%s: %s of %d that qualify out of %d", first.Target.Name, p.best(first), p.Eligible, len(p.Records))
}

// relaxed names the limits that the targets in the order miss.
func (p *Plan) relaxed() string {
	var names []string
	for _, reason := range []Reason{OutQuality, OutCost, OutLatency} {
		for i := range p.Order() {
			if p.Records[i].Relaxed == reason {
				names = append(names, string(reason))
				break
			}
		}
	}
	return strings.Join(names, " and ")
}

// best says what is best about the first target.
func (p *Plan) best(first *Record) string {
	switch p.asked.by {
	case Best:
		if first.Quality() < 0 {
			return "quality unknown"
		}
		return fmt.Sprintf("best quality, %s,", first.qualityText())
	case Fastest:
		if first.Latency <= 0 {
			return "latency unknown,"
		}
		return fmt.Sprintf("fastest, about %s,", round(first.Latency))
	case byWeights:
		w := p.asked.policy.Weights.normal()
		var parts []string
		for _, part := range []struct {
			name          string
			weight, score float64
		}{{"cost", w.Cost, first.ScoreCost()}, {"latency", w.Latency, first.ScoreLatency()}, {"quality", w.Quality, first.ScoreQuality()}} {
			switch {
			case part.weight == 0:
			case part.score < 0:
				parts = append(parts, fmt.Sprintf("%s unknown×%.2f", part.name, part.weight))
			default:
				parts = append(parts, fmt.Sprintf("%s %.2f×%.2f", part.name, part.score, part.weight))
			}
		}
		return fmt.Sprintf("best score, %.2f (%s),", first.Score, strings.Join(parts, " + "))
	default:
		if !first.CostKnown {
			return "price unknown,"
		}
		return fmt.Sprintf("cheapest, at most %s,", first.Cost)
	}
}

package routing

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// byWeights is the preference of a policy that has weights.
const byWeights Preference = "weights"

func (p *Policy) preference() Preference {
	switch {
	case p.Weights != Weights{}:
		return byWeights
	case p.Prefer == Best, p.Prefer == Fastest:
		return p.Prefer
	default:
		return Cheapest
	}
}

// normal gives weights that are not negative and sum up to one.
func (w Weights) normal() Weights {
	w.Cost, w.Latency, w.Quality = max(w.Cost, 0), max(w.Latency, 0), max(w.Quality, 0)
	sum := w.Cost + w.Latency + w.Quality
	if !(sum > 0) {
		return Weights{}
	}
	return Weights{w.Cost / sum, w.Latency / sum, w.Quality / sum}
}

// scorer puts targets on scales that do not depend on the other targets: quality as it is, cost and latency x
// as v/(x+v), where v is the scale. That is 1 for nothing, one half for v, and falls towards 0.
type scorer struct {
	by            Preference
	weights       Weights
	cost, latency float64
}

func newScorer(p *Policy, by Preference) scorer {
	return scorer{
		by: by, weights: p.Weights.normal(),
		cost:    float64(cmp.Or(max(p.Scales.Cost, 0), DefaultCostScale)),
		latency: float64(cmp.Or(max(p.Scales.Latency, 0), DefaultLatencyScale)),
	}
}

func (s *scorer) costScore(r *Record) float64 {
	if !r.CostKnown {
		return -1
	}
	return s.cost / (max(float64(r.Cost), 0) + s.cost)
}

func (s *scorer) latencyScore(r *Record) float64 {
	if r.Latency <= 0 {
		return -1
	}
	return s.latency / (float64(r.Latency) + s.latency)
}

func (s *scorer) score(r *Record) {
	switch s.by {
	case Best:
		r.Score = r.Quality()
	case Fastest:
		r.Score = s.latencyScore(r)
	case byWeights:
		r.Score = 0
		part := func(weight, score float64) {
			if weight > 0 && score >= 0 {
				r.Score, r.Scored = r.Score+weight*score, true
			}
		}
		part(s.weights.Cost, s.costScore(r))
		part(s.weights.Latency, s.latencyScore(r))
		part(s.weights.Quality, r.Quality())
		r.Score = min(r.Score, 1) // the sum of the weights may be a hair over 1
		return
	default:
		r.Score = s.costScore(r)
	}
	if r.Scored = r.Score >= 0; !r.Scored {
		r.Score = 0
	}
}

// scorer gives the scorer of the plan that the record is in.
func (r *Record) scorer() scorer {
	if r.from == nil {
		return newScorer(&Policy{}, Cheapest)
	}
	return newScorer(r.from.policy, r.from.by)
}

// ScoreCost is what the expected cost scores before it is weighed, in [0,1]. Negative: unknown, which counts
// as 0.
func (r *Record) ScoreCost() float64 { s := r.scorer(); return s.costScore(r) }

// ScoreLatency is what the expected latency scores before it is weighed, in [0,1]. Negative: unknown, which
// counts as 0.
func (r *Record) ScoreLatency() float64 { s := r.scorer(); return s.latencyScore(r) }

// ScoreQuality is what the quality scores before it is weighed, in [0,1]. Negative: unknown, which counts as 0.
func (r *Record) ScoreQuality() float64 { return max(r.Quality(), -1) }

// place is where a record goes: the lower first, the better. What is unknown is infinite.
type place struct {
	first float64
	at    int32
}

func (s *scorer) first(r *Record) float64 {
	switch s.by {
	case Best:
		return badness(r)
	case Fastest:
		if r.Latency > 0 {
			return float64(r.Latency)
		}
		return math.Inf(1)
	case byWeights:
		return -r.Score
	default:
		return expense(r)
	}
}

func expense(r *Record) float64 {
	if r.CostKnown {
		return float64(r.Cost)
	}
	return math.Inf(1)
}

func badness(r *Record) float64 {
	if q := r.Quality(); q >= 0 {
		return -q
	}
	return math.Inf(1)
}

// order copies the records to where they belong: those that are in first, in the order of the preference,
// and then those that are out, by name. Ties go to the better, then the cheaper, then the first by name.
func (s *scorer) order(to, records []Record, eligible int) {
	var few [128]place // the usual number of targets needs no memory
	places := few[:0]
	if len(records) > len(few) {
		places = make([]place, 0, len(records))
	}
	for i := range records {
		if records[i].Reason == In {
			places = append(places, place{s.first(&records[i]), int32(i)})
		}
	}
	for i := range records {
		if records[i].Reason != In {
			places = append(places, place{0, int32(i)})
		}
	}
	slices.SortFunc(places[:eligible], func(a, b place) int {
		switch {
		case a.first < b.first:
			return -1
		case a.first > b.first:
			return 1
		}
		x, y := &records[a.at], &records[b.at]
		if c := cmp.Compare(badness(x), badness(y)); c != 0 {
			return c
		}
		if c := cmp.Compare(expense(x), expense(y)); c != 0 {
			return c
		}
		return strings.Compare(x.Target.Name, y.Target.Name)
	})
	slices.SortFunc(places[eligible:], func(a, b place) int {
		return strings.Compare(records[a.at].Target.Name, records[b.at].Target.Name)
	})
	for i := range places {
		to[i] = records[places[i].at]
	}
}

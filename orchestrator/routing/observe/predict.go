package observe

import (
	"math"
	"time"

	"fairlead/orchestrator/routing"
)

// Source says what a prediction rests on.
type Source uint8

// The sources, the weakest first.
const (
	// SourceNone: nothing is known.
	SourceNone Source = iota
	// SourceKind: mostly an assumption about the kind of backend. It orders targets; it is no ground to
	// rule one out.
	SourceKind
	// SourcePrior: mostly what the target's configuration says.
	SourcePrior
	// SourceObserved: mostly observations.
	SourceObserved
)

// String gives the source's name.
func (s Source) String() string {
	return [...]string{"none", "kind", "prior", "observed"}[min(s, SourceObserved)]
}

// Query is what a prediction is asked for.
type Query struct {
	Target *routing.Target
	Step   string
	// PromptTokens is an estimate.
	PromptTokens int
	// MaxOutput is the most tokens that may be written. 0: not said. Negative: the call writes none, as an
	// embedding does not.
	MaxOutput int
	// Quantile is in (0,1), such as 0.95. 0 is 0.5.
	Quantile float64
	// Concurrency is how many calls the target takes at once. 0: unknown, and then nothing waits.
	Concurrency int
	// Queue is what the target's backend says of its own queue. The zero value: nothing.
	Queue Queue
	// Loading is how long the backend works before the call, to load the model. 0: it does not.
	Loading time.Duration
}

// Queue is what a backend says of its own queue.
type Queue struct {
	// Others are the calls in the backend that are not ours, those that wait included; Ours are those of ours.
	Others, Ours int
	// Slots is how many calls it works on at once. 0: unknown, and then nothing waits.
	Slots int
	// Full says that it takes no further call until one ends, whatever its slots.
	Full bool
}

// Prediction is what is expected of one attempt that succeeds, at a quantile: the share of such attempts
// that take no longer.
type Prediction struct {
	Quantile float64
	// Wait is the time until the target has a free slot.
	Wait time.Duration
	// Queue is the part of Wait that is spent in the backend's own queue, and Waiting how many calls wait there.
	Queue   time.Duration
	Waiting int
	// TTFT is from the attempt's start to its first token: the client's is Wait + TTFT. It counts when
	// TTFTKnown.
	TTFT      time.Duration
	TTFTKnown bool
	// PerToken is the time for each further token. 0: unknown.
	PerToken time.Duration
	// OutputTokens is how much will be written: what the request allows, where nothing was observed.
	OutputTokens int
	// Latency is Wait and the whole answer, each part at the quantile, which is more than the quantile of
	// the sum. It counts when Known.
	Latency time.Duration
	Known   bool
	// Source is what the weaker part of the latency rests on.
	Source Source
	// ErrorRate is the share of attempts that fail, timeouts included.
	ErrorRate float64
	// Samples is the number of samples, aged and with loans, behind the weaker part of the latency.
	Samples float64

	ttft, perToken, output blend
	failures               float64
	maxOutput              int
	loading                time.Duration
}

// blend is an observed distribution averaged with a prior, in the logarithm.
type blend struct {
	observed *dist
	share    float64 // of the observed
	prior
}

// known says whether there is anything to read.
func (b *blend) known() bool { return b.observed != nil || b.source != SourceNone }

func blended(d *dist, p prior) blend {
	switch {
	case d == nil || d.weight == 0:
		return blend{prior: p}
	case p.source == SourceNone:
		return blend{observed: d, share: 1, prior: prior{source: SourceObserved}}
	}
	b := blend{observed: d, share: d.weight / (d.weight + PriorWeight), prior: p}
	if b.share >= 0.5 {
		b.source = SourceObserved
	}
	return b
}

// level gives the logarithm of the quantile at levels[i].
func (b *blend) level(i int) float64 {
	v := b.mu + b.sigma*normal[i]
	if b.observed != nil {
		v = b.share*b.observed.grid[i] + (1-b.share)*v
	}
	return v
}

// at gives the logarithm of the quantile at a place, by interpolation.
func (b *blend) at(p place) float64 {
	low, high := b.level(p.i-1), b.level(p.i)
	return low + (high-low)*p.part
}

// place is where a probability lies: after part of the way from levels[i-1] to levels[i].
type place struct {
	i    int
	part float64
}

func placeOf(q float64) place {
	i := 1
	for i < len(levels)-1 && levels[i] < q {
		i++
	}
	return place{i, clamp((q-levels[i-1])/(levels[i]-levels[i-1]), 0, 1)}
}

func (b *blend) samples() float64 {
	if b.observed == nil {
		return 0
	}
	return b.observed.weight
}

// Predict predicts an attempt. It takes no lock, evaluates no sketch and allocates nothing.
func (s *Snapshot) Predict(q Query) Prediction {
	p := Prediction{Quantile: q.Quantile, ErrorRate: ErrorPrior, failures: ErrorPrior, maxOutput: q.MaxOutput}
	if p.Quantile == 0 {
		p.Quantile = 0.5
	}
	var ttft, perToken, output *dist
	var inFlight int64
	var service time.Duration
	r := s.rows[q.Target.Name]
	if r != nil {
		class := Class(q.PromptTokens)
		ttft, perToken, output = &r.ttft[class], &r.perToken[class], r.output[q.Step]
		of := r.attempts + PriorWeight
		p.ErrorRate = (r.own.ErrorRate*r.attempts + ErrorPrior*PriorWeight) / of
		p.failures = (r.failures + ErrorPrior*PriorWeight) / of
		inFlight, service = r.live.Load(), r.own.Service
	}
	if output == nil {
		output = s.steps[q.Step]
	}
	beforeTTFT, beforePerToken := priors(q.Target, q.PromptTokens)
	p.ttft, p.perToken = blended(ttft, beforeTTFT), blended(perToken, beforePerToken)
	at := placeOf(p.Quantile)
	p.length(output, at)
	p.times(at)
	p.queue(inFlight, &q, service)
	p.load(q.Loading)
	return p
}

var logDefaultOutput = math.Log(routing.DefaultOutput)

// length predicts the output's length. Its prior is all that the request allows.
func (p *Prediction) length(observed *dist, at place) {
	if p.maxOutput < 0 {
		return
	}
	most := logDefaultOutput
	if p.maxOutput > 0 {
		most = math.Log(float64(p.maxOutput))
	}
	p.output = blended(observed, prior{mu: most, source: SourcePrior})
	p.OutputTokens = int(p.limit(math.Exp(p.output.at(at))) + 0.5)
}

// limit keeps an output within what the request allows.
func (p *Prediction) limit(tokens float64) float64 {
	if p.maxOutput > 0 {
		return min(tokens, float64(p.maxOutput))
	}
	return tokens
}

func (p *Prediction) times(at place) {
	if p.TTFTKnown = p.ttft.known(); p.TTFTKnown {
		p.TTFT = duration(p.ttft.at(at))
	}
	if p.perToken.known() {
		p.PerToken = duration(p.perToken.at(at))
	}
	atMostOne := p.maxOutput < 0 || p.maxOutput == 1 // and then its time is the TTFT
	p.Known = p.TTFTKnown && (atMostOne || p.perToken.known())
	if !p.Known {
		return
	}
	p.Latency = p.TTFT + time.Duration(max(0, p.OutputTokens-1))*p.PerToken
	p.Source, p.Samples = p.ttft.source, p.ttft.samples()
	if !atMostOne {
		p.Source, p.Samples = min(p.Source, p.perToken.source), min(p.Samples, p.perToken.samples())
	}
}

// longestWait is the longest wait that is predicted. A backend may say that a billion calls wait, and their time together must
// not wrap around to none.
const longestWait = 30 * 24 * time.Hour

// queue predicts the wait for a slot: those that must end first, each after the mean service time, as many
// at once as the target takes. Where no service time was seen it is the latency predicted.
//
// There are two queues, one behind the other: ours, before the limit on calls in flight, and the backend's own. In
// the backend, a call waits until there are fewer calls than slots: for
//
//	ahead = others + ours - slots + 1
//
// calls to end, of slots at once, where ours are one less when the call has waited for one of them already. It is at most
// others, because how long our calls wait for each other is in the service time that was seen; and at least 1 when the
// backend is full.
func (p *Prediction) queue(inFlight int64, q *Query, service time.Duration) {
	if service == 0 {
		service = p.Latency
	}
	turn := func(ahead int64, slots int) time.Duration {
		return time.Duration(min(float64(ahead)*float64(service)/float64(slots), float64(longestWait)))
	}
	ours := q.Queue.Ours
	if ahead := inFlight - int64(q.Concurrency) + 1; q.Concurrency > 0 && ahead > 0 {
		p.Wait = turn(ahead, q.Concurrency)
		ours = max(ours-1, 0)
	}
	if q.Queue.Slots > 0 {
		ahead := min(q.Queue.Others+ours-q.Queue.Slots+1, q.Queue.Others)
		if q.Queue.Full {
			ahead = max(ahead, 1)
		}
		if ahead > 0 {
			p.Queue, p.Waiting = turn(int64(ahead), q.Queue.Slots), max(q.Queue.Others+ours-q.Queue.Slots, 0)
			p.Wait += p.Queue
		}
	}
	if p.Known {
		p.Latency += p.Wait
	}
}

// load adds the time in which the backend loads the model: to the first token, and so to all of it.
func (p *Prediction) load(d time.Duration) {
	if p.loading = max(d, 0); p.TTFTKnown {
		p.TTFT += p.loading
	}
	if p.Known {
		p.Latency += p.loading
	}
}

// PFinish gives the probability that an attempt started now succeeds within left. It is in [0,1] and does not
// fall as left grows; its limit is under 1, for attempts fail and hang. ok is false when the latency is
// not known, and then there is no such figure.
//
// The sum goes over the cells of a grid of TTFT and output length, and takes of each the share of times per
// token that are short enough.
func (p *Prediction) PFinish(left time.Duration) (probability float64, ok bool) {
	if !p.Known {
		return 0, false
	}
	rest := (left - p.Wait - p.loading).Seconds()
	if rest <= 0 {
		return 0, true
	}
	var further [len(levels) - 1]float64 // the logarithms of the tokens after the first
	for j := range further {
		further[j] = math.Inf(-1)
		if p.maxOutput >= 0 {
			further[j] = math.Log(max(0, p.limit(math.Exp((p.output.level(j)+p.output.level(j+1))/2))-1))
		}
	}
	var perToken grid
	if p.perToken.known() {
		for i := range perToken {
			perToken[i] = p.perToken.level(i)
		}
	}
	reach := 1.0
	if p.ttft.observed != nil {
		reach = p.ttft.share*p.ttft.observed.reach + 1 - p.ttft.share
	}
	var sum float64
	for i := range len(levels) - 1 {
		cell := min(levels[i+1], reach) - levels[i]
		if cell <= 0 {
			break
		}
		remain := rest - math.Exp((p.ttft.level(i)+p.ttft.level(i+1))/2)
		if remain < 0 {
			break // TTFT only grows from here
		}
		remain = math.Log(remain)
		var in float64
		for j := range further {
			in += (levels[j+1] - levels[j]) * perToken.below(remain-further[j])
		}
		sum += cell * in
	}
	return clamp(sum*(1-p.failures), 0, 1), true
}

// below gives the share of a distribution that is at most the value with logarithm ln.
func (g *grid) below(ln float64) float64 {
	switch {
	case math.IsNaN(ln): // nothing remains, and no further token is wanted
		return 1
	case ln < g[0]:
		return 0
	case ln >= g[len(g)-1]:
		return 1
	}
	i := 1
	for g[i] <= ln {
		i++
	}
	return levels[i-1] + (levels[i]-levels[i-1])*(ln-g[i-1])/(g[i]-g[i-1])
}

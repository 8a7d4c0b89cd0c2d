package observe

import (
	"math"
	"time"

	"fairlead/orchestrator/routing"
)

// PriorWeight is how many samples a prior is worth.
const PriorWeight = 8

// ErrorPrior is the error rate of a target of which nothing is known, also worth PriorWeight samples.
const ErrorPrior = 0.02

// Spreads of priors: standard deviations of the logarithm. With 0.5 the 95th percentile is 2.3 times the
// median, with 1 it is 5.2 times.
const (
	spreadConfigured = 0.5
	spreadKind       = 1.0
)

// kind is what backends of a kind are held to do before they are observed.
type kind struct {
	// ttft is the median of a short prompt's TTFT, and prefill what each token of the prompt adds.
	ttft, prefill time.Duration
	// logPerToken is the logarithm of the median seconds for a token.
	logPerToken float64
}

// kinds are assumptions of the right order of magnitude and no more, which is why they are wide; they are
// not measured. ollama: a model of some billions of parameters on a workstation, loaded. openai: a hosted
// model or a served GPU over a network. The others are in this process. A scripted backend does as its model's
// name says, and has no prior.
var kinds = map[string]kind{
	"ollama":     {ttft: time.Second, prefill: 500 * time.Microsecond, logPerToken: math.Log(seconds(30 * time.Millisecond))},
	"openai":     {ttft: 700 * time.Millisecond, prefill: 50 * time.Microsecond, logPerToken: math.Log(seconds(15 * time.Millisecond))},
	"extractive": {ttft: 5 * time.Millisecond, logPerToken: math.Log(seconds(20 * time.Microsecond))},
	"hashing":    {ttft: time.Millisecond, prefill: time.Microsecond, logPerToken: math.Log(seconds(time.Microsecond))},
}

// prior is a log-normal distribution. It is none where its source is SourceNone.
type prior struct {
	mu, sigma float64 // of the logarithm of seconds
	source    Source
}

// normal has the quantiles of the standard normal distribution at levels, cut off
// at edge as all are.
var normal = func() (z grid) {
	for i, p := range levels {
		z[i] = math.Sqrt2 * math.Erfinv(2*clamp(p, edge, 1-edge)-1)
	}
	return z
}()

func lognormal(median time.Duration, spread float64, source Source) prior {
	return prior{math.Log(seconds(median)), spread, source}
}

// priors gives the priors of a target for a prompt.
func priors(t *routing.Target, promptTokens int) (ttft, perToken prior) {
	k, known := kinds[t.Kind]
	switch {
	case t.TTFT > 0:
		ttft = lognormal(t.TTFT, spreadConfigured, SourcePrior)
	case known:
		ttft = lognormal(k.ttft+time.Duration(max(0, promptTokens))*k.prefill, spreadKind, SourceKind)
	}
	switch {
	case t.PerToken > 0:
		perToken = lognormal(t.PerToken, spreadConfigured, SourcePrior)
	case known:
		perToken = prior{k.logPerToken, spreadKind, SourceKind}
	}
	return ttft, perToken
}

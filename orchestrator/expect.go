package orchestrator

import (
	"cmp"
	"time"

	"fairlead/orchestrator/routing"
	"fairlead/orchestrator/routing/observe"
)

// predict predicts a call to the target: q says what is asked, and the rest is filled in, which is what is known of the
// target and its backend now. loading is what of it is the loading of the model.
func (t *target) predict(seen *observe.Snapshot, q observe.Query, now time.Time) (p observe.Prediction, loading time.Duration) {
	q.Target, q.Concurrency = &t.Target.Target, t.Limiter.size()
	q.Queue, q.Loading = t.meter.ahead(now), t.said.loading(now)
	q.Quantile = cmp.Or(q.Quantile, routing.DefaultQuantile)
	return seen.Predict(q), q.Loading
}

// predicted gives a prediction as routing reads it.
func predicted(p *observe.Prediction, loading time.Duration) routing.Prediction {
	return routing.Prediction{
		Wait: p.Wait, TTFT: p.TTFT, TTFTKnown: p.TTFTKnown, Latency: p.Latency, Known: p.Known,
		Assumed: p.Source <= observe.SourceKind, ErrorRate: p.ErrorRate, Samples: p.Samples, Source: p.Source.String(),
		Queue: p.Queue, Waiting: p.Waiting, Loading: loading,
	}
}

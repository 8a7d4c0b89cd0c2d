package telemetry

import (
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Label values that are not names.
const (
	// chatChain is the chain of a run without one. No chain can bear the name.
	chatChain = "(chat)"
	noTarget  = "(none)"
	other     = "other"
	ok        = "ok"
)

// maxNames is how many values of one label are told apart.
const maxNames = 200

var (
	// callBuckets are for what a model does, in seconds: 10 ms to 5 min.
	callBuckets = []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}
	// tokenBuckets are for one output token, in seconds.
	tokenBuckets = []float64{.001, .0025, .005, .01, .02, .03, .05, .075, .1, .25, .5, 1}
	// likenessBuckets are for shares, finer where answers are nearly the same.
	likenessBuckets = []float64{0, .1, .25, .5, .75, .9, .95, .99, .999, 1}
	// requestBuckets are for HTTP requests, in seconds.
	requestBuckets = []float64{.001, .005, .01, .05, .1, .5, 1, 5, 10, 30, 60, 300}
)

// metrics is all series of the program, in a registry of its own.
type metrics struct {
	registry *prometheus.Registry

	runs         *prometheus.CounterVec
	runsInFlight prometheus.Gauge
	runTime      *prometheus.HistogramVec
	stepTime     *prometheus.HistogramVec
	attempts     *prometheus.CounterVec
	tokens       *prometheus.CounterVec
	cost         *prometheus.CounterVec
	unpriced     *prometheus.CounterVec
	ttft         *prometheus.HistogramVec
	perToken     *prometheus.HistogramVec
	decisions    *prometheus.CounterVec
	exclusions   *prometheus.CounterVec
	truncated    *prometheus.CounterVec
	retractions  prometheus.Counter
	unrecorded   prometheus.Counter
	recall       *prometheus.GaugeVec
	usageLost    prometheus.Counter
	shadows      *prometheus.CounterVec
	shadowAlike  *prometheus.HistogramVec
	shadowTime   *prometheus.HistogramVec
	rolledBack   *prometheus.GaugeVec
	backendUp    *prometheus.GaugeVec
	waiting      *prometheus.GaugeVec
	configOK     prometheus.Gauge
	configTime   prometheus.Gauge
	requests     *prometheus.CounterVec
	requestTime  *prometheus.HistogramVec
	inFlight     prometheus.Gauge

	chains, targets, policies, routes, collections names
}

func newMetrics(b Build) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "fairlead", Name: name, Help: help}, labels)
		m.registry.MustRegister(v)
		return v
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "fairlead", Name: name, Help: help, Buckets: buckets}, labels)
		m.registry.MustRegister(v)
		return v
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "fairlead", Name: name, Help: help})
		m.registry.MustRegister(g)
		return g
	}
	m.runs = counter("runs_total", "Runs that ended, by chain and outcome: ok or a code of failure.", "chain", "outcome")
	m.runsInFlight = gauge("runs_in_flight", "Runs in progress.")
	m.runTime = histogram("run_duration_seconds", "How long runs took.", callBuckets, "chain")
	m.stepTime = histogram("step_duration_seconds", "How long steps took, by kind and status.", callBuckets, "kind", "status")
	m.attempts = counter("upstream_attempts_total", "Calls to targets, by outcome: ok or a reason of failure.", "target", "outcome")
	m.tokens = counter("tokens_total", "Tokens, by kind. input holds cached_input, and output holds reasoning.", "target", "kind")
	m.cost = counter("cost_usd_total", "What calls cost, in US dollars, where the price is known.", "target")
	m.unpriced = counter("unpriced_attempts_total", "Calls whose price is unknown.", "target")
	m.ttft = histogram("time_to_first_token_seconds", "From a call to its first token.", callBuckets, "target")
	m.perToken = histogram("time_per_output_token_seconds", "The time of a call after its first token, for each further one.", tokenBuckets, "target")
	m.decisions = counter("route_decisions_total", "Plans, by policy and the target that came first.", "policy", "target")
	m.exclusions = counter("route_exclusions_total", "Targets that a plan left out, by reason.", "target", "reason")
	m.truncated = counter("stream_truncated_total", "Streams that ended without the mark of their end.", "target")
	m.retractions = prometheus.NewCounter(prometheus.CounterOpts{Namespace: "fairlead", Name: "retractions_total", Help: "Texts that were withdrawn after they had gone out."})
	m.registry.MustRegister(m.retractions)
	m.unrecorded = prometheus.NewCounter(prometheus.CounterOpts{Namespace: "fairlead", Name: "decisions_dropped_total", Help: "Runs whose decisions were not recorded, because the record could not keep up or the store failed."})
	m.registry.MustRegister(m.unrecorded)
	m.recall = prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "fairlead", Name: "retrieval_recall_ratio", Help: "Of the ten nearest passages, the share that the index of a collection finds, over a sample of its queries."}, []string{"collection"})
	m.registry.MustRegister(m.recall)
	m.usageLost = prometheus.NewCounter(prometheus.CounterOpts{Namespace: "fairlead", Name: "usage_lost_total", Help: "Records of what attempts cost that were lost: the store did not take them, the queue was full, and no file could hold them."})
	m.registry.MustRegister(m.usageLost)
	m.shadows = counter("shadow_calls_total", "Calls to shadows of targets, by what came of them: agreed, differed, failed or dropped.", "target", "outcome")
	m.shadowAlike = histogram("shadow_likeness", "How alike the answers of shadows and of their targets were: 1 is the same.", likenessBuckets, "target")
	m.shadowTime = histogram("shadow_duration_seconds", "How long calls to shadows took that were answered.", callBuckets, "target")
	m.rolledBack = prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "fairlead", Name: "target_rolled_back", Help: "1 while every caller of a target gets its stable version, whatever canary it has; 0 after it."}, []string{"target"})
	m.registry.MustRegister(m.rolledBack)
	m.backendUp = prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "fairlead", Name: "backend_up", Help: "1 when a backend answered the last time it was asked how it is, else 0."}, []string{"backend"})
	m.waiting = prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "fairlead", Name: "backend_waiting", Help: "Requests that wait in a backend, as it said the last time it was asked."}, []string{"backend"})
	m.registry.MustRegister(m.backendUp, m.waiting)
	m.configOK = gauge("config_last_reload_success", "1 when the last load of the configuration went well, else 0.")
	m.configTime = gauge("config_last_reload_success_timestamp_seconds", "When a load of the configuration last went well.")
	m.requests = counter("http_requests_total", "HTTP requests that ended, by route, method and status.", "route", "method", "status")
	m.requestTime = histogram("http_request_duration_seconds", "How long HTTP requests took, streams included.", requestBuckets, "route")
	m.inFlight = gauge("http_requests_in_flight", "HTTP requests in progress.")

	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "fairlead", Name: "build_info", Help: "The program, always 1."}, []string{"version", "revision", "go"})
	info.WithLabelValues(b.Version, b.Revision, b.Go).Set(1)
	m.registry.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.InstrumentMetricHandler(m.registry, promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
}

// names holds the values of a label, so that what clients choose cannot make series without end.
type names struct {
	mu   sync.RWMutex
	seen map[string]bool
}

// bound gives the name, or "other" when there are too many already.
func (n *names) bound(name string) string {
	n.mu.RLock()
	known, full := n.seen[name], len(n.seen) >= maxNames
	n.mu.RUnlock()
	if known {
		return name
	}
	if full {
		return other
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seen == nil {
		n.seen = map[string]bool{}
	}
	if len(n.seen) >= maxNames && !n.seen[name] {
		return other
	}
	n.seen[name] = true
	return name
}

package openai

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"time"

	"fairlead/providers"
	"fairlead/providers/internal/gauge"
	"fairlead/providers/internal/wire"
)

// gaugeNames are what a program calls its gauges; of several names the first that is there counts.
type gaugeNames struct {
	prefix                  string
	running, waiting, cache []string
	// late says that a gauge is there only once there was something to count.
	late bool
	// byModel says that the page is asked for a model, which is not to be loaded for it.
	byModel bool
	// none is why there may be no such page.
	none string
}

// gauges are the names by the programs' own documentation and pages: of vLLM 0.10 and later (gpu_cache_usage_perc: 0.4 to
// 0.9), SGLang 0.5, TGI 3, and llama.cpp as of build 11669 (kv_cache_usage_ratio: builds of 2025 and before).
var gauges = map[string]gaugeNames{
	ServerVLLM: {
		prefix: "vllm:", running: []string{"vllm:num_requests_running"}, waiting: []string{"vllm:num_requests_waiting"},
		cache: []string{"vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"},
		none:  "it tells no metrics of its own: was it started with --disable-log-stats?",
	},
	ServerSGLang: {
		prefix: "sglang:", running: []string{"sglang:num_running_reqs"}, waiting: []string{"sglang:num_queue_reqs"},
		cache: []string{"sglang:token_usage"}, late: true,
		none: "it tells no metrics: start it with --enable-metrics",
	},
	ServerTGI: {
		prefix: "tgi_", running: []string{"tgi_batch_current_size"}, waiting: []string{"tgi_queue_size"}, late: true,
		none: "it tells no metrics",
	},
	ServerLlamaCPP: {
		prefix: "llamacpp:", running: []string{"llamacpp:requests_processing"}, waiting: []string{"llamacpp:requests_deferred"},
		cache: []string{"llamacpp:kv_cache_usage_ratio"}, byModel: true,
		none: "it tells no metrics and no slots: start it with --metrics",
	},
}

// query is what the page is asked with. Without "autoload" a router of llama.cpp would load the model.
func (g gaugeNames) query(model string) url.Values {
	if !g.byModel || model == "" {
		return nil
	}
	return url.Values{"model": {model}, "autoload": {"false"}}
}

// maxCount is the largest number of requests that is believed.
const maxCount = 1e9

// Load says how busy the server is; see providers.LoadReporter. Where it counts several models apart, the model's counts are
// given, and those of all where it counts none of this name: an adapter counts as its base model. Engines that work side by
// side are added up, and their caches averaged. Without Config.Server, for LM Studio, and for servers that were
// started without metrics it is KindUnsupported; a program that ServerAuto does not know is KindProtocol.
func (c *Client) Load(ctx context.Context, model string) (providers.Load, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	load, e := c.load(ctx, model)
	if e != nil {
		e.Model = model
		return providers.Load{}, e
	}
	return load, nil
}

func (c *Client) load(ctx context.Context, model string) (providers.Load, *providers.Error) {
	var none providers.Load
	program, e := c.program(ctx)
	if e != nil {
		return none, e
	}
	if program == serverUnknown { // which may change, so it is not that it never tells
		return none, c.fail(providers.KindProtocol, model, "which program it is was not found out: set server")
	}
	g, known := gauges[program]
	if !known {
		return none, c.fail(providers.KindUnsupported, model, "it does not tell how busy it is")
	}
	load := providers.Load{}
	if program == ServerLlamaCPP {
		p, e := c.props(ctx, model)
		if e != nil {
			return none, e
		}
		load.Slots = count(p.TotalSlots)
		if p.Sleeping { // it works on nothing, and older ones would be woken by the question
			load.At = time.Now()
			return load, nil
		}
	}
	page, e := c.metrics(ctx, program, model)
	if e != nil && without(e) {
		if program == ServerLlamaCPP {
			return c.loadOfSlots(ctx, model, g)
		}
		return none, c.fail(providers.KindUnsupported, model, "%s", g.none)
	}
	if e != nil {
		return none, e
	}
	if e := c.counted(&load, g, page, model); e != nil {
		return none, e
	}
	if program != ServerLlamaCPP {
		load.Slots = c.slots(ctx, program)
	}
	load.At = time.Now()
	return load, nil
}

// without says whether a page is not there, and will not be.
func without(e *providers.Error) bool {
	return e.Status == http.StatusNotFound || e.Status == http.StatusNotImplemented || e.Status == http.StatusMethodNotAllowed
}

// counted fills in what the gauges say.
func (c *Client) counted(load *providers.Load, g gaugeNames, page *gauge.Page, model string) *providers.Error {
	running, waiting := pick(page, g.running, model), pick(page, g.waiting, model)
	switch {
	case len(running)+len(waiting) > 0:
	case !g.late:
		return c.fail(providers.KindUnsupported, model, "%s", g.none)
	case !page.Own:
		return c.fail(providers.KindProtocol, model, "its metrics hold none of its own: is server right?")
	}
	var ok bool
	if load.Running, ok = total(running); !ok {
		return c.fail(providers.KindProtocol, model, "its metrics count what cannot be counted")
	}
	if load.Waiting, ok = total(waiting); !ok {
		return c.fail(providers.KindProtocol, model, "its metrics count what cannot be counted")
	}
	load.Cache, load.CacheKnown = share(pick(page, g.cache, model))
	return nil
}

// pick gives the series of the first name that is there: those of the model, or all where none is of it.
func pick(page *gauge.Page, names []string, model string) []gauge.Sample {
	for _, name := range names {
		all := page.Gauges[name]
		var own []gauge.Sample
		for _, s := range all {
			if model != "" && s.Labels["model_name"] == model {
				own = append(own, s)
			}
		}
		if len(own) > 0 {
			return own
		}
		if len(all) > 0 {
			return all
		}
	}
	return nil
}

// total adds counts up. ok is false where one is no count.
func total(samples []gauge.Sample) (n int, ok bool) {
	sum := 0.0
	for _, s := range samples {
		if !(s.Value >= 0) { // NaN too
			return 0, false
		}
		sum += s.Value
	}
	if sum > maxCount {
		return 0, false
	}
	return int(math.Round(sum)), true
}

// share averages shares. It is not known where one is none.
func share(samples []gauge.Sample) (float64, bool) {
	sum := 0.0
	for _, s := range samples {
		if !(s.Value >= 0 && s.Value <= 1) {
			return 0, false
		}
		sum += s.Value
	}
	if len(samples) == 0 {
		return 0, false
	}
	return sum / float64(len(samples)), true
}

// count turns a number of JSON into one of ours; what is none is 0.
func count(n float64) int {
	if !(n > 0 && n <= maxCount) {
		return 0
	}
	return int(n)
}

// loadOfSlots counts the slots of llama.cpp that work. Those who wait are not told.
func (c *Client) loadOfSlots(ctx context.Context, model string, g gaugeNames) (providers.Load, *providers.Error) {
	var slots wire.List[struct {
		Working bool `json:"is_processing"`
	}]
	if e := c.look(ctx, "slots", g.query(model), &slots); e != nil {
		if without(e) {
			e = c.fail(providers.KindUnsupported, model, "%s", g.none)
		}
		return providers.Load{}, e
	}
	load := providers.Load{Slots: len(slots), At: time.Now()}
	for _, s := range slots {
		if s.Working {
			load.Running++
		}
	}
	return load, nil
}

// slots gives how many calls the server works on at once; 0 where it does not say, or not now.
func (c *Client) slots(ctx context.Context, program string) int {
	s := c.site
	s.mu.Lock()
	slots, fresh := s.slots, !s.slotsAt.IsZero() && time.Since(s.slotsAt) < factsFor
	s.mu.Unlock()
	if fresh {
		return slots
	}
	switch program {
	case ServerSGLang:
		if info, e := c.sglangInfo(ctx); e == nil {
			slots = info.slots()
		}
	case ServerTGI:
		if info, e := c.tgiInfo(ctx); e == nil {
			slots = info.slots()
		}
	default:
		return 0
	}
	s.mu.Lock()
	s.slots, s.slotsAt = slots, time.Now()
	s.mu.Unlock()
	return slots
}

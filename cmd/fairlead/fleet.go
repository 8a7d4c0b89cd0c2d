package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"fairlead/internal/config"
	"fairlead/internal/label"
	"fairlead/internal/telemetry"
	"fairlead/orchestrator"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/routing"
	"fairlead/orchestrator/routing/learned"
	"fairlead/prompts"
	"fairlead/providers"
	"fairlead/providers/extractive"
	"fairlead/providers/hashing"
	"fairlead/providers/ollama"
	"fairlead/providers/openai"
	"fairlead/providers/scripted"
	"fairlead/providers/tokens"
)

// fleet is what a configuration stands for: the engine's configuration, and for each target why it is
// there.
type fleet struct {
	config orchestrator.Config
	// why says for each target why it is there, and notes what was not found.
	why   map[string]string
	notes []string
	// telemetry may be nil: then calls carry no trace.
	telemetry *telemetry.Telemetry
	// asked are the backends that can be asked how they are, and labels the versions that targets name by a label.
	asked  map[string]askable
	labels map[string][]string
	// idle close the connections that adapters keep open, for a fleet that is replaced.
	idle []func()
	// closers end the connections of adapters that keep them for calls to come.
	closers []func() error
}

// The qualities that targets have which nobody has measured: only their order matters.
const (
	qualityExtractive = 0.20
	qualityOllama     = 0.50
	qualityOpenAI     = 0.86
)

// probeTime is how long a model server has to answer before the start goes on without it.
const probeTime = 150 * time.Millisecond

// backend is an adapter, made once for all targets of a backend.
type backend struct {
	generator  providers.Generator
	embedder   providers.Embedder
	classifier providers.Classifier
	// predictor runs models over tensors, and each target has a pipeline of its own to it.
	predictor providers.Predictor
	// server is the adapter itself.
	server  any
	limiter *orchestrator.Limiter
}

// muster makes the fleet of a configuration. telemetry may be nil.
func muster(ctx context.Context, t *telemetry.Telemetry, c *config.Config, getenv func(string) string) (_ *fleet, err error) {
	f := &fleet{why: map[string]string{}, telemetry: t, asked: map[string]askable{}, labels: labels(c)}
	defer func() {
		if err != nil {
			_ = f.close() // nothing was called yet, so there is nothing to lose
		}
	}()
	f.config.DefaultPolicy, f.config.Auto = c.Chat.DefaultPolicy, c.Chat.Auto
	f.config.DefaultEmbedder, f.config.DefaultLabel = c.Retrieval.Embedder, c.Chat.DefaultLabel
	f.config.Languages = c.Chat.Languages
	if err := f.written(c); err != nil {
		return nil, err
	}
	if err := f.discover(ctx, c, getenv); err != nil {
		return nil, err
	}
	if err := f.builtIn(); err != nil {
		return nil, err
	}
	if err := f.policies(c); err != nil {
		return nil, err
	}
	if err := f.texts(c); err != nil {
		return nil, err
	}
	if err := f.learned(c); err != nil {
		return nil, err
	}
	f.config.Features, f.config.FeaturesLabel = featuresOf(c)
	if f.config.Auto == "" && !f.chats() {
		// Nothing here can chat, so "auto" is the chain that answers from documents.
		f.config.Auto = "chain/answer"
		f.notes = append(f.notes, "no chat model was found: \"auto\" stands for chain/answer, which answers from your documents")
	}
	return f, nil
}

// learned reads the router's model.
func (f *fleet) learned(c *config.Config) error {
	if c.Router.Model == "" {
		return nil
	}
	data, err := readModelFile(c.Router.Model)
	if err != nil {
		return fmt.Errorf("router.model: %w", err)
	}
	m, err := learned.Load(data)
	if err != nil {
		return fmt.Errorf("router.model: %s: %w", c.Router.Model, err)
	}
	f.config.Qualities = m
	for _, name := range m.Targets() {
		if !slices.ContainsFunc(f.config.Targets, func(t orchestrator.Target) bool { return t.Name == name }) {
			f.notes = append(f.notes, fmt.Sprintf("the router's model knows a target %q, and there is none of that name", name))
		}
	}
	return nil
}

// written adds the targets of the file.
func (f *fleet) written(c *config.Config) error {
	backends := map[string]*backend{}
	var wrong []error
	for _, name := range slices.Sorted(maps.Keys(c.Backends)) {
		b := c.Backends[name]
		made, err := f.newBackend(name, b)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		backends[name] = made
		f.asks(name, b, made.server)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Targets)) {
		t := c.Targets[name]
		made, ok := backends[t.Backend]
		if !ok {
			continue // what is wrong with its backend is told
		}
		if err := f.configured(name, t, c.Backends[t.Backend], made); err != nil {
			wrong = append(wrong, err)
		}
	}
	return errors.Join(wrong...)
}

func (f *fleet) newBackend(name string, b config.Backend) (*backend, error) {
	made := &backend{}
	if b.Limits.Concurrency > 0 || b.Limits.PerMinute > 0 {
		made.limiter = orchestrator.NewLimiter(b.Limits.Concurrency, b.Limits.PerMinute)
	}
	header := http.Header{}
	for h, value := range b.Headers {
		header.Set(h, value.Reveal())
	}
	trusted, err := authorities(b)
	if err != nil {
		return nil, fmt.Errorf("backends.%s.%w", name, err)
	}
	switch b.Kind {
	case config.KindOpenAI:
		var c *openai.Client
		c, err = openai.New(openai.Config{Name: name, BaseURL: b.URL, APIKey: b.APIKey.Reveal(), Header: header,
			HTTPClient: f.outbound(b.Timeouts.Connect, trusted), IdleTimeout: b.Timeouts.Idle, Server: b.Server})
		made.generator, made.embedder, made.server = c, c, c
	case config.KindOllama:
		var keep time.Duration
		if b.KeepAlive != nil {
			keep = *b.KeepAlive
		}
		var c *ollama.Client
		c, err = ollama.New(ollama.Config{Name: name, BaseURL: b.URL, APIKey: b.APIKey.Reveal(), Header: header,
			HTTPClient: f.outbound(b.Timeouts.Connect, trusted), IdleTimeout: b.Timeouts.Idle, KeepAlive: keep})
		made.generator, made.embedder, made.server = c, c, c
	case config.KindTFServing, config.KindOpenInference, config.KindTorchServe:
		made.predictor, err = f.modelServer(name, b, header, trusted)
		made.server = made.predictor
	case config.KindScripted:
		s := scripted.New(scripted.Config{Backend: name})
		made.generator, made.embedder, made.classifier = s, s, s
	case config.KindExtractive:
		made.generator, err = extractive.New(extractive.Config{Backend: name})
	case config.KindHashing:
		made.embedder, err = hashing.New(hashing.Config{Backend: name})
	default:
		err = fmt.Errorf("there is no kind %q", b.Kind)
	}
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", name, err)
	}
	return made, nil
}

// outbound makes the client that calls a backend: many calls at once to one host, a short wait for a
// connection, and the environment's proxy, which companies need to reach what is outside. trusted may be nil.
func (f *fleet) outbound(connect time.Duration, trusted *tls.Config) *http.Client {
	if connect == 0 {
		connect = 5 * time.Second
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: connect, KeepAlive: 30 * time.Second}).DialContext
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 1024, 256
	if trusted != nil {
		t.TLSClientConfig = trusted.Clone()
	}
	f.idle = append(f.idle, t.CloseIdleConnections)
	if f.telemetry == nil {
		return &http.Client{Transport: t}
	}
	return &http.Client{Transport: f.telemetry.Transport(t)} // model servers that trace continue our trace
}

func (f *fleet) add(t orchestrator.Target, why string) {
	f.config.Targets = append(f.config.Targets, t)
	f.why[t.Name] = why
}

func (f *fleet) has(name string) bool {
	return slices.ContainsFunc(f.config.Targets, func(t orchestrator.Target) bool { return t.Name == name })
}

// found adds a discovered target, unless the file has given its name to another.
func (f *fleet) found(t orchestrator.Target, why string) {
	t.Name = strings.ReplaceAll(t.Name, "@", "-") // an @ is what the names of variants have
	if f.has(t.Name) {
		f.notes = append(f.notes, t.Name+" was found and left out: there is already a target of this name")
		return
	}
	f.add(t, why)
}

// configured adds a target of the file.
func (f *fleet) configured(name string, t config.Target, b config.Backend, made *backend) error {
	out := orchestrator.Target{Generator: made.generator, Embedder: made.embedder, Classifier: made.classifier, Limiter: made.limiter,
		FirstToken: b.Timeouts.FirstToken, Server: made.server, HealthTimeout: b.Health.Timeout, Lazy: loadsByCall(b.Kind)}
	out.Target = routing.Target{
		Name: name, Backend: t.Backend, Kind: b.Kind, Model: t.Model, Version: t.Version, Context: t.Context,
		Clearance: b.Clearance, Quality: -1, TTFT: t.TTFT, PerToken: t.PerToken, Origin: "config",
	}
	if own, ok := made.embedder.(interface{ Identity() string }); ok && t.Model == "" {
		out.Model = own.Identity() // collections keep it, so that a change of it is seen
	}
	for _, does := range t.Does {
		c, err := providers.ParseCapability(does)
		if err != nil {
			return fmt.Errorf("target %s: %w", name, err)
		}
		out.Does |= c
	}
	if t.Quality != nil {
		out.Quality = *t.Quality
	}
	out.Price, out.Encoding = b.Price(t.Price), encoding(b.Kind, t.Model)
	out.Cache = t.CacheTime(b.Kind)
	if t.Batch != nil {
		out.Batch = orchestrator.Batch{Max: t.Batch.Max, Delay: t.Batch.Delay}
	}
	if made.predictor != nil {
		out.Predictor, out.Signature = made.predictor, t.Signature
		if err := pipelined(&out, t, made.predictor); err != nil {
			return fmt.Errorf("targets.%s.%w", name, err)
		}
	}
	if b.Kind == config.KindScripted {
		if _, err := scripted.Parse(t.Model); err != nil {
			return fmt.Errorf("target %s: %w", name, err)
		}
	}
	if err := variants(&out, t, made.predictor); err != nil {
		return fmt.Errorf("targets.%s.%w", name, err)
	}
	f.add(out, "in the configuration")
	return nil
}

// encoding gives the vocabulary that prompts for a model are counted with. Model servers of other vocabularies
// than OpenAI's are counted with the same, and what they report corrects it; what runs inside the process
// counts bytes.
func encoding(kind, model string) tokens.Encoding {
	switch kind {
	case config.KindOpenAI, config.KindOllama:
		return tokens.For(model)
	default:
		return ""
	}
}

// builtIn adds the answerers inside the process, which need nothing and let nothing out.
func (f *fleet) builtIn() error {
	if !f.has(config.BuiltInExtractive) {
		generator, err := extractive.New(extractive.Config{})
		if err != nil {
			return err
		}
		f.add(orchestrator.Target{Generator: generator, Target: routing.Target{
			Name: config.BuiltInExtractive, Backend: "built-in", Kind: config.KindExtractive, Model: "extractive", Does: providers.Extract,
			Clearance: label.Restricted, Price: &providers.Price{}, Quality: qualityExtractive, Origin: "built in",
		}}, "built in: quotes your documents, word for word, with no model")
	}
	if !f.has(config.BuiltInHashing) {
		embedder, err := hashing.New(hashing.Config{})
		if err != nil {
			return err
		}
		f.add(orchestrator.Target{Embedder: embedder, Target: routing.Target{
			Name: config.BuiltInHashing, Backend: "built-in", Kind: config.KindHashing, Model: embedder.Identity(), Does: providers.Embed,
			Clearance: label.Restricted, Price: &providers.Price{}, Quality: -1, Origin: "built in",
		}}, "built in: embeds words and word pieces, with no model")
	}
	return nil
}

// quantiles are the quantiles that a configuration names.
var quantiles = map[string]float64{"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}

func (f *fleet) policies(c *config.Config) error {
	for _, name := range slices.Sorted(maps.Keys(c.Policies)) {
		p := c.Policies[name]
		out := routing.Policy{
			Name: name, Prefer: routing.Preference(p.Prefer), MinQuality: p.Require.Quality, MaxCost: providers.USD(p.Require.CostUSD),
			MaxTTFT: p.Require.TTFT, MaxLatency: p.Require.Latency, Targets: p.Require.Targets, WhenText: p.Require.When,
			Attempts: p.Attempts, Midstream: routing.Midstream(p.Midstream), Quantile: quantiles[p.Require.At], OnNone: routing.OnNone(p.OnNone),
		}
		if w := p.Weights; w != nil {
			out.Weights = routing.Weights{Cost: w.Cost, Latency: w.Latency, Quality: w.Quality}
		}
		if s := p.Scales; s != nil {
			out.Scales = routing.Scales{Cost: providers.USD(s.CostUSD), Latency: s.Latency}
		}
		if e := p.Escalate; e != nil {
			when, err := routing.CompileAnswerCondition(e.When)
			if err != nil {
				return fmt.Errorf("policies.%s.escalate.when: %w", name, err)
			}
			out.Escalate = &routing.Escalation{When: when, WhenText: e.When, To: routing.Preference(e.To)}
		}
		if h := p.Hedge; h != nil {
			out.Hedge = &routing.Hedge{After: quantiles[h.After], Budget: h.Budget}
		}
		if p.Require.When != "" {
			when, err := routing.CompileCondition(p.Require.When)
			if err != nil {
				return fmt.Errorf("policies.%s.require.when: %w", name, err)
			}
			out.When = when
		}
		f.config.Policies = append(f.config.Policies, out)
	}
	return nil
}

// texts reads prompts and chains: those that come with the program, and the user's, which may not take
// the name of another.
func (f *fleet) texts(c *config.Config) (err error) {
	if c.Prompts.Dir != "" {
		f.config.Prompts, err = prompts.Load(os.DirFS(c.Prompts.Dir))
	} else {
		f.config.Prompts, err = prompts.Load()
	}
	if err != nil {
		return err
	}
	if f.config.Chains, err = chain.Builtin(); err != nil {
		return err
	}
	files, err := c.ChainFiles()
	if err != nil {
		return err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading a chain: %w", err)
		}
		ch, err := chain.Parse(file, data)
		if err != nil {
			return err
		}
		// A user's chain takes the place of the shipped one of its name: it is how one changes it.
		f.config.Chains = slices.DeleteFunc(f.config.Chains, func(b *chain.Chain) bool { return b.Name == ch.Name && !slices.Contains(files, b.File) })
		f.config.Chains = append(f.config.Chains, ch)
	}
	return nil
}

// chats says whether a target can chat.
func (f *fleet) chats() bool {
	return slices.ContainsFunc(f.config.Targets, func(t orchestrator.Target) bool { return t.Does.Has(providers.Chat) })
}

// closeIdle closes the connections that nobody uses: those of calls in progress stay.
func (f *fleet) closeIdle() {
	for _, closeIdle := range f.idle {
		closeIdle()
	}
}

// retired is a fleet whose place another has taken; calls may still run on it.
type retired struct {
	fleet *fleet
	since time.Time
}

// close ends all connections, when no call will come.
func (f *fleet) close() error {
	f.closeIdle()
	var errs []error
	for _, closeOne := range f.closers {
		errs = append(errs, closeOne())
	}
	return errors.Join(errs...)
}

// check validates a fleet as an engine would, without serving it.
func (f *fleet) check() error {
	_, err := orchestrator.New(orchestrator.Services{}, f.config)
	return err
}

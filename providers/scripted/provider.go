package scripted

import (
	"context"
	"math"
	"sync"
	"time"

	"fairlead/providers"
)

// Config is what a provider is made of.
type Config struct {
	// Backend is the backend's name, for errors. Empty: "scripted".
	Backend string
}

// Provider serves scripted models. It is safe for concurrent use.
type Provider struct {
	backend string

	mu       sync.Mutex
	accounts map[string]*Account
}

var (
	_ providers.Generator  = (*Provider)(nil)
	_ providers.Embedder   = (*Provider)(nil)
	_ providers.Classifier = (*Provider)(nil)
	_ providers.Lister     = (*Provider)(nil)
)

// Account is what a model served since the provider was made.
type Account struct {
	// Calls counts the calls, failed ones included.
	Calls int
	// Failed counts the calls that ended with an error, a caller who left in a context's way included.
	Failed int
	// Billed is what they are charged for.
	Billed providers.Usage
}

// New makes a provider.
func New(c Config) *Provider {
	if c.Backend == "" {
		c.Backend = "scripted"
	}
	return &Provider{backend: c.Backend, accounts: map[string]*Account{}}
}

// Billed gives what all calls so far are charged for: what the backend's bill would say, whatever its
// streams reported.
func (p *Provider) Billed() providers.Usage {
	p.mu.Lock()
	defer p.mu.Unlock()
	var sum providers.Usage
	for _, a := range p.accounts {
		sum = sum.Add(a.Billed)
	}
	return sum
}

// Account gives the account of one model, by its whole name.
func (p *Provider) Account(model string) Account {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a := p.accounts[model]; a != nil {
		return *a
	}
	return Account{}
}

// Models lists the kinds, each of which is a model with its defaults.
func (p *Provider) Models(ctx context.Context) ([]providers.Model, error) {
	if err := ctx.Err(); err != nil {
		return nil, providers.AsError(ctx, p.backend, "", err)
	}
	var models []providers.Model
	for _, kind := range Kinds() {
		models = append(models, providers.Model{Name: kind, Does: kindOf[kind].does})
	}
	return models, nil
}

// call is one call in progress.
type call struct {
	p      *Provider
	model  string
	script *Script
	// number is the call's place among those to this model, from 1.
	number int
	// usage is what is billed so far.
	usage  providers.Usage
	failed bool
}

// begin opens a call that needs a capability. Each call that begins must end.
func (p *Provider) begin(ctx context.Context, model string, needs providers.Capability) (*call, error) {
	if err := ctx.Err(); err != nil {
		return nil, providers.AsError(ctx, p.backend, model, err)
	}
	s, err := Parse(model)
	if err != nil {
		return nil, &providers.Error{Kind: providers.KindNotFound, Backend: p.backend, Detail: err.Error()}
	}
	if !s.Does().Has(needs) {
		return nil, &providers.Error{Kind: providers.KindUnsupported, Backend: p.backend, Model: model,
			Detail: "the model does not " + needs.String() + ", only " + s.Does().String()}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.accounts[model]
	if a == nil {
		a = &Account{}
		p.accounts[model] = a
	}
	a.Calls++
	return &call{p: p, model: model, script: s, number: a.Calls}, nil
}

// end books the call.
func (c *call) end() {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	a := c.p.accounts[c.model]
	a.Billed = a.Billed.Add(c.usage)
	if c.failed {
		a.Failed++
	}
}

// fail gives an error its place.
func (c *call) fail(e *providers.Error) error {
	c.failed = true
	e.Backend, e.Model = c.p.backend, c.model
	return e
}

// ended gives the error of an ended context. What has been billed may be charged.
func (c *call) ended(ctx context.Context) error {
	e := providers.AsError(ctx, c.p.backend, c.model, ctx.Err())
	e.MayBill = c.usage != providers.Usage{}
	c.failed = true
	return e
}

// wait waits, if the context lets it. An ended context is an error also after no time at all.
func (c *call) wait(ctx context.Context, d time.Duration) error {
	if d > 0 && ctx.Err() == nil {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return c.ended(ctx)
	}
	return nil
}

// answers lets a call that is not a stream wait, hang or fail as its script says.
func (c *call) answers(ctx context.Context) error {
	if err := c.wait(ctx, c.script.ttft); err != nil {
		return err
	}
	if c.script.kind == "hang" {
		<-ctx.Done()
		return c.ended(ctx)
	}
	if c.fails() {
		return c.fail(c.script.failure())
	}
	return nil
}

// fails says whether this call fails by its status.
func (c *call) fails() bool {
	switch c.script.kind {
	case "status":
		return true
	case "flaky":
		return unit(mix(c.script.seed^mix(uint64(c.number)))) < c.script.p
	}
	return false
}

// bill charges for words, and for the prompt with the first of them.
func (c *call) bill(prompt, words int64) {
	s := c.script
	c.usage.Input = prompt
	if s.in >= 0 {
		c.usage.Input = s.in
	}
	if s.out >= 0 {
		c.usage.Output = s.out
	} else {
		c.usage.Output += words
	}
}

// report gives the usage as the backend reports it. Nil: it does not.
func (c *call) report() *providers.Usage {
	if c.script.silent {
		return nil
	}
	u := c.usage
	return &u
}

// mix is the finalizer of SplitMix64 (Steele, Lea and Flood, 2014): it spreads close numbers over all
// 64 bits.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// unit makes a number in [0,1) of 64 bits.
func unit(x uint64) float64 { return math.Ldexp(float64(x>>11), -53) }

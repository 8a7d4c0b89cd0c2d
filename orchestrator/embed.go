package orchestrator

import (
	"context"
	"fmt"
	"strings"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
	"fairlead/retrieval"
)

// Embed makes vectors. It is not failed over: vectors of two models cannot be compared, so the caller
// gets those of the model that was named, or an error.
func (e *Engine) Embed(ctx context.Context, p auth.Principal, req EmbedRequest) (*Embedded, error) {
	if len(req.Texts) == 0 {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "there is no text to embed: send one at least")
	}
	r, err := e.newRun(e.state.Load(), p, req.Limits, nil)
	if err != nil {
		return nil, err
	}
	r.started = time.Now()
	ctx, cancel := r.bound(ctx)
	defer cancel()
	t, err := r.st.embedderTarget(req.Model)
	if err != nil {
		return nil, err
	}
	got, err := r.embed(ctx, t, nil, r.label, req.Texts, req.Dimensions)
	return got, r.verdict(ctx, err, false)
}

// embedderTarget gives the target that embeds: the named one, or the default.
func (st *state) embedderTarget(name string) (*target, error) {
	if name == "" || name == "auto" {
		name = st.embedder
	}
	t := st.byName[name]
	switch {
	case name == "":
		return nil, fault.New(fault.FailedPrecondition, fault.ReasonNoTarget, "there is no default embedder: name a target that embeds")
	case t == nil:
		return nil, fault.New(fault.NotFound, fault.ReasonUnknownTarget, "there is no target %q: %s", name, known("targets", st.byName))
	case !t.Does.Has(providers.Embed):
		return nil, fault.New(fault.InvalidArgument, fault.ReasonUnsupported, "target %s does %s and does not embed", name, t.Does)
	}
	return t, nil
}

// embed makes vectors with one target. A nil policy demands nothing.
func (r *run) embed(ctx context.Context, t *target, policy *routing.Policy, l label.Label, texts []string, dimensions int) (*Embedded, error) {
	if policy == nil {
		policy = &routing.Policy{Name: "target/" + t.Name}
	}
	size := 0
	for _, text := range texts {
		size += len(text)
	}
	plan := routing.Decide(&routing.Request{
		Step: "embed", Tenant: r.principal.Tenant, Label: l, Needs: providers.Embed, Left: r.left(),
		// An embedder writes nothing, and reads one text at a time.
		PromptTokens: providers.EstimateTokens(size / len(texts)),
	}, []routing.Candidate{{Target: &t.Target.Target, State: t.live()}}, policy, time.Now())
	if plan.Eligible == 0 {
		return nil, noTarget(plan)
	}
	worst := providers.Money(0)
	if t.Price != nil {
		worst = t.Price.Cost(providers.Usage{Input: int64(providers.EstimateTokens(size))})
	}
	reserved, err := r.ledger.Reserve(worst)
	if err != nil {
		return nil, err
	}
	defer reserved.Release()
	if err := t.Limiter.acquire(ctx); err != nil {
		return nil, err
	}
	defer t.Limiter.release()
	got, err := t.embed(ctx, &providers.EmbedRequest{Model: t.Model, Texts: texts, Dimensions: dimensions})
	if err != nil {
		if providers.Billed(err) {
			usage := providers.Usage{Input: int64(providers.EstimateTokens(size)), Estimated: true}
			reserved.Settle(usage, worst, t.Price != nil)
		}
		pe := providers.AsError(ctx, t.Backend, t.Model, err)
		t.pause(pe.RetryAfter)
		f := pe.Fault()
		f.Text = "target " + t.Name + ": " + f.Text
		return nil, f
	}
	got.Usage = plausible(got.Usage)
	out := &Embedded{Embeddings: got, Target: t.Name}
	if t.Price != nil {
		out.Cost, out.CostKnown = t.Price.Cost(got.Usage), true
	}
	reserved.Settle(got.Usage, out.Cost, out.CostKnown)
	return out, nil
}

// embed calls the embedder. A panic of the adapter is a failed call.
func (t *target) embed(ctx context.Context, req *providers.EmbedRequest) (_ *providers.Embeddings, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = broken(&t.Target.Target, value)
		}
	}()
	return t.Embedder.Embed(ctx, req)
}

// runKey is where a context carries the run that searches.
type runKey struct{}

// embedders lets retrieval embed through the engine, so that clearance and limits hold there too.
type embedders struct{ engine *Engine }

var _ retrieval.Embedders = embedders{}

// Embedder gives the embedder of a name; the empty name is the default.
func (e embedders) Embedder(name string) (retrieval.Embedder, error) {
	st := e.engine.state.Load()
	t, err := st.embedderTarget(name)
	if err != nil {
		return retrieval.Embedder{}, err
	}
	return retrieval.Embedder{
		Name:     t.Name,
		Identity: strings.TrimSuffix(fmt.Sprintf("%s:%s@%s", t.Kind, t.Model, t.Version), "@"),
		Embed: func(ctx context.Context, l label.Label, texts []string) ([][]float32, error) {
			// A run that searches pays for the query's vector; else nobody has set a limit.
			r, ok := ctx.Value(runKey{}).(*run)
			if !ok {
				var err error
				r, err = e.engine.newRun(st, auth.Principal{Tenant: auth.LocalTenant, Ceiling: label.Restricted}, Limits{Label: l}, nil)
				if err != nil {
					return nil, err
				}
			}
			got, err := r.embed(ctx, t, nil, l, texts, 0)
			if err != nil {
				return nil, err
			}
			return got.Vectors, nil
		},
	}, nil
}

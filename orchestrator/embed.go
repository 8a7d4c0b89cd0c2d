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
	if name == "" {
		return nil, fault.New(fault.FailedPrecondition, fault.ReasonNoTarget, "there is no default embedder: name a target that embeds")
	}
	return st.doing(name, providers.Embed, "embed")
}

// doing gives the target of a name, which must do what is needed. verb says so in words.
func (st *state) doing(name string, needs providers.Capability, verb string) (*target, error) {
	t := st.byName[name]
	switch {
	case t == nil:
		return nil, fault.New(fault.NotFound, fault.ReasonUnknownTarget, "there is no target %q: %s", name, known("targets", st.byName))
	case !t.Does.Has(needs):
		return nil, fault.New(fault.InvalidArgument, fault.ReasonUnsupported, "target %s does %s and does not %s", name, t.Does, verb)
	}
	return t, nil
}

// embed makes vectors with one target. A nil policy demands nothing.
func (r *run) embed(ctx context.Context, t *target, policy *routing.Policy, l label.Label, texts []string, dimensions int) (*Embedded, error) {
	out := &Embedded{Target: t.Name}
	q := &errand{path: "embed", target: t, policy: policy, label: l, needs: providers.Embed, texts: texts}
	q.call = func(ctx context.Context) (_ providers.Usage, _ string, err error) {
		out.Embeddings, err = t.Embedder.Embed(ctx, &providers.EmbedRequest{Model: t.Model, Texts: texts, Dimensions: dimensions})
		if err != nil {
			return providers.Usage{}, "", err
		}
		out.Usage = plausible(out.Usage)
		return out.Usage, out.Model, nil
	}
	var err error
	if out.Cost, out.CostKnown, err = r.errand(ctx, q); err != nil {
		return nil, err
	}
	return out, nil
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

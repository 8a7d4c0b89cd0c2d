package orchestrator

import (
	"context"
	"sync/atomic"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
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
	t, err := r.st.embedderFor(&p, req.Model)
	if err != nil {
		return nil, err
	}
	r.started = time.Now()
	ctx, cancel := r.bound(ctx)
	defer cancel()
	var got *Embedded
	err = r.alone(ctx, embedStep, func(ctx context.Context, emit emitter) (err error) {
		got, err = r.embed(ctx, &errand{path: embedStep, target: t, label: r.label, caching: renew(req.NoCache), emit: emit,
			question: embedding(req.Texts, req.Dimensions)})
		return err
	})
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

// embedding is a question for vectors.
func embedding(texts []string, dimensions int) *question {
	return &question{needs: providers.Embed, texts: texts, dimensions: dimensions}
}

// renew gives what a caller who asks for no cache has to do with it.
func renew(noCache bool) caching {
	if noCache {
		return cacheRenew
	}
	return cacheUse
}

// embed makes vectors of an errand's texts.
func (r *run) embed(ctx context.Context, q *errand) (*Embedded, error) {
	got, err := r.errand(ctx, q)
	if err != nil {
		return nil, err
	}
	return &Embedded{Embeddings: &providers.Embeddings{Vectors: got.vectors, Model: got.model, Version: got.version, Usage: got.usage},
		Target: got.target.Named(), Cost: got.cost, CostKnown: got.known, Cached: got.cached}, nil
}

// searchKey is where a context carries the step that searches.
type searchKey struct{}

// search is a step of a run that searches.
type search struct {
	run  *run
	path string
	emit emitter
	// calls counts the calls for vectors.
	calls atomic.Int64
}

// vectors makes the vectors that a search needs. Which model makes them is the collection's matter and was not
// decided, so no plan is told.
func (s *search) vectors(ctx context.Context, t *target, l label.Label, texts []string) (*Embedded, error) {
	return s.run.embed(ctx, &errand{path: s.path, target: t, everybody: true, label: l, question: embedding(texts, 0), attempt: int(s.calls.Add(1)), emit: undecided(s.emit)})
}

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
		Identity: t.identity(),
		Embed: func(ctx context.Context, l label.Label, texts []string) ([][]float32, error) {
			return vectorsOf(e.engine.vectors(ctx, st, t, l, texts, cacheOff))
		},
		EmbedQuery: func(ctx context.Context, l label.Label, text string) ([][]float32, error) {
			// A run that searches pays for the query's vector; else nobody has set a limit.
			if s, ok := ctx.Value(searchKey{}).(*search); ok {
				return vectorsOf(s.vectors(ctx, t, l, []string{text}))
			}
			return vectorsOf(e.engine.vectors(ctx, st, t, l, []string{text}, cacheUse))
		},
	}, nil
}

// identity says which vectors can be compared: those of one model, in one version, in one form.
func (t *target) identity() string {
	s := t.Kind + ":" + t.Model
	if t.Version != "" {
		s += "@" + t.Version
	}
	if t.Form != "" {
		s += "#" + t.Form
	}
	return s
}

func vectorsOf(got *Embedded, err error) ([][]float32, error) {
	if err != nil {
		return nil, err
	}
	return got.Vectors, nil
}

// vectors makes vectors for retrieval, outside runs. Who called is billed, and asked for nothing else: what the
// caller may read and store, retrieval has seen to, and the collection says which model embeds it.
func (e *Engine) vectors(ctx context.Context, st *state, t *target, l label.Label, texts []string, c caching) (got *Embedded, err error) {
	p, ok := auth.From(ctx)
	if !ok {
		p.Tenant = auth.LocalTenant
	}
	r, err := e.newRun(st, auth.Principal{Tenant: p.Tenant, Name: p.Name, Ceiling: label.Restricted}, Limits{Label: l}, nil)
	if err != nil {
		return nil, err
	}
	r.started = time.Now()
	err = r.alone(ctx, embedStep, func(ctx context.Context, emit emitter) (err error) {
		got, err = r.embed(ctx, &errand{path: embedStep, target: t, label: l, caching: c, question: embedding(texts, 0), emit: emit})
		return err
	})
	return got, err
}

package orchestrator

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"fairlead/providers"
)

// How long a model's description is taken for true, and how long a backend that gave none is not asked again.
const (
	descriptionKept = 10 * time.Minute
	descriptionWait = 10 * time.Second
)

// description is what a target's backend says of its model. The zero value is ready. It is safe for concurrent use.
type description struct {
	mu      sync.Mutex
	got     *providers.ModelDescription
	version string // the one that was resolved when it was asked for
	until   time.Time
}

// signature gives what the model says of a way of calling it, "" being the target's own; ok is false where its backend
// does not say. The backend is asked at times, so it may take as long as the context.
func (t *target) signatureOf(ctx context.Context, name string) (s providers.Signature, ok bool) {
	d := t.describe(ctx)
	if d == nil {
		return s, false
	}
	name = cmp.Or(name, t.Signature)
	if s, ok = d.Signatures[name]; ok || name != "" {
		return s, ok
	}
	if len(d.Signatures) == 1 {
		for _, s = range d.Signatures {
			return s, true
		}
	}
	s, ok = d.Signatures["serving_default"] // what TensorFlow calls the one that is taken where none is named
	return s, ok
}

// describe gives what the backend says of the model; nil where it says nothing.
func (t *target) describe(ctx context.Context) *providers.ModelDescription {
	asks, ok := t.Server.(providers.Describer)
	if !ok {
		if asks, ok = t.Predictor.(providers.Describer); !ok {
			return nil
		}
	}
	k := &t.described
	version := t.resolved()
	k.mu.Lock()
	got, fresh := k.got, k.version == version && time.Now().Before(k.until)
	k.mu.Unlock()
	if fresh {
		return got
	}
	// Callers who come at once ask at once: that is rare, and none waits for another.
	got, err := asks.Describe(ctx, t.Model, t.Version)
	if ctx.Err() != nil {
		return nil // that says nothing about the backend
	}
	keep := descriptionKept
	if err != nil {
		got, keep = nil, descriptionWait
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.got, k.version, k.until = got, version, time.Now().Add(keep)
	return got
}

// joinable says whether the rows of several callers may go through the model at once: it says that its first axis has
// any length, or does not say.
func (t *target) joinable(ctx context.Context, q *question) bool {
	s, ok := t.signatureOf(ctx, q.signature)
	if !ok {
		return true
	}
	fixed := func(spec providers.Spec) bool {
		return spec.Shape != nil && (len(spec.Shape) == 0 || spec.Shape[0] != -1)
	}
	if slices.ContainsFunc(s.Inputs, fixed) {
		return false
	}
	return !slices.ContainsFunc(s.Outputs, func(spec providers.Spec) bool {
		return fixed(spec) && (len(q.outputs) == 0 || slices.Contains(q.outputs, spec.Name))
	})
}

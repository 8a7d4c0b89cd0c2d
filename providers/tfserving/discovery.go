package tfserving

import (
	"context"
	"sync"
	"time"

	"fairlead/providers"
)

// maxKnown is how many models' descriptions are kept.
const maxKnown = 256

// described is what a model tells.
type described struct {
	description providers.ModelDescription
	// optional names, by signature, the inputs that have a default.
	optional map[string]map[string]bool
}

// discovery keeps what models tell. Errors are not kept.
type discovery struct {
	ttl   time.Duration
	mu    sync.Mutex
	known map[place]*entry
}

// place is what a description is kept under.
type place struct{ model, version string }

// entry is a description, or one that is on its way: then done is open.
type entry struct {
	done  chan struct{}
	at    time.Time
	model *described
	err   *providers.Error
}

// get gives what is known, or asks. Of several that ask at once one does, and all have its answer; when its context ends the
// next one asks. fresh says that the answer is no older than the call.
func (d *discovery) get(ctx context.Context, at place, ask func() (*described, *providers.Error)) (model *described, fresh bool, err *providers.Error) {
	for {
		d.mu.Lock()
		e := d.known[at]
		if e == nil || (e.model != nil && time.Since(e.at) >= d.ttl) {
			e = &entry{done: make(chan struct{})}
			d.keep(at, e)
			d.mu.Unlock()
			d.settle(at, e, ask)
			return e.model, true, e.err
		}
		d.mu.Unlock()
		select {
		case <-e.done:
		case <-ctx.Done():
			return nil, false, providers.AsError(ctx, "", at.model, ctx.Err())
		}
		if e.model != nil {
			return e.model, false, nil
		}
		if e.err.Kind != providers.KindCanceled && e.err.Kind != providers.KindTimeout {
			return nil, true, e.err
		}
		if err := ctx.Err(); err != nil {
			return nil, false, providers.AsError(ctx, "", at.model, err)
		}
	}
}

// settle asks and lets those know who wait. An entry without an answer does not stay.
func (d *discovery) settle(at place, e *entry, ask func() (*described, *providers.Error)) {
	model, err := ask()
	d.mu.Lock()
	defer d.mu.Unlock()
	e.model, e.err, e.at = model, err, time.Now()
	if err != nil && d.known[at] == e {
		delete(d.known, at)
	}
	close(e.done)
}

// keep adds an entry, and drops the oldest that has its answer when there are too many.
func (d *discovery) keep(at place, e *entry) {
	if d.known == nil {
		d.known = map[place]*entry{}
	}
	if _, there := d.known[at]; !there && len(d.known) >= maxKnown {
		var oldest place
		var when time.Time
		for p, old := range d.known {
			if old.model != nil && (when.IsZero() || old.at.Before(when)) {
				oldest, when = p, old.at
			}
		}
		delete(d.known, oldest)
	}
	d.known[at] = e
}

// forget drops what is known of a model.
func (d *discovery) forget(model, version string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.known, place{model, version})
}

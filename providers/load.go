package providers

import (
	"context"
	"time"
)

// Load is how busy a backend says it is.
type Load struct {
	// Running are the requests that it works on, and Waiting those that wait in it.
	Running, Waiting int
	// Slots is how many requests it works on at once. 0: it does not say.
	Slots int
	// Cache is the share of its cache of keys and values that is in use, in [0,1]. It counts when CacheKnown.
	Cache      float64
	CacheKnown bool
	// At is when it said so.
	At time.Time
}

// LoadReporter tells how busy a backend is.
type LoadReporter interface {
	// Load asks the backend. A model that it serves may be named, for backends that count each apart. Errors are *Error;
	// KindUnsupported says that it will never tell.
	Load(ctx context.Context, model string) (Load, error)
}

// Prober says whether a backend is there, at less cost than a call.
type Prober interface {
	// Probe gives nil when the backend would take a call now. Errors are *Error.
	Probe(ctx context.Context) error
}

// Puller fetches models that a backend does not have.
type Puller interface {
	// Pull returns once the model is there. told is called as it comes along, from the same goroutine; an error of its
	// ends the pull. Errors are *Error, but for told's own.
	Pull(ctx context.Context, model string, told func(Pulled) error) error
}

// Pulled is how far a pull is.
type Pulled struct {
	// Status is what is being done, in the adapter's own words.
	Status string
	// Done and Total are bytes. 0: unknown.
	Done, Total int64
}

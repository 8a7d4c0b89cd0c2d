// Package recent keeps answers for a moment, so that what is asked for every call is read from a store about once a
// second. It owns their age, their number and that one question is asked once at a time; it refuses to know what they
// are about, and to keep an error.
package recent

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Defaults of Config.
const (
	DefaultAge  = time.Second
	DefaultMost = 10_000
)

// Config says how long and how many.
type Config struct {
	// Age is how old an answer may get, from when it was asked for. 0: 1 s.
	Age time.Duration
	// Most bounds how many answers are kept: twice this. 0: 10,000.
	Most int
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Cache keeps answers by name. It is safe for concurrent use.
//
// It is two maps, a young one and an old one: a full young one becomes the old one, and the old one is dropped with all
// that is in it. So a flood of names costs bounded memory and no search for what to drop; what is still asked for is
// asked for once more.
type Cache[V any] struct {
	ask    func(ctx context.Context, name string) (V, error)
	config Config

	mu         sync.Mutex
	young, old map[string]answer[V]
	flights    map[string]*flight[V]
}

type answer[V any] struct {
	value V
	until time.Time
}

// flight is a question that is being asked.
type flight[V any] struct {
	done  chan struct{}
	value V
	err   error
	left  bool // whose question it was did not wait for the answer
}

// New makes a cache of what ask gives.
func New[V any](c Config, ask func(ctx context.Context, name string) (V, error)) *Cache[V] {
	if c.Age == 0 {
		c.Age = DefaultAge
	}
	if c.Most == 0 {
		c.Most = DefaultMost
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Cache[V]{ask: ask, config: c, young: map[string]answer[V]{}, flights: map[string]*flight[V]{}}
}

// Get gives an answer that is young enough, or asks. Callers who ask the same at once wait for one of them, which asks
// under its own context: where that ends, another of them asks.
func (c *Cache[V]) Get(ctx context.Context, name string) (V, error) {
	for {
		c.mu.Lock()
		now := c.config.Now()
		if a, ok := c.find(name); ok && now.Before(a.until) {
			c.mu.Unlock()
			return a.value, nil
		}
		f, flying := c.flights[name]
		if !flying {
			f = &flight[V]{done: make(chan struct{})}
			c.flights[name] = f
		}
		c.mu.Unlock()
		if !flying {
			c.fly(ctx, name, f, now)
			return f.value, f.err
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			var none V
			return none, ctx.Err()
		}
		if !f.left {
			return f.value, f.err
		}
	}
}

// errPanicked is what those get who waited for one that panicked.
var errPanicked = errors.New("asking: it panicked")

// fly asks. The answer's age counts from before it was asked for: what changed after that may not be in it.
func (c *Cache[V]) fly(ctx context.Context, name string, f *flight[V], asked time.Time) {
	f.err = errPanicked
	defer func() {
		c.mu.Lock()
		if c.flights[name] == f { // it was not forgotten meanwhile
			delete(c.flights, name)
			if f.err == nil {
				c.put(name, answer[V]{value: f.value, until: asked.Add(c.config.Age)})
			}
		}
		c.mu.Unlock()
		close(f.done)
	}()
	f.value, f.err = c.ask(ctx, name)
	f.left = f.err != nil && ctx.Err() != nil
}

func (c *Cache[V]) find(name string) (answer[V], bool) {
	if a, ok := c.young[name]; ok {
		return a, true
	}
	a, ok := c.old[name]
	return a, ok
}

func (c *Cache[V]) put(name string, a answer[V]) {
	if _, there := c.young[name]; !there && len(c.young) >= c.config.Most {
		c.young, c.old = make(map[string]answer[V]), c.young
	}
	c.young[name] = a
}

// Forget drops what is known of a name, and what is being asked about it: the next Get asks anew.
func (c *Cache[V]) Forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.young, name)
	delete(c.old, name)
	delete(c.flights, name)
}

package openinference

import (
	"sync"
	"time"

	"fairlead/providers"
)

// maxCached is the most models and versions that are remembered; beyond it all are forgotten.
const maxCached = 1024

// cache remembers what a server tells of models. It keeps no failures.
type cache struct {
	ttl   time.Duration
	mu    sync.Mutex
	known map[modelKey]*known
}

type modelKey struct{ model, version string }

// known is what is remembered of a model; about is nil where the server tells nothing.
type known struct {
	about *providers.ModelDescription
	until time.Time
	// asked is true while one caller asks again; others go on with what is known.
	asked bool
}

// get gives what is remembered, or asks.
func (c *cache) get(model, version string, ask func() (*providers.ModelDescription, error)) (*providers.ModelDescription, error) {
	key := modelKey{model, version}
	c.mu.Lock()
	k := c.known[key]
	if k != nil && (k.asked || time.Now().Before(k.until)) {
		about := k.about
		c.mu.Unlock()
		return about, nil
	}
	if k != nil {
		k.asked = true
	}
	c.mu.Unlock()
	about, err := ask()
	c.mu.Lock()
	defer c.mu.Unlock()
	if k != nil {
		k.asked = false
	}
	if err != nil {
		return nil, err
	}
	if c.known == nil || len(c.known) >= maxCached {
		c.known = map[modelKey]*known{}
	}
	c.known[key] = &known{about: about, until: time.Now().Add(c.ttl)}
	return about, nil
}

func (c *cache) drop(model, version string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, modelKey{model, version})
}

func (c *cache) dropModel(model string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.known {
		if key.model == model {
			delete(c.known, key)
		}
	}
}

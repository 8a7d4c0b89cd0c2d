package faultproxy

import (
	"maps"
	"sync"
	"time"
)

// Exchange tells what became of one request. It holds no content.
type Exchange struct {
	// Number is 0 for a request that cannot have faults; see Config.Only.
	Number       int64
	Method, Path string
	// Fault is what was chosen. Its place is where it was meant to hit, Anywhere having been decided.
	Fault Fault
	// Hit says that it happened: an answer that ends before the fault's place is not hit.
	Hit bool
	// Status is the response's. 0: no headers were sent.
	Status int
	// Sent counts the bytes of the body that were sent.
	Sent int64
	// Left says that the caller left before the end.
	Left bool
	// Failed says that the upstream itself failed.
	Failed   bool
	Duration time.Duration
}

// Stats are counts since the proxy was made.
type Stats struct {
	Requests int64 `json:"requests"`
	// Hits counts the faults that happened, by kind.
	Hits map[Kind]int64 `json:"hits"`
	// Missed counts the faults whose place the answer did not reach.
	Missed int64 `json:"missed"`
	// Left counts the callers that left before the end, Failed the upstream's own failures.
	Left   int64 `json:"left"`
	Failed int64 `json:"failed"`
}

// counter keeps Stats.
type counter struct {
	mu    sync.Mutex
	stats Stats
}

func (c *counter) add(x *Exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stats.Hits == nil {
		c.stats.Hits = map[Kind]int64{}
	}
	c.stats.Requests++
	switch {
	case x.Hit:
		c.stats.Hits[x.Fault.Kind]++
	case x.Fault.Kind != None && !x.Left && !x.Failed:
		c.stats.Missed++
	}
	if x.Left {
		c.stats.Left++
	}
	if x.Failed {
		c.stats.Failed++
	}
}

// Stats gives the counts so far.
func (p *Proxy) Stats() Stats {
	p.counter.mu.Lock()
	defer p.counter.mu.Unlock()
	s := p.counter.stats
	if s.Hits = maps.Clone(s.Hits); s.Hits == nil {
		s.Hits = map[Kind]int64{}
	}
	return s
}

package orchestrator

import (
	"math"
	"sync"
)

// What a correction is made of.
const (
	// correctionKept is how much of what was learned stays at each sample: about the last ten count.
	correctionKept = 0.9
	// correctionSamples is how many calls must have reported before a correction is used.
	correctionSamples = 3
	// correctionLeast and correctionMost bound what is believed of one sample, and so of all.
	correctionLeast, correctionMost = 0.5, 3.0
)

// corrections learn by how much our counts of prompts differ from what targets report: their vocabulary may
// be another, and their templates add to a prompt. The zero value is ready. It is safe for concurrent use.
type corrections struct {
	mu sync.Mutex
	of map[string]*correction // by target
}

// correction is the ratio of two sums in which older samples weigh exponentially less. A ratio of sums, and
// not a mean of ratios, because long prompts say more about the vocabulary than short ones.
type correction struct {
	ours, reported float64
	samples        int
}

// learn takes a sample: our count of a prompt, uncorrected, and what the target reported.
func (c *corrections) learn(target string, ours, reported int64) {
	if ours <= 0 || reported <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]*correction{}
	}
	it := c.of[target]
	if it == nil {
		it = &correction{}
		c.of[target] = it
	}
	mine := float64(ours)
	it.ours = it.ours*correctionKept + mine
	it.reported = it.reported*correctionKept + min(max(float64(reported), mine*correctionLeast), mine*correctionMost)
	it.samples++
}

// apply gives what a target will count for a prompt that counts so many tokens by us.
func (c *corrections) apply(target string, ours int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	it := c.of[target]
	if it == nil || it.samples < correctionSamples {
		return ours
	}
	return int(math.Round(float64(ours) * it.reported / it.ours))
}

// forget drops what was learned of a target.
func (c *corrections) forget(target string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.of, target)
}

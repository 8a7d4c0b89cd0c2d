package postgres

import (
	"sync"
	"time"
)

const (
	// frequentFrom is from how many passages on a term's count is kept: counting fewer takes no time.
	frequentFrom = 1000
	// frequencyAge is how long a count is kept, and frequencyDrift which part of a collection may have come or gone
	// meanwhile.
	frequencyAge   = 10 * time.Minute
	frequencyDrift = 0.01
	mostFrequent   = 100_000
)

// frequencies keeps how many passages have the frequent terms of collections. To count them takes longer than to
// search, and how rare such a term is, which is all that it is for, changes slowly.
type frequencies struct {
	mu   sync.Mutex
	kept map[frequencyKey]frequency
}

// frequencyKey is a term of a collection, whose number is that of no other tenant's.
type frequencyKey struct {
	collection int64
	term       string
}

type frequency struct {
	passages, of int64
	at           time.Time
}

// known gives the counts of terms, nil for what is not known.
func (f *frequencies) known(c collection, terms []string, now time.Time) []*int64 {
	out := make([]*int64, len(terms))
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, term := range terms {
		x, ok := f.kept[frequencyKey{c.id, term}]
		if drift := float64(c.passages - x.of); ok && now.Sub(x.at) < frequencyAge && max(drift, -drift) <= frequencyDrift*float64(x.of) {
			out[i] = &x.passages
		}
	}
	return out
}

// learn keeps counts that a search came by: places are those of terms, from 1.
func (f *frequencies) learn(c collection, terms []string, places []int64, passages []float64, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, place := range places {
		if passages[i] < frequentFrom || place < 1 || int(place) > len(terms) {
			continue
		}
		if f.kept == nil || len(f.kept) >= mostFrequent {
			f.kept = map[frequencyKey]frequency{}
		}
		f.kept[frequencyKey{c.id, terms[place-1]}] = frequency{passages: int64(passages[i]), of: c.passages, at: now}
	}
}

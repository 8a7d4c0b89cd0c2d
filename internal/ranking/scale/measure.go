package scale

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"fairlead/internal/label"
	"fairlead/retrieval"
)

const (
	// weight is that of the words where both legs are fused.
	weight = 0.5
	// candidates is how many each leg gives for a search that asks for top passages: what a retrieval.Service asks for.
	candidates, top = 64, 10
)

// Latency is how long one kind of search takes.
type Latency struct {
	// Tenant is "large" or "small", and By what was searched by: vector, words, both, or both with a filter.
	Tenant   string        `json:"tenant"`
	By       string        `json:"by"`
	Clients  int           `json:"clients"`
	Searches int           `json:"searches"`
	P50      time.Duration `json:"p50_ns"`
	P99      time.Duration `json:"p99_ns"`
	// Rate is searches for each second, of all clients together.
	Rate float64 `json:"searches_per_second"`
}

// one is the filter that one document in a hundred passes.
var one = retrieval.Filter{{Field: "percent", Op: retrieval.Equal, Value: float64(7)}}

// The kinds of searches.
const (
	byVector   = "vector"
	byWords    = "words"
	byBoth     = "both"
	byFiltered = "both, filtered to 1 %"
)

// search makes one search and gives what it found.
func search(ctx context.Context, s Store, tenant, by string, q Query, limit int) ([]retrieval.Hit, retrieval.Scan, error) {
	leg := retrieval.LegQuery{Collection: collection, Text: q.Text, Vector: q.Vector, Limit: limit, MaxLabel: label.Restricted}
	switch by {
	case byVector:
		found, err := s.SearchVector(ctx, tenant, leg)
		if err != nil {
			return nil, retrieval.Scan{}, err
		}
		return found.Hits, found.Scan, nil
	case byWords:
		found, err := s.SearchText(ctx, tenant, leg)
		if err != nil {
			return nil, retrieval.Scan{}, err
		}
		return found.Hits, found.Scan, nil
	case byFiltered:
		leg.Filter = one
	}
	found, err := s.SearchFused(ctx, tenant, leg, top, weight)
	if err != nil {
		return nil, retrieval.Scan{}, err
	}
	return found.Hits, found.Vector.Scan, nil
}

// latency lets clients search, each one search after the other.
func (b *bench) latency(ctx context.Context, t tenant, by string, clients int) (Latency, error) {
	n := max(b.Queries, 25*clients)
	queries := make([]Query, n)
	for i := range queries {
		// None that was asked before: what one search leaves in memory must not be what the next is measured by.
		queries[i] = b.corpus.Query(t.number, b.asked+i, t.passages)
	}
	b.asked += n
	var next atomic.Int64
	var mu sync.Mutex
	times := make([]time.Duration, 0, n)
	g, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	for range clients {
		g.Go(func() error {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				began := time.Now()
				if _, _, err := search(ctx, b.Store, t.name, by, queries[i], candidates); err != nil {
					return err
				}
				took := time.Since(began)
				mu.Lock()
				times = append(times, took)
				mu.Unlock()
			}
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return Latency{}, err
	}
	rate := float64(n) / time.Since(start).Seconds()
	slices.Sort(times)
	return Latency{By: by, Clients: clients, Searches: n, P50: times[n/2], P99: times[n*99/100], Rate: rate}, nil
}

// Recall is how many of the nearest ten are found, by the mean over queries.
type Recall struct {
	Tenant string `json:"tenant"`
	// Method is how the vectors were gone through: "exact" or "hnsw".
	Method  string `json:"method"`
	Queries int    `json:"queries"`
	// Ten is of searches for ten, and Candidates of the first ten of as many as a leg of a search gives.
	Ten        float64 `json:"recall_at_10"`
	Candidates float64 `json:"recall_at_10_of_candidates"`
	// P50 is how long the searches for ten took.
	P50 time.Duration `json:"p50_ns"`
}

// recall compares what the store finds with what comparing all vectors finds.
func (b *bench) recall(ctx context.Context, t tenant) (Recall, error) {
	r := Recall{Queries: b.Queries}
	var times []time.Duration
	ten, many, of := 0, 0, 0
	for i := range b.Queries {
		q := b.corpus.Query(t.number, i, t.passages)
		best, _, err := search(ctx, b.Exact, t.name, byVector, q, top)
		if err != nil {
			return r, err
		}
		nearest := map[string]bool{}
		for _, h := range best {
			nearest[h.Passage.ID] = true
		}
		of += len(nearest)
		among := func(hits []retrieval.Hit) (n int) {
			for _, h := range hits[:min(len(hits), top)] {
				if nearest[h.Passage.ID] {
					n++
				}
			}
			return n
		}
		began := time.Now()
		hits, scan, err := search(ctx, b.Store, t.name, byVector, q, top)
		if err != nil {
			return r, err
		}
		times = append(times, time.Since(began))
		ten += among(hits)
		r.Method = scan.Method
		if hits, _, err = search(ctx, b.Store, t.name, byVector, q, candidates); err != nil {
			return r, err
		}
		many += among(hits)
	}
	slices.Sort(times)
	r.P50 = times[len(times)/2]
	r.Ten, r.Candidates = float64(ten)/float64(max(of, 1)), float64(many)/float64(max(of, 1))
	return r, nil
}

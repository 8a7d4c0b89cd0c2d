package postgres_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/store/postgres"
	"fairlead/internal/testdb"
	"fairlead/retrieval"
)

// timed runs fn over and over and reports the median and the 95th percentile.
func timed(b *testing.B, fn func(i int)) {
	var times []time.Duration
	for b.Loop() {
		start := time.Now()
		fn(len(times))
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(times[len(times)*95/100].Microseconds())/1000, "p95-ms")
}

// BenchmarkSearch20k searches one of two collections of 20,000 passages each, of two tenants.
func BenchmarkSearch20k(b *testing.B) {
	const passages, dimensions = 20_000, 384
	d := testdb.PostgresDatabase(b)
	compared := testdb.OpenPostgres(b, d, postgres.Config{})
	indexed := testdb.OpenPostgres(b, d, postgres.Config{ExactRows: -1})
	start := time.Now()
	c := load(b, d, compared, "acme", "bench", passages, dimensions)
	load(b, d, compared, "other", "bench", passages, dimensions)
	b.Logf("loaded in %v", time.Since(start).Round(time.Second))
	q := func(text string, limit int) retrieval.LegQuery {
		return retrieval.LegQuery{Collection: "bench", Text: text, Vector: c.vector(c.rand.IntN(groups), dimensions), Limit: limit, MaxLabel: label.Restricted}
	}
	tenth := retrieval.Filter{{Field: "percent", Op: retrieval.Less, Value: float64(10)}}
	for _, words := range []int{4, 10} {
		b.Run(fmt.Sprintf("words=%d", words), func(b *testing.B) {
			timed(b, func(int) {
				if _, err := compared.SearchText(b.Context(), "acme", q(c.text(words), 64)); err != nil {
					b.Fatal(fault.Cause(err))
				}
			})
		})
	}
	for name, s := range map[string]*postgres.Store{"exact": compared, "hnsw": indexed} {
		for _, filter := range []retrieval.Filter{nil, tenth} {
			b.Run(fmt.Sprintf("%s/filter=%v", name, filter != nil), func(b *testing.B) {
				found, wanted := 0, 0
				timed(b, func(i int) {
					q := q("", 10)
					q.Filter = filter
					leg, err := s.SearchVector(b.Context(), "acme", q)
					if err != nil || leg.Scan.Method != name {
						b.Fatal(leg, fault.Cause(err))
					}
					if i >= 50 {
						return
					}
					b.StopTimer()
					best := c.nearest(q.Vector, 10, func(p *corpusPassage) bool { return filter == nil || p.document%100 < 10 })
					wanted += len(best)
					for _, h := range leg.Hits {
						if best[h.Passage.ID] {
							found++
						}
					}
					b.StartTimer()
				})
				b.ReportMetric(float64(found)/float64(wanted), "recall@10")
			})
		}
	}
	for name, s := range map[string]*postgres.Store{"exact": compared, "hnsw": indexed} {
		b.Run("fused/"+name, func(b *testing.B) {
			timed(b, func(int) {
				if _, err := s.SearchFused(b.Context(), "acme", q(c.text(8), 64), 10, 0.5); err != nil {
					b.Fatal(fault.Cause(err))
				}
			})
		})
	}
}

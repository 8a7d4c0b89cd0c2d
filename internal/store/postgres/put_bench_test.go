package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/store/postgres"
	"fairlead/internal/testdb"
	"fairlead/retrieval"
)

// benchDocument makes a document of 20 passages of 80 words, as unevenly frequent as those of a language are.
func benchDocument(r *rand.Rand, zipf *rand.Zipf, dimensions int) (retrieval.Document, []retrieval.Passage, [][]float32) {
	d := retrieval.Document{Collection: "bench", Title: "a document of a benchmark", MediaType: "text/markdown", Label: label.Internal, Language: "en",
		Metadata: map[string]any{"lang": "en", "year": float64(2000 + r.IntN(25)), "tag": fmt.Sprint("t", r.IntN(100))}}
	var ps []retrieval.Passage
	var vs [][]float32
	for j := range 20 {
		var b strings.Builder
		for range 80 {
			fmt.Fprintf(&b, "w%s ", strings.Map(func(c rune) rune { return c - '0' + 'a' }, fmt.Sprint(zipf.Uint64())))
		}
		ps = append(ps, retrieval.Passage{Ordinal: j, Heading: []string{"A part of it"}, Text: b.String()})
		v := make([]float32, dimensions)
		for k := range v {
			v[k] = float32(r.NormFloat64())
		}
		vs = append(vs, v)
	}
	return d, ps, vs
}

// BenchmarkDocumentPut stores documents of 20 passages. Vectors of 384 have an index of nearest neighbours, those of
// 100 have none.
func BenchmarkDocumentPut(b *testing.B) {
	for _, dimensions := range []int{0, 100, 384} {
		for _, writers := range []int{1, 4} {
			b.Run(fmt.Sprintf("dimensions=%d/writers=%d", dimensions, writers), func(b *testing.B) {
				s := testdb.OpenPostgres(b, testdb.PostgresDatabase(b), postgres.Config{Pool: 8})
				if err := s.CollectionInsert(b.Context(), whose, retrieval.Collection{Name: "bench", Dimensions: dimensions, LexicalWeight: 0.5}); err != nil {
					b.Fatal(fault.Cause(err))
				}
				r := rand.New(rand.NewPCG(7, 7))
				zipf := rand.NewZipf(r, 1.07, 2.7, 29999)
				type document struct {
					d  retrieval.Document
					ps []retrieval.Passage
					vs [][]float32
				}
				var docs []document
				for range 50 {
					d, ps, vs := benchDocument(r, zipf, dimensions)
					docs = append(docs, document{d, ps, vs})
				}
				var next atomic.Int64
				put := func() error {
					n := next.Add(1)
					x := docs[int(n)%len(docs)]
					d := x.d
					d.ID, d.URI = fmt.Sprint("n", n), fmt.Sprint("n", n)
					ps := append([]retrieval.Passage(nil), x.ps...)
					for j := range ps {
						ps[j].ID = fmt.Sprint("n", n, "-", j)
					}
					return s.DocumentPut(b.Context(), whose, d, ps, x.vs)
				}
				start := time.Now()
				for b.Loop() {
					var wg sync.WaitGroup
					for range writers {
						wg.Go(func() {
							for range 5 {
								if err := put(); err != nil {
									b.Error(fault.Cause(err))
								}
							}
						})
					}
					wg.Wait()
				}
				b.ReportMetric(float64(20*next.Load())/time.Since(start).Seconds(), "passages/s")
			})
		}
	}
}

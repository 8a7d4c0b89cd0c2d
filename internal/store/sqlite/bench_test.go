package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/internal/label"
	"fairlead/retrieval"
)

const benchDimensions = 384

// corpus makes texts whose words are as unevenly frequent as those of a language are: the most frequent
// are the stop words, as in English.
type corpus struct {
	words []string
	zipf  *rand.Zipf
	rand  *rand.Rand
}

func newCorpus() *corpus {
	r := rand.New(rand.NewPCG(7, 7))
	c := &corpus{rand: r, zipf: rand.NewZipf(r, 1.07, 2.7, 29999)}
	common := strings.Fields("the of and to in a is that for it was on are with as be by at this from or an have which")
	for i := range 30000 {
		if i < len(common) {
			c.words = append(c.words, common[i])
			continue
		}
		var b strings.Builder
		for n := i; n > 0; n /= 17 {
			b.WriteString([]string{"ba", "co", "di", "fu", "ge", "ha", "ki", "lo", "mu", "ne", "po", "qua", "ri", "sa", "to", "vu", "ze"}[n%17])
		}
		c.words = append(c.words, b.String())
	}
	return c
}

func (c *corpus) text(n int) string {
	out := make([]string, n)
	for i := range out {
		out[i] = c.words[c.zipf.Uint64()]
	}
	return strings.Join(out, " ")
}

// vector makes vectors that lie in groups, as embeddings do.
func (c *corpus) vector(group int) []float32 {
	g := rand.New(rand.NewPCG(uint64(group), 1))
	v := make([]float32, benchDimensions)
	for i := range v {
		v[i] = float32(g.NormFloat64() + 0.8*c.rand.NormFloat64())
	}
	return v
}

func (c *corpus) document(i, passages int) (retrieval.Document, []retrieval.Passage, [][]float32) {
	id := fmt.Sprintf("d%06d", i)
	d := retrieval.Document{ID: id, Collection: "bench", URI: "file:///" + id + ".md", Title: c.text(4), MediaType: "text/markdown",
		Label: label.Internal, Fingerprint: id, Metadata: map[string]any{"lang": "en", "year": float64(2000 + i%25), "tag": fmt.Sprint("t", i%100)}}
	var ps []retrieval.Passage
	var vs [][]float32
	var text strings.Builder
	for j := range passages {
		t := c.text(80)
		start := text.Len()
		text.WriteString(t + "\n")
		ps = append(ps, retrieval.Passage{ID: fmt.Sprintf("%s-%d", id, j), Ordinal: j, Heading: []string{c.text(3)}, Text: t,
			Span: retrieval.Span{ByteStart: start, ByteEnd: start + len(t), LineStart: j + 1, LineEnd: j + 1}})
		vs = append(vs, c.vector(c.rand.IntN(500)))
	}
	d.Text = text.String()
	return d, ps, vs
}

func benchStore(b *testing.B, passages int) (*Store, *corpus) {
	s, err := Open(b.Context(), Config{Path: filepath.Join(b.TempDir(), "bench.db")})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	if err := s.CollectionInsert(b.Context(), "t", retrieval.Collection{Name: "bench", Dimensions: benchDimensions, LexicalWeight: 0.5}); err != nil {
		b.Fatal(err)
	}
	c := newCorpus()
	for i := range passages / 20 {
		d, ps, vs := c.document(i, 20)
		if err := s.DocumentPut(b.Context(), "t", d, ps, vs); err != nil {
			b.Fatal(err)
		}
	}
	return s, c
}

func BenchmarkDocumentPut(b *testing.B) {
	s, c := benchStore(b, 0)
	type doc struct {
		d  retrieval.Document
		ps []retrieval.Passage
		vs [][]float32
	}
	docs := make([]doc, 200)
	for i := range docs {
		docs[i].d, docs[i].ps, docs[i].vs = c.document(i, 20)
	}
	n := 0
	start := time.Now()
	for b.Loop() {
		x := docs[n%len(docs)]
		x.d.ID, x.d.URI = fmt.Sprint("n", n), fmt.Sprint("n", n)
		for j := range x.ps {
			x.ps[j].ID = fmt.Sprint("n", n, "-", j)
		}
		if err := s.DocumentPut(context.Background(), "t", x.d, x.ps, x.vs); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(20*n)/time.Since(start).Seconds(), "passages/s")
}

// timed runs fn b.N times and reports the median.
func timed(b *testing.B, fn func()) {
	var times []time.Duration
	for b.Loop() {
		start := time.Now()
		fn()
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(times[len(times)*95/100].Microseconds())/1000, "p95-ms")
}

func BenchmarkSearchText20k(b *testing.B) {
	s, c := benchStore(b, 20000)
	for _, words := range []int{4, 10, 20} {
		b.Run(fmt.Sprintf("words=%d", words), func(b *testing.B) {
			timed(b, func() {
				if _, err := s.SearchText(context.Background(), "t", retrieval.LegQuery{Collection: "bench", Text: c.text(words), Limit: 50, MaxLabel: label.Restricted}); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

func BenchmarkSearchVector20k(b *testing.B) {
	s, c := benchStore(b, 20000)
	for _, q := range []retrieval.LegQuery{
		{Limit: 10}, {Limit: 50},
		{Limit: 10, Filter: retrieval.Filter{{Field: "tag", Op: retrieval.Equal, Value: "t7"}}},
		{Limit: 10, Filter: retrieval.Filter{{Field: "year", Op: retrieval.Less, Value: float64(2012)}}},
	} {
		name := fmt.Sprintf("limit=%d", q.Limit)
		if len(q.Filter) > 0 {
			name += "/" + q.Filter[0].Field
		}
		b.Run(name, func(b *testing.B) {
			q.Collection, q.MaxLabel = "bench", label.Restricted
			timed(b, func() {
				q.Vector = c.vector(c.rand.IntN(500))
				h, err := s.SearchVector(context.Background(), "t", q)
				if err != nil || len(h.Hits) != q.Limit {
					b.Fatal(h, err)
				}
			})
		})
	}
}

// BenchmarkNearCodes20k compares nearCodes with sqlite-vec's own search.
func BenchmarkNearCodes20k(b *testing.B) {
	s, corpus := benchStore(b, 20000)
	e := encoderOf(benchDimensions)
	code := e.encode(corpus.vector(1), make([]float32, e.bits))
	for _, k := range []int{64, 256, 512} {
		for _, own := range []bool{true, false} {
			b.Run(fmt.Sprintf("k=%d/own=%v", k, own), func(b *testing.B) {
				timed(b, func() {
					if err := s.read(context.Background(), "comparing", func(tx *sql.Tx) error {
						c, err := find(context.Background(), tx, "t", "bench", "comparing")
						if err != nil {
							return err
						}
						if own {
							near, err := nearCodes(context.Background(), tx, c.searched(), code, k, label.Restricted, true)
							if len(near) != k {
								b.Error(len(near))
							}
							return err
						}
						rows, err := tx.Query("SELECT rowid FROM "+c.searched().codes()+" WHERE code MATCH vec_bit(?) AND k = ? AND collection = ?", code, k, c.id)
						if err != nil {
							return err
						}
						return each(rows, func() error { return nil })
					}); err != nil {
						b.Fatal(err)
					}
				})
			})
		}
	}
}

// BenchmarkHybrid20k runs both legs side by side, as a search of the service does.
func BenchmarkHybrid20k(b *testing.B) {
	s, corpus := benchStore(b, 20000)
	timed(b, func() {
		q := retrieval.LegQuery{Collection: "bench", Text: corpus.text(10), Vector: corpus.vector(3), Limit: 64, MaxLabel: label.Restricted}
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := s.SearchText(context.Background(), "t", q); err != nil {
				b.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := s.SearchVector(context.Background(), "t", q); err != nil {
				b.Error(err)
			}
		})
		wg.Wait()
	})
}

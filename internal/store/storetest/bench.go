package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
)

// versions is one embedder under any name, each a model of its own.
type versions struct{ embedder retrieval.Embedder }

func (v versions) Embedder(name string) (retrieval.Embedder, error) {
	return retrieval.Embedder{Name: name, Identity: name, Embed: v.embedder.Embed}, nil
}

// timed tells how long a swap takes.
type timed struct {
	retrieval.Store
	swap time.Duration
}

func (s *timed) ReindexSwap(ctx context.Context, tenant, collection string) error {
	start := time.Now()
	defer func() { s.swap += time.Since(start) }()
	return s.Store.ReindexSwap(ctx, tenant, collection)
}

// BenchmarkReindex reindexes so many passages by an embedder, embedding included, and tells passages for each second
// and the milliseconds that a swap takes.
func BenchmarkReindex(b *testing.B, s retrieval.Store, embedders retrieval.Embedders, passages int) {
	embedder, err := embedders.Embedder("")
	if err != nil {
		b.Fatal(err)
	}
	store := &timed{Store: s}
	service := retrieval.NewService(store, versions{embedder}, retrieval.Config{})
	r := rand.New(rand.NewPCG(1, 2))
	var sources []retrieval.Source
	for i := range passages / 20 {
		var text strings.Builder
		for range 20 {
			for range 75 {
				fmt.Fprintf(&text, "word%d ", r.IntN(20_000))
			}
			text.WriteString("\n\n")
		}
		sources = append(sources, retrieval.Source{URI: fmt.Sprintf("%d.txt", i), Content: []byte(text.String())})
	}
	if _, err := service.CreateCollection(b.Context(), tenant, retrieval.Collection{Name: "docs", Embedder: "0"}); err != nil {
		b.Fatal(fault.Cause(err))
	}
	if _, err := service.Ingest(b.Context(), tenant, "docs", sources, label.Restricted); err != nil {
		b.Fatal(fault.Cause(err))
	}
	n, total := 0, int64(0)
	for b.Loop() {
		n++
		c, err := service.Reindex(b.Context(), tenant, "docs", fmt.Sprint(n), func(retrieval.Reindex) {})
		if err != nil {
			b.Fatal(fault.Cause(err))
		}
		total += c.Passages
	}
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "passages/s")
	b.ReportMetric(float64(store.swap.Microseconds())/1000/float64(n), "swap-ms")
	b.ReportMetric(float64(total)/float64(n), "passages")
}

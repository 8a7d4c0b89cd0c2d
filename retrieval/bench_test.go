package retrieval_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead/internal/label"
	"fairlead/retrieval"
	"fairlead/retrieval/read"
	"fairlead/retrieval/retrievaltest"
	"fairlead/retrieval/split"
)

// vocabulary makes texts whose words are spread as those of a language are: a few often, most seldom.
type vocabulary struct {
	words []string
	zipf  *rand.Zipf
	rng   *rand.Rand
}

func newVocabulary(seed uint64) *vocabulary {
	rng := rand.New(rand.NewPCG(seed, seed))
	v := &vocabulary{rng: rng, zipf: rand.NewZipf(rng, 1.1, 8, 30_000)}
	syllables := strings.Fields("an ber con dra el fon gri hal in jor ka lem mo nor op pra qui ros sta tur ul ver wex yon zil")
	seen := map[string]bool{}
	for len(v.words) <= 30_000 {
		word := ""
		for range 2 + rng.IntN(3) {
			word += syllables[rng.IntN(len(syllables))]
		}
		if !seen[word] {
			seen[word] = true
			v.words = append(v.words, word)
		}
	}
	return v
}

// text gives sentences of about n bytes.
func (v *vocabulary) text(n int) string {
	var b strings.Builder
	for b.Len() < n {
		for i := range 8 + v.rng.IntN(12) {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(v.words[v.zipf.Uint64()])
		}
		b.WriteString(". ")
	}
	return strings.TrimSpace(b.String())
}

// query gives six words as a question has them: none of the hundred most common, which a full-text index
// leaves out in a language that it knows.
func (v *vocabulary) query() string {
	var words []string
	for len(words) < 6 {
		if i := v.zipf.Uint64(); i >= 100 {
			words = append(words, v.words[i])
		}
	}
	return strings.Join(words, " ")
}

// sources gives Markdown documents of ten sections of about a passage each.
func (v *vocabulary) sources(n int) []retrieval.Source {
	out := make([]retrieval.Source, n)
	for i := range out {
		var b strings.Builder
		fmt.Fprintf(&b, "# Document %d\n\n", i)
		for j := range 10 {
			fmt.Fprintf(&b, "## Section %d\n\n%s\n\n", j, v.text(900))
		}
		out[i] = retrieval.Source{URI: fmt.Sprintf("%05d.md", i), Content: []byte(b.String())}
	}
	return out
}

func fill(b *testing.B, s *retrieval.Service, sources []retrieval.Source) int {
	results, err := s.Ingest(b.Context(), tenant, docs, sources, label.Restricted)
	if err != nil {
		b.Fatal(err)
	}
	passages := 0
	for _, r := range results {
		if r.Err != nil {
			b.Fatal(r.Err)
		}
		passages += r.Passages
	}
	return passages
}

// BenchmarkIngest stores 100 documents of 1,000 passages in a database of its own.
func BenchmarkIngest(b *testing.B) {
	sources := newVocabulary(1).sources(100)
	passages := 0
	for b.Loop() {
		b.StopTimer()
		s := retrievaltest.Service(b, retrieval.Config{})
		b.StartTimer()
		passages += fill(b, s, sources)
	}
	b.ReportMetric(float64(passages)/b.Elapsed().Seconds(), "passages/s")
}

// BenchmarkIngestUnchanged is what it costs to say that nothing has changed.
func BenchmarkIngestUnchanged(b *testing.B) {
	sources := newVocabulary(1).sources(100)
	s := retrievaltest.Service(b, retrieval.Config{})
	fill(b, s, sources)
	for b.Loop() {
		fill(b, s, sources)
	}
	b.ReportMetric(float64(len(sources)*b.N)/b.Elapsed().Seconds(), "documents/s")
}

// BenchmarkSearch20k searches 20,000 passages for ten by words and vectors.
func BenchmarkSearch20k(b *testing.B) {
	v := newVocabulary(1)
	s := retrievaltest.Service(b, retrieval.Config{})
	if n := fill(b, s, v.sources(2000)); n < 19_000 {
		b.Fatalf("%d passages", n)
	}
	words, vectors := 1.0, 0.0
	for name, weight := range map[string]*float64{"fused": nil, "words": &words, "vectors": &vectors} {
		b.Run(name, func(b *testing.B) {
			var times []time.Duration
			for b.Loop() {
				start := time.Now()
				q := retrieval.Query{Collection: docs, Text: v.query(), MaxLabel: label.Internal, LexicalWeight: weight}
				if f, err := s.Search(b.Context(), tenant, q); err != nil || len(f.Hits) != 10 {
					b.Fatal(f, err)
				}
				times = append(times, time.Since(start))
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2])/1e6, "p50-ms")
			b.ReportMetric(float64(times[len(times)*95/100])/1e6, "p95-ms")
		})
	}
}

// BenchmarkReadAndSplit reads and cuts Markdown.
func BenchmarkReadAndSplit(b *testing.B) {
	content := newVocabulary(1).sources(1)[0].Content
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		d, err := read.Read(b.Context(), "a.md", "", content, read.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		split.Split(d, split.Config{})
	}
}

package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/pgvector/pgvector-go"
	pgxvector "github.com/pgvector/pgvector-go/pgx"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/store/form"
	"fairlead/internal/store/postgres"
	"fairlead/internal/testdb"
	"fairlead/retrieval"
	"fairlead/retrieval/analysis"
)

// perDocument is how many passages a document of a corpus has.
const perDocument = 20

// corpus is a collection of passages that were stored past the store, which takes too long for many: words as
// unevenly frequent as those of a language, vectors in groups, one document in four above internal.
type corpus struct {
	name     string
	words    []string
	zipf     *rand.Zipf
	rand     *rand.Rand
	passages []corpusPassage
	total    int // words
}

type corpusPassage struct {
	id       string
	document int
	label    label.Label
	length   int
	weighted map[string]float64 // frequencies
	vector   []float32
}

// text gives words, the frequent ones not least.
func (c *corpus) text(n int) string {
	out := make([]string, n)
	for i := range out {
		out[i] = c.words[c.zipf.Uint64()]
	}
	return strings.Join(out, " ")
}

func (c *corpus) vector(group, dimensions int) []float32 {
	g := rand.New(rand.NewPCG(uint64(group), 1))
	v := make([]float32, dimensions)
	for i := range v {
		v[i] = float32(g.NormFloat64() + 0.8*c.rand.NormFloat64())
	}
	unit, _ := form.Unit(v)
	return unit
}

const groups = 300

// load makes a corpus. Documents have the metadata percent, their number modulo 100.
func load(tb testing.TB, d testdb.Database, s *postgres.Store, tenant, name string, passages, dimensions int) *corpus {
	tb.Helper()
	ctx := tb.Context()
	r := rand.New(rand.NewPCG(7, uint64(len(name))))
	c := &corpus{name: name, rand: r, zipf: rand.NewZipf(r, 1.15, 8, 19999)}
	for i := range 20000 {
		word := []byte("w")
		for n := i + 1; n > 0; n /= 20 {
			word = append(word, "bcdfghjklmnpqrstvwxz"[n%20])
		}
		c.words = append(c.words, string(word))
	}
	if err := s.CollectionInsert(ctx, tenant, retrieval.Collection{Name: name, Embedder: "e", Dimensions: dimensions, LexicalWeight: 0.5}); err != nil {
		tb.Fatal(fault.Cause(err))
	}
	conn, err := pgx.Connect(ctx, d.OwnerURL)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(ctx)
	exec := func(sql string, args ...any) {
		tb.Helper()
		if _, err := conn.Exec(ctx, sql, args...); err != nil {
			tb.Fatalf("%s: %v", sql, err)
		}
	}
	exec("SELECT set_config('search_path', 'fairlead, public', false), set_config('app.tenant', $1, false)", tenant)
	if err := pgxvector.RegisterTypes(ctx, conn); err != nil {
		tb.Fatal(err)
	}
	var id int64
	if err := conn.QueryRow(ctx, "SELECT id FROM collections WHERE tenant = $1 AND name = $2", tenant, name).Scan(&id); err != nil {
		tb.Fatal(err)
	}
	base, documents := id*10_000_000, (passages+perDocument-1)/perDocument
	labels := []label.Label{label.Public, label.Internal, label.Internal, label.Restricted}
	exec(`INSERT INTO documents (tenant, id, collection, doc_id, uri, title, media_type, language, label, metadata, content_hash, fingerprint, source_bytes, passages, created_at, updated_at)
		OVERRIDING SYSTEM VALUE SELECT $1::text, $2::bigint + i, $3::bigint, 'd' || i, to_char(i, 'FM000000'), 'title', 'text/plain', '', ($5::smallint[])[1 + i % 4], '{}', '', '', 0, least($6::int, $4::int - i * $6), now(), now()
		FROM generate_series(0, ($4::int - 1) / $6::int) i`, tenant, base, id, passages, labelNumbers(labels), perDocument)
	exec(`INSERT INTO document_fields (tenant, document, collection, key, item, kind, number) SELECT $1, $2 + i, $3, 'percent', -1, 2, i % 100 FROM generate_series(0, $4::int - 1) i`, tenant, base, id, documents)
	vectors := make([]pgtype.TSVector, passages)
	for i := range passages {
		p := corpusPassage{id: fmt.Sprintf("%s-%d", name, i), document: i / perDocument, label: labels[i/perDocument%4], weighted: map[string]float64{}, vector: c.vector(r.IntN(groups), dimensions)}
		at := map[string]int{}
		add := func(text string, weight pgtype.TSVectorWeight, factor float64) {
			for term := range analysis.Terms(text, "") {
				p.length++
				p.weighted[term] += factor
				j, there := at[term]
				if !there {
					j = len(vectors[i].Lexemes)
					at[term] = j
					vectors[i].Lexemes = append(vectors[i].Lexemes, pgtype.TSVectorLexeme{Word: fmt.Sprint(id, ":", term)})
				}
				l := &vectors[i].Lexemes[j]
				l.Positions = append(l.Positions, pgtype.TSVectorPosition{Position: uint16(len(l.Positions) + 1), Weight: weight})
			}
		}
		add(c.text(3), pgtype.TSVectorWeightA, analysis.TitleWeight)
		add(c.text(3), pgtype.TSVectorWeightB, analysis.HeadingWeight)
		add(c.text(40+r.IntN(60)), pgtype.TSVectorWeightD, analysis.TextWeight)
		vectors[i].Valid = true
		c.total += p.length
		c.passages = append(c.passages, p)
	}
	copyIn := func(table string, columns []string, row func(i int) []any) {
		tb.Helper()
		columns = append([]string{"tenant", "collection", "document"}, columns...)
		if _, err := conn.CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromSlice(passages, func(i int) ([]any, error) {
			return append([]any{tenant, id, base + int64(c.passages[i].document)}, row(i)...), nil
		})); err != nil {
			tb.Fatalf("%s: %v", table, err)
		}
	}
	copyIn("passages", []string{"id", "passage_id", "ordinal", "byte_start", "byte_end", "line_start", "line_end", "page", "heading", "text"}, func(i int) []any {
		return []any{base + int64(i), c.passages[i].id, i % perDocument, 0, 1, 1, 1, 0, []string{}, "text"}
	})
	copyIn("words", []string{"passage", "label", "length", "lexemes"}, func(i int) []any {
		return []any{base + int64(i), int16(c.passages[i].label), c.passages[i].length, vectors[i]}
	})
	copyIn("vectors", []string{"passage", "generation", "label", "dimensions", "embedding"}, func(i int) []any {
		return []any{base + int64(i), 1, int16(c.passages[i].label), dimensions, pgvector.NewHalfVector(c.passages[i].vector)}
	})
	exec("INSERT INTO collection_counts VALUES ($1, $2, 0, $3, $4, $5)", tenant, id, documents, passages, c.total)
	exec("ANALYZE")
	return c
}

func labelNumbers(labels []label.Label) []int16 {
	out := make([]int16, len(labels))
	for i, l := range labels {
		out[i] = int16(l)
	}
	return out
}

// nearest gives the passages nearest to a vector, of those that keep lets through.
func (c *corpus) nearest(vector []float32, k int, keep func(p *corpusPassage) bool) map[string]bool {
	type scored struct {
		id  string
		dot float32
	}
	var all []scored
	for i := range c.passages {
		if p := &c.passages[i]; keep(p) {
			var dot float32
			for j := range vector {
				dot += vector[j] * p.vector[j]
			}
			all = append(all, scored{p.id, dot})
		}
	}
	slices.SortFunc(all, func(a, b scored) int {
		if a.dot > b.dot {
			return -1
		}
		return 1
	})
	out := map[string]bool{}
	for _, x := range all[:min(k, len(all))] {
		out[x.id] = true
	}
	return out
}

// scores gives the BM25 score of every passage that has a word of a query, as package analysis says it is.
func (c *corpus) scores(text string) map[string]float64 {
	out := map[string]float64{}
	mean := float64(c.total) / float64(len(c.passages))
	for _, t := range analysis.Query(text, []string{""}) {
		for _, v := range t.Variants {
			n := int64(0)
			for i := range c.passages {
				if c.passages[i].weighted[v] > 0 {
					n++
				}
			}
			idf := analysis.IDF(int64(len(c.passages)), n)
			for i := range c.passages {
				if p := &c.passages[i]; p.weighted[v] > 0 {
					out[p.id] += analysis.Score(idf, p.weighted[v], float64(p.length), mean)
				}
			}
		}
	}
	return out
}

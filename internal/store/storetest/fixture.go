package storetest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
)

const (
	tenant     = "acme"
	other      = "umbrella"
	dimensions = 8
)

// collection is what tests insert where nothing about it matters.
func collection(name string) retrieval.Collection {
	return retrieval.Collection{Name: name, Description: "of a test", Label: label.Public, Embedder: "hashing@1",
		Dimensions: dimensions, LexicalWeight: 0.5}
}

// doc is a document that is easy to write down: its passages are its texts.
type doc struct {
	uri      string
	title    string
	language string
	label    label.Label // Unset: internal
	metadata map[string]any
	texts    []string
	vectors  [][]float32 // nil: made of the texts
}

// id is made of the URI, as the service does.
func id(uri string) string {
	sum := sha256.Sum256([]byte(uri))
	return hex.EncodeToString(sum[:8])
}

func passageID(uri string, i int) string { return fmt.Sprintf("%s-%d", id(uri), i) }

// build makes what DocumentPut takes.
func (d doc) build(coll string) (retrieval.Document, []retrieval.Passage, [][]float32) {
	text := strings.Join(d.texts, "\n")
	out := retrieval.Document{ID: id(d.uri), Collection: coll, URI: d.uri, Title: d.title, MediaType: "text/plain",
		Language: d.language, Label: d.label.Or(label.Internal), Metadata: d.metadata, ContentHash: "hash", Fingerprint: "print of " + text,
		SourceBytes: int64(len(text)), Text: text, Passages: len(d.texts)}
	var passages []retrieval.Passage
	var vectors [][]float32
	start := 0
	for i, t := range d.texts {
		passages = append(passages, retrieval.Passage{ID: passageID(d.uri, i), Collection: coll, DocumentID: out.ID, URI: d.uri,
			Title: d.title, Label: out.Label, Ordinal: i, Heading: []string{"Part", "of it"}, Text: t,
			Span: retrieval.Span{ByteStart: start, ByteEnd: start + len(t), LineStart: i + 1, LineEnd: i + 1 + strings.Count(t, "\n"), Page: i % 3}})
		start += len(t) + 1
		vectors = append(vectors, vectorOf(t))
	}
	if d.vectors != nil {
		vectors = d.vectors
	}
	return out, passages, vectors
}

// vectorOf makes a vector of a text: equal texts, equal vectors.
func vectorOf(text string) []float32 {
	sum := sha256.Sum256([]byte(text))
	v := make([]float32, dimensions)
	for i := range v {
		v[i] = float32(int(sum[i]) - 128)
	}
	return v
}

func mustInsert(t *testing.T, s Store, tenant string, c retrieval.Collection) {
	t.Helper()
	if err := s.CollectionInsert(t.Context(), tenant, c); err != nil {
		t.Fatalf("CollectionInsert(%s, %s): %v", tenant, c.Name, fault.Cause(err))
	}
}

func mustPut(t *testing.T, s Store, tenant, coll string, docs ...doc) {
	t.Helper()
	for _, d := range docs {
		document, passages, vectors := d.build(coll)
		if err := s.DocumentPut(t.Context(), tenant, document, passages, vectors); err != nil {
			t.Fatalf("DocumentPut(%s, %s): %v", tenant, d.uri, fault.Cause(err))
		}
	}
}

// words searches and gives the hits.
func words(t *testing.T, s Store, tenant string, q retrieval.LegQuery) []retrieval.Hit {
	t.Helper()
	leg, err := s.SearchText(t.Context(), tenant, withDefaults(q))
	if err != nil {
		t.Fatalf("SearchText(%s, %q): %v", tenant, q.Text, fault.Cause(err))
	}
	checkHits(t, leg.Hits, q.Limit, func(h retrieval.Hit) (int, float64) { return h.LexicalRank, h.LexicalScore })
	return leg.Hits
}

// nearest searches and gives the hits.
func nearest(t *testing.T, s Store, tenant string, q retrieval.LegQuery) []retrieval.Hit {
	t.Helper()
	leg, err := s.SearchVector(t.Context(), tenant, withDefaults(q))
	if err != nil {
		t.Fatalf("SearchVector(%s): %v", tenant, fault.Cause(err))
	}
	checkHits(t, leg.Hits, q.Limit, func(h retrieval.Hit) (int, float64) { return h.VectorRank, h.VectorScore })
	return leg.Hits
}

func withDefaults(q retrieval.LegQuery) retrieval.LegQuery {
	if q.Collection == "" {
		q.Collection = "docs"
	}
	if q.Limit == 0 {
		q.Limit = 100
	}
	q.MaxLabel = q.MaxLabel.Or(label.Restricted)
	return q
}

// checkHits holds what is true of every ranking: ranks from 1, scores that fall, no passage twice.
func checkHits(t *testing.T, hits []retrieval.Hit, limit int, of func(retrieval.Hit) (int, float64)) {
	t.Helper()
	if limit > 0 && len(hits) > limit {
		t.Errorf("%d hits for a limit of %d", len(hits), limit)
	}
	seen := map[string]bool{}
	for i, h := range hits {
		rank, score := of(h)
		if rank != i+1 {
			t.Errorf("hit %d has rank %d", i, rank)
		}
		if i > 0 {
			if _, before := of(hits[i-1]); score > before {
				t.Errorf("hit %d scores %v, more than the %v before it", i, score, before)
			}
		}
		if seen[h.Passage.ID] {
			t.Errorf("passage %s is there twice", h.Passage.ID)
		}
		seen[h.Passage.ID] = true
	}
}

// uris gives the documents of the hits, sorted, each once.
func uris(hits []retrieval.Hit) []string {
	out := []string{}
	for _, h := range hits {
		out = append(out, h.Passage.URI)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func wantURIs(t *testing.T, what string, hits []retrieval.Hit, want ...string) {
	t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(want, uris(hits), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s found other documents (-want +got):\n%s", what, diff)
	}
}

// wantFault checks an error's code and, unless it is none, its reason.
func wantFault(t *testing.T, what string, err error, code fault.Code, reason fault.Reason) {
	t.Helper()
	switch f := fault.From(err); {
	case err == nil:
		t.Errorf("%s: no error, want %v", what, code)
	case f.Code != code || reason != fault.ReasonNone && f.Reason != reason:
		t.Errorf("%s: got %v %q (%v), want %v %q", what, f.Code, f.Reason, fault.Cause(err), code, reason)
	}
}

// approximately compares documents whose times a store rounds to the microsecond.
var approximately = cmp.Options{cmpopts.EquateApproxTime(time.Microsecond), cmpopts.EquateEmpty()}

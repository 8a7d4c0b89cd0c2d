package retrieval_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
	"fairlead/retrieval/retrievaltest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// embedders is the hashing embedder with something done before each call.
type embedders struct {
	retrievaltest.Hashing
	before func(ctx context.Context, l label.Label, texts []string) error
	calls  atomic.Int32
}

func (e *embedders) Embedder(name string) (retrieval.Embedder, error) {
	inner, err := e.Hashing.Embedder(name)
	return retrieval.Embedder{Name: inner.Name, Identity: inner.Identity,
		Embed: func(ctx context.Context, l label.Label, texts []string) ([][]float32, error) {
			e.calls.Add(1)
			if e.before != nil {
				if err := e.before(ctx, l, texts); err != nil {
					return nil, err
				}
			}
			return inner.Embed(ctx, l, texts)
		}}, err
}

var down = fault.New(fault.Unavailable, fault.ReasonUpstreamDown, "the embedder is down")

const (
	tenant = "acme"
	docs   = "docs"
)

func source(uri, text string) retrieval.Source {
	return retrieval.Source{URI: uri, Content: []byte(text)}
}

func ingest(t testing.TB, s *retrieval.Service, ceiling label.Label, sources ...retrieval.Source) []retrieval.Result {
	t.Helper()
	results, err := s.Ingest(t.Context(), tenant, docs, sources, ceiling)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func statuses(results []retrieval.Result) string {
	var out []string
	for _, r := range results {
		out = append(out, string(r.Status))
	}
	return strings.Join(out, " ")
}

func wantStatuses(t *testing.T, results []retrieval.Result, want string) {
	t.Helper()
	if got := statuses(results); got != want {
		t.Errorf("statuses %q, want %q", got, want)
		for _, r := range results {
			if r.Err != nil {
				t.Logf("%s: %v", r.URI, fault.Cause(r.Err))
			}
		}
	}
}

func search(t testing.TB, s *retrieval.Service, q retrieval.Query) *retrieval.Found {
	t.Helper()
	q.Collection = docs
	if q.MaxLabel == label.Unset {
		q.MaxLabel = label.Restricted
	}
	found, err := s.Search(t.Context(), tenant, q)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func uris(f *retrieval.Found) string {
	var out []string
	for _, h := range f.Hits {
		out = append(out, h.Passage.URI)
	}
	return strings.Join(out, " ")
}

func TestIngestAndSearch(t *testing.T) {
	s := retrievaltest.Service(t, retrieval.Config{})
	guide := "---\ntopic: rope\n---\n# Fairleads\n\nA fairlead guides a line so that it runs true.\n\n## Chafe\n\n" + strings.Repeat("Chafe wears a rope down. ", 60)
	results := ingest(t, s, label.Internal,
		source("a/guide.md", guide), source("b.csv", "name,use\ncleat,to belay a rope\nwinch,to haul a sheet\n"),
		source("broken.pdf", "%PDF-1.4 nothing"), source("c.txt", "Anchors hold the ground."))
	wantStatuses(t, results, "added added failed added")
	if e := results[2].Err; fault.ReasonOf(e) != fault.ReasonUnreadable || !strings.Contains(e.Error(), "broken.pdf") {
		t.Errorf("the failure: %v", e)
	}

	found := search(t, s, retrieval.Query{Text: "what guides a line", Explain: true})
	if len(found.Hits) == 0 || found.Hits[0].Passage.URI != "a/guide.md" || found.Degraded != "" || !found.Exhausted {
		t.Fatalf("found %s, %+v", uris(found), found)
	}
	e := found.Explanation
	if e.LexicalWeight != retrieval.DefaultLexicalWeight || e.LexicalHits == 0 || e.VectorHits == 0 || e.LexicalQuery == "" || e.Embedder != "hashing" {
		t.Errorf("explanation: %+v", e)
	}
	for i, h := range found.Hits {
		p := h.Passage
		d, err := s.GetDocument(t.Context(), tenant, docs, p.DocumentID, label.Internal)
		if err != nil {
			t.Fatal(err)
		}
		if p.Text != d.Text[p.Span.ByteStart:p.Span.ByteEnd] {
			t.Errorf("passage %s is not the document's text at its place", p.ID)
		}
		if h.Score < 0 || h.Score > 1 || i > 0 && h.Score > found.Hits[i-1].Score {
			t.Errorf("hit %d has score %v", i, h.Score)
		}
	}
	row := search(t, s, retrieval.Query{Text: "belay", Top: 1}).Hits[0].Passage
	if row.Text != "cleat,to belay a rope" || row.Span.LineStart != 2 || !cmp.Equal(row.Heading, []string{"name | use"}) {
		t.Errorf("row: %+v", row)
	}
	if f := search(t, s, retrieval.Query{Text: "rope", Filter: retrieval.Filter{{Field: "topic", Op: retrieval.Equal, Value: "rope"}}}); strings.Contains(uris(f), "b.csv") || len(f.Hits) == 0 {
		t.Errorf("filtered: %s", uris(f))
	}
	d, err := s.GetDocument(t.Context(), tenant, docs, "a/guide.md", label.Internal)
	if err != nil {
		t.Fatal(err)
	}
	if d.Text != guide || d.Title != "Fairleads" || d.Label != label.Internal || d.MediaType != "text/markdown" {
		t.Errorf("document: %q %s %s", d.Title, d.Label, d.MediaType)
	}
}

func TestSameContentIsNoWork(t *testing.T) {
	e := &embedders{}
	s := retrieval.NewService(retrievaltest.Store(t), e, retrieval.Config{})
	a := source("a.md", "# One\n\ntext")
	a.Label = label.Internal // stated, so that it counts again after a higher one
	wantStatuses(t, ingest(t, s, label.Internal, a), "added")
	before := e.calls.Load()
	results := ingest(t, s, label.Internal, a)
	wantStatuses(t, results, "unchanged")
	if e.calls.Load() != before || results[0].Passages != 1 || results[0].DocumentID == "" {
		t.Errorf("%d calls, %+v", e.calls.Load()-before, results[0])
	}
	for what, change := range map[string]func(*retrieval.Source){
		"content":  func(s *retrieval.Source) { s.Content = []byte("# One\n\nother text") },
		"title":    func(s *retrieval.Source) { s.Title = "T" },
		"label":    func(s *retrieval.Source) { s.Label = label.Confidential },
		"metadata": func(s *retrieval.Source) { s.Metadata = map[string]any{"k": 1} },
		"type":     func(s *retrieval.Source) { s.MediaType = "text/plain" },
		"language": func(s *retrieval.Source) { s.Language = "fr" },
	} {
		b := a
		change(&b)
		if got := statuses(ingest(t, s, label.Restricted, b)); got != "replaced" {
			t.Errorf("another %s: %s", what, got)
		}
		ingest(t, s, label.Restricted, a)
	}
	c, err := s.ListCollections(t.Context(), tenant)
	if err != nil || len(c) != 1 || c[0].Documents != 1 || c[0].Passages != 1 {
		t.Errorf("collections: %+v, %v", c, err)
	}
}

func TestOneURITwiceInABatch(t *testing.T) {
	s := retrievaltest.Service(t, retrieval.Config{})
	results := ingest(t, s, label.Internal, source("a.txt", "first"), source("a.txt", "second"), source("b.txt", "x"), source("a.txt", "second"))
	wantStatuses(t, results, "added replaced added unchanged")
	d, err := s.GetDocument(t.Context(), tenant, docs, "a.txt", label.Internal)
	if err != nil || d.Text != "second" {
		t.Errorf("%v, %v", d, err)
	}
}

func TestManyDocumentsKeepTheirOrder(t *testing.T) {
	s := retrievaltest.Service(t, retrieval.Config{Batch: 7, Parallel: 3})
	var sources []retrieval.Source
	for i := range 150 {
		text := fmt.Sprintf("document number %d", i)
		if i%10 == 9 {
			text = "\x00"
		}
		sources = append(sources, source(fmt.Sprintf("%03d.txt", i), text))
	}
	for i, r := range ingest(t, s, label.Internal, sources...) {
		want := retrieval.Added
		if i%10 == 9 {
			want = retrieval.Failed
		}
		if r.Status != want || r.URI != sources[i].URI {
			t.Errorf("%d: %+v", i, r)
		}
	}
	var listed []string
	for after := ""; ; {
		page, err := s.ListDocuments(t.Context(), tenant, docs, after, 50, label.Internal)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page {
			listed = append(listed, d.URI)
		}
		if len(page) < 50 {
			break
		}
		after = page[49].URI
	}
	if len(listed) != 135 || listed[0] != "000.txt" || listed[134] != "148.txt" {
		t.Errorf("%d listed", len(listed))
	}
}

func TestLabelsAreKept(t *testing.T) {
	s := retrievaltest.Service(t, retrieval.Config{})
	high := source("high.txt", "the merger plan")
	high.Label = label.Restricted
	low := source("low.txt", "the lunch plan")
	low.Label = label.Public // raised to the collection's
	wantStatuses(t, ingest(t, s, label.Restricted, high, low), "added added")
	wantStatuses(t, ingest(t, s, label.Confidential, high), "failed")

	if got := uris(search(t, s, retrieval.Query{Text: "plan", MaxLabel: label.Internal})); got != "low.txt" {
		t.Errorf("found %q", got)
	}
	if got := uris(search(t, s, retrieval.Query{Text: "plan", MaxLabel: label.Public})); got != "" {
		t.Errorf("found %q", got)
	}
	get := func(uri string, l label.Label) error {
		_, err := s.GetDocument(t.Context(), tenant, docs, uri, l)
		return err
	}
	if err := get("high.txt", label.Confidential); fault.ReasonOf(err) != fault.ReasonUnknownDocument {
		t.Errorf("get: %v", err)
	}
	if err := s.DeleteDocument(t.Context(), tenant, docs, "high.txt", label.Confidential); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("delete: %v", err)
	}
	if page, err := s.ListDocuments(t.Context(), tenant, docs, "", 1, label.Internal); err != nil || len(page) != 1 || page[0].URI != "low.txt" {
		t.Errorf("list: %v, %v", page, err)
	}
	// Neither may it be overwritten.
	taken := source("high.txt", "harmless")
	r := ingest(t, s, label.Internal, taken)
	if r[0].Status != retrieval.Failed || fault.CodeOf(r[0].Err) != fault.PermissionDenied {
		t.Errorf("overwrite: %+v", r[0])
	}
	if err := s.DeleteDocument(t.Context(), tenant, docs, "high.txt", label.Restricted); err != nil || get("high.txt", label.Restricted) == nil {
		t.Errorf("delete: %v", err)
	}
	for what, err := range map[string]error{
		"ingest": func() error { _, err := s.Ingest(t.Context(), tenant, docs, nil, label.Unset); return err }(),
		"search": func() error {
			_, err := s.Search(t.Context(), tenant, retrieval.Query{Collection: docs, Text: "x"})
			return err
		}(),
		"get": get("low.txt", label.Unset),
	} {
		if fault.CodeOf(err) != fault.Internal {
			t.Errorf("%s without a ceiling: %v", what, err)
		}
	}
	// The missing collection would be made above the caller's ceiling.
	if _, err := s.Ingest(t.Context(), tenant, "new", []retrieval.Source{low}, label.Public); fault.CodeOf(err) != fault.PermissionDenied {
		t.Errorf("new collection: %v", err)
	}
}

// Who ingests a folder again, and leaves the label out this time, must not lower it.
func TestALabelIsLoweredOnlyOutright(t *testing.T) {
	s := retrievaltest.Service(t, retrieval.Config{})
	plan := source("plan.txt", "the merger plan")
	plan.Label = label.Restricted
	wantStatuses(t, ingest(t, s, label.Restricted, plan), "added")
	labelOf := func() label.Label {
		d, err := s.GetDocument(t.Context(), tenant, docs, "plan.txt", label.Restricted)
		if err != nil {
			t.Fatal(err)
		}
		return d.Label
	}
	wantStatuses(t, ingest(t, s, label.Restricted, source("plan.txt", "the merger plan")), "unchanged")
	wantStatuses(t, ingest(t, s, label.Restricted, source("plan.txt", "another merger plan")), "replaced")
	if got := labelOf(); got != label.Restricted {
		t.Errorf("stored again without a label it is %s", got)
	}
	if got := uris(search(t, s, retrieval.Query{Text: "merger", MaxLabel: label.Confidential})); got != "" {
		t.Errorf("found %q below its label", got)
	}
	plan = source("plan.txt", "another merger plan")
	plan.Label = label.Internal
	wantStatuses(t, ingest(t, s, label.Restricted, plan), "replaced")
	if got := labelOf(); got != label.Internal {
		t.Errorf("lowered outright it is %s", got)
	}
}

func TestTenantsDoNotMeet(t *testing.T) {
	s := retrievaltest.Service(t, retrieval.Config{})
	ingest(t, s, label.Internal, source("a.txt", "ours"))
	if _, err := s.GetDocument(t.Context(), "other", docs, "a.txt", label.Restricted); fault.CodeOf(err) != fault.NotFound {
		t.Error(err)
	}
	_, err := s.Search(t.Context(), "other", retrieval.Query{Collection: docs, Text: "ours", MaxLabel: label.Restricted})
	if fault.ReasonOf(err) != fault.ReasonUnknownColl {
		t.Error(err)
	}
}

func TestCreateCollection(t *testing.T) {
	s := retrievaltest.Service(t, retrieval.Config{})
	zero := retrieval.Collection{Name: docs, Label: label.Public, LexicalWeight: 0, Description: "d"}
	made, err := s.CreateCollection(t.Context(), tenant, zero)
	if err != nil || made.LexicalWeight != 0 || made.Dimensions != 384 || made.Embedder != "hashing" || made.CreatedAt.IsZero() {
		t.Fatalf("%+v, %v", made, err)
	}
	for _, again := range []retrieval.Collection{zero, {Name: docs, LexicalWeight: retrieval.UnsetWeight}, *made} {
		if got, err := s.CreateCollection(t.Context(), tenant, again); err != nil || got.Description != "d" {
			t.Errorf("again: %v, %v", got, err)
		}
	}
	for differs, c := range map[string]retrieval.Collection{
		"label public":   {Name: docs, Label: label.Internal},
		"weight":         {Name: docs, LexicalWeight: 0.5},
		"description":    {Name: docs, Description: "e"},
		"dimensions":     {Name: docs, Dimensions: 3},
		"embedder hashi": {Name: docs, Embedder: "other"},
	} {
		if _, err := s.CreateCollection(t.Context(), tenant, c); fault.CodeOf(err) != fault.AlreadyExists || !strings.Contains(err.Error(), differs) {
			t.Errorf("%s: %v", differs, err)
		}
	}
	for _, c := range []retrieval.Collection{{Name: "A"}, {Name: ""}, {Name: "x", LexicalWeight: 2}, {Name: "x", Label: 9}, {Name: "x", Dimensions: 3}} {
		if _, err := s.CreateCollection(t.Context(), tenant, c); fault.CodeOf(err) != fault.InvalidArgument {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := s.CreateCollection(t.Context(), tenant, retrieval.Collection{Name: "x", Embedder: "other"}); fault.ReasonOf(err) != fault.ReasonUnknownTarget {
		t.Error(err)
	}
	if n, err := s.DeleteCollection(t.Context(), tenant, docs); err != nil || n != 0 {
		t.Error(n, err)
	}
}

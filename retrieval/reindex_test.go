package retrieval_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
	"fairlead/retrieval/retrievaltest"
)

// models are embedders whose models can be changed behind their names. Each turns the hashing embedder's vectors in a
// way of its own, so that vectors of two models have nothing in common.
type models struct {
	mu sync.Mutex
	// of gives the model of a name: its length and how far it is turned. The name "" is that of "first".
	of map[string]model
	// before is called before each batch, nil: not at all. Probes are no batches.
	before func(ctx context.Context, l label.Label, texts []string) error
	// embedded counts texts.
	embedded int
}

type model struct{ dimensions, turned int }

func (m *models) change(name string, to model) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of[name] = to
}

func (m *models) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.embedded
}

func (m *models) Embedder(name string) (retrieval.Embedder, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if name == "" {
		name = "first"
	}
	at, ok := m.of[name]
	if !ok {
		return retrieval.Embedder{}, fault.New(fault.NotFound, fault.ReasonUnknownTarget, "there is no embedder of that name")
	}
	inner, err := retrievaltest.Hashing{Dimensions: at.dimensions}.Embedder("")
	return retrieval.Embedder{
		Name: name, Identity: fmt.Sprintf("%s turned by %d", inner.Identity, at.turned),
		Embed: func(ctx context.Context, l label.Label, texts []string) ([][]float32, error) {
			m.mu.Lock()
			before := m.before
			if !strings.HasPrefix(texts[0], "how long") {
				m.embedded += len(texts)
			}
			m.mu.Unlock()
			if before != nil {
				if err := before(ctx, l, texts); err != nil {
					return nil, err
				}
			}
			vectors, err := inner.Embed(ctx, l, texts)
			for i, v := range vectors {
				vectors[i] = append(append([]float32{}, v[at.turned:]...), v[:at.turned]...)
			}
			return vectors, err
		},
	}, err
}

// library is a service with so many documents of one passage each, embedded by "first".
func library(t *testing.T, documents int, c retrieval.Config) (*retrieval.Service, retrieval.Store, *models) {
	t.Helper()
	store, m := retrievaltest.Store(t), &models{of: map[string]model{"first": {128, 0}, "second": {256, 5}}}
	zero := 0.0
	c.LexicalWeight = &zero // vectors alone
	s := retrieval.NewService(store, m, c)
	var sources []retrieval.Source
	for i := range documents {
		sources = append(sources, source(fmt.Sprintf("%03d.txt", i), fmt.Sprintf("ship %d sails to port %d", i, i*7)))
	}
	ingest(t, s, label.Internal, sources...)
	return s, store, m
}

// finds says whether documents are found by their own words, by vector.
func finds(t *testing.T, s *retrieval.Service, documents ...int) {
	t.Helper()
	for _, i := range documents {
		f := search(t, s, retrieval.Query{Text: fmt.Sprintf("%03d.txt ship %d sails to port %d", i, i, i*7), Top: 1})
		if f.Degraded != "" || uris(f) != fmt.Sprintf("%03d.txt", i) || f.Hits[0].VectorScore < 0.9 {
			t.Errorf("document %d: found %q, degraded %q, score %v", i, uris(f), f.Degraded, f.Hits)
		}
	}
}

func reindex(t *testing.T, s *retrieval.Service, embedder string) (*retrieval.Collection, []retrieval.Reindex) {
	t.Helper()
	var told []retrieval.Reindex
	c, err := s.Reindex(t.Context(), tenant, docs, embedder, func(r retrieval.Reindex) { told = append(told, r) })
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	return c, told
}

func collectionOf(t *testing.T, s *retrieval.Service) retrieval.Collection {
	t.Helper()
	list, err := s.ListCollections(t.Context(), tenant)
	if err != nil || len(list) != 1 {
		t.Fatalf("collections: %+v, %v", list, err)
	}
	return list[0]
}

func TestAnotherModelBehindTheEmbedder(t *testing.T) {
	s, _, m := library(t, 100, retrieval.Config{Batch: 8})
	finds(t, s, 3, 77)
	if c := collectionOf(t, s); c.Outdated || c.Identity == "" {
		t.Errorf("at first the collection is %+v", c)
	}
	m.change("first", model{128, 9})
	if !collectionOf(t, s).Outdated {
		t.Error("it does not say that it is outdated")
	}
	const command = "fairlead collections reindex docs"
	r := ingest(t, s, label.Internal, source("new.txt", "new"), source("003.txt", "changed"))
	wantStatuses(t, r, "failed failed")
	for _, r := range r {
		if fault.CodeOf(r.Err) != fault.FailedPrecondition || fault.ReasonOf(r.Err) != fault.ReasonReindexing || !strings.Contains(r.Err.Error(), command) {
			t.Errorf("the error is %v", r.Err)
		}
	}
	f := search(t, s, retrieval.Query{Text: "ship 42"})
	if !strings.Contains(f.Degraded, "by words alone") || !strings.Contains(f.Degraded, command) || uris(f) == "" {
		t.Errorf("a search finds %q, degraded %q", uris(f), f.Degraded)
	}
	c, told := reindex(t, s, "")
	if c.Outdated || c.Embedder != "first" || c.Dimensions != 128 || !strings.HasSuffix(c.Identity, "by 9") || c.Reindex != nil {
		t.Errorf("the collection is %+v", c)
	}
	if first, last := told[0], told[len(told)-1]; first.Done != 0 || first.Total != 100 || last.Done != 100 || last.To.Identity != c.Identity {
		t.Errorf("told %+v to %+v", first, last)
	}
	finds(t, s, 3, 77)
	wantStatuses(t, ingest(t, s, label.Internal, source("new.txt", "new")), "added")
}

func TestWhatIsReindexedIsUnchanged(t *testing.T) {
	s, _, m := library(t, 10, retrieval.Config{})
	reindex(t, s, "second")
	before := m.count()
	again := source("003.txt", fmt.Sprintf("ship %d sails to port %d", 3, 21))
	wantStatuses(t, ingest(t, s, label.Internal, again), "unchanged")
	if n := m.count() - before; n != 0 {
		t.Errorf("%d texts were embedded", n)
	}
}

func TestReindexToAnotherEmbedder(t *testing.T) {
	s, _, m := library(t, 50, retrieval.Config{Batch: 8})
	c, _ := reindex(t, s, "second")
	if c.Embedder != "second" || c.Dimensions != 256 || c.Documents != 50 {
		t.Errorf("the collection is %+v", c)
	}
	finds(t, s, 0, 49)
	before := m.count()
	if _, told := reindex(t, s, ""); len(told) != 0 || m.count() != before {
		t.Errorf("with nothing to do it told %v and embedded %d", told, m.count()-before)
	}
	if _, told := reindex(t, s, "second"); len(told) != 0 {
		t.Errorf("with nothing to do it told %v", told)
	}
	_, err := s.Reindex(t.Context(), tenant, docs, "third", func(retrieval.Reindex) {})
	if fault.ReasonOf(err) != fault.ReasonUnknownTarget {
		t.Errorf("an unknown embedder: %v", err)
	}
	_, err = s.Reindex(t.Context(), tenant, "none", "", func(retrieval.Reindex) {})
	if fault.ReasonOf(err) != fault.ReasonUnknownColl {
		t.Errorf("an unknown collection: %v", err)
	}
}

func TestReindexKeepsToLabels(t *testing.T) {
	s, store, m := library(t, 20, retrieval.Config{Batch: 8})
	for i, l := range []label.Label{label.Confidential, label.Internal, label.Confidential, label.Restricted} {
		src := source(fmt.Sprint("secret", i), fmt.Sprint("labelled ", l, " text ", i))
		src.Label = l
		ingest(t, s, label.Restricted, src)
	}
	// One that may not see all: nothing begins.
	m.before = func(_ context.Context, l label.Label, _ []string) error {
		if l > label.Confidential {
			return fault.New(fault.PermissionDenied, fault.ReasonNotAllowed, "above the clearance")
		}
		return nil
	}
	_, err := s.Reindex(t.Context(), tenant, docs, "second", func(retrieval.Reindex) { t.Error("it began") })
	if fault.CodeOf(err) != fault.PermissionDenied || !strings.Contains(err.Error(), "collection docs, whose documents are up to restricted: above the clearance") {
		t.Errorf("the error is %v", err)
	}
	if c, err := store.CollectionGet(t.Context(), tenant, docs); err != nil || c.Reindex != nil {
		t.Errorf("the collection is %+v, %v", c, err)
	}
	// A batch is of one label, which is that of its texts.
	m.before = func(_ context.Context, l label.Label, texts []string) error {
		for _, text := range texts {
			if strings.Contains(text, "labelled") != (l > label.Internal) && !strings.Contains(text, "labelled internal") && !strings.HasPrefix(text, "how long") {
				return fault.New(fault.PermissionDenied, fault.ReasonNone, "a text of another label")
			}
		}
		return nil
	}
	reindex(t, s, "second")
	finds(t, s, 7)
}

func TestReindexGoesOnWhereItWas(t *testing.T) {
	s, store, m := library(t, 100, retrieval.Config{Batch: 5, Parallel: 2})
	var calls int
	var mu sync.Mutex
	m.before = func(context.Context, label.Label, []string) error {
		mu.Lock()
		defer mu.Unlock()
		if calls++; calls > 6 { // one of them is to see how long vectors are
			return down
		}
		return nil
	}
	_, err := s.Reindex(t.Context(), tenant, docs, "second", func(retrieval.Reindex) {})
	if fault.CodeOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "the embedder is down") {
		t.Fatalf("the error is %v", err)
	}
	m.before = nil
	c := collectionOf(t, s)
	if c.Embedder != "first" || c.Reindex == nil || c.Reindex.Done != 25 || c.Reindex.Total != 100 {
		t.Fatalf("the collection is %+v, its reindex %+v", c, c.Reindex)
	}
	finds(t, s, 1, 99)
	wantStatuses(t, ingest(t, s, label.Internal, source("new.txt", "new")), "added") // meanwhile, into the old set
	// One for another embedder waits for this one to end.
	m.change("third", model{64, 1})
	_, err = s.Reindex(t.Context(), tenant, docs, "third", func(retrieval.Reindex) {})
	if fault.ReasonOf(err) != fault.ReasonReindexing || !strings.Contains(err.Error(), "--abort") {
		t.Errorf("for another embedder: %v", err)
	}
	middle := m.count()
	got, told := reindex(t, s, "") // that of the reindex in progress
	if got.Embedder != "second" || told[0].Done != 25 || told[0].Total != 101 {
		t.Errorf("the collection is %+v, told first %+v", got, told[0])
	}
	if n := m.count() - middle; n != 101-25 {
		t.Errorf("%d passages were embedded, want only those that were missing", n)
	}
	finds(t, s, 1, 99)
	if _, err := store.ReindexPending(t.Context(), tenant, docs, 1); fault.ReasonOf(err) != fault.ReasonReindexing {
		t.Errorf("something is open: %v", err)
	}
}

func TestDocumentsComeAndGoDuringAReindex(t *testing.T) {
	s, _, m := library(t, 40, retrieval.Config{Batch: 4, Parallel: 1})
	var once, again sync.Once
	m.before = func(_ context.Context, _ label.Label, texts []string) error {
		if strings.Contains(texts[0], "ship 8 ") {
			once.Do(func() {
				wantStatuses(t, ingest(t, s, label.Internal, source("100.txt", "ship 100 sails to port 700"), source("020.txt", "ship 20 sails to port 140 now")), "added replaced")
				if err := s.DeleteDocument(t.Context(), tenant, docs, "009.txt", label.Internal); err != nil {
					t.Error(err)
				}
			})
		}
		if strings.Contains(strings.Join(texts, "\n"), "ship 39 ") {
			again.Do(func() {
				wantStatuses(t, ingest(t, s, label.Internal, source("101.txt", "ship 101 sails to port 707")), "added")
			})
		}
		return nil
	}
	c, _ := reindex(t, s, "second")
	m.before = nil
	if c.Documents != 41 || c.Passages != 41 {
		t.Errorf("the collection is %+v", c)
	}
	finds(t, s, 0, 39, 100, 101)
	f := search(t, s, retrieval.Query{Text: "ship", Top: 100})
	if len(f.Hits) != 41 || strings.Contains(uris(f), "009") {
		t.Errorf("%d are found: %s", len(f.Hits), uris(f))
	}
}

func TestTwoReindexAtOnce(t *testing.T) {
	s, _, _ := library(t, 200, retrieval.Config{Batch: 4, Parallel: 2})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			c, err := s.Reindex(t.Context(), tenant, docs, "second", func(retrieval.Reindex) {})
			if err != nil || c.Embedder != "second" || c.Reindex != nil {
				t.Errorf("%+v, %v", c, err)
			}
		})
	}
	wg.Wait()
	finds(t, s, 0, 100, 199)
}

func TestAbortedReindex(t *testing.T) {
	s, _, m := library(t, 40, retrieval.Config{Batch: 4, Parallel: 1})
	calls := 0
	m.before = func(context.Context, label.Label, []string) error {
		if calls++; calls == 4 {
			return s.AbortReindex(t.Context(), tenant, docs)
		}
		return nil
	}
	_, err := s.Reindex(t.Context(), tenant, docs, "second", func(retrieval.Reindex) {})
	if fault.CodeOf(err) != fault.FailedPrecondition || !strings.Contains(err.Error(), "aborted") {
		t.Errorf("the error is %v", err)
	}
	m.before = nil
	if c := collectionOf(t, s); c.Reindex != nil || c.Embedder != "first" {
		t.Errorf("the collection is %+v", c)
	}
	if err := s.AbortReindex(t.Context(), tenant, docs); err != nil {
		t.Errorf("with none open: %v", err)
	}
	finds(t, s, 1)
	_, told := reindex(t, s, "second")
	if told[0].Done != 0 {
		t.Errorf("after the abort it begins with %+v", told[0])
	}
	finds(t, s, 1)
}

func TestCanceledReindex(t *testing.T) {
	s, _, m := library(t, 40, retrieval.Config{Batch: 4, Parallel: 2})
	ctx, cancel := context.WithCancel(t.Context())
	_, err := s.Reindex(ctx, tenant, docs, "second", func(r retrieval.Reindex) {
		if r.Done > 8 {
			cancel()
		}
	})
	if fault.CodeOf(err) != fault.Canceled {
		t.Errorf("the error is %v", err)
	}
	before := m.count()
	if _, told := reindex(t, s, "second"); told[0].Done < 8 || int64(m.count()-before) != 40-told[0].Done {
		t.Errorf("it goes on with %+v and embeds %d", told[0], m.count()-before)
	}
	finds(t, s, 1, 39)
}

// swapping is a store that swaps between the embedding of a query and its search.
type swapping struct {
	retrieval.Store
	swap func()
	once sync.Once
}

func (w *swapping) SearchVector(ctx context.Context, tenant string, q retrieval.LegQuery) (*retrieval.Leg, error) {
	w.once.Do(w.swap)
	return w.Store.SearchVector(ctx, tenant, q)
}

func TestSearchAcrossASwap(t *testing.T) {
	s, store, m := library(t, 30, retrieval.Config{})
	m.change("same length", model{128, 40})
	w := &swapping{Store: store, swap: func() { reindex(t, s, "same length") }}
	zero := 0.0
	across := retrieval.NewService(w, m, retrieval.Config{LexicalWeight: &zero})
	finds(t, across, 12)
	if c := collectionOf(t, s); c.Embedder != "same length" {
		t.Errorf("it was not swapped: %+v", c)
	}
}

// An ingestion that is under way when the vectors are swapped must not put old ones among the new.
func TestIngestAcrossASwap(t *testing.T) {
	s, store, m := library(t, 30, retrieval.Config{})
	m.change("same length", model{128, 40})
	var once sync.Once
	across := retrieval.NewService(breaking{store, func(retrieval.Document) error {
		once.Do(func() { reindex(t, s, "same length") })
		return nil
	}}, m, retrieval.Config{})
	r := ingest(t, across, label.Internal, source("new.txt", "new"))
	wantStatuses(t, r, "failed")
	if fault.ReasonOf(r[0].Err) != fault.ReasonReindexing {
		t.Errorf("the error is %v", r[0].Err)
	}
	wantStatuses(t, ingest(t, across, label.Internal, source("new.txt", "new")), "added")
}

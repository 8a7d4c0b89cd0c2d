package retrieval_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
	"fairlead/retrieval/retrievaltest"
)

func TestEmbedderFailuresAreTheDocuments(t *testing.T) {
	e := &embedders{}
	s := retrieval.NewService(retrievaltest.Store(t), e, retrieval.Config{})
	ingest(t, s, label.Internal, source("old.txt", "old"))
	// What the embedder may not see takes nothing else with it.
	e.before = func(_ context.Context, l label.Label, _ []string) error {
		if l > label.Internal {
			return fault.New(fault.PermissionDenied, fault.ReasonNone, "above the clearance")
		}
		return nil
	}
	secret := source("secret.txt", "x")
	secret.Label = label.Restricted
	r := ingest(t, s, label.Restricted, source("a.txt", "a"), secret, source("b.txt", "b"))
	wantStatuses(t, r, "added failed added")
	if !strings.Contains(r[1].Err.Error(), `ingesting "secret.txt": above the clearance`) {
		t.Error(r[1].Err)
	}
	// While it is down nothing that is stored is lost, and it is not asked for each window.
	e.before = func(context.Context, label.Label, []string) error { return down }
	before := e.calls.Load()
	var many []retrieval.Source
	for _, uri := range strings.Fields(strings.Repeat("x", 300)) {
		many = append(many, source(uri, "text"))
	}
	for i := range 200 {
		many = append(many, source(strings.Repeat("y", i+1), "text"))
	}
	many = append(many, source("old.txt", "new"))
	for _, r := range ingest(t, s, label.Internal, many...) {
		if r.Status != retrieval.Failed || fault.CodeOf(r.Err) != fault.Unavailable {
			t.Fatalf("%+v", r)
		}
	}
	if calls := e.calls.Load() - before; calls > 2 {
		t.Errorf("%d calls of an embedder that is down", calls)
	}
	d, err := s.GetDocument(t.Context(), tenant, docs, "old.txt", label.Internal)
	if err != nil || d.Text != "old" {
		t.Errorf("%+v, %v", d, err)
	}
}

// wrong gives vectors that do not fit.
type wrong struct {
	retrievaltest.Hashing
	vectors func([][]float32) [][]float32
}

func (w wrong) Embedder(name string) (retrieval.Embedder, error) {
	e, err := w.Hashing.Embedder(name)
	inner := e.Embed
	e.Embed = func(ctx context.Context, l label.Label, texts []string) ([][]float32, error) {
		v, err := inner(ctx, l, texts)
		return w.vectors(v), err
	}
	return e, err
}

func TestVectorsThatDoNotFit(t *testing.T) {
	store := retrievaltest.Store(t)
	good := retrieval.NewService(store, retrievaltest.Hashing{}, retrieval.Config{})
	ingest(t, good, label.Internal, source("a.txt", "anchor"))
	nan := float32(0)
	nan /= nan
	for what, change := range map[string]func([][]float32) [][]float32{
		"short":     func(v [][]float32) [][]float32 { v[0] = v[0][:3]; return v },
		"too few":   func(v [][]float32) [][]float32 { return v[1:] },
		"no number": func(v [][]float32) [][]float32 { v[0][0] = nan; return v },
	} {
		s := retrieval.NewService(store, wrong{vectors: change}, retrieval.Config{})
		r := ingest(t, s, label.Internal, source("b.txt", "buoy"))
		if r[0].Status != retrieval.Failed {
			t.Errorf("%s: %+v", what, r[0])
		}
		if f := search(t, s, retrieval.Query{Text: "anchor"}); uris(f) != "a.txt" || f.Degraded == "" {
			t.Errorf("%s: %+v", what, f)
		}
	}
}

// breaking is a store that breaks.
type breaking struct {
	retrieval.Store
	put func(d retrieval.Document) error
}

func (b breaking) DocumentPut(ctx context.Context, tenant string, d retrieval.Document, p []retrieval.Passage, v [][]float32) error {
	if err := b.put(d); err != nil {
		return err
	}
	return b.Store.DocumentPut(ctx, tenant, d, p, v)
}

func TestStoreFailures(t *testing.T) {
	refuse := breaking{retrievaltest.Store(t), func(d retrieval.Document) error {
		if d.URI == "b.txt" {
			return fault.New(fault.ResourceExhausted, fault.ReasonTooLarge, "too large")
		}
		return nil
	}}
	s := retrieval.NewService(refuse, retrievaltest.Hashing{}, retrieval.Config{})
	wantStatuses(t, ingest(t, s, label.Internal, source("a.txt", "a"), source("b.txt", "b"), source("c.txt", "c")), "added failed added")

	gone := fault.New(fault.Unavailable, fault.ReasonNone, "the store is gone")
	broken := breaking{retrievaltest.Store(t), func(d retrieval.Document) error {
		if d.URI == "b.txt" {
			return gone
		}
		return nil
	}}
	s = retrieval.NewService(broken, retrievaltest.Hashing{}, retrieval.Config{Parallel: 1})
	r, err := s.Ingest(t.Context(), tenant, docs, []retrieval.Source{source("a.txt", "a"), source("b.txt", "b"), source("c.txt", "c")}, label.Internal)
	if !errors.Is(err, gone) {
		t.Fatalf("error %v", err)
	}
	wantStatuses(t, r, "added failed failed")
}

func TestCanceledIngest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	e := &embedders{}
	s := retrieval.NewService(retrievaltest.Store(t), e, retrieval.Config{})
	ingest(t, s, label.Internal, source("a.txt", "a"))
	e.before = func(context.Context, label.Label, []string) error { cancel(); return ctx.Err() }
	r, err := s.Ingest(ctx, tenant, docs, []retrieval.Source{source("b.txt", "b"), source("c.txt", "c")}, label.Internal)
	if fault.CodeOf(err) != fault.Canceled || statuses(r) != "failed failed" {
		t.Errorf("%v, %v", r, err)
	}
}

func TestRefusedSources(t *testing.T) {
	s := retrievaltest.Service(t, retrieval.Config{Passages: 2})
	with := func(change func(*retrieval.Source)) retrieval.Source {
		src := source("a.txt", "text")
		change(&src)
		return src
	}
	for _, r := range ingest(t, s, label.Internal,
		source("", "x"), source("a\nb", "x"), source(strings.Repeat("x", 3000), "x"),
		with(func(s *retrieval.Source) { s.Metadata = map[string]any{"k": nil} }),
		with(func(s *retrieval.Source) { s.Title = strings.Repeat("t", 2000) }),
		with(func(s *retrieval.Source) { s.Label = 9 }),
		source("many.csv", "h\n1\n2\n3\n"),
	) {
		if r.Status != retrieval.Failed || fault.CodeOf(r.Err) != fault.InvalidArgument {
			t.Errorf("%.20q: %+v", r.URI, r)
		}
	}
}

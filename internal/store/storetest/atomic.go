package storetest

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/providers"
	"fairlead/retrieval"
)

var atomicTests = map[string]func(t *testing.T, s Store){
	"a put that fails leaves the old document whole": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs", doc{uri: "a", title: "old", texts: []string{"alpha one", "alpha two"}, metadata: map[string]any{"k": "old"}},
			doc{uri: "b", texts: []string{"beta"}})
		before, err := s.DocumentGet(t.Context(), tenant, "docs", "a")
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		hits := words(t, s, tenant, retrieval.LegQuery{Text: "alpha"})
		fresh := doc{uri: "a", title: "new", texts: []string{"gamma one", "gamma two"}, metadata: map[string]any{"k": "new"}}
		for name, c := range map[string]struct {
			spoil func(d *retrieval.Document, p []retrieval.Passage, v [][]float32)
			code  fault.Code
		}{
			"a vector too short": {func(_ *retrieval.Document, _ []retrieval.Passage, v [][]float32) { v[1] = v[1][:dimensions-1] }, fault.InvalidArgument},
			"a vector too long":  {func(_ *retrieval.Document, _ []retrieval.Passage, v [][]float32) { v[1] = append(v[1], 1) }, fault.InvalidArgument},
			"no vector":          {func(_ *retrieval.Document, _ []retrieval.Passage, v [][]float32) { v[1] = nil }, fault.InvalidArgument},
			"not a number":       {func(_ *retrieval.Document, _ []retrieval.Passage, v [][]float32) { v[1][0] = float32(math.NaN()) }, fault.InvalidArgument},
			"infinite":           {func(_ *retrieval.Document, _ []retrieval.Passage, v [][]float32) { v[1][0] = float32(math.Inf(-1)) }, fault.InvalidArgument},
			"one id twice":       {func(_ *retrieval.Document, p []retrieval.Passage, _ [][]float32) { p[1].ID = p[0].ID }, fault.AlreadyExists},
			"another's passage":  {func(_ *retrieval.Document, p []retrieval.Passage, _ [][]float32) { p[1].ID = passageID("b", 0) }, fault.AlreadyExists},
			"another's uri":      {func(d *retrieval.Document, _ []retrieval.Passage, _ [][]float32) { d.URI = "b" }, fault.AlreadyExists},
			"odd metadata": {func(d *retrieval.Document, _ []retrieval.Passage, _ [][]float32) {
				d.Metadata = map[string]any{"k": map[string]any{}}
			}, fault.InvalidArgument},
		} {
			d, p, v := fresh.build("docs")
			c.spoil(&d, p, v)
			wantFault(t, name, s.DocumentPut(t.Context(), tenant, d, p, v), c.code, fault.ReasonNone)
			after, err := s.DocumentGet(t.Context(), tenant, "docs", "a")
			if err != nil {
				t.Fatalf("%s: %v", name, fault.Cause(err))
			}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("%s: the document changed (-before +after):\n%s", name, diff)
			}
			if diff := cmp.Diff(hits, words(t, s, tenant, retrieval.LegQuery{Text: "alpha"})); diff != "" {
				t.Errorf("%s: the words changed (-before +after):\n%s", name, diff)
			}
			wantURIs(t, name+": gamma", words(t, s, tenant, retrieval.LegQuery{Text: "gamma"}))
			if n := nearest(t, s, tenant, retrieval.LegQuery{Vector: vectorOf("gamma one")}); len(n) != 3 {
				t.Errorf("%s: %d vectors, want 3", name, len(n))
			}
			if c, err := s.CollectionGet(t.Context(), tenant, "docs"); err != nil || c.Documents != 2 || c.Passages != 3 {
				t.Errorf("%s: counts are %+v, %v", name, c, err)
			}
		}
		mustPut(t, s, tenant, "docs", fresh) // and nothing is in the way of a good one
		wantURIs(t, "gamma", words(t, s, tenant, retrieval.LegQuery{Text: "gamma"}), "a")
	},
	"an ended context changes nothing": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs", doc{uri: "a", texts: []string{"alpha"}})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		d, p, v := doc{uri: "a", texts: []string{"beta"}}.build("docs")
		q := withDefaults(retrieval.LegQuery{Text: "alpha", Vector: vectorOf("alpha")})
		for name, call := range map[string]func() error{
			"CollectionInsert":    func() error { return s.CollectionInsert(ctx, tenant, collection("more")) },
			"CollectionGet":       func() error { _, err := s.CollectionGet(ctx, tenant, "docs"); return err },
			"CollectionList":      func() error { _, err := s.CollectionList(ctx, tenant); return err },
			"CollectionDelete":    func() error { _, err := s.CollectionDelete(ctx, tenant, "docs"); return err },
			"DocumentPut":         func() error { return s.DocumentPut(ctx, tenant, d, p, v) },
			"DocumentGet":         func() error { _, err := s.DocumentGet(ctx, tenant, "docs", "a"); return err },
			"DocumentFingerprint": func() error { _, _, err := s.DocumentFingerprint(ctx, tenant, "docs", "a"); return err },
			"DocumentList":        func() error { _, err := s.DocumentList(ctx, tenant, "docs", "", 1); return err },
			"DocumentDelete":      func() error { return s.DocumentDelete(ctx, tenant, "docs", "a") },
			"SearchText":          func() error { _, err := s.SearchText(ctx, tenant, q); return err },
			"SearchVector":        func() error { _, err := s.SearchVector(ctx, tenant, q); return err },
			"PassagesGet":         func() error { _, err := s.PassagesGet(ctx, tenant, "docs", []string{"x"}); return err },
			"SessionMessages":     func() error { _, err := s.SessionMessages(ctx, tenant, "s", 1); return err },
			"SessionAppend": func() error {
				return s.SessionAppend(ctx, tenant, "s", label.Internal, []providers.Message{providers.Text(providers.User, "x")})
			},
			"SessionLabel": func() error { _, err := s.SessionLabel(ctx, tenant, "s"); return err },
		} {
			wantFault(t, name, call(), fault.Canceled, fault.ReasonCanceled)
		}
		wantURIs(t, "alpha", words(t, s, tenant, retrieval.LegQuery{Text: "alpha"}), "a")
		wantMessages(t, s, "s", 10)
	},
	"a put is cancelled anywhere and is whole or not at all": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs", version(0))
		current := 0
		for i := 1; i <= 30; i++ {
			ctx, cancel := context.WithCancel(t.Context())
			// The context ends at its i-th look, which falls somewhere in the middle of the work.
			d, p, v := version(i).build("docs")
			err := s.DocumentPut(&endsAt{Context: ctx, cancel: cancel, looks: i}, tenant, d, p, v)
			cancel()
			if err == nil {
				current = i
			} else {
				wantFault(t, "DocumentPut", err, fault.Canceled, fault.ReasonNone)
			}
			wantVersion(t, s, current)
		}
	},
}

// endsAt is a context that is cancelled when it is looked at for the n-th time.
type endsAt struct {
	context.Context
	cancel context.CancelFunc
	mu     sync.Mutex
	looks  int
}

func (c *endsAt) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.looks--; c.looks == 0 {
		c.cancel()
	}
}

func (c *endsAt) Err() error            { c.look(); return c.Context.Err() }
func (c *endsAt) Done() <-chan struct{} { c.look(); return c.Context.Done() }

// version is a document all of whose parts say which version they are of.
func version(i int) doc {
	d := doc{uri: "a", title: fmt.Sprint("version", i), metadata: map[string]any{"version": float64(i)}}
	for j := range 3 + i%4 {
		d.texts = append(d.texts, fmt.Sprintf("alpha v%d part %d", i, j))
	}
	return d
}

// wantVersion checks that all parts of the document are of one version.
func wantVersion(t *testing.T, s Store, i int) {
	t.Helper()
	want, passages, _ := version(i).build("docs")
	got, err := s.DocumentGet(t.Context(), tenant, "docs", "a")
	if err != nil || got.Text != want.Text || got.Title != want.Title || got.Passages != len(passages) {
		t.Fatalf("version %d: the document is %+v, %v", i, got, err)
	}
	q := retrieval.LegQuery{Text: "alpha", Vector: vectorOf("x"), Filter: filtered("version", retrieval.Equal, float64(i))}
	for leg, hits := range map[string][]retrieval.Hit{"words": words(t, s, tenant, q), "vector": nearest(t, s, tenant, q)} {
		if len(hits) != len(passages) {
			t.Errorf("version %d: %d passages by %s, want %d", i, len(hits), leg, len(passages))
		}
		for _, h := range hits {
			if h.Passage.Text != passages[h.Passage.Ordinal].Text || h.Passage.Title != want.Title {
				t.Errorf("version %d: by %s a passage of %q", i, leg, h.Passage.Title)
			}
		}
	}
}

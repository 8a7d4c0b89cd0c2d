package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/providers"
	"fairlead/retrieval"
)

// side runs fn n times side by side and reports the errors.
func side(t *testing.T, n int, fn func(i int) error) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { errs[i] = fn(i) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Errorf("side by side: %v", fault.Cause(err))
		}
	}
}

var concurrentTests = map[string]func(t *testing.T, s Store){
	"writers of different documents all get through": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		side(t, 8, func(i int) error {
			for j := range 5 {
				d, p, v := doc{uri: fmt.Sprintf("%d-%d", i, j), texts: []string{"alpha", "beta"}}.build("docs")
				if err := s.DocumentPut(t.Context(), tenant, d, p, v); err != nil {
					return err
				}
			}
			return nil
		})
		c, err := s.CollectionGet(t.Context(), tenant, "docs")
		if err != nil || c.Documents != 40 || c.Passages != 80 {
			t.Errorf("counts are %+v, %v", c, err)
		}
		if hits := words(t, s, tenant, retrieval.LegQuery{Text: "alpha"}); len(hits) != 40 {
			t.Errorf("%d hits, want 40", len(hits))
		}
	},
	"readers see one version or another, never a mix": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		mustPut(t, s, tenant, "docs", version(0))
		ctx, cancel := context.WithCancel(t.Context())
		side(t, 5, func(who int) error {
			if who == 0 {
				defer cancel()
				for i := 1; i <= 25; i++ {
					d, p, v := version(i).build("docs")
					if err := s.DocumentPut(t.Context(), tenant, d, p, v); err != nil {
						return err
					}
				}
				return nil
			}
			for ctx.Err() == nil {
				q := withDefaults(retrieval.LegQuery{Text: "alpha", Vector: vectorOf("x")})
				search := s.SearchText
				if who%2 == 1 {
					search = s.SearchVector
				}
				leg, err := search(t.Context(), tenant, q)
				if err != nil {
					return err
				}
				hits := leg.Hits
				if len(hits) == 0 {
					return errors.New("a reader finds nothing")
				}
				var n int
				if _, err := fmt.Sscanf(hits[0].Passage.Title, "version%d", &n); err != nil {
					return err
				}
				if len(hits) != 3+n%4 {
					return fmt.Errorf("version %d has %d passages", n, len(hits))
				}
				for _, h := range hits {
					if h.Passage.Title != hits[0].Passage.Title {
						return errors.New("a reader finds two versions")
					}
				}
			}
			return nil
		})
		wantVersion(t, s, 25)
	},
	"the same new document by many": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		const n, writers = 15, 8
		starts := make([]chan struct{}, n)
		for i := range starts {
			starts[i] = make(chan struct{})
		}
		var wait sync.WaitGroup
		wait.Add(writers)
		side(t, writers, func(who int) error {
			for i, start := range starts {
				d, p, v := doc{uri: fmt.Sprint(i), title: fmt.Sprint("writer", who), texts: []string{"alpha", "beta"}}.build("docs")
				if wait.Done(); who == 0 { // all at once
					wait.Wait()
					wait.Add(writers)
					close(start)
				}
				<-start
				if err := s.DocumentPut(t.Context(), tenant, d, p, v); err != nil {
					t.Errorf("document %d: %v", i, fault.Cause(err))
				}
			}
			return nil
		})
		if c, err := s.CollectionGet(t.Context(), tenant, "docs"); err != nil || c.Documents != n || c.Passages != 2*n {
			t.Errorf("counts are %+v, %v", c, err)
		}
		for _, h := range words(t, s, tenant, retrieval.LegQuery{Text: "alpha"}) {
			if d, err := s.DocumentGet(t.Context(), tenant, "docs", h.Passage.URI); err != nil || d.Title != h.Passage.Title {
				t.Errorf("%s is of two writers: %+v, %v", h.Passage.URI, d, err)
			}
		}
	},
	"one of many makes a collection": func(t *testing.T, s Store) {
		var mu sync.Mutex
		made := 0
		side(t, 6, func(int) error {
			err := s.CollectionInsert(t.Context(), tenant, collection("docs"))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				made++
			} else if fault.CodeOf(err) != fault.AlreadyExists {
				return err
			}
			return nil
		})
		if made != 1 {
			t.Errorf("%d made it, want 1", made)
		}
	},
	"what is appended together stays together": func(t *testing.T, s Store) {
		side(t, 6, func(i int) error {
			for j := range 5 {
				turn := fmt.Sprintf("%d-%d", i, j)
				if err := s.SessionAppend(t.Context(), tenant, "s", label.Internal, []providers.Message{
					providers.Text(providers.User, turn), providers.Text(providers.Assistant, turn)}); err != nil {
					return err
				}
			}
			return nil
		})
		got, err := s.SessionMessages(t.Context(), tenant, "s", 1000)
		if err != nil || len(got) != 60 {
			t.Fatalf("%d messages, %v, want 60", len(got), err)
		}
		for i := 0; i < len(got); i += 2 {
			if got[i].Role != providers.User || got[i].TextContent() != got[i+1].TextContent() {
				t.Errorf("messages %d and %d are of two turns", i, i+1)
			}
		}
	},
	"deletions and searches": func(t *testing.T, s Store) {
		mustInsert(t, s, tenant, collection("docs"))
		side(t, 4, func(who int) error {
			for i := range 10 {
				d, p, v := doc{uri: fmt.Sprint("d", who), texts: []string{"alpha beta gamma", fmt.Sprint("alpha ", i)}}.build("docs")
				if err := s.DocumentPut(t.Context(), tenant, d, p, v); err != nil {
					return err
				}
				if _, err := s.SearchText(t.Context(), tenant, withDefaults(retrieval.LegQuery{Text: "alpha beta"})); err != nil {
					return err
				}
				if err := s.DocumentDelete(t.Context(), tenant, "docs", d.URI); err != nil {
					return err
				}
				if _, err := s.SearchVector(t.Context(), tenant, withDefaults(retrieval.LegQuery{Vector: v[0]})); err != nil {
					return err
				}
			}
			return nil
		})
		c, err := s.CollectionGet(t.Context(), tenant, "docs")
		if err != nil || c.Documents != 0 || c.Passages != 0 {
			t.Errorf("counts are %+v, %v", c, err)
		}
		wantURIs(t, "alpha", words(t, s, tenant, retrieval.LegQuery{Text: "alpha"}))
	},
}

package sqlite

import (
	"fmt"
	"path/filepath"
	"testing"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
)

func TestSmoke(t *testing.T) {
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "sm #?%.db")})
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	defer s.Close()
	if err := s.CollectionInsert(t.Context(), "t", retrieval.Collection{Name: "bench", Dimensions: 384, LexicalWeight: 0.5}); err != nil {
		t.Fatal(fault.Cause(err))
	}
	c := newCorpus()
	var v []float32
	for i := range 100 {
		d, ps, vs := c.document(i, 20)
		d.Title = fmt.Sprintf("title 东京大学 الكتاب%d", i)
		v = vs[3]
		for range 2 {
			if err := s.DocumentPut(t.Context(), "t", d, ps, vs); err != nil {
				t.Fatal(fault.Cause(err))
			}
		}
	}
	h, err := s.SearchVector(t.Context(), "t", retrieval.LegQuery{Collection: "bench", Vector: v, Limit: 3, MaxLabel: label.Restricted})
	if err != nil || len(h) != 3 || h[0].Passage.ID != "d000099-3" {
		t.Fatal(h, err)
	}
	ht, seen, err := s.SearchText(t.Context(), "t", retrieval.LegQuery{Collection: "bench", Text: "the 京大 كتاب7", Limit: 3, MaxLabel: label.Restricted})
	if err != nil || len(ht) != 3 || ht[0].Passage.DocumentID != "d000007" {
		t.Fatal(seen, ht, err)
	}
	n, err := s.CollectionDelete(t.Context(), "t", "bench")
	if n != 100 || err != nil {
		t.Fatal(n, fault.Cause(err))
	}
}

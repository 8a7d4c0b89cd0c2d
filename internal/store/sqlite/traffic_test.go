package sqlite

import (
	"path/filepath"
	"testing"

	"fairlead/orchestrator/traffic"
)

// TestDecisionsAboutTrafficStay holds that the file itself refuses to change or delete one.
func TestDecisionsAboutTrafficStay(t *testing.T) {
	s, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "f.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.TrafficDecide(t.Context(), traffic.Decision{Target: "a", RolledBack: true, By: "x/y"}); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"UPDATE traffic SET rolled_back = 0", "DELETE FROM traffic"} {
		if _, err := s.writer.Exec(statement); err == nil {
			t.Errorf("%s: it went through", statement)
		}
	}
	if list, err := s.TrafficState(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}

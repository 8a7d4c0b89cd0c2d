// Package testdb gives each test a database of its own. It owns their making and their end; it refuses to
// be used outside tests.
package testdb

import (
	"path/filepath"
	"testing"

	"fairlead/internal/store/sqlite"
)

// SQLite opens a new file for the test, which is closed and removed when the test ends.
func SQLite(tb testing.TB) *sqlite.Store {
	tb.Helper()
	s, err := sqlite.Open(tb.Context(), sqlite.Config{Path: filepath.Join(tb.TempDir(), "test.db"), Readers: 4})
	if err != nil {
		tb.Fatalf("opening the test's database: %v", err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("closing the test's database: %v", err)
		}
	})
	return s
}

package sqlite_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"fairlead/internal/fault"
	"fairlead/internal/store/sqlite"
	"fairlead/internal/store/storetest"
	"fairlead/internal/testdb"
	"fairlead/retrieval/retrievaltest"
)

// reindexVariable holds, in a process that a test starts, the path of the file that it reindexes.
const reindexVariable = "FAIRLEAD_TEST_REINDEX_SQLITE"

// TestReindexChild is what such a process runs.
func TestReindexChild(t *testing.T) {
	path := os.Getenv(reindexVariable)
	if path == "" {
		t.Skip("it is for a process that another test starts")
	}
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	defer s.Close()
	if err := storetest.ReindexChild(t.Context(), s, os.Stdout); err != nil {
		t.Fatal(fault.Cause(err))
	}
}

func TestKilledReindex(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	defer s.Close()
	storetest.ReindexKilled(t, s, func() *exec.Cmd {
		cmd := exec.Command(os.Args[0], "-test.run=^TestReindexChild$")
		cmd.Env = append(os.Environ(), reindexVariable+"="+path)
		cmd.Stderr = os.Stderr
		return cmd
	})
}

func BenchmarkReindex20k(b *testing.B) {
	storetest.BenchmarkReindex(b, testdb.SQLite(b), retrievaltest.Hashing{}, 20_000)
}

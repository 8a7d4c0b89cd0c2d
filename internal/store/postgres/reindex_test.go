package postgres_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"fairlead/internal/fault"
	"fairlead/internal/store/postgres"
	"fairlead/internal/store/storetest"
	"fairlead/internal/testdb"
	"fairlead/retrieval/retrievaltest"
)

// reindexVariable holds, in a process that a test starts, the URL of the database that it reindexes.
const reindexVariable = "FAIRLEAD_TEST_REINDEX_POSTGRES"

// TestReindexChild is what such a process runs.
func TestReindexChild(t *testing.T) {
	url := os.Getenv(reindexVariable)
	if url == "" {
		t.Skip("it is for a process that another test starts")
	}
	s, err := postgres.Open(t.Context(), postgres.Config{URL: url})
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	defer s.Close()
	if err := storetest.ReindexChild(t.Context(), s, os.Stdout); err != nil {
		t.Fatal(fault.Cause(err))
	}
}

func TestKilledReindex(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	storetest.ReindexKilled(t, testdb.OpenPostgres(t, d, postgres.Config{}), func() *exec.Cmd {
		cmd := exec.Command(os.Args[0], "-test.run=^TestReindexChild$")
		cmd.Env = append(os.Environ(), reindexVariable+"="+d.AppURL)
		cmd.Stderr = os.Stderr
		return cmd
	})
}

// BenchmarkReindex20k has one length of vectors for which the schema has an index of nearest neighbours, and one for
// which it has none: what keeping that index costs is the difference.
func BenchmarkReindex20k(b *testing.B) {
	for _, dimensions := range []int{384, 320} {
		b.Run(fmt.Sprint("dimensions=", dimensions), func(b *testing.B) {
			storetest.BenchmarkReindex(b, testdb.Postgres(b), retrievaltest.Hashing{Dimensions: dimensions}, 20_000)
		})
	}
}

package postgres_test

import (
	"testing"

	"fairlead/internal/fault"
	"fairlead/internal/store/storetest"
	"fairlead/internal/testdb"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestOpen(t *testing.T) {
	s := testdb.Postgres(t)
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(fault.Cause(err))
	}
}

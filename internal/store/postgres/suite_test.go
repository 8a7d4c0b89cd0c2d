package postgres_test

import (
	"testing"

	"fairlead/internal/store/storetest"
	"fairlead/internal/testdb"
)

func TestSuite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store { return testdb.Postgres(t) })
}

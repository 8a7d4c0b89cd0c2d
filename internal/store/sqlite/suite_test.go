package sqlite_test

import (
	"testing"

	"fairlead/internal/store/storetest"
	"fairlead/internal/testdb"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestSuite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store { return testdb.SQLite(t) })
}

package postgres_test

import (
	"testing"

	"fairlead/internal/store/storetest"
	"fairlead/internal/testdb"
	"fairlead/orchestrator/usage"
)

func TestUsage(t *testing.T) {
	storetest.Usage(t, func(t *testing.T) usage.Store { return testdb.Postgres(t) })
}

func BenchmarkUsageAppend(b *testing.B) { storetest.BenchUsage(b, testdb.Postgres(b)) }

package postgres_test

import (
	"testing"

	"fairlead/internal/store/storetest"
	"fairlead/internal/testdb"
)

func BenchmarkUsageAppend(b *testing.B) { storetest.BenchUsage(b, testdb.Postgres(b)) }

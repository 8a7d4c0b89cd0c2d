// Package storetest is the definition of a store: a suite that every store passes, whatever its database.
// It owns what retrieval.Store, orchestrator.Sessions and record.Decisions promise; it refuses to know how a promise is kept,
// so it sees a store through those interfaces alone.
//
// Each test opens a store of its own, so that a store may be slow to open but never shared.
package storetest

import (
	"testing"

	"go.uber.org/goleak"

	"fairlead/orchestrator"
	"fairlead/orchestrator/record"
	"fairlead/retrieval"
)

// Store is all that a database does for Fairlead.
type Store interface {
	retrieval.Store
	orchestrator.Sessions
	record.Decisions
}

// Run runs the suite. open gives an empty store, and ends it with the test's cleanup.
func Run(t *testing.T, open func(t *testing.T) Store) {
	groups := []struct {
		name  string
		tests map[string]func(t *testing.T, s Store)
	}{
		{"collections", collectionTests},
		{"documents", documentTests},
		{"passages", passageTests},
		{"words", wordTests},
		{"vectors", vectorTests},
		{"filters", filterTests},
		{"labels", labelTests},
		{"tenants", tenantTests},
		{"sessions", sessionTests},
		{"decisions", decisionTests},
		{"atomic", atomicTests},
		{"concurrent", concurrentTests},
		{"errors", errorTests},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for name, test := range g.tests {
				t.Run(name, func(t *testing.T) { test(t, open(t)) })
			}
		})
	}
}

// Main is for a package's TestMain: it runs the tests and fails when one left a goroutine behind.
func Main(m *testing.M) { goleak.VerifyTestMain(m) }

// Package storetest is the definition of a store: a suite that every store passes, whatever its database.
// It owns what the interfaces of Store promise; it refuses to know how a promise is kept, so it sees a store through
// them alone.
//
// Each test opens a store of its own, so that a store may be slow to open but never shared.
package storetest

import (
	"testing"

	"go.uber.org/goleak"

	"fairlead/internal/store"
	"fairlead/orchestrator/usage"
)

// Store is all that a database does for Fairlead.
type Store = store.Store

// Run runs the suite. open gives an empty store, and ends it with the test's cleanup.
func Run(t *testing.T, open func(t *testing.T) Store) {
	run(t, open, []group{
		{"collections", collectionTests},
		{"documents", documentTests},
		{"texts", textTests},
		{"passages", passageTests},
		{"tenants", tenantTests},
		{"tenants deleted", deletedTests},
		{"sessions", sessionTests},
		{"decisions", decisionTests},
		{"feedback", feedbackTests},
		{"atomic", atomicTests},
		{"concurrent", concurrentTests},
		{"errors", errorTests},
		{"reindex", reindexTests},
		{"traffic", trafficTests},
	})
	RunSearch(t, open)
	RunAccess(t, func(t *testing.T) Access { return open(t) })
	RunUsage(t, func(t *testing.T) usage.Store { return open(t) })
}

// RunSearch runs that part of the suite which searches, for stores that can do so in more than one way.
func RunSearch(t *testing.T, open func(t *testing.T) Store) {
	run(t, open, []group{
		{"words", wordTests},
		{"vectors", vectorTests},
		{"filters", filterTests},
		{"labels", labelTests},
		{"fused", fusedTests},
		{"identifiers", identifierTests},
	})
}

type group struct {
	name  string
	tests map[string]func(t *testing.T, s Store)
}

func run(t *testing.T, open func(t *testing.T) Store, groups []group) {
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

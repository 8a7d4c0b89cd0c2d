package auth

import (
	"fmt"
	"strings"
)

// Scopes is a set of things that a caller may do.
type Scopes uint8

// The scopes.
const (
	// Chat is to chat, to run chains, to embed and to explain.
	Chat Scopes = 1 << iota
	// Ingest is to store and delete documents and collections.
	Ingest
	// Search is to search and read documents.
	Search
	// Admin is to manage the keys of the caller's own tenant and to read its usage.
	Admin
	// Operator is to manage all tenants, and to act as Admin of any.
	Operator

	// AllScopes is everything.
	AllScopes = Chat | Ingest | Search | Admin | Operator
)

var scopeNames = []string{"chat", "ingest", "search", "admin", "operator"}

// Has says whether all of what is asked is in the set.
func (s Scopes) Has(asked Scopes) bool { return s&asked == asked }

// Names gives the scopes' names, in their order.
func (s Scopes) Names() []string {
	names := []string{}
	for i, name := range scopeNames {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// String gives the names, parted by commas.
func (s Scopes) String() string { return strings.Join(s.Names(), ",") }

// ParseScopes reads names of scopes. The error names the first that is none.
func ParseScopes(names ...string) (set Scopes, err error) {
next:
	for _, name := range names {
		for i, known := range scopeNames {
			if name == known {
				set |= 1 << i
				continue next
			}
		}
		return 0, fmt.Errorf("reading the scope %q: use %s", name, strings.Join(scopeNames, ", "))
	}
	return set, nil
}

// Package store says what a database does for Fairlead. It owns the list of what must be kept; it refuses to
// know how. The packages below keep it, and storetest says what each promises.
package store

import (
	"context"

	"fairlead/internal/auth/keys"
	"fairlead/internal/auth/tenants"
	"fairlead/orchestrator"
	"fairlead/orchestrator/feedback"
	"fairlead/orchestrator/record"
	"fairlead/orchestrator/traffic"
	"fairlead/orchestrator/usage"
	"fairlead/retrieval"
)

// Store is all that a database does.
type Store interface {
	retrieval.Store
	orchestrator.Sessions
	record.Decisions
	feedback.Store
	usage.Store
	keys.Store
	tenants.Store
	traffic.Store
	// Ping says whether the database answers.
	Ping(ctx context.Context) error
	Close() error
}

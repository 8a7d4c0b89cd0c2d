package postgres

import (
	"context"

	"fairlead/internal/fault"
	"fairlead/retrieval"
)

func missing(what string) error {
	return fault.New(fault.Unimplemented, fault.ReasonUnsupported, "%s: not on PostgreSQL yet", what)
}

// SearchText is not there yet.
func (s *Store) SearchText(context.Context, string, retrieval.LegQuery) (*retrieval.Leg, error) {
	return nil, missing("searching by words")
}

// SearchVector is not there yet.
func (s *Store) SearchVector(context.Context, string, retrieval.LegQuery) (*retrieval.Leg, error) {
	return nil, missing("searching by vector")
}

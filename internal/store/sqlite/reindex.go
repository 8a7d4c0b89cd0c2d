package sqlite

import (
	"context"

	"fairlead/internal/fault"
	"fairlead/retrieval"
)

func noReindex() error {
	return fault.New(fault.Unimplemented, fault.ReasonUnsupported, "reindexing a collection: not on SQLite yet")
}

func (s *Store) ReindexBegin(context.Context, string, string, retrieval.Embedding) (*retrieval.Reindex, error) {
	return nil, noReindex()
}
func (s *Store) ReindexPending(context.Context, string, string, int) ([]retrieval.Passage, error) {
	return nil, noReindex()
}
func (s *Store) ReindexPut(context.Context, string, string, []string, [][]float32) error {
	return noReindex()
}
func (s *Store) ReindexSwap(context.Context, string, string) error  { return noReindex() }
func (s *Store) ReindexAbort(context.Context, string, string) error { return noReindex() }

package postgres

import (
	"context"

	"fairlead/retrieval"
)

func (s *Store) ReindexBegin(context.Context, string, string, retrieval.Embedding) (*retrieval.Reindex, error) {
	return nil, missing("reindexing a collection")
}
func (s *Store) ReindexPending(context.Context, string, string, int) ([]retrieval.Passage, error) {
	return nil, missing("reindexing a collection")
}
func (s *Store) ReindexPut(context.Context, string, string, []string, [][]float32) error {
	return missing("reindexing a collection")
}
func (s *Store) ReindexSwap(context.Context, string, string) error {
	return missing("reindexing a collection")
}
func (s *Store) ReindexAbort(context.Context, string, string) error {
	return missing("reindexing a collection")
}

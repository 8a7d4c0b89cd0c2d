package postgres

import "context"

// Vacuum does for the tables of passages what autovacuum does by itself some time after many were written: it clears dead
// rows away, marks pages that all may see, and counts for the planner. ownerURL is that of the tables' owner.
func Vacuum(ctx context.Context, ownerURL string) error {
	const doing = "clearing dead rows away"
	x, err := openIndexer(ctx, ownerURL, doing)
	if err != nil {
		return err
	}
	defer x.conn.Close(context.WithoutCancel(ctx))
	_, err = x.conn.Exec(ctx, "VACUUM (ANALYZE) collections, collection_counts, documents, document_fields, passages, words, vectors")
	return translate(ctx, err, doing)
}

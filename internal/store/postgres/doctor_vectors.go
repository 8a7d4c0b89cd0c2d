package postgres

import (
	"context"
	"io/fs"
	"regexp"
	"sync"

	"github.com/jackc/pgx/v5"
)

// unindexedRows is from how many passages of one collection a missing index of vectors is worth a word.
const unindexedRows = 50_000

// vectors looks for large collections whose vectors have no index. It asks for one tenant after the other, because
// not even the owner sees more than one.
func (d *doctor) vectors(ctx context.Context) error {
	indexed := map[int]bool{}
	rows, err := d.conn.Query(ctx, `SELECT coalesce((regexp_match(pg_get_expr(i.indpred, i.indrelid), 'dimensions = (\d+)'))[1], '0')::int
		FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND a.amname = 'hnsw' AND i.indisvalid AND pg_get_expr(i.indpred, i.indrelid) NOT LIKE '%tenant%'`, Schema)
	if err != nil {
		return err
	}
	var dimensions int
	if _, err := pgx.ForEachRow(rows, []any{&dimensions}, func() error { indexed[dimensions] = true; return nil }); err != nil {
		return err
	}
	found := 0
	err = d.eachTenant(ctx, func(tx pgx.Tx, tenant string) error {
		rows, err := tx.Query(ctx, `SELECT c.name, c.dimensions, sum(n.passages)::bigint FROM `+Schema+`.collections c
			JOIN `+Schema+`.collection_counts n ON n.tenant = c.tenant AND n.collection = c.id WHERE c.tenant = $1 AND c.dimensions > 0
			GROUP BY c.id, c.name, c.dimensions HAVING sum(n.passages) > $2`, tenant, unindexedRows)
		if err != nil {
			return err
		}
		var name string
		var passages int64
		_, err = pgx.ForEachRow(rows, []any{&name, &dimensions, &passages}, func() error {
			if !indexed[dimensions] {
				found++
				d.say("vectors", Warn, "run fairlead db index with these dimensions", "collection %s of tenant %s has %d passages and no index for %d dimensions: every search compares all of them", name, tenant, passages, dimensions)
			}
			return nil
		})
		return err
	})
	if err == nil && found == 0 {
		d.say("vectors", Fine, "", "no large collection is without an index")
	}
	return err
}

// eachTenant calls fn with every tenant, in a transaction that sees that tenant's rows.
func (d *doctor) eachTenant(ctx context.Context, fn func(tx pgx.Tx, tenant string) error) error {
	var names []string
	list, err := opening(scope{operator: true}, pgx.TxOptions{AccessMode: pgx.ReadOnly}, d.seen.searchPath, nil)
	if err != nil {
		return err
	}
	err = pgx.BeginTxFunc(ctx, d.conn, pgx.TxOptions{BeginQuery: list}, func(tx pgx.Tx) (err error) {
		rows, err := tx.Query(ctx, "SELECT tenant FROM tenants ORDER BY tenant")
		if err != nil {
			return err
		}
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	for _, name := range names {
		if err != nil {
			return err
		}
		var begin string
		if begin, err = opening(of(name), pgx.TxOptions{AccessMode: pgx.ReadOnly}, d.seen.searchPath, nil); err == nil {
			err = pgx.BeginTxFunc(ctx, d.conn, pgx.TxOptions{BeginQuery: begin}, func(tx pgx.Tx) error { return fn(tx, name) })
		}
	}
	return err
}

var createIndex = regexp.MustCompile(`(?m)^\s*CREATE (?:UNIQUE )?INDEX (\w+)`)

// indexNames gives the names of the indexes that the migrations make by name.
var indexNames = sync.OnceValue(func() (names []string) {
	files, err := fs.Glob(migrationFiles(), "*.sql")
	for _, file := range files {
		var text []byte
		if text, err = fs.ReadFile(migrationFiles(), file); err != nil {
			break
		}
		for _, m := range createIndex.FindAllSubmatch(text, -1) {
			names = append(names, string(m[1]))
		}
	}
	if err != nil {
		panic(err) // the files are embedded
	}
	return names
})

package postgres

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"fairlead/internal/fault"
	"fairlead/internal/store/form"
	"fairlead/retrieval"
)

// The ways in which vectors are searched, as a Scan names them.
const (
	exact = "exact"
	hnsw  = "hnsw"
)

// vectorPlan is how the vectors of one search are gone through.
type vectorPlan struct {
	method, why string
	// rows is how many passages there are to choose from, or -1: the search counts them by the way. Where estimated,
	// there are so many or more.
	rows      int64
	estimated bool
}

func (p vectorPlan) scan() retrieval.Scan {
	return retrieval.Scan{Method: p.method, Why: p.why, Rows: p.rows, Estimated: p.estimated}
}

// completeRows is up to how many passages all are compared after an index gave up.
func (s *Store) completeRows() int64 {
	if s.config.ExactRows < 0 {
		return 200_000
	}
	return 10 * int64(s.config.ExactRows)
}

// plan says how to search by vector. Comparing all vectors finds the nearest, always; an index is asked where that
// would take too long. The planner is not left to choose: it cannot know how a filter and a vector go together.
func (f *finding) plan(ctx context.Context, tx pgx.Tx) (vectorPlan, error) {
	most := int64(max(f.store.config.ExactRows, 0))
	if f.c.passages <= most {
		return vectorPlan{method: exact, why: fmt.Sprintf("all are compared: the collection has no more than %d passages", most), rows: -1}, nil
	}
	indexed, err := f.indexed(ctx, tx)
	if err != nil {
		return vectorPlan{}, err
	}
	if !indexed {
		return vectorPlan{method: exact, why: fmt.Sprintf("all are compared: there is no index for %d dimensions; fairlead db index makes one", f.c.dimensions), rows: -1}, nil
	}
	rows, more, err := f.count(ctx, tx, most)
	switch {
	case err != nil:
		return vectorPlan{}, err
	case rows <= most && !more:
		return vectorPlan{method: exact, why: fmt.Sprintf("all that the filter and the labels leave are compared: they are no more than %d", most), rows: rows}, nil
	default:
		return vectorPlan{method: hnsw, why: fmt.Sprintf("the index is asked: there are more than %d passages to choose from", most), rows: rows, estimated: more}, nil
	}
}

// indexed says whether there is an index for the collection's vectors.
func (f *finding) indexed(ctx context.Context, tx pgx.Tx) (bool, error) {
	var there bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
		WHERE i.indrelid = 'vectors'::regclass AND i.indisvalid AND c.relname = ANY ($1::text[]))`,
		[]string{indexName(f.c.dimensions, ""), indexName(f.c.dimensions, f.tenant)}).Scan(&there)
	return there, err
}

// count says how many passages a search has to choose from. It stops counting where there are clearly more than
// enough, and then says that there are more.
func (f *finding) count(ctx context.Context, tx pgx.Tx, enough int64) (rows int64, more bool, err error) {
	if f.seesAll() {
		return f.c.passages, false, nil
	}
	var args []any
	where, err := documentsWhere(f.tenant, f.c, f.q.MaxLabel, f.q.Filter, &args, f.doing)
	if err != nil {
		return 0, false, err
	}
	// Twice as many documents as have that many passages on average.
	limit := min(enough, 2*enough*f.c.documents/max(f.c.passages, 1)) + 1000
	var documents int64
	err = tx.QueryRow(ctx, "SELECT count(*), coalesce(sum(x.passages), 0)::bigint FROM (SELECT d.passages FROM documents d WHERE "+where+
		" LIMIT "+bind(&args, limit)+") x", args...).Scan(&documents, &rows)
	return rows, documents == limit, err
}

// unitQuery gives a query's vector at length one, and whether it has a direction.
func unitQuery(q retrieval.LegQuery, doing string) (unit []float32, direction bool, err error) {
	unit, ok := form.Unit(q.Vector)
	if !ok {
		return nil, false, form.BadRequest(doing, "the vector holds something that is not a finite number")
	}
	return unit, slices.ContainsFunc(unit, func(x float32) bool { return x != 0 }), nil
}

// admit refuses a vector that cannot be compared with the collection's.
func (f *finding) admit() error {
	if by := f.q.EmbeddedBy; by != "" && f.c.identity != "" && by != f.c.identity {
		return fault.New(fault.FailedPrecondition, fault.ReasonReindexing,
			"%s: the query's vector is of another model than those of collection %q: run fairlead collections reindex", f.doing, f.q.Collection)
	}
	if len(f.q.Vector) != f.c.dimensions {
		return form.BadRequest(f.doing, "the vector has %d dimensions and the collection has %d", len(f.q.Vector), f.c.dimensions)
	}
	return nil
}

// settings are for transactions that search. Plans are made for the values at hand: what a partial index holds, and
// how many rows a filter leaves, is not known before. Compiling them takes longer than running them.
func (s *Store) searching(limit int) []setting {
	return []setting{
		{"plan_cache_mode", "force_custom_plan"}, {"jit", "off"}, {"max_parallel_workers_per_gather", "0"},
		{"hnsw.iterative_scan", "relaxed_order"},
		{"hnsw.ef_search", strconv.Itoa(min(max(s.config.EfSearch, limit+limit/2), 1000))},
		{"hnsw.max_scan_tuples", strconv.Itoa(s.config.MaxScanTuples)},
		{"hnsw.scan_mem_multiplier", "8"},
	}
}

// onlyIndex leaves the planner the index as the one way to have rows in the order of their distance, and a look at the
// document of each as the one way to filter them.
const onlyIndex = `SELECT set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
	set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true), set_config('enable_material', 'off', true)`

// anyPlan undoes onlyIndex.
const anyPlan = `SELECT set_config('enable_sort', 'on', true), set_config('enable_seqscan', 'on', true), set_config('enable_bitmapscan', 'on', true),
	set_config('enable_hashjoin', 'on', true), set_config('enable_mergejoin', 'on', true), set_config('enable_material', 'on', true)`

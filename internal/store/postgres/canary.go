package postgres

import (
	"cmp"
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pgvector/pgvector-go"

	"fairlead/internal/auth/tenants"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
)

const (
	// canarySlots is how many queries are kept of a collection. A newer one takes the place of one of them, by chance.
	canarySlots = 20
	// canaryQueue is how many queries may wait to be kept; more are let go.
	canaryQueue = 64
	// canaryTop is how many of the nearest are compared.
	canaryTop = 10
)

// Recall is how many of the nearest the index of a collection finds.
type Recall struct {
	Tenant, Collection string
	// Recall is the mean share of the nearest ten that the index finds as well, over Queries sampled queries.
	Recall  float64
	Queries int
}

// canaries keeps a sample of the queries that an index answered: their vectors and labels, and no text. It works
// beside the searches and never keeps one waiting.
type canaries struct {
	store *Store
	// every is how many searches go by for one that is kept. 0: none is.
	every int
	queue chan canary
	done  sync.WaitGroup
	stop  context.CancelFunc
}

type canary struct {
	tenant     string
	collection int64
	generation int32
	unit       []float32
	label      label.Label
}

func (s *Store) startCanaries(every int) *canaries {
	ctx, stop := context.WithCancel(context.Background())
	c := &canaries{store: s, every: every, stop: stop, queue: make(chan canary, canaryQueue)}
	if every > 0 {
		c.done.Go(func() { c.keep(ctx) })
	}
	return c
}

func (c *canaries) close() {
	c.stop()
	c.done.Wait()
}

// offer may take a query into the sample.
func (c *canaries) offer(f *finding) {
	if c.every == 0 || f.how.method != hnsw || len(f.q.Filter) > 0 || rand.IntN(c.every) > 0 {
		return
	}
	select {
	case c.queue <- canary{tenant: f.tenant, collection: f.c.id, generation: f.c.generation, unit: f.unit, label: f.q.MaxLabel}:
	default:
	}
}

func (c *canaries) keep(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case q := <-c.queue:
			// A query that is not kept is no loss: another comes.
			_ = c.store.write(ctx, q.tenant, "keeping a query", func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, `INSERT INTO canary_queries (tenant, collection, slot, generation, embedding, label, seen_at)
					SELECT c.tenant, c.id, $3, $4, $5, $6, $7 FROM collections c WHERE c.tenant = $1 AND c.id = $2
					ON CONFLICT (tenant, collection, slot) DO UPDATE SET generation = excluded.generation, embedding = excluded.embedding, label = excluded.label, seen_at = excluded.seen_at`,
					q.tenant, q.collection, rand.IntN(canarySlots), q.generation, pgvector.NewHalfVector(q.unit), int(q.label), c.store.now())
				return err
			})
		}
	}
}

// MeasureRecall asks the index for each query of the sample and compares with what comparing all vectors finds. told
// is called for each collection that has a sample.
func (s *Store) MeasureRecall(ctx context.Context, told func(Recall)) error {
	return s.eachTenant(ctx, func(t *tenants.Tenant) error {
		if !t.DisabledAt.IsZero() {
			return nil
		}
		return s.recallOf(ctx, t.Name, told)
	})
}

// recallOf measures the collections of one tenant.
func (s *Store) recallOf(ctx context.Context, tenant string, told func(Recall)) error {
	const doing = "measuring recall"
	type sample struct {
		Collection string
		Label      int
		Embedding  pgvector.HalfVector
	}
	var queries []sample
	err := s.read(ctx, tenant, doing, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT c.name, q.label, q.embedding FROM canary_queries q
			JOIN collections c ON c.tenant = q.tenant AND c.id = q.collection AND c.generation = q.generation
			WHERE q.tenant = $1 ORDER BY c.name, q.slot`, tenant)
		if err != nil {
			return err
		}
		queries, err = pgx.CollectRows(rows, pgx.RowToStructByPos[sample])
		return err
	})
	if err != nil {
		return err
	}
	sums := map[string]*Recall{}
	var order []string
	for _, q := range queries {
		leg := retrieval.LegQuery{Collection: q.Collection, Vector: q.Embedding.Slice(), Limit: canaryTop, MaxLabel: label.Label(q.Label)}
		share, ok, err := s.recallOne(ctx, tenant, leg)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if sums[q.Collection] == nil {
			sums[q.Collection] = &Recall{Tenant: tenant, Collection: q.Collection}
			order = append(order, q.Collection)
		}
		sums[q.Collection].Recall += share
		sums[q.Collection].Queries++
	}
	for _, name := range order {
		r := sums[name]
		r.Recall /= float64(r.Queries)
		told(*r)
	}
	return nil
}

// recallOne compares the index with all vectors for one query. It is not ok where there is nothing to find, or the
// collection went.
func (s *Store) recallOne(ctx context.Context, tenant string, q retrieval.LegQuery) (share float64, ok bool, err error) {
	const doing = "measuring recall"
	err = s.read(ctx, tenant, doing, func(tx pgx.Tx) error {
		f, err := s.begin(ctx, tx, tenant, q, doing)
		if err != nil {
			return err
		}
		f.unit = q.Vector
		found := map[string]bool{}
		f.how = vectorPlan{method: hnsw, rows: -1}
		out, err := f.run(ctx, tx, 0, "f.vector_rank", q.Limit)
		if err != nil {
			return err
		}
		for _, h := range out.hits {
			found[h.Passage.ID] = true
		}
		f.how = vectorPlan{method: exact, rows: -1}
		if out, err = f.run(ctx, tx, 0, "f.vector_rank", q.Limit); err != nil {
			return err
		}
		hit := 0
		for _, h := range out.hits {
			if found[h.Passage.ID] {
				hit++
			}
		}
		if ok = len(out.hits) > 0; ok {
			share = float64(hit) / float64(len(out.hits))
		}
		return nil
	}, s.searching(q.Limit)...)
	if err != nil && fault.CodeOf(err) == fault.NotFound {
		return 0, false, nil // it was deleted meanwhile
	}
	return share, ok, err
}

// WatchRecall measures recall now and then until the context ends. failed is told when that fails; the next time
// comes all the same. Replicas that start together do not measure together.
func (s *Store) WatchRecall(ctx context.Context, every time.Duration, told func(Recall), failed func(error)) {
	wait := rand.N(cmp.Or(every, 1))
	for {
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		if err := s.MeasureRecall(ctx, told); err != nil && ctx.Err() == nil {
			failed(err)
		}
		wait = every
	}
}

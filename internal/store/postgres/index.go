package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"fairlead/internal/fault"
	"fairlead/internal/store/form"
)

// Build is how an index of nearest neighbours is built. Zero fields take their defaults.
type Build struct {
	// M and EfConstruction are those of HNSW: how many neighbours a vector has, and how many candidates are kept while
	// they are looked for. 0: pgvector's own, 16 and 64.
	M, EfConstruction int
	// Memory is PostgreSQL's maintenance_work_mem, such as "2GB": where the whole graph does not fit into it, the rest
	// is built many times slower. Empty: the server's own.
	Memory string
	// Workers is how many processes help. 0: the server's own setting.
	Workers int
	// Progress is called about once a second with how far it is, from one goroutine, and never after the end. Nil:
	// nobody asks.
	Progress func(Progress)
}

// Progress is how far the building of an index is.
type Progress struct {
	// Phase is PostgreSQL's name for what it is doing.
	Phase string
	// Done is how many of Total steps of the phase are done. Total 0: not known.
	Done, Total int64
}

// Index is an index of nearest neighbours.
type Index struct {
	Name       string
	Dimensions int
	// Tenant is the one that it is for. Empty: all.
	Tenant string
	// Bytes is its size.
	Bytes int64
	// Valid is false while it is built, or when that was broken off: building it again mends it.
	Valid bool
}

// IndexDimensions makes the index of nearest neighbours for vectors of a length, without stopping writers, unless it
// is there. What a build that was broken off left is dropped first. It says whether it made one. ownerURL is that of
// the tables' owner, and must lead to PostgreSQL itself, not to a PgBouncer. InvalidArgument when the dimensions are
// none that can be indexed, Unavailable when another process is building one.
func IndexDimensions(ctx context.Context, ownerURL string, dimensions int, b Build) (made bool, err error) {
	return build(ctx, ownerURL, "", dimensions, b)
}

// IndexTenant is IndexDimensions for the vectors of one tenant alone: a large one finds more of the nearest, faster,
// in an index that no other shares.
func IndexTenant(ctx context.Context, ownerURL, tenant string, dimensions int, b Build) (made bool, err error) {
	if tenant == "" || !form.Text(tenant) {
		return false, form.BadRequest("making the index", "the tenant is empty or not a text")
	}
	return build(ctx, ownerURL, tenant, dimensions, b)
}

// indexName is that of the index of nearest neighbours for vectors of a length: of all tenants, or of one.
func indexName(dimensions int, tenant string) string {
	name := "vectors_hnsw_" + strconv.Itoa(dimensions)
	if tenant != "" {
		sum := sha256.Sum256([]byte(tenant))
		name += "_" + hex.EncodeToString(sum[:6])
	}
	return name
}

func build(ctx context.Context, ownerURL, tenant string, dimensions int, b Build) (made bool, err error) {
	const doing = "making the index"
	switch {
	case dimensions < 1 || dimensions > maxDimensions:
		return false, form.BadRequest(doing, "vectors of %d dimensions cannot be indexed: use from 1 to %d", dimensions, maxDimensions)
	case b.M < 0 || b.EfConstruction < 0 || b.Workers < 0 || b.M == 1 || b.M > 100 || b.EfConstruction > 1000 || b.EfConstruction > 0 && b.EfConstruction < 2*max(b.M, 2):
		return false, form.BadRequest(doing, "m must be from 2 to 100, ef_construction from twice that to 1000, and the workers not below 0")
	}
	x, err := openIndexer(ctx, ownerURL, doing)
	if err != nil {
		return false, err
	}
	defer x.conn.Close(context.WithoutCancel(ctx)) // and with it ends the lock
	if err := x.lock(ctx, doing); err != nil {
		return false, err
	}
	list, err := x.list(ctx)
	if err != nil {
		return false, translate(ctx, err, doing)
	}
	name := indexName(dimensions, tenant)
	if i := slices.IndexFunc(list, func(i Index) bool { return i.Name == name }); i >= 0 {
		if list[i].Valid {
			return false, nil
		}
		if err := x.drop(ctx, name); err != nil {
			return false, translate(ctx, err, doing)
		}
	}
	if err := x.create(ctx, ownerURL, name, tenant, dimensions, b); err != nil {
		if ctx.Err() != nil { // what is half built would be kept up to date for nothing
			x.conn.Close(context.WithoutCancel(ctx))
			cleanUp(context.WithoutCancel(ctx), ownerURL, name)
		}
		return false, translate(ctx, err, doing)
	}
	return true, nil
}

// DropIndex drops an index of nearest neighbours without stopping writers. NotFound when there is none of that name.
func DropIndex(ctx context.Context, ownerURL, name string) error {
	const doing = "dropping the index"
	x, err := openIndexer(ctx, ownerURL, doing)
	if err != nil {
		return err
	}
	defer x.conn.Close(context.WithoutCancel(ctx))
	if err := x.lock(ctx, doing); err != nil {
		return err
	}
	list, err := x.list(ctx)
	if err != nil {
		return translate(ctx, err, doing)
	}
	if !slices.ContainsFunc(list, func(i Index) bool { return i.Name == name }) {
		return fault.New(fault.NotFound, fault.ReasonBadRequest, "%s: there is no index of vectors of that name", doing)
	}
	return translate(ctx, x.drop(ctx, name), doing)
}

// Indexes gives the indexes of nearest neighbours by name.
func Indexes(ctx context.Context, ownerURL string) ([]Index, error) {
	const doing = "listing the indexes"
	x, err := openIndexer(ctx, ownerURL, doing)
	if err != nil {
		return nil, err
	}
	defer x.conn.Close(context.WithoutCancel(ctx))
	list, err := x.list(ctx)
	return list, translate(ctx, err, doing)
}

// indexer is a connection of the owner's.
type indexer struct{ conn *pgx.Conn }

func openIndexer(ctx context.Context, ownerURL, doing string) (*indexer, error) {
	config, err := readURL(ownerURL, "database.owner_url", doing)
	if err != nil {
		return nil, err
	}
	s, err := inspect(ctx, config)
	if err != nil {
		return nil, translate(ctx, err, doing)
	}
	if s.version == 0 {
		return nil, fault.New(fault.FailedPrecondition, fault.ReasonSchemaBehind, "%s: the database has no schema: run fairlead db migrate", doing)
	}
	if err := straight(ctx, config, doing); err != nil {
		return nil, err
	}
	config.RuntimeParams["search_path"] = s.searchPath
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, translate(ctx, err, doing)
	}
	return &indexer{conn}, nil
}

// indexLock is the advisory lock of those who make and drop indexes: "vectors" in ASCII. It is never waited for: who
// waits holds a snapshot, and building waits until all such have ended.
const indexLock = 0x766563746f7273

// lockTries is how often the lock is tried for, a second in all.
const lockTries = 13

func (x *indexer) lock(ctx context.Context, doing string) error {
	// One that has just ended may hold it for a moment: each try is a statement, and a snapshot, of its own.
	for try := range lockTries {
		var mine bool
		if err := x.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(indexLock)).Scan(&mine); err != nil || mine {
			return translate(ctx, err, doing)
		}
		wait := time.NewTimer(time.Duration(try+1) * 10 * time.Millisecond)
		select {
		case <-ctx.Done():
			wait.Stop()
			return translate(ctx, ctx.Err(), doing)
		case <-wait.C:
		}
	}
	return fault.New(fault.Unavailable, fault.ReasonNone, "%s: another process is building or dropping one: wait for it, then try again", doing)
}

func (x *indexer) list(ctx context.Context) ([]Index, error) {
	// A tenant stands in the predicate as a literal, whose quotes are doubled.
	rows, err := x.conn.Query(ctx, `SELECT c.relname::text, coalesce((regexp_match(p.text, 'dimensions = (\d+)'))[1], '0')::int,
			coalesce(replace((regexp_match(p.text, 'tenant = E?''((?:[^'']|'''')*)''::text'))[1], '''''', ''''), ''),
			pg_relation_size(c.oid), i.indisvalid
		FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
		CROSS JOIN LATERAL (SELECT pg_get_expr(i.indpred, i.indrelid) AS text) p
		WHERE i.indrelid = 'vectors'::regclass AND a.amname = 'hnsw' ORDER BY c.relname`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Index])
}

func (x *indexer) drop(ctx context.Context, name string) error {
	_, err := x.conn.Exec(ctx, "DROP INDEX CONCURRENTLY IF EXISTS "+pgx.Identifier{name}.Sanitize())
	return err
}

// create builds an index. It takes as long as it takes.
func (x *indexer) create(ctx context.Context, ownerURL, name, tenant string, dimensions int, b Build) error {
	set := "SELECT set_config('statement_timeout', '0', false), set_config('lock_timeout', '0', false)"
	if b.Workers > 0 {
		set += ", set_config('max_parallel_maintenance_workers', '" + strconv.Itoa(b.Workers) + "', false)"
	}
	if _, err := x.conn.Exec(ctx, set); err != nil {
		return err
	}
	if b.Memory != "" {
		if _, err := x.conn.Exec(ctx, "SELECT set_config('maintenance_work_mem', $1, false)", b.Memory); err != nil {
			return fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadConfig, "making the index: the memory is none: write it as 2GB")
		}
	}
	n := strconv.Itoa(dimensions)
	statement := "CREATE INDEX CONCURRENTLY " + pgx.Identifier{name}.Sanitize() + " ON vectors USING hnsw ((embedding::halfvec(" + n + ")) halfvec_cosine_ops)"
	statement += " WITH (m = " + strconv.Itoa(orDefault(b.M, 16)) + ", ef_construction = " + strconv.Itoa(orDefault(b.EfConstruction, max(64, 2*b.M))) + ") WHERE dimensions = " + n
	if tenant != "" { // it takes no parameters, and format quotes as a literal must be
		if err := x.conn.QueryRow(ctx, "SELECT $1::text || format(' AND tenant = %L', $2::text)", statement, tenant).Scan(&statement); err != nil {
			return err
		}
	}
	stop := x.watch(ctx, ownerURL, b.Progress)
	defer stop()
	_, err := x.conn.Exec(ctx, statement)
	return err
}

func orDefault(n, fallback int) int {
	if n == 0 {
		return fallback
	}
	return n
}

// watch tells how far the connection's build is, until stop is called.
func (x *indexer) watch(ctx context.Context, ownerURL string, told func(Progress)) (stop func()) {
	if told == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	pid := x.conn.PgConn().PID()
	go func() {
		defer close(done)
		conn, err := pgx.Connect(ctx, ownerURL)
		if err != nil {
			return // it is built all the same
		}
		defer conn.Close(context.WithoutCancel(ctx))
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			var p Progress
			err := conn.QueryRow(ctx, `SELECT phase, greatest(tuples_done, blocks_done), greatest(tuples_total, blocks_total)
				FROM pg_stat_progress_create_index WHERE pid = $1`, int32(pid)).Scan(&p.Phase, &p.Done, &p.Total)
			switch {
			case err == nil:
				told(p)
			case !errors.Is(err, pgx.ErrNoRows):
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return func() { cancel(); <-done }
}

// cleanUp drops what a build that was broken off left, as far as it can.
func cleanUp(ctx context.Context, ownerURL, name string) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	x, err := openIndexer(ctx, ownerURL, "cleaning up")
	if err != nil {
		return
	}
	defer x.conn.Close(context.WithoutCancel(ctx))
	_ = x.drop(ctx, name) // the next build drops it otherwise
}

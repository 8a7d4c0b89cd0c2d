package postgres

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	pgxvector "github.com/pgvector/pgvector-go/pgx"

	"fairlead/internal/fault"
)

// Schema is where all tables are.
const Schema = "fairlead"

// Config says where the database is and how it is used.
type Config struct {
	// URL is that of the role that serves.
	URL string
	// Pool is the most connections. 0: four for each processor, from 8 to 64.
	Pool int
	// PgBouncer says that a PgBouncer in transaction mode stands between. Open also finds out by itself.
	PgBouncer bool
	// StatementTimeout bounds a statement that reads. 0: 30 s.
	StatementTimeout time.Duration
	// ExactRows is up to how many passages all vectors are compared. 0: 20,000; negative: none.
	ExactRows int
	// EfSearch and MaxScanTuples are those of pgvector's HNSW. 0: 100 and 20,000.
	EfSearch, MaxScanTuples int
	// Sample is of how many searches that an index answers one is kept to measure recall with. 0: 64; negative: none.
	Sample int
}

func (c Config) withDefaults() Config {
	set := func(n *int, fallback int) {
		if *n == 0 {
			*n = fallback
		}
	}
	set(&c.Pool, min(max(4*runtime.GOMAXPROCS(0), 8), 64))
	if c.StatementTimeout == 0 {
		c.StatementTimeout = 30 * time.Second
	}
	set(&c.ExactRows, 20_000)
	set(&c.EfSearch, 100)
	set(&c.MaxScanTuples, 20_000)
	set(&c.Sample, 64)
	return c
}

// Store is a PostgreSQL database. It is safe for concurrent use.
type Store struct {
	config Config
	pool   *pgxpool.Pool
	// searchPath is that of every transaction: our schema, and that of the extensions.
	searchPath string
	// timeout is the bound of statements that read.
	timeout setting
	// frequencies spares searches counting common words.
	frequencies frequencies
	canaries    *canaries
	nowFunc     func() time.Time
}

var errNoScope = errors.New("a transaction of nobody")

// Open connects, and checks that the schema is the one that this program knows and that the role cannot pass row
// level security. It never changes the schema. FailedPrecondition with ReasonSchemaBehind when the schema is older
// than the program, with ReasonBadConfig when it is newer or the role may do too much; Unavailable when the database
// cannot be reached.
func Open(ctx context.Context, c Config) (*Store, error) {
	const doing = "opening the database"
	c = c.withDefaults()
	pc, err := readPoolURL(c.URL, "its URL", doing)
	if err != nil {
		return nil, err
	}
	pc.MaxConns = int32(c.Pool)
	pc.ConnConfig.RuntimeParams["application_name"] = "fairlead"
	s := &Store{config: c, nowFunc: time.Now, timeout: setting{"statement_timeout", strconv.FormatInt(c.StatementTimeout.Milliseconds(), 10)}}
	seen, err := inspect(ctx, pc.ConnConfig)
	if err != nil {
		return nil, translate(ctx, err, doing)
	}
	if err := seen.check(doing); err != nil {
		return nil, err
	}
	s.searchPath = seen.searchPath
	if c.PgBouncer || seen.pooled {
		// What is prepared belongs to a server connection, and the next transaction may get another.
		pc.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	pc.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		halfvec := &pgtype.Type{Name: "halfvec", OID: seen.halfvec, Codec: pgxvector.HalfVectorCodec{}}
		conn.TypeMap().RegisterType(halfvec)
		conn.TypeMap().RegisterType(&pgtype.Type{Name: "_halfvec", OID: seen.halfvecs, Codec: &pgtype.ArrayCodec{ElementType: halfvec}})
		return nil
	}
	if s.pool, err = pgxpool.NewWithConfig(ctx, pc); err != nil {
		return nil, translate(ctx, err, doing)
	}
	s.canaries = s.startCanaries(max(s.config.Sample, 0))
	return s, nil
}

// Ping says whether the database answers: nil or a fault.
func (s *Store) Ping(ctx context.Context) error {
	const doing = "asking the database"
	err := s.in(ctx, scope{operator: true}, pgx.TxOptions{AccessMode: pgx.ReadOnly}, doing, func(tx pgx.Tx) error {
		var one int
		return tx.QueryRow(ctx, "SELECT 1").Scan(&one)
	})
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fault.Wrap(err, fault.Unavailable, fault.ReasonInternal, "%s: it did not answer in time", doing)
	}
	return err
}

// Close ends the connections, once calls in progress are done.
func (s *Store) Close() error {
	s.canaries.close()
	s.pool.Close()
	return nil
}

func (s *Store) now() time.Time { return s.nowFunc().UTC().Truncate(time.Microsecond) }

package postgres

import (
	"context"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"fairlead/internal/fault"
)

// scope is whose rows a transaction sees. Exactly one of its fields is set.
type scope struct {
	// tenant is the tenant whose rows are seen and written.
	tenant string
	// key is the id of a key, which alone is seen: that is how its tenant becomes known.
	key string
	// operator sees the list of tenants, and nothing else.
	operator bool
}

// of is the scope of a tenant.
func of(tenant string) scope { return scope{tenant: tenant} }

// setting is a setting for one transaction.
type setting struct{ name, value string }

// local is what ends a setting with its transaction. It is a variable so that a test can show what happens where it
// does not.
var local = "true"

// commitTime is how long a commit may take, whoever waits for it.
const commitTime = 15 * time.Second

// rollbackTime is how long a rollback may take: whoever waits for it need not have a deadline, and the network may be
// gone. It is a variable for tests.
var rollbackTime = 5 * time.Second

// in runs fn in one transaction that sees the rows of a scope and no others: all of it or, when fn fails or the
// context ends, nothing. It is the only way to the pool.
func (s *Store) in(ctx context.Context, sc scope, options pgx.TxOptions, doing string, fn func(tx pgx.Tx) error, settings ...setting) error {
	begin, err := opening(sc, options, s.searchPath, settings)
	if err != nil {
		return fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadRequest, "%s: the tenant is empty or not a text", doing)
	}
	options.BeginQuery = begin
	tx, err := s.open(ctx, options)
	if err != nil {
		if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
			return fault.Wrap(err, fault.Unavailable, fault.ReasonInternal, "%s: the database gave no connection in time: it is down, or all connections are in use", doing)
		}
		return translate(ctx, err, doing)
	}
	defer func() { // does nothing after a commit, and gives the connection back, also when fn panics
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTime)
		defer cancel()
		_ = tx.Rollback(ctx) // a connection on which it fails is closed, which rolls back too
	}()
	if err := fn(tx); err != nil {
		return translate(ctx, err, doing)
	}
	if err := ctx.Err(); err != nil {
		return translate(ctx, err, doing)
	}
	// From here on the caller's leaving changes nothing: a commit that is broken off may have happened all the same,
	// and who was told "canceled" must find nothing stored.
	committing, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTime)
	defer cancel()
	return translate(committing, tx.Commit(committing), doing)
}

// openTime is how long a transaction may always take to open.
const openTime = 5 * time.Second

// open begins a transaction. It waits no longer than a statement may take, or openTime: a PgBouncer whose server is gone
// keeps callers waiting for minutes.
func (s *Store) open(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	ctx, cancel := context.WithTimeout(ctx, max(s.config.StatementTimeout, openTime))
	defer cancel()
	return s.pool.BeginTx(ctx, options)
}

// read runs fn for a tenant in one snapshot.
func (s *Store) read(ctx context.Context, tenant, doing string, fn func(tx pgx.Tx) error, settings ...setting) error {
	return s.in(ctx, of(tenant), pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, doing, fn, append(settings, s.timeout)...)
}

// attempts is how often a transaction is tried that PostgreSQL ended in favour of another.
const attempts = 5

// write runs fn for a tenant. fn runs again where PostgreSQL ended its transaction in favour of another's (a deadlock, or
// what cannot be put in an order), of which then nothing is left: what it sets outside, it must set anew.
func (s *Store) write(ctx context.Context, tenant, doing string, fn func(tx pgx.Tx) error) error {
	for attempt := 1; ; attempt++ {
		err := s.in(ctx, of(tenant), pgx.TxOptions{}, doing, fn)
		var pg *pgconn.PgError
		if attempt == attempts || !errors.As(err, &pg) || pg.Code != "40001" && pg.Code != "40P01" {
			return err
		}
		// Not at once, and not all at the same time.
		wait := time.NewTimer(rand.N(10 * time.Millisecond << attempt))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return fault.From(ctx.Err())
		}
	}
}

// opening gives what opens a transaction and sets its settings, in one round trip. Values are sent in hex: there is
// no text in them that could be SQL.
func opening(sc scope, options pgx.TxOptions, searchPath string, settings []setting) (string, error) {
	var b strings.Builder
	b.WriteString("begin")
	if options.IsoLevel != "" {
		b.WriteString(" isolation level " + string(options.IsoLevel))
	}
	if options.AccessMode != "" {
		b.WriteString(" " + string(options.AccessMode))
	}
	b.WriteString("; select ")
	set := func(name, value string) {
		b.WriteString("set_config('" + name + "', convert_from(decode('" + hex.EncodeToString([]byte(value)) + "', 'hex'), 'UTF8'), " + local + ")")
	}
	switch {
	case sc.operator:
		set("app.operator", "on")
	case sc.key != "":
		set("app.key", sc.key)
	case sc.tenant != "":
		set("app.tenant", sc.tenant)
	default:
		return "", errNoScope
	}
	if strings.ContainsRune(sc.tenant+sc.key, 0) {
		return "", errNoScope
	}
	b.WriteString(", ")
	set("search_path", searchPath)
	for _, x := range settings {
		b.WriteString(", ")
		set(x.name, x.value)
	}
	return b.String(), nil
}

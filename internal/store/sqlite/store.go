package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	_ "modernc.org/sqlite"     // the driver
	_ "modernc.org/sqlite/vec" // sqlite-vec, for every connection

	"fairlead/internal/fault"
	"fairlead/orchestrator"
	"fairlead/retrieval"
)

var (
	_ retrieval.Store       = (*Store)(nil)
	_ orchestrator.Sessions = (*Store)(nil)
)

// Config says where the file is and how it is used.
type Config struct {
	// Path is the file, made with mode 0600 when it is not there. Empty or ":memory:" is a file in a
	// new temporary folder, which Close removes.
	Path string
	// Readers is how many searches and reads run at a time. 0: the number of CPUs, from 2 to 8.
	Readers int
	// BusyTimeout is how long to wait for another process that writes. 0: 5 s.
	BusyTimeout time.Duration
	// CacheKiB is the page cache of each connection. 0: 2048.
	CacheKiB int
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	if c.Readers == 0 {
		c.Readers = min(max(runtime.GOMAXPROCS(0), 2), 8)
	}
	if c.BusyTimeout == 0 {
		c.BusyTimeout = 5 * time.Second
	}
	if c.CacheKiB == 0 {
		c.CacheKiB = 2048
	}
	return c
}

// Validate says what is wrong with a Config.
func (c Config) Validate() error {
	switch {
	case c.Readers < 0:
		return fault.New(fault.InvalidArgument, fault.ReasonBadConfig, "opening the database: readers is %d: use 1 or more", c.Readers)
	case c.BusyTimeout < 0:
		return fault.New(fault.InvalidArgument, fault.ReasonBadConfig, "opening the database: the busy timeout is negative")
	case c.CacheKiB < 0:
		return fault.New(fault.InvalidArgument, fault.ReasonBadConfig, "opening the database: the cache size is negative")
	}
	return nil
}

// Store is a SQLite file. It is safe for concurrent use.
type Store struct {
	writer *sql.DB
	reader *sql.DB
	// prepared are putStatements on the writer's connection.
	prepared map[string]*sql.Stmt
	temp     string // a folder to remove

	background context.Context // of sweeps; ended by Close
	stop       context.CancelFunc

	mu         sync.Mutex
	sweep      *time.Timer // nil when no sweep is due or running
	sweepAfter time.Time
	give       *time.Timer    // nil when the writer has nothing to give back
	sweeping   sync.WaitGroup // of both
	closed     bool

	nowFunc func() time.Time
}

// Open opens the file, and makes or migrates its schema. FailedPrecondition with ReasonBadConfig when the
// file was written by a newer program, DataLoss when it is not a database, Unavailable when it cannot be
// opened.
func Open(ctx context.Context, c Config) (*Store, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c = c.withDefaults()
	s := &Store{nowFunc: time.Now}
	s.background, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	if c.Path == "" || c.Path == ":memory:" {
		// Two pools cannot share one memory database and keep its isolation, so "memory" is a file too.
		dir, err := os.MkdirTemp("", "fairlead-")
		if err != nil {
			return nil, fault.Wrap(err, fault.Unavailable, fault.ReasonBadConfig, "opening the database: cannot make a temporary folder")
		}
		s.temp, c.Path = dir, filepath.Join(dir, "fairlead.db")
	}
	if err := s.open(ctx, c); err != nil {
		_ = s.Close() // why it could not be opened says more
		return nil, err
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, c Config) error {
	path, err := filepath.Abs(c.Path)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, fault.ReasonBadConfig, "opening the database: cannot resolve its path")
	}
	// SQLite would make the file readable for all; the WAL takes the mode of the file.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fault.Wrap(err, fault.Unavailable, fault.ReasonBadConfig,
			"opening the database: cannot open or make its file: check that the folder is there and may be written")
	}
	if err := f.Close(); err != nil {
		return fault.Wrap(err, fault.Unavailable, fault.ReasonBadConfig, "opening the database: cannot close its file")
	}
	common := []string{
		fmt.Sprintf("busy_timeout(%d)", c.BusyTimeout.Milliseconds()),
		"journal_mode(WAL)", "synchronous(NORMAL)", "foreign_keys(ON)", "secure_delete(ON)", "temp_store(MEMORY)",
		fmt.Sprintf("cache_size(-%d)", c.CacheKiB),
		"trusted_schema(OFF)",
	}
	s.writer, err = sql.Open("sqlite", dsn(path, "immediate", append(common, "journal_size_limit(67108864)")))
	if err != nil {
		return translate(err, "opening the database")
	}
	s.writer.SetMaxOpenConns(1)
	if err := migrate(ctx, s.writer); err != nil {
		return err
	}
	if err := s.makeLexicons(ctx); err != nil {
		return err
	}
	s.prepared = make(map[string]*sql.Stmt, len(putStatements))
	for _, q := range putStatements {
		if s.prepared[q], err = s.writer.PrepareContext(ctx, q); err != nil {
			return translate(ended(ctx, err), "opening the database")
		}
	}
	s.reader, err = sql.Open("sqlite", dsn(path, "deferred", append(common, "query_only(ON)")))
	if err != nil {
		return translate(err, "opening the database")
	}
	s.reader.SetMaxOpenConns(c.Readers)
	s.reader.SetMaxIdleConns(c.Readers)
	s.reader.SetConnMaxIdleTime(time.Minute) // an idle server gives its page caches back
	if s.unswept() {
		s.sweepSoon()
	}
	return s.Ping(ctx)
}

func dsn(path, txlock string, pragmas []string) string {
	q := url.Values{"_pragma": pragmas, "_txlock": {txlock}}
	// The path is escaped because "?", "#" and "%" mean something in a file URI.
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// Ping says whether the database answers: nil or a fault.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	err := s.reader.QueryRowContext(ctx, "SELECT 1 FROM collections LIMIT 1").Scan(&one)
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return translate(err, "asking the database")
}

// Close ends the connections. Calls in progress fail. What a sweep has not taken out of the file by then, the
// next Open's will.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	for _, timer := range []*time.Timer{s.sweep, s.give} {
		if timer != nil && timer.Stop() {
			s.sweeping.Done()
		}
	}
	s.mu.Unlock()
	s.stop()
	s.sweeping.Wait()
	var errs []error
	if s.reader != nil {
		errs = append(errs, s.reader.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.Close()) // the last connection checkpoints and removes the WAL
	}
	if s.temp != "" {
		errs = append(errs, os.RemoveAll(s.temp))
	}
	if err := errors.Join(errs...); err != nil {
		return translate(err, "closing the database")
	}
	return nil
}

// read runs fn in one snapshot.
func (s *Store) read(ctx context.Context, doing string, fn func(tx *sql.Tx) error) error {
	tx, err := s.reader.BeginTx(ctx, nil)
	if err != nil {
		return translate(ended(ctx, err), doing)
	}
	defer tx.Rollback() // nothing was written
	return translate(ended(ctx, fn(tx)), doing)
}

// write runs fn in one transaction: all of it or, when it fails or the context ends, nothing.
func (s *Store) write(ctx context.Context, doing string, fn func(tx *sql.Tx) error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return translate(ended(ctx, err), doing)
	}
	if err := fn(tx); err != nil {
		_ = tx.Rollback() // the reason why is err; a failed rollback drops the connection
		return translate(ended(ctx, err), doing)
	}
	err = tx.Commit()
	s.givePagesSoon()
	return translate(ended(ctx, err), doing)
}

// ended puts the context's end in place of what it did to a statement: an interrupt, a closed transaction.
func ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (s *Store) now() int64 { return s.nowFunc().UnixMicro() }

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	"fairlead/internal/fault"
)

const (
	// sweepDelay gathers deletions into one sweep.
	sweepDelay = time.Second
	// sweepShare keeps sweeps to one part in so many of the time.
	sweepShare = 20
	// mergePages is how much of an index a step of a sweep writes: about 50 ms, for which writers wait.
	mergePages = 200
	// dropPassages is how many vectors of an old set a step deletes.
	dropPassages = 500
)

// Sweep takes what was deleted out of the file: it deletes the sets of vectors that nobody searches any more, merges
// the full-text indexes that had deletions and moves the WAL into the file. Unavailable when a reader or another process still uses an older snapshot, or the
// database is busy: try again.
func (s *Store) Sweep(ctx context.Context) error {
	const doing = "taking deleted content out of the file"
	for more := true; more; {
		var err error
		if more, err = s.dropStep(ctx, doing); err != nil {
			return err
		}
	}
	var unswept []collection
	var marks []int64
	if err := s.read(ctx, doing, func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT id, deletions FROM collections WHERE swept < deletions")
		if err != nil {
			return err
		}
		return each(rows, func() error {
			var c collection
			var mark int64
			err := rows.Scan(&c.id, &mark)
			unswept, marks = append(unswept, c), append(marks, mark)
			return err
		})
	}); err != nil {
		return err
	}
	for i, c := range unswept {
		for pages := -mergePages; ; pages = mergePages { // below 0: begins to merge all segments into one
			more, err := s.mergeStep(ctx, c, pages, marks[i], doing)
			if err != nil {
				return err
			}
			if !more {
				break
			}
		}
	}
	return s.checkpoint(ctx, doing)
}

// dropStep deletes some vectors of an old set, and says false when there is none.
func (s *Store) dropStep(ctx context.Context, doing string) (more bool, err error) {
	const some = "SELECT EXISTS (SELECT 1 FROM old_sets)"
	if err := s.read(ctx, doing, func(tx *sql.Tx) error { return tx.QueryRowContext(ctx, some).Scan(&more) }); err != nil || !more {
		return false, err
	}
	err = s.write(ctx, doing, func(tx *sql.Tx) error {
		var old set
		var from int64
		err := tx.QueryRowContext(ctx, "SELECT collection, vector_set, dimensions, up_to FROM old_sets LIMIT 1").
			Scan(&old.collection, &old.number, &old.dimensions, &from)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // another process was quicker
		}
		if err != nil {
			return err
		}
		var to sql.NullInt64
		if err := tx.QueryRowContext(ctx, "SELECT max(id) FROM (SELECT id FROM passages WHERE collection = ? AND id > ? ORDER BY id LIMIT ?)",
			old.collection, from, dropPassages).Scan(&to); err != nil {
			return err
		}
		if !to.Valid {
			_, err := tx.ExecContext(ctx, "DELETE FROM old_sets WHERE collection = ? AND vector_set = ?", old.collection, old.number)
			return err
		}
		if _, err := old.drop(ctx, tx, "SELECT id FROM passages WHERE collection = ? AND id > ? AND id <= ?", old.collection, from, to.Int64); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE old_sets SET up_to = ? WHERE collection = ? AND vector_set = ?", to.Int64, old.collection, old.number)
		return err
	})
	return true, err
}

// mergeStep merges some pages of an index. When nothing is left to merge, it marks the collection as swept
// of the deletions that there were when the sweep began, and says false.
func (s *Store) mergeStep(ctx context.Context, c collection, pages int, mark int64, doing string) (more bool, err error) {
	err = s.write(ctx, doing, func(tx *sql.Tx) error {
		more = false
		var there bool
		if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM collections WHERE id = ?)", c.id).Scan(&there); err != nil || !there {
			return err // deleted meanwhile, index and all
		}
		var before, after int64
		if err := tx.QueryRowContext(ctx, "SELECT total_changes()").Scan(&before); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT INTO "+c.lexicon()+" ("+c.lexicon()+", rank) VALUES ('merge', ?)", pages); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, "SELECT total_changes()").Scan(&after); err != nil {
			return err
		}
		if more = after-before >= 2; more { // less than two changes: it did nothing, says FTS5's manual
			return nil
		}
		_, err := tx.ExecContext(ctx, "UPDATE collections SET swept = max(swept, ?) WHERE id = ?", mark, c.id)
		return err
	})
	return more, err
}

// checkpoint moves the WAL into the file and empties it, without waiting for readers: the writer is held.
func (s *Store) checkpoint(ctx context.Context, doing string) error {
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return translate(ended(ctx, err), doing)
	}
	defer conn.Close()
	var timeout, busy, frames, moved int
	if err := conn.QueryRowContext(ctx, "PRAGMA busy_timeout").Scan(&timeout); err != nil {
		return translate(ended(ctx, err), doing)
	}
	if _, err := conn.ExecContext(ctx, "PRAGMA busy_timeout = 0"); err != nil {
		return translate(ended(ctx, err), doing)
	}
	err = conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved)
	if _, e := conn.ExecContext(context.WithoutCancel(ctx), "PRAGMA busy_timeout = "+strconv.Itoa(timeout)); e != nil && err == nil {
		err = e
	}
	if err == nil && busy != 0 {
		f := fault.New(fault.Unavailable, fault.ReasonNone, "%s: a reader is in the way: try again", doing)
		f.RetryAfter = sweepDelay
		return f
	}
	return translate(ended(ctx, err), doing)
}

// sweepSoon has a sweep done after the delay that is due. One that fails is tried again.
func (s *Store) sweepSoon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.sweep != nil {
		return
	}
	s.sweeping.Add(1)
	s.sweep = time.AfterFunc(max(sweepDelay, time.Until(s.sweepAfter)), func() {
		defer s.sweeping.Done()
		start := time.Now()
		err := s.Sweep(s.background)
		s.mu.Lock()
		s.sweep = nil
		s.sweepAfter = time.Now().Add(sweepShare * time.Since(start))
		s.mu.Unlock()
		if err != nil || s.unswept() {
			s.sweepSoon()
		}
	})
}

// unswept says whether some deletion still waits for a sweep.
func (s *Store) unswept() bool {
	var some bool
	err := s.reader.QueryRowContext(s.background, "SELECT EXISTS (SELECT 1 FROM collections WHERE swept < deletions) OR EXISTS (SELECT 1 FROM old_sets)").Scan(&some)
	return err == nil && some
}

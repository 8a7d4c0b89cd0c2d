package sqlite

import "time"

// giveDelay is how long the writer's pages may crowd out those of the readers.
const giveDelay = 100 * time.Millisecond

// givePagesSoon has the writer give its page cache back a little after a write. What was seen: after many writes a
// search in 20,000 passages read 25,000 pages in place of 100, until the writer was closed or gave its cache back, as if
// the connections shared one budget of pages. Given back at every write it would be read again for the next.
func (s *Store) givePagesSoon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.give != nil {
		return
	}
	s.sweeping.Add(1)
	s.give = time.AfterFunc(giveDelay, func() {
		defer s.sweeping.Done()
		s.mu.Lock()
		s.give = nil
		s.mu.Unlock()
		_, _ = s.writer.ExecContext(s.background, "PRAGMA shrink_memory") // in vain, it is tried after the next write
	})
}

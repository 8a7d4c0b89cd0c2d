package usage

import (
	"context"
	"math/rand/v2"
	"time"

	"fairlead/internal/fault"
)

// write is the goroutine.
func (r *Recorder) write() {
	defer close(r.done)
	defer r.giveUp() // its contexts are not needed any more
	r.readBack()
	r.forget()
	forget := time.NewTicker(forgetEvery)
	defer forget.Stop()
	for {
		select {
		case <-r.running.Done():
			r.rest(nil)
			return
		case <-forget.C:
			r.forget()
		case <-r.wake:
			r.gather()
			for r.waiting() > 0 && r.running.Err() == nil {
				if left := r.keep(r.next()); len(left) > 0 {
					r.rest(left)
					return
				}
			}
		}
	}
}

// gather waits a moment for more.
func (r *Recorder) gather() {
	timer := time.NewTimer(gather)
	defer timer.Stop()
	for r.waiting() < batch {
		select {
		case <-r.wake:
		case <-timer.C:
			return
		case <-r.running.Done():
			return
		}
	}
}

// rest writes what is still queued, and puts into a file what cannot be written in time, after what is left already.
func (r *Recorder) rest(left []Record) {
	for r.waiting() > 0 {
		records := r.next()
		if len(left) == 0 {
			records = r.keep(records)
		}
		left = append(left, records...) // once the time is up it is up for all
	}
	r.spill(left)
}

// keep writes records, and tries again until the store has taken them or the time for that is up. It gives those that are
// left then.
func (r *Recorder) keep(records []Record) []Record {
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		err := r.append(records)
		switch {
		case err == nil:
			return nil
		case r.draining.Err() != nil:
			return records
		case fault.CodeOf(err) == fault.InvalidArgument:
			return r.part(records, err)
		}
		r.config.Logger.Warn("usage is not recorded yet: it is tried again", "records", len(records), "queued", r.waiting(), "error", fault.Cause(err))
		r.pause(wait)
	}
}

func (r *Recorder) append(records []Record) error {
	ctx, cancel := context.WithTimeout(r.draining, writeTime)
	defer cancel()
	return r.store.UsageAppend(ctx, records)
}

// part keeps each half by itself, so that a record that no store takes does not keep the others from it.
func (r *Recorder) part(records []Record, err error) []Record {
	n := len(records)
	if n == 1 {
		r.config.Logger.Error("the store refuses a record of usage", "error", fault.Cause(err))
		r.lost(1, "the store refuses it")
		return nil
	}
	return append(r.keep(records[:n/2:n/2]), r.keep(records[n/2:])...)
}

// pause waits before the next try: half of it or more, so that many servers do not come back at once. Close ends it,
// but never makes it so short that a store is asked without a pause.
func (r *Recorder) pause(wait time.Duration) {
	wait = wait/2 + rand.N(wait/2)
	timer := time.NewTimer(min(wait, retryFirst/2))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.draining.Done():
		return
	}
	rest := time.NewTimer(max(wait-retryFirst/2, 0))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-r.running.Done():
	case <-r.draining.Done():
	}
}

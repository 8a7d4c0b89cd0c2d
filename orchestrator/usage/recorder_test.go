package usage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/orchestrator/usage"
	"fairlead/providers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf is a store in memory that can be down, slow or picky.
type shelf struct {
	usage.Store // what is not asked for

	mu      sync.Mutex
	kept    map[string]usage.Record
	calls   []int
	times   []time.Time
	forgets []time.Time
	// fails says whether a call fails. Nil: none does.
	fails func(call int, records []usage.Record) error
	// halfway says that a call that fails has kept its records all the same.
	halfway bool
	// hangs says that calls wait for the end of their context.
	hangs bool
}

func (s *shelf) UsageAppend(ctx context.Context, records []usage.Record) error {
	s.mu.Lock()
	hangs := s.hangs
	s.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return fault.From(ctx.Err())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.times = append(s.calls, len(records)), append(s.times, time.Now())
	var err error
	if s.fails != nil {
		err = s.fails(len(s.calls), records)
	}
	if err != nil && !s.halfway {
		return err
	}
	for _, r := range records {
		if err := r.Check(); err != nil {
			return err
		}
		name := fmt.Sprintf("%s/%s/%s/%d", r.Tenant, r.RunID, r.Step, r.Attempt)
		if _, there := s.kept[name]; !there {
			if s.kept == nil {
				s.kept = map[string]usage.Record{}
			}
			s.kept[name] = r
		}
	}
	return err
}

func (s *shelf) UsageForget(_ context.Context, before time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgets = append(s.forgets, before)
	return nil
}

func (s *shelf) set(change func(*shelf)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// sum gives how many there are and what they cost.
func (s *shelf) sum() (n int, cost providers.Money) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.kept {
		cost += r.Cost
	}
	return len(s.kept), cost
}

var errDown = fault.New(fault.Unavailable, fault.ReasonNone, "down")

func down(int, []usage.Record) error { return errDown }

var small = &routing.Target{Name: "small", Backend: "b", Model: "configured"}

func used(attempt int, cost providers.Money) *orchestrator.AttemptUsage {
	return &orchestrator.AttemptUsage{Attempt: attempt, Target: small, Reported: "reported", Usage: providers.Usage{Input: 10, Output: 2}, Cost: cost, CostKnown: true, Duration: time.Second}
}

// play plays a run's attempts to an observer.
func play(o orchestrator.Observer, run string, bodies ...orchestrator.Body) {
	_, event, end := o.RunStarts(context.Background(), run, "", auth.Principal{Tenant: "t", Name: "k"})
	for i, b := range bodies {
		event(&orchestrator.Event{Seq: int64(i + 1), Step: "chat", Time: time.Now(), Body: b})
	}
	end(nil)
}

// counter counts what is lost.
type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) add(n int) { c.mu.Lock(); defer c.mu.Unlock(); c.n += n }

func (c *counter) get() int { c.mu.Lock(); defer c.mu.Unlock(); return c.n }

func TestWhatIsKept(t *testing.T) {
	s := &shelf{}
	r := usage.New(s, usage.Config{})
	now := time.Date(2026, 11, 22, 23, 59, 59, 999_999_999, time.UTC)
	_, event, end := r.RunStarts(t.Context(), "run", "answer", auth.Principal{Tenant: "t", Name: "k"})
	full := &orchestrator.AttemptUsage{Attempt: 2, Target: &routing.Target{Name: "big", Backend: "c", Model: "configured"}, Reported: "rep\x00orted",
		Usage: providers.Usage{Input: 1, CachedInput: 2, Output: 3, Reasoning: 4, Estimated: true}, Cost: 5, CostKnown: true, TTFT: 6, Duration: 7, Failed: fault.ReasonRateLimited}
	for _, b := range []orchestrator.Body{&orchestrator.AttemptStarted{Attempt: 2, Target: small}, full, &orchestrator.AttemptFailed{Attempt: 2, Target: small, Err: errors.New("x")},
		&orchestrator.TextDelta{Text: "words"}, &orchestrator.AttemptUsage{Attempt: 3, Target: small, Cost: 9}, &orchestrator.AttemptUsage{Attempt: 4}} {
		event(&orchestrator.Event{Step: "answer/a", Time: now, Body: b})
	}
	end(nil)
	_, event, end = r.CallStarts(t.Context(), "call", "embed", auth.Principal{Tenant: "u", Name: strings.Repeat("é", 200)})
	event(&orchestrator.Event{Step: "embed", Time: now, Body: used(1, 1)})
	end(nil)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	want := map[string]usage.Record{
		"t/run/answer/a/2": {Tenant: "t", Key: "k", RunID: "run", Step: "answer/a", Attempt: 2, Time: now, Chain: "answer", Target: "big", Backend: "c", Model: "reported",
			Usage: full.Usage, Cost: 5, CostKnown: true, TTFT: 6, Duration: 7, Failed: "rate_limited"},
		"t/run/answer/a/3": {Tenant: "t", Key: "k", RunID: "run", Step: "answer/a", Attempt: 3, Time: now, Chain: "answer", Target: "small", Backend: "b", Model: "configured"},
		"u/call/embed/1": {Tenant: "u", Key: strings.Repeat("é", 127), RunID: "call", Step: "embed", Attempt: 1, Time: now, Target: "small", Backend: "b", Model: "reported",
			Usage: providers.Usage{Input: 10, Output: 2}, Cost: 1, CostKnown: true, Duration: time.Second},
	}
	if diff := cmp.Diff(want, s.kept); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRecordsAreGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		r := usage.New(s, usage.Config{Keep: 24 * time.Hour})
		defer r.Close()
		for i := range 20 {
			play(r, fmt.Sprint(i), used(1, 1))
		}
		time.Sleep(time.Second)
		s.set(func(s *shelf) {
			if len(s.kept) != 20 || len(s.calls) != 1 {
				t.Errorf("%d in %d writes", len(s.kept), len(s.calls))
			}
		})
		for i := range 2500 {
			play(r, fmt.Sprint("more", i), used(1, 1))
		}
		time.Sleep(time.Second)
		s.set(func(s *shelf) {
			// How many are there when a write begins is the scheduler's matter; one by one they are not written.
			if len(s.kept) != 2520 || len(s.calls) > 100 || slices.Max(s.calls) > 1000 {
				t.Errorf("%d in writes of %v", len(s.kept), s.calls)
			}
		})
		time.Sleep(2 * time.Hour)
		s.set(func(s *shelf) {
			if len(s.forgets) != 3 || time.Since(s.forgets[2]) < 24*time.Hour {
				t.Errorf("old ones were deleted at %v", s.forgets)
			}
		})
	})
}

// A store that is down is asked again, less and less often, and nothing is lost nor counted twice, also when it had
// kept what it said it had not.
func TestAStoreThatIsDownIsAskedAgain(t *testing.T) {
	for _, halfway := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var lost counter
			s := &shelf{fails: down, halfway: halfway}
			r := usage.New(s, usage.Config{Lost: lost.add})
			for i := range 50 {
				play(r, fmt.Sprint(i), used(1, 3), used(2, 4))
			}
			time.Sleep(10 * time.Minute)
			s.set(func(s *shelf) {
				if len(s.times) < 20 || len(s.times) > 60 {
					t.Errorf("asked %d times in 10 minutes", len(s.times))
				}
				for i, at := range s.times[1:] {
					if gap := at.Sub(s.times[i]); gap < 125*time.Millisecond || gap > 30*time.Second {
						t.Errorf("asked again after %s", gap)
					}
				}
				s.fails = nil
			})
			time.Sleep(time.Minute)
			if n, cost := s.sum(); n != 100 || cost != 350 || lost.get() != 0 {
				t.Errorf("%d records, %d, %d lost", n, cost, lost.get())
			}
			_ = r.Close()
		})
	}
}

// A queue that is full makes a run wait at its end, never before, and never long; what is lost then is counted.
func TestAFullQueueHoldsTheEndOfARunForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lost counter
		s := &shelf{hangs: true}
		r := usage.New(s, usage.Config{Queue: 10, Wait: time.Second, Lost: lost.add})
		play(r, "first", used(1, 1))
		time.Sleep(time.Second) // the writer now waits for the store
		for i := range 10 {
			play(r, fmt.Sprint(i), used(1, 1))
		}
		begin := time.Now()
		_, event, end := r.RunStarts(t.Context(), "late", "", auth.Principal{Tenant: "t"})
		for i := range 3 {
			event(&orchestrator.Event{Step: "chat", Time: time.Now(), Body: used(i+1, 1)})
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("an event took %s", took)
		}
		end(nil)
		if took := time.Since(begin); took != time.Second || lost.get() != 3 {
			t.Errorf("the end took %s, and %d are lost", took, lost.get())
		}
		// Once there is room again nobody waits longer than for that.
		begin = time.Now()
		ended := make(chan struct{})
		_, event, end = r.RunStarts(t.Context(), "lucky", "", auth.Principal{Tenant: "t"})
		event(&orchestrator.Event{Step: "chat", Time: time.Now(), Body: used(1, 1)})
		go func() { end(nil); close(ended) }()
		synctest.Wait()
		s.set(func(s *shelf) { s.hangs = false })
		<-ended
		time.Sleep(time.Minute)
		if n, _ := s.sum(); lost.get() == 3 && n != 12 || n+lost.get() != 15 {
			t.Errorf("%d are kept and %d lost of 15, after %s", n, lost.get(), time.Since(begin))
		}
		_ = r.Close()
		play(r, "after the end", used(1, 1), used(2, 1))
		if lost.get()+n(s) != 17 {
			t.Errorf("after the end: %d lost", lost.get())
		}
	})
}

func n(s *shelf) int { n, _ := s.sum(); return n }

// One record that the store will never take does not keep the others from it.
func TestARefusedRecordIsLostAlone(t *testing.T) {
	var lost counter
	var log bytes.Buffer
	s := &shelf{fails: func(_ int, records []usage.Record) error {
		for _, r := range records {
			if r.RunID == "666" {
				return fault.New(fault.InvalidArgument, fault.ReasonTooLarge, "no")
			}
		}
		return nil
	}}
	r := usage.New(s, usage.Config{Lost: lost.add, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for i := range 1500 {
		play(r, fmt.Sprint(i), used(1, 1))
	}
	_ = r.Close()
	if n, cost := s.sum(); n != 1499 || cost != 1499 || lost.get() != 1 || !strings.Contains(log.String(), "records=1") {
		t.Errorf("%d kept, %d lost\n%s", n, lost.get(), log.String())
	}
}

// What the store does not take while the server stops, the next start brings.
func TestAStoreThatIsDownAtTheEndGetsItAtTheNextStart(t *testing.T) {
	for name, hangs := range map[string]bool{"it fails": false, "it hangs": true} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			var lost counter
			first := &shelf{}
			synctest.Test(t, func(t *testing.T) {
				first.fails, first.hangs, first.halfway = down, hangs, true // what was kept without a word comes again
				r := usage.New(first, usage.Config{Lost: lost.add, Spill: folder, Drain: 5 * time.Second})
				for i := range 2500 {
					play(r, fmt.Sprint(i), used(1, providers.Money(i)))
				}
				time.Sleep(time.Second)
				begin := time.Now()
				_ = r.Close()
				if took := time.Since(begin); took < 4*time.Second || took > 6*time.Second {
					t.Errorf("Close took %s", took)
				}
			})
			files, _ := filepath.Glob(filepath.Join(folder, "*"))
			if len(files) != 1 {
				t.Fatalf("files %v", files)
			}
			if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v %v", info.Mode(), err)
			}
			text, err := os.ReadFile(files[0])
			if err != nil || bytes.Count(text, []byte("\n")) != 2500 {
				t.Errorf("%d lines, %v", bytes.Count(text, []byte("\n")), err)
			}
			// Still down: the file stays.
			synctest.Test(t, func(t *testing.T) {
				first.set(func(s *shelf) { s.hangs, s.fails = false, down })
				r := usage.New(first, usage.Config{Lost: lost.add, Spill: folder, Drain: time.Second})
				time.Sleep(time.Minute)
				_ = r.Close()
			})
			// Two servers start on it at once.
			synctest.Test(t, func(t *testing.T) {
				first.set(func(s *shelf) { s.fails = nil })
				a, b := usage.New(first, usage.Config{Lost: lost.add, Spill: folder}), usage.New(first, usage.Config{Lost: lost.add, Spill: folder})
				time.Sleep(time.Minute)
				_, _ = a.Close(), b.Close()
			})
			if n, cost := first.sum(); n != 2500 || cost != 2500*2499/2 || lost.get() != 0 {
				t.Errorf("%d records, %d, %d lost", n, cost, lost.get())
			}
			if files, _ := filepath.Glob(filepath.Join(folder, "*")); len(files) != 0 {
				t.Errorf("what was read back is still there: %v", files)
			}
		})
	}
}

func TestWithoutAFolderWhatIsLeftIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, folder := range []string{"", filepath.Join(t.TempDir(), "none")} {
			var lost counter
			r := usage.New(&shelf{fails: down}, usage.Config{Lost: lost.add, Spill: folder, Drain: time.Second})
			play(r, "a", used(1, 1), used(2, 1))
			_ = r.Close()
			_ = r.Close() // again
			if lost.get() != 2 {
				t.Errorf("%q: %d lost", folder, lost.get())
			}
		}
	})
}

func TestAFileThatIsNoneStays(t *testing.T) {
	folder := t.TempDir()
	bad := filepath.Join(folder, "usage-spill-0.jsonl")
	if err := os.WriteFile(bad, []byte("{\"Tenant\":\"secret words"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := &shelf{}
	r := usage.New(s, usage.Config{Spill: folder, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	play(r, "a", used(1, 1))
	_ = r.Close()
	if _, err := os.Stat(bad); err != nil || n(s) != 1 || !strings.Contains(log.String(), "stays where it is") || strings.Contains(log.String(), "secret") {
		t.Errorf("%v\n%s", err, log.String())
	}
}

// Many runs at once, a store that fails now and then: what is kept is what was settled.
func TestNothingIsLostBetweenManyRuns(t *testing.T) {
	var lost counter
	s := &shelf{fails: func(call int, _ []usage.Record) error {
		if call%3 != 0 {
			return errDown
		}
		return nil
	}}
	r := usage.New(s, usage.Config{Queue: 500, Lost: lost.add, Wait: time.Minute})
	var runs sync.WaitGroup
	for w := range 16 {
		runs.Go(func() {
			for i := range 200 {
				play(r, fmt.Sprintf("%d-%d", w, i), used(1, 1), used(2, 1), used(3, 1))
			}
		})
	}
	runs.Wait()
	_ = r.Close()
	if n, cost := s.sum(); n != 16*200*3 || cost != providers.Money(n) || lost.get() != 0 {
		t.Errorf("%d records, %d lost", n, lost.get())
	}
}

// pit is a store that counts what it takes.
type pit struct {
	usage.Store
	taken chan int
}

func (p pit) UsageAppend(_ context.Context, records []usage.Record) error {
	p.taken <- len(records)
	return nil
}

func (pit) UsageForget(context.Context, time.Time) error { return nil }

// BenchmarkEvent measures what a run pays for a settled attempt. What the writer pays is measured beside it.
func BenchmarkEvent(b *testing.B) {
	const burst = 1000
	p := pit{taken: make(chan int)}
	r := usage.New(p, usage.Config{})
	_, event, end := r.RunStarts(b.Context(), "run", "", auth.Principal{Tenant: "t"})
	e := &orchestrator.Event{Step: "chat", Time: time.Now(), Body: used(1, 1)}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		event(e)
		if i++; i%burst == 0 {
			b.StopTimer()
			for n := 0; n < burst; n += <-p.taken {
			}
			b.StartTimer()
		}
	}
	end(nil)
	go func() { // what the last burst left
		for range p.taken {
		}
	}()
	_ = r.Close()
	close(p.taken)
}

// BenchmarkRun measures what a run of one attempt pays in all.
func BenchmarkRun(b *testing.B) {
	p := pit{taken: make(chan int, 1<<16)}
	r := usage.New(p, usage.Config{Queue: 1 << 24})
	defer r.Close()
	who := auth.Principal{Tenant: "t"}
	started, done := &orchestrator.Event{Step: "chat", Body: &orchestrator.AttemptStarted{}}, &orchestrator.Event{Step: "chat", Time: time.Now(), Body: used(1, 1)}
	b.ReportAllocs()
	for b.Loop() {
		_, event, end := r.RunStarts(b.Context(), "run", "", who)
		event(started)
		event(done)
		end(nil)
	}
}

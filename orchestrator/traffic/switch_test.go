package traffic_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"fairlead/internal/fault"
	"fairlead/orchestrator/traffic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf is a store in memory that can be away.
type shelf struct {
	mu    sync.Mutex
	list  []traffic.Decision
	away  bool
	reads int
	// slow, when not nil, holds up the next read after it has read.
	slow chan struct{}
}

var errAway = fault.New(fault.Unavailable, fault.ReasonInternal, "the database is away")

func (s *shelf) TrafficDecide(_ context.Context, d traffic.Decision) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return errAway
	}
	s.list = append(s.list, d)
	return nil
}

func (s *shelf) TrafficState(ctx context.Context) ([]traffic.Decision, error) {
	s.mu.Lock()
	s.reads++
	newest := map[string]traffic.Decision{}
	for _, d := range s.list {
		newest[d.Target] = d
	}
	var out []traffic.Decision
	for _, d := range newest {
		if d.RolledBack {
			out = append(out, d)
		}
	}
	away, slow := s.away, s.slow
	s.slow = nil
	s.mu.Unlock()
	if slow != nil {
		select {
		case <-slow:
		case <-ctx.Done():
			return nil, fault.From(ctx.Err())
		}
	}
	if away {
		return nil, errAway
	}
	return out, nil
}

func (s *shelf) TrafficLog(context.Context, string, int) ([]traffic.Decision, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.list), nil
}

func (s *shelf) set(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// router is what an engine is told.
type router struct {
	mu     sync.Mutex
	rolled []string
}

func (r *router) SetTraffic(rolled []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rolled = rolled
}

func (r *router) Canaries() []string         { return []string{"triage"} }
func (r *router) HasTarget(name string) bool { return name == "triage" || name == "plain" }

func (r *router) now() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.rolled, " ")
}

func start(t *testing.T, s traffic.Store, c traffic.Config) (*traffic.Switch, *router) {
	t.Helper()
	r := &router{}
	sw, err := traffic.New(t.Context(), s, r, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sw.Close() })
	return sw, r
}

func TestARollbackReachesEveryServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		var told []string
		here, mine := start(t, s, traffic.Config{Told: func(target string, rolledBack bool) {
			told = append(told, map[bool]string{true: "+", false: "-"}[rolledBack]+target)
		}})
		_, theirs := start(t, s, traffic.Config{})
		d, err := here.Rollback(t.Context(), "acme/ada", "triage", "it answers nonsense")
		if err != nil || d.Target != "triage" || !d.RolledBack || d.By != "acme/ada" || d.Reason != "it answers nonsense" || d.At.IsZero() {
			t.Fatalf("%+v, %v", d, err)
		}
		if mine.now() != "triage" || theirs.now() != "" {
			t.Errorf("at once: here %q, there %q", mine.now(), theirs.now())
		}
		if got, ok := here.InForce("triage"); !ok || got != d {
			t.Errorf("in force: %+v", got)
		}
		time.Sleep(time.Second + time.Millisecond)
		synctest.Wait()
		if theirs.now() != "triage" {
			t.Errorf("after a second: there %q", theirs.now())
		}
		if _, err := here.Resume(t.Context(), "acme/ada", "triage", "mended"); err != nil || mine.now() != "" {
			t.Errorf("resumed: %q, %v", mine.now(), err)
		}
		time.Sleep(time.Second + time.Millisecond)
		synctest.Wait()
		if theirs.now() != "" {
			t.Errorf("resumed a second ago: there %q", theirs.now())
		}
		if !slices.Equal(told, []string{"+triage", "-triage"}) {
			t.Errorf("told %v", told)
		}
		if list, _ := here.Log(t.Context(), "", 10); len(list) != 2 {
			t.Errorf("log: %+v", list)
		}
	})
}

func TestWhatCannotBeDecided(t *testing.T) {
	s := &shelf{}
	sw, r := start(t, s, traffic.Config{})
	for name, c := range map[string]struct {
		do   func() (traffic.Decision, error)
		code fault.Code
		text string
	}{
		"unknown target":     {func() (traffic.Decision, error) { return sw.Rollback(t.Context(), "a/b", "none", "") }, fault.NotFound, `no target "none"`},
		"a canary's name":    {func() (traffic.Decision, error) { return sw.Rollback(t.Context(), "a/b", "triage@canary", "") }, fault.NotFound, "no target"},
		"no canary":          {func() (traffic.Decision, error) { return sw.Rollback(t.Context(), "a/b", "plain", "") }, fault.FailedPrecondition, "has no canary"},
		"resumed for none":   {func() (traffic.Decision, error) { return sw.Resume(t.Context(), "a/b", "triage", "") }, fault.FailedPrecondition, "is not rolled back"},
		"resumed, not there": {func() (traffic.Decision, error) { return sw.Resume(t.Context(), "a/b", "none", "") }, fault.NotFound, "no target"},
	} {
		if _, err := c.do(); fault.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(s.list) != 0 || r.now() != "" {
		t.Errorf("kept %+v, rolled back %q", s.list, r.now())
	}
	// A target that the configuration has no more.
	s.list = append(s.list, traffic.Decision{Target: "gone", RolledBack: true})
	if _, err := sw.Resume(t.Context(), "a/b", "gone", ""); err != nil || len(s.list) != 2 {
		t.Errorf("resuming what is gone: %v", err)
	}
}

func TestTheLastKnownHoldsWhileTheStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{list: []traffic.Decision{{Target: "triage", RolledBack: true}}}
		var log bytes.Buffer
		sw, r := start(t, s, traffic.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if r.now() != "triage" {
			t.Fatalf("at the start: %q", r.now())
		}
		s.set(true)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if r.now() != "triage" || strings.Count(log.String(), "level=WARN") != 1 {
			t.Errorf("rolled back %q, log:\n%s", r.now(), log.String())
		}
		if _, err := sw.Rollback(t.Context(), "a/b", "triage", ""); !errors.Is(err, errAway) {
			t.Errorf("a decision that was not kept: %v", err)
		}
		s.set(false)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !strings.Contains(log.String(), "can be read again") {
			t.Errorf("log:\n%s", log.String())
		}
	})
}

func TestWithoutTheStoreThereIsNoStart(t *testing.T) {
	if _, err := traffic.New(t.Context(), &shelf{away: true}, &router{}, traffic.Config{}); !errors.Is(err, errAway) {
		t.Errorf("%v", err)
	}
}

func TestAnAnswerThatComesLateUndoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		sw, r := start(t, s, traffic.Config{})
		held := make(chan struct{})
		s.mu.Lock()
		s.slow = held
		s.mu.Unlock()
		time.Sleep(time.Second + time.Millisecond) // the watcher has read that nothing is rolled back, and is held up
		synctest.Wait()
		if _, err := sw.Rollback(t.Context(), "a/b", "triage", ""); err != nil {
			t.Fatal(err)
		}
		close(held)
		synctest.Wait()
		if r.now() != "triage" {
			t.Errorf("rolled back: %q", r.now())
		}
	})
}

func TestServersDoNotLookTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		start(t, s, traffic.Config{})
		time.Sleep(time.Minute)
		synctest.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.reads < 60 || s.reads > 81 {
			t.Errorf("%d looks in a minute", s.reads)
		}
	})
}

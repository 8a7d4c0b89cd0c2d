package health

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"fairlead/providers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a backend made of functions. What is nil works.
type server struct {
	mu       sync.Mutex
	probe    func(ctx context.Context) error
	ready    func(ctx context.Context, model, version string) error
	versions func(model string) ([]providers.ModelVersion, error)
	load     func(model string) (providers.Load, error)
	asked    map[string]int
	times    []time.Time // of probes
	inside   atomic.Int32
	overlaps atomic.Int32
}

func (s *server) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked == nil {
		s.asked = map[string]int{}
	}
	s.asked[what]++
}

func (s *server) of(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[what]
}

func (s *server) Probe(ctx context.Context) error {
	s.count("probe")
	if s.inside.Add(1) > 1 {
		s.overlaps.Add(1)
	}
	defer s.inside.Add(-1)
	s.mu.Lock()
	s.times = append(s.times, time.Now())
	probe := s.probe
	s.mu.Unlock()
	if probe == nil {
		return nil
	}
	return probe(ctx)
}

func (s *server) Ready(ctx context.Context, model, version string) error {
	s.count("ready " + model + "@" + version)
	if s.ready == nil {
		return nil
	}
	return s.ready(ctx, model, version)
}

func (s *server) Versions(_ context.Context, model string) ([]providers.ModelVersion, error) {
	s.count("versions " + model)
	if s.versions == nil {
		return nil, &providers.Error{Kind: providers.KindUnsupported}
	}
	return s.versions(model)
}

func (s *server) Load(_ context.Context, model string) (providers.Load, error) {
	s.count("load " + model)
	if s.load == nil {
		return providers.Load{}, &providers.Error{Kind: providers.KindUnsupported}
	}
	return s.load(model)
}

// notes is a Consumer that writes down what it is told.
type notes struct {
	mu    sync.Mutex
	lines []string
}

func (n *notes) note(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, fmt.Sprintf(format, args...))
}

func (n *notes) Probed(target string, a Answer) {
	n.note("%s ready=%t state=%s kind=%d detail=%q every=%s", target, a.Ready(), a.State, kind(a.Err), a.Detail, a.Every)
}

func kind(err error) int {
	if err == nil {
		return -1
	}
	return int(providers.KindOf(err))
}

func (n *notes) Loaded(backend string, l providers.Load, every time.Duration) {
	n.note("%s %d+%d %s", backend, l.Running, l.Waiting, every)
}

func (n *notes) Resolved(target, version string) { n.note("%s is %s", target, version) }

// take gives the lines since the last time, in order of text.
func (n *notes) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := n.lines
	n.lines = nil
	slices.Sort(out)
	return slices.Compact(out)
}

func (n *notes) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.lines)
}

const every = 10 * time.Second

func TestWhatIsAskedAndTold(t *testing.T) {
	unavailable := &providers.Error{Kind: providers.KindUnavailable, Detail: "gone"}
	const yes = " state=ready kind=-1 detail=\"\" every=10s"
	for name, k := range map[string]struct {
		server  *server
		targets []Target // Lifecycle is set where there is a model
		whole   bool     // the backend can be probed
		want    []string
		up      string
	}{
		"a backend without models": {&server{}, []Target{{Name: "a"}, {Name: "b"}}, true,
			[]string{`a ready=true state= kind=-1 detail="" every=10s`, `b ready=true state= kind=-1 detail="" every=10s`}, "<nil>"},
		"one that is gone": {&server{probe: func(context.Context) error { return unavailable }}, []Target{{Name: "a"}}, true,
			[]string{fmt.Sprintf(`a ready=false state= kind=%d detail="" every=10s`, providers.KindUnavailable)}, "backend unavailable: gone"},
		"a model": {&server{}, []Target{{Name: "a", Model: "m"}, {Name: "b", Model: "m"}}, false,
			[]string{"a ready=true" + yes, "b ready=true" + yes}, "<nil>"},
		"a label": {&server{versions: func(string) ([]providers.ModelVersion, error) {
			return []providers.ModelVersion{{Version: "1", State: providers.ModelReady}, {Version: "2", Labels: []string{"stable"}, State: providers.ModelReady}}, nil
		}}, []Target{{Name: "a", Model: "m", Version: "stable"}, {Name: "b", Model: "m", Version: "1"}}, false,
			[]string{"a is 2", "a ready=true" + yes, "b ready=true" + yes}, "<nil>"},
		"a model that is being loaded": {&server{
			ready: func(context.Context, string, string) error { return unavailable },
			versions: func(string) ([]providers.ModelVersion, error) {
				return []providers.ModelVersion{{Version: "1", State: providers.ModelBroken, Detail: "bad"}, {Version: "2", State: providers.ModelLoading, Detail: "soon"}}, nil
			},
		}, []Target{{Name: "a", Model: "m", Version: "2"}}, false,
			[]string{`a ready=false state=loading kind=-1 detail="soon" every=10s`}, "<nil>"},
		"a version that is not there": {&server{
			ready: func(context.Context, string, string) error { return &providers.Error{Kind: providers.KindNotFound} },
			versions: func(string) ([]providers.ModelVersion, error) {
				return []providers.ModelVersion{{Version: "1", State: providers.ModelReady}}, nil
			},
		}, []Target{{Name: "a", Model: "m", Version: "2"}}, false,
			[]string{`a ready=false state=absent kind=-1 detail="" every=10s`}, "<nil>"},
		"one that is loaded with the first call": {&server{
			ready: func(context.Context, string, string) error { return unavailable },
			versions: func(string) ([]providers.ModelVersion, error) {
				return []providers.ModelVersion{{State: providers.ModelAbsent}}, nil
			},
		}, []Target{{Name: "a", Model: "m", Lazy: true}}, true,
			[]string{`a ready=true state=absent kind=-1 detail="" every=10s`}, "<nil>"},
		"a model that nobody has": {&server{
			ready: func(context.Context, string, string) error { return unavailable },
			versions: func(string) ([]providers.ModelVersion, error) {
				return nil, &providers.Error{Kind: providers.KindNotFound}
			},
		}, []Target{{Name: "a", Model: "m", Lazy: true}}, true,
			[]string{`a ready=false state=broken kind=-1 detail="its backend does not have the model" every=10s`}, "<nil>"},
		"a model that is not ready, of a backend that lists none": {&server{
			ready: func(context.Context, string, string) error { return unavailable },
		}, []Target{{Name: "a", Model: "m"}}, true,
			[]string{`a ready=false state=absent kind=-1 detail="its backend says that it is not ready" every=10s`}, "<nil>"},
		"a life that is of no use": {&server{
			ready: func(context.Context, string, string) error { return &providers.Error{Kind: providers.KindUnsupported} },
		}, []Target{{Name: "a", Model: "m"}}, true,
			[]string{`a ready=true state= kind=-1 detail="" every=10s`}, "<nil>"},
		"a busy one": {&server{load: func(model string) (providers.Load, error) {
			return providers.Load{Running: 3, Waiting: len(model)}, nil
		}}, []Target{{Name: "a", Model: "mm"}}, false,
			[]string{"a ready=true" + yes, "backend 3+2 10s"}, "<nil>"},
		"an adapter that breaks down": {&server{probe: func(context.Context) error { panic("secret") }}, []Target{{Name: "a"}}, true,
			[]string{fmt.Sprintf(`a ready=false state= kind=%d detail="" every=10s`, providers.KindUnknown)}, "backend backend failed: its adapter broke down"},
		"one that hangs": {&server{probe: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}, []Target{{Name: "a"}}, true,
			[]string{fmt.Sprintf(`a ready=false state= kind=%d detail="" every=10s`, providers.KindTimeout)}, "backend backend timed out"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := Backend{Name: "backend", Every: every, Timeout: time.Second, LoadReporter: k.server, Targets: slices.Clone(k.targets)}
				for i := range b.Targets {
					if b.Targets[i].Model != "" {
						b.Targets[i].Lifecycle = k.server
					}
				}
				if k.whole {
					b.Prober = k.server
				}
				told, up := &notes{}, ""
				w := New(told, func(_ string, err error) { up = fmt.Sprint(err) })
				w.Watch([]Backend{b})
				time.Sleep(5 * every)
				w.Stop()
				if diff := cmp.Diff(k.want, told.take()); diff != "" {
					t.Errorf("told (-want +got):\n%s", diff)
				}
				if up != k.up {
					t.Errorf("the backend as a whole: %s, want %s", up, k.up)
				}
			})
		})
	}
}

// One round never meets the next, and rounds come when they should.
func TestRoundsDoNotMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{probe: func(ctx context.Context) error {
			select { // an adapter that is slow to hear that it is too late
			case <-time.After(25 * time.Second):
			case <-time.After(time.Hour):
			}
			return ctx.Err()
		}}
		w := New(&notes{}, nil)
		w.Watch([]Backend{{Name: "b", Every: every, Timeout: time.Second, Prober: s, Targets: []Target{{Name: "a"}}}})
		time.Sleep(10 * time.Minute)
		w.Stop()
		if s.overlaps.Load() > 0 {
			t.Errorf("%d rounds overlapped", s.overlaps.Load())
		}
		if n := s.of("probe"); n < 15 || n > 19 { // 25 s and about 10 s
			t.Errorf("%d rounds in ten minutes", n)
		}
	})
}

func TestWhenRoundsCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		fails := atomic.Bool{}
		servers := make([]*server, 40)
		var backends []Backend
		for i := range servers {
			servers[i] = &server{probe: func(context.Context) error {
				if fails.Load() {
					return &providers.Error{Kind: providers.KindUnavailable}
				}
				return nil
			}}
			backends = append(backends, Backend{Name: fmt.Sprint(i), Every: every, Prober: servers[i], Targets: []Target{{Name: fmt.Sprint(i)}}})
		}
		backends = append(backends, Backend{Name: "never", Prober: &server{probe: func(context.Context) error { panic("asked") }}})
		told := &notes{}
		w := New(told, nil)
		w.Watch(backends)
		time.Sleep(100 * time.Second)
		firsts := map[time.Duration]bool{}
		for _, s := range servers {
			s.mu.Lock()
			if first := s.times[0].Sub(began); first > every {
				t.Errorf("the first round came after %s", first)
			}
			firsts[s.times[0].Sub(began).Truncate(time.Second)] = true
			for i, at := range s.times[1:] {
				if gap := at.Sub(s.times[i]); gap < every*9/10 || gap > every*11/10 {
					t.Errorf("a gap of %s", gap)
				}
			}
			s.mu.Unlock()
		}
		if len(firsts) < 4 { // 40 of them in ten seconds
			t.Errorf("all began at the same time: %v", firsts)
		}
		// When one answers worse than before, it is soon asked again, once.
		fails.Store(true)
		since := time.Now()
		time.Sleep(50 * time.Second)
		for _, s := range servers {
			s.mu.Lock()
			i := slices.IndexFunc(s.times, func(at time.Time) bool { return !at.Before(since) })
			if soon := s.times[i+1].Sub(s.times[i]); soon > every*11/40 || soon < every*9/40 {
				t.Errorf("asked again after %s", soon)
			}
			if then := s.times[i+2].Sub(s.times[i+1]); then < every*9/10 {
				t.Errorf("and again after %s", then)
			}
			s.mu.Unlock()
		}
		w.Stop()
		if slices.ContainsFunc(told.all(), func(s string) bool { return strings.HasPrefix(s, "never") }) {
			t.Error("a backend that is not to be asked was told of")
		}
	})
}

// A new fleet takes the old one's place: nothing of the old one is told any more, and cut-off questions tell nothing.
func TestWatchAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := &server{probe: func(ctx context.Context) error { <-ctx.Done(); return errors.Join(ctx.Err()) }}
		next := &server{}
		told := &notes{}
		w := New(told, nil)
		w.Watch([]Backend{{Name: "old", Every: every, Timeout: time.Hour, Prober: old, Targets: []Target{{Name: "old"}}}})
		time.Sleep(15 * time.Second) // it is being asked
		if old.of("probe") != 1 {
			t.Fatalf("asked %d times", old.of("probe"))
		}
		w.Watch([]Backend{{Name: "next", Every: every, Prober: next, Targets: []Target{{Name: "next"}}}})
		time.Sleep(time.Minute)
		w.Stop()
		n := next.of("probe")
		for _, line := range told.take() {
			if !strings.HasPrefix(line, "next ready=true") {
				t.Errorf("told %q", line)
			}
		}
		if n < 5 || old.of("probe") != 1 {
			t.Errorf("%d and %d rounds", old.of("probe"), n)
		}
		time.Sleep(time.Minute)
		if next.of("probe") != n {
			t.Error("it is asked after the end")
		}
		w.Stop() // again
		w.Watch([]Backend{{Name: "next", Every: every, Prober: next, Targets: []Target{{Name: "next"}}}})
		time.Sleep(time.Minute)
		w.Stop()
		if next.of("probe") == n {
			t.Error("it is not asked when it is watched again")
		}
	})
}

// What a backend says that it does not have is asked for once.
func TestUnsupportedIsNotAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		no := &providers.Error{Kind: providers.KindUnsupported}
		s := &server{probe: func(context.Context) error { return no }, ready: func(context.Context, string, string) error { return no }}
		told := &notes{}
		w := New(told, func(string, error) { t.Error("nothing is known of the backend") })
		w.Watch([]Backend{{Name: "b", Every: every, Prober: s, LoadReporter: s, Targets: []Target{{Name: "a", Model: "m", Lifecycle: s}, {Name: "c", Model: "n"}}}})
		time.Sleep(time.Minute)
		w.Stop()
		for what, want := range map[string]int{"probe": 1, "ready m@": 1, "load ": 1, "versions m": 0} {
			if got := s.of(what); got != want {
				t.Errorf("%s: asked %d times, want %d", what, got, want)
			}
		}
		if got := told.take(); len(got) > 0 {
			t.Errorf("told %v", got)
		}
	})
}

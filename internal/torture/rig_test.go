package torture

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"fairlead/internal/faultproxy"
	"fairlead/internal/label"
	"fairlead/internal/server"
	"fairlead/internal/server/openaihttp"
	"fairlead/internal/server/rpc"
	"fairlead/internal/testdb"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/prompts"
	"fairlead/providers"
	"fairlead/providers/ollama"
	"fairlead/providers/openai"
)

var (
	cases = flag.Int("cases", 240, "how many streams to cut; other faults are a fifth of it")
	seed  = flag.Uint64("seed", 1, "which ones")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come; only a failure ever waits that long.
const patience = time.Minute

// workers is how many cases run at once, each on a rig of its own.
const workers = 4

// The answers of the two model servers share no word, so that a mixture shows.
var answers = [2]string{
	faultproxy.DefaultAnswer,
	"Sluggish rivers carry timber southward; nobody hurries, everybody sings.\nAt Älvsbyn, foremen argue “loudly” — " +
		"数は合わない — about 7 missing logs until supper ends their quarrel.",
}

var adapters = []string{"openai", "ollama"}

// The policies: one target, two with a silent second try, two where what was said may be taken back.
const (
	fail     = "fail"
	failover = "failover"
	restart  = "restart"
)

// limits are those of the adapters.
type limits struct {
	answer int
	idle   time.Duration
}

// rig is two model servers that break, and a whole server before them. It is for one case at a time.
type rig struct {
	engine  *orchestrator.Engine
	config  orchestrator.Config
	address string
	http1   *http.Client
	grpc    *grpc.ClientConn
	// prepared counts the cases.
	prepared int

	mu sync.Mutex
	// faults are what the model servers do, and started and over the calls of them.
	faults  [2]faultproxy.Fault
	once    bool // only the first call has a fault
	started int
	over    []call
	change  chan struct{}
}

// call is a call of a model server that is over.
type call struct {
	server int
	at     time.Time
	faultproxy.Exchange
}

func newRig(t testing.TB, l limits) *rig {
	t.Helper()
	r := &rig{change: make(chan struct{})}
	var address [2]string
	for i := range address {
		address[i] = r.modelServer(t, i)
	}
	r.configure(t, address, l)
	r.serve(t)
	return r
}

// listen serves on a free port of loopback until the test ends.
func listen(t testing.TB, serve func(context.Context, net.Listener) error) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	return ln.Addr().String()
}

func (r *rig) modelServer(t testing.TB, i int) string {
	t.Helper()
	p, err := faultproxy.New(faultproxy.Config{
		Answer: answers[i],
		Choose: func(faultproxy.Request) faultproxy.Fault {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.started++
			r.changed()
			if r.once && r.started > 1 {
				return faultproxy.Fault{}
			}
			return r.faults[i]
		},
		Observe: func(x faultproxy.Exchange) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.over = append(r.over, call{i, time.Now(), x})
			r.changed()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + listen(t, p.Serve)
}

// changed wakes those who wait. The caller holds the lock.
func (r *rig) changed() {
	close(r.change)
	r.change = make(chan struct{})
}

// await waits until done, which is called with the lock held, and says whether it came to that.
func (r *rig) await(done func() bool) bool {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		r.mu.Lock()
		ok, change := done(), r.change
		r.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-change:
		case <-limit.C:
			return false
		}
	}
}

// configure makes the engine, with the real adapters.
func (r *rig) configure(t testing.TB, address [2]string, l limits) {
	t.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	r.config = orchestrator.Config{DefaultPolicy: "openai-" + fail}
	var err error
	if r.config.Prompts, err = prompts.Load(); err != nil {
		t.Fatal(err)
	}
	for _, adapter := range adapters {
		var names []string
		for i, suffix := range []string{"a", "b"} {
			name := adapter + "-" + suffix
			var g providers.Generator
			if adapter == "openai" {
				g, err = openai.New(openai.Config{Name: name, BaseURL: address[i] + "/v1", HTTPClient: client, MaxAnswer: l.answer, IdleTimeout: l.idle})
			} else {
				g, err = ollama.New(ollama.Config{Name: name, BaseURL: address[i], HTTPClient: client, MaxAnswer: l.answer, IdleTimeout: l.idle})
			}
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
			r.config.Targets = append(r.config.Targets, orchestrator.Target{Generator: g, Target: routing.Target{
				Name: name, Backend: name, Kind: adapter, Model: "m", Does: providers.Chat | providers.Tools, Clearance: label.Restricted,
				Price: &providers.Price{Input: 1, Output: 1}, Quality: 0.9 - float64(i)/2, Origin: "config",
			}})
		}
		r.config.Policies = append(r.config.Policies,
			routing.Policy{Name: adapter + "-" + fail, Prefer: routing.Best, Targets: names[:1]},
			routing.Policy{Name: adapter + "-" + failover, Prefer: routing.Best, Targets: names, Midstream: routing.MidstreamFail},
			routing.Policy{Name: adapter + "-" + restart, Prefer: routing.Best, Targets: names, Midstream: routing.MidstreamRestart},
		)
	}
	store := testdb.SQLite(t)
	if r.engine, err = orchestrator.New(orchestrator.Services{Store: store, Sessions: store}, r.config); err != nil {
		t.Fatal(err)
	}
}

// serve starts the server as the program does, and makes its clients.
func (r *rig) serve(t testing.TB) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	api, err := rpc.New(rpc.Config{
		Runner: r.engine, Router: r.engine, Collections: r.engine.Retrieval(), Documents: r.engine.Retrieval(), Logger: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	dialect := openaihttp.New(openaihttp.Config{Engine: r.engine, Logger: log})
	s, err := server.New(server.Config{
		Mounts: append(api.Mounts(), server.Mount{Pattern: "/v1/", Handler: dialect, Refuse: openaihttp.Refuse}),
		Logger: log, Grace: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	host := listen(t, s.Serve)
	r.address = "http://" + host
	transport := &http.Transport{MaxIdleConnsPerHost: 4}
	t.Cleanup(transport.CloseIdleConnections)
	r.http1 = &http.Client{Transport: transport}
	if r.grpc, err = grpc.NewClient(host, grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.grpc.Close() })
}

// prepare sets the faults of the next case. Its targets have models of new names, so that the engine has nothing
// to go by: what it learned in earlier cases, such as to leave a target alone, would hide what they do in this one.
func (r *rig) prepare(t testing.TB, faults ...faultproxy.Fault) {
	r.mu.Lock()
	r.faults = [2]faultproxy.Fault{}
	copy(r.faults[:], faults)
	r.started, r.over, r.once = 0, nil, false
	r.mu.Unlock()
	r.prepared++
	c := r.config
	c.Targets = slices.Clone(c.Targets)
	for i := range c.Targets {
		c.Targets[i].Model = fmt.Sprintf("m-%d", r.prepared)
	}
	if err := r.engine.Configure(c); err != nil {
		t.Error(err)
	}
}

// calls waits until the calls of the model servers are over, and gives them.
func (r *rig) calls(t testing.TB) []call {
	if !r.await(func() bool { return len(r.over) >= r.started }) {
		t.Errorf("a call of a model server goes on after the caller's is over: %d started, %d over", r.started, len(r.over))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.over
}

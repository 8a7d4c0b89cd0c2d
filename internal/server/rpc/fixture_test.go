package rpc_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/server"
	"fairlead/internal/server/rpc"
	"fairlead/orchestrator"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
	"fairlead/retrieval"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// events is what a runner of these tests says, in the place of an engine.
type events = iter.Seq2[orchestrator.Event, error]

// runner is a Runner and a Router made of functions.
type runner struct {
	chat    func(context.Context, auth.Principal, orchestrator.ChatRequest) events
	run     func(context.Context, auth.Principal, orchestrator.RunRequest) events
	explain func(orchestrator.ChatRequest) (*routing.Plan, error)
	chains  []*chain.Chain
	targets []routing.Candidate
}

func (r *runner) Chat(ctx context.Context, p auth.Principal, req orchestrator.ChatRequest) events {
	return r.chat(ctx, p, req)
}

func (r *runner) Run(ctx context.Context, p auth.Principal, req orchestrator.RunRequest) events {
	return r.run(ctx, p, req)
}

func (r *runner) Explain(_ context.Context, _ auth.Principal, req orchestrator.ChatRequest) (*routing.Plan, error) {
	return r.explain(req)
}

func (r *runner) Chains() []*chain.Chain       { return r.chains }
func (r *runner) Targets() []routing.Candidate { return r.targets }
func (r *runner) Policies() []string           { return []string{"default"} }

// memory is collections and documents in a map.
type memory struct {
	mu        sync.Mutex
	documents map[string]retrieval.Document
	panics    bool
}

func (m *memory) CreateCollection(_ context.Context, _ string, c retrieval.Collection) (*retrieval.Collection, error) {
	return &c, nil
}

func (m *memory) ListCollections(context.Context, string) ([]retrieval.Collection, error) {
	if m.panics {
		panic("secret canary")
	}
	return []retrieval.Collection{{Name: "open", Label: label.Public, Languages: []string{"", "ar", "de"}}, {Name: "closed", Label: label.Restricted}}, nil
}

func (m *memory) DeleteCollection(context.Context, string, string) (int64, error) { return 1, nil }

func (m *memory) Search(_ context.Context, _ string, q retrieval.Query) (*retrieval.Found, error) {
	if q.Collection == "none" {
		return nil, fault.New(fault.NotFound, fault.ReasonUnknownColl, "there is no collection %s", q.Collection)
	}
	return &retrieval.Found{Hits: []retrieval.Hit{{Passage: retrieval.Passage{ID: q.MaxLabel.String()}, LexicalRank: 1}}}, nil
}

func (m *memory) Reindex(_ context.Context, _, name, embedder string, told func(retrieval.Reindex)) (*retrieval.Collection, error) {
	if embedder == "" {
		return &retrieval.Collection{Name: name}, nil
	}
	to := retrieval.Embedding{Embedder: embedder, Identity: embedder + "@2", Dimensions: 8}
	for done := range int64(4) {
		told(retrieval.Reindex{To: to, Done: done, Total: 3, StartedAt: when})
	}
	if embedder == "fails" {
		return nil, fault.New(fault.Unavailable, fault.ReasonUpstreamDown, "embedder fails: it is down")
	}
	return &retrieval.Collection{Name: name, Embedder: embedder, Identity: to.Identity, Dimensions: 8, Languages: []string{"", "de"}}, nil
}

func (m *memory) AbortReindex(_ context.Context, _, name string) error {
	if name == "none" {
		return fault.New(fault.NotFound, fault.ReasonUnknownColl, "there is no collection %s", name)
	}
	return nil
}

func (m *memory) Ingest(_ context.Context, _, collection string, sources []retrieval.Source, _ label.Label) ([]retrieval.Result, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]retrieval.Result, len(sources))
	for i, s := range sources {
		m.documents[s.URI] = retrieval.Document{
			ID: s.URI, Collection: collection, URI: s.URI, Language: s.Language, Label: s.Label, Metadata: s.Metadata, SourceBytes: int64(len(s.Content)),
		}
		out[i] = retrieval.Result{URI: s.URI, DocumentID: s.URI, Status: retrieval.Added}
	}
	return out, nil
}

func (m *memory) GetDocument(_ context.Context, _, _, id string, ceiling label.Label) (*retrieval.Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.documents[id]
	if !ok || d.Label > ceiling {
		return nil, fault.New(fault.NotFound, fault.ReasonUnknownDocument, "no such document")
	}
	return &d, nil
}

func (m *memory) ListDocuments(_ context.Context, _, _, after string, limit int, ceiling label.Label) ([]retrieval.Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []retrieval.Document
	for _, name := range sorted(m.documents) {
		if d := m.documents[name]; name > after && d.Label <= ceiling && len(out) < limit {
			out = append(out, d)
		}
	}
	return out, nil
}

func (m *memory) DeleteDocument(ctx context.Context, tenant, collection, id string, ceiling label.Label) error {
	if _, err := m.GetDocument(ctx, tenant, collection, id, ceiling); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.documents, id)
	return nil
}

// local is the principal of tests that say nothing else.
func local(*http.Request) (auth.Principal, error) { return auth.Local(), nil }

// fixture is a running server.
type fixture struct {
	*server.Server
	url, addr string
	log       *lockedBuffer
	stop      func()
}

// start serves the API on loopback until the test ends.
func start(t testing.TB, r *runner, change ...func(*server.Config)) *fixture {
	t.Helper()
	return startWith(t, rpc.Config{Runner: r, Router: r}, change...)
}

func startWith(t testing.TB, c rpc.Config, change ...func(*server.Config)) *fixture {
	t.Helper()
	log := &lockedBuffer{}
	logger := slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if c.Collections == nil {
		m := &memory{documents: map[string]retrieval.Document{}}
		c.Collections, c.Documents = m, m
	}
	c.Logger = logger
	api, err := rpc.New(c)
	if err != nil {
		t.Fatal(err)
	}
	config := server.Config{Mounts: api.Mounts(), Logger: logger, Authenticate: local, Grace: 10 * time.Second}
	for _, f := range change {
		f(&config)
	}
	s, err := server.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	f := &fixture{Server: s, addr: ln.Addr().String(), url: "http://" + ln.Addr().String(), log: log}
	var once sync.Once
	f.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Serve: %v", err)
			}
		})
	}
	t.Cleanup(f.stop)
	return f
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// client gives an HTTP client that speaks one version only.
func client(t testing.TB, h2 bool) *http.Client {
	t.Helper()
	var p http.Protocols
	p.SetHTTP1(!h2)
	p.SetUnencryptedHTTP2(h2)
	transport := &http.Transport{Protocols: &p, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// protocol is one way to call Chat.
type protocol struct {
	name string
	chat func(t testing.TB, f *fixture, ctx context.Context, req *pb.ChatRequest) stream
}

// stream reads events; at the end err is io.EOF, or the call's error.
type stream func() (*pb.Event, error)

func overConnect(h2 bool, options ...connect.ClientOption) func(testing.TB, *fixture, context.Context, *pb.ChatRequest) stream {
	return func(t testing.TB, f *fixture, ctx context.Context, req *pb.ChatRequest) stream {
		t.Helper()
		c := fairleadv1connect.NewChatServiceClient(client(t, h2), f.url, options...)
		s, err := c.Chat(ctx, req)
		if err != nil {
			return func() (*pb.Event, error) { return nil, err }
		}
		t.Cleanup(func() { _ = s.Close() })
		return func() (*pb.Event, error) {
			if s.Receive() {
				return s.Msg().GetEvent(), nil
			}
			if s.Err() == nil {
				return nil, io.EOF
			}
			return nil, s.Err()
		}
	}
}

func dial(t testing.TB, f *fixture) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(f.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func overGRPC(t testing.TB, f *fixture, ctx context.Context, req *pb.ChatRequest) stream {
	t.Helper()
	s, err := dial(t, f).NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, fairleadv1connect.ChatServiceChatProcedure)
	if err == nil {
		err = errors.Join(s.SendMsg(req), s.CloseSend())
	}
	if err != nil {
		return func() (*pb.Event, error) { return nil, err }
	}
	return func() (*pb.Event, error) {
		var m pb.ChatResponse
		if err := s.RecvMsg(&m); err != nil {
			return nil, err
		}
		return m.GetEvent(), nil
	}
}

// protocols is every way to call that is promised.
var protocols = []protocol{
	{"connect proto http/1.1", overConnect(false)},
	{"connect proto h2c", overConnect(true)},
	{"connect json http/1.1", overConnect(false, connect.WithProtoJSON())},
	{"connect json h2c", overConnect(true, connect.WithProtoJSON())},
	{"connect gzip", overConnect(true, connect.WithSendGzip())},
	{"grpc by connect", overConnect(true, connect.WithGRPC())},
	{"grpc json by connect", overConnect(true, connect.WithGRPC(), connect.WithProtoJSON())},
	{"grpc-web http/1.1", overConnect(false, connect.WithGRPCWeb())},
	{"grpc-web h2c", overConnect(true, connect.WithGRPCWeb())},
	{"grpc by grpc-go", overGRPC},
}

// ask is a chat of one message.
func ask(text string) *pb.ChatRequest {
	return &pb.ChatRequest{Messages: []*pb.Message{{
		Role: pb.Role_ROLE_USER, Parts: []*pb.Part{{Kind: &pb.Part_Text{Text: text}}},
	}}}
}

var when = time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.UTC)

// numbered gives bodies as the events of a run.
func numbered(bodies ...orchestrator.Body) []orchestrator.Event {
	out := make([]orchestrator.Event, len(bodies))
	for i, b := range bodies {
		out[i] = orchestrator.Event{Seq: int64(i + 1), Time: when, RunID: "run-1", Step: "answer", Body: b}
	}
	return out
}

// says gives a run with these events and this end.
func says(end error, list ...orchestrator.Event) events {
	return func(yield func(orchestrator.Event, error) bool) {
		for _, ev := range list {
			if !yield(ev, nil) {
				return
			}
		}
		if end != nil {
			yield(orchestrator.Event{}, end)
		}
	}
}

func chats(f func(context.Context, auth.Principal, orchestrator.ChatRequest) events) *runner {
	return &runner{
		chat: f,
		run: func(_ context.Context, _ auth.Principal, req orchestrator.RunRequest) events {
			return says(fault.New(fault.NotFound, fault.ReasonUnknownChain, "there is no chain %s", req.Chain))
		},
		explain: func(orchestrator.ChatRequest) (*routing.Plan, error) { return fullPlan(), nil },
	}
}

// echo answers with the question, word by word.
func echo() *runner {
	return chats(func(_ context.Context, _ auth.Principal, req orchestrator.ChatRequest) events {
		return says(nil, everything(req.Request.Question())...)
	})
}

func target() *routing.Target {
	return &routing.Target{
		Name: "local", Backend: "box", Kind: "ollama", Model: "m:1", Does: providers.Chat | providers.Tools, Context: 4096,
		Clearance: label.Restricted, Price: &providers.Price{Input: 1, Output: 2}, Quality: 0.5, Origin: "config",
	}
}

func fullPlan() *routing.Plan {
	return &routing.Plan{
		Policy: "default", Eligible: 1, Label: label.Internal, Needs: providers.Chat, PromptTokens: 12, OutputTokens: 1024, Text: "local first",
		Records: []routing.Record{
			{Target: target(), Rank: 1, Score: 0.75, Scored: true, Cost: 5, CostKnown: true, TTFT: 20 * time.Millisecond, Latency: time.Second},
			{Target: &routing.Target{Name: "far", Quality: -1, Clearance: label.Public}, Reason: routing.OutLabel, Text: "public < internal"},
		},
	}
}

// everything is one event of every kind.
func everything(text string) []orchestrator.Event {
	at := target()
	return numbered(
		&orchestrator.RunStarted{Chain: "c", Version: 2, Deadline: when.Add(time.Minute), Budget: 7, Limited: true, Label: label.Internal},
		&orchestrator.StepStarted{Kind: "generate"},
		&orchestrator.RouteDecided{Plan: fullPlan()},
		&orchestrator.AttemptStarted{Attempt: 1, Target: at, Label: label.Internal},
		&orchestrator.AttemptFailed{Attempt: 1, Target: at, Err: &providers.Error{Kind: providers.KindRateLimited, Backend: "box"}, Elapsed: 1500 * time.Microsecond},
		&orchestrator.AttemptStarted{Attempt: 2, Target: at, Label: label.Internal},
		&orchestrator.ReasoningDelta{Text: "hm"},
		&orchestrator.TextDelta{Text: text, Output: true},
		&orchestrator.Retracted{Reason: "stream_truncated"},
		&orchestrator.TextDelta{Text: text},
		&orchestrator.ToolCallDelta{ToolCallDelta: providers.ToolCallDelta{Index: 1, ID: "t", Name: "look", Arguments: "{"}},
		&orchestrator.ToolCallDelta{ToolCallDelta: providers.ToolCallDelta{Index: 1, Arguments: "}"}},
		&orchestrator.Citation{
			Number: 1, Quote: "word", Span: retrieval.Span{ByteStart: 2, ByteEnd: 6, LineStart: 1, LineEnd: 1, Page: 3},
			Passage: retrieval.Passage{ID: "p", Collection: "docs", DocumentID: "d", URI: "a.md", Title: "A", Heading: []string{"H"}},
		},
		&orchestrator.AttemptUsage{
			Attempt: 2, Target: at, Reported: "m:1-q4", Usage: providers.Usage{Input: 10, CachedInput: 4, Output: 3, Reasoning: 1},
			Cost: 9, CostKnown: true, TTFT: 5 * time.Millisecond, Duration: 8 * time.Millisecond,
		},
		&orchestrator.StepFinished{
			Status: orchestrator.StepDone, Finish: providers.FinishStop, Duration: time.Second, Label: label.Internal,
			Result: map[string]any{"count": 2, "list": []string{"a"}, "deep": map[string]any{"ok": true, "none": nil}},
		},
		&orchestrator.RunFinished{
			Output: text, Finish: providers.FinishStop, Usage: providers.Usage{Input: 10, Output: 3, Estimated: true},
			Cost: 9, CostIncomplete: true, Duration: time.Second, Label: label.Internal,
		},
	)
}

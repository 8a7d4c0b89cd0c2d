package rpc_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/server"
	"fairlead/orchestrator"
	"fairlead/providers"
)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// drainAll reads a stream to its end.
func drainAll(next stream) (list []*pb.Event, err error) {
	for {
		ev, err := next()
		if err != nil {
			return list, err
		}
		list = append(list, ev)
	}
}

// outcome gives code and ErrorInfo of an error, whichever library it comes from.
func outcome(t testing.TB, err error) (connect.Code, *pb.ErrorInfo) {
	t.Helper()
	var ce *connect.Error
	if errors.As(err, &ce) {
		for _, d := range ce.Details() {
			if m, err := d.Value(); err == nil {
				if info, ok := m.(*pb.ErrorInfo); ok {
					return ce.Code(), info
				}
			}
		}
		return ce.Code(), nil
	}
	s, ok := status.FromError(err)
	if !ok {
		t.Fatalf("an error of no protocol: %v", err)
	}
	for _, d := range s.Details() {
		if info, ok := d.(*pb.ErrorInfo); ok {
			return connect.Code(s.Code()), info
		}
	}
	return connect.Code(s.Code()), nil
}

func TestTheSameEventsOverEveryProtocol(t *testing.T) {
	f := start(t, echo())
	var want []*pb.Event
	text := strings.Repeat("ü one two three ", 200) // large enough to be compressed
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			got, err := drainAll(p.chat(t, f, t.Context(), ask(text)))
			if !errors.Is(err, io.EOF) {
				t.Fatalf("end: %v", err)
			}
			if len(got) != len(everything("")) {
				t.Fatalf("%d events", len(got))
			}
			if want == nil {
				want = got
			}
			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
				t.Errorf("differs from the first protocol (-first +this):\n%s", diff)
			}
			if got[7].GetTextDelta().GetText() != text {
				t.Error("the text is another")
			}
		})
	}
}

func TestARunThatFailsLateEndsWithItsError(t *testing.T) {
	cut := &providers.Error{Kind: providers.KindTruncated, Backend: "box", Model: "m", RetryAfter: 1500 * time.Millisecond}
	f := start(t, chats(func(context.Context, auth.Principal, orchestrator.ChatRequest) events {
		return says(fault.At("answer", cut.Fault()), everything("x")[:8]...)
	}))
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			got, err := drainAll(p.chat(t, f, t.Context(), ask("x")))
			code, info := outcome(t, err)
			if len(got) != 8 || code != connect.CodeUnavailable {
				t.Fatalf("%d events, then %v", len(got), err)
			}
			if info.GetReason() != "stream_truncated" || !info.GetRetryable() || info.GetRequestId() == "" || !slices.Equal(info.GetPath(), []string{"answer"}) {
				t.Errorf("info = %v", info)
			}
			if !strings.Contains(err.Error(), "answer: backend box (model m) stream truncated") {
				t.Errorf("text = %q", err)
			}
		})
	}
}

func TestEventsWithoutAnEndAreAnError(t *testing.T) {
	f := start(t, chats(func(context.Context, auth.Principal, orchestrator.ChatRequest) events {
		return says(nil, everything("x")[:8]...)
	}))
	_, err := drainAll(protocols[0].chat(t, f, t.Context(), ask("x")))
	if code, info := outcome(t, err); code != connect.CodeInternal || info.GetReason() != "internal" {
		t.Errorf("end: %v", err)
	}
}

// waits says some events and waits for its context's end, as a model call that hangs does. It tells when
// it is called and how its context ended.
func waits(first ...orchestrator.Event) (r *runner, entered chan struct{}, ended chan error) {
	entered, ended = make(chan struct{}, 16), make(chan error, 16)
	return chats(func(ctx context.Context, _ auth.Principal, _ orchestrator.ChatRequest) events {
		return func(yield func(orchestrator.Event, error) bool) {
			entered <- struct{}{}
			for _, ev := range first {
				if !yield(ev, nil) {
					ended <- errors.New("the loop was left")
					return
				}
			}
			<-ctx.Done()
			ended <- context.Cause(ctx)
			yield(orchestrator.Event{}, fault.At("answer", providers.AsError(ctx, "box", "m", ctx.Err()).Fault()))
		}
	}), entered, ended
}

func TestACallerWhoLeavesEndsTheRun(t *testing.T) {
	for name, first := range map[string][]orchestrator.Event{"before the first event": nil, "later": everything("x")[:8]} {
		r, entered, ended := waits(first...)
		f := start(t, r)
		for _, p := range protocols {
			t.Run(name+" "+p.name, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				read, gone := make(chan struct{}), make(chan struct{})
				go func() { // opening a stream may wait for its first event
					defer close(gone)
					next := p.chat(t, f, ctx, ask("x"))
					for range first {
						if _, err := next(); err != nil {
							t.Errorf("before leaving: %v", err)
						}
					}
					close(read)
					_, _ = next()
				}()
				<-entered
				if len(first) > 0 {
					<-read
				}
				begin := time.Now()
				cancel()
				select {
				case <-ended:
					if took := time.Since(begin); took > 250*time.Millisecond {
						t.Errorf("the run ended only after %v", took)
					}
				case <-time.After(10 * time.Second):
					t.Fatal("the run goes on without its caller")
				}
				<-gone
			})
		}
		f.stop()
		if f.InFlight() != 0 {
			t.Errorf("%d calls in flight", f.InFlight())
		}
	}
}

// inTime calls with longer and longer deadlines, until one was long enough for the run to begin.
func inTime(t *testing.T, entered <-chan struct{}, call func(deadline time.Duration)) {
	t.Helper()
	for d := 50 * time.Millisecond; d < time.Minute; d *= 2 {
		call(d)
		select {
		case <-entered:
			return
		default:
		}
	}
	t.Fatal("the run never began")
}

func TestTheCallersDeadlineReachesTheRun(t *testing.T) {
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			r, entered, ended := waits(everything("x")[:8]...)
			f := start(t, r)
			inTime(t, entered, func(deadline time.Duration) {
				ctx, cancel := context.WithTimeout(t.Context(), deadline)
				defer cancel()
				_, err := drainAll(p.chat(t, f, ctx, ask("x")))
				if code, _ := outcome(t, err); code != connect.CodeDeadlineExceeded {
					t.Errorf("end: %v", err)
				}
			})
			<-ended
		})
	}
}

func TestTheServerSaysThatTheDeadlinePassed(t *testing.T) {
	r, entered, ended := waits(everything("x")[:8]...)
	f := start(t, r)
	c := client(t, false)
	var frames []string
	inTime(t, entered, func(deadline time.Duration) {
		// The header alone, without a deadline of the client's, so that the answer is the server's.
		header := map[string]string{"Connect-Timeout-Ms": strconv.FormatInt(deadline.Milliseconds(), 10)}
		frames = postStream(t, c, f.url, "application/connect+json", header, `{"messages":[{"role":"ROLE_USER","parts":[{"text":"x"}]}]}`)
	})
	last := frames[len(frames)-1]
	if len(frames) < 2 || !strings.Contains(last, `"deadline_exceeded"`) || !strings.Contains(last, "fairlead.v1.ErrorInfo") {
		t.Errorf("%d frames, the last %s", len(frames), last)
	}
	if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the run's context ended by %v", err)
	}
}

func TestAPanicIsAnInternalErrorWithoutContent(t *testing.T) {
	f := start(t, chats(func(context.Context, auth.Principal, orchestrator.ChatRequest) events {
		return func(yield func(orchestrator.Event, error) bool) {
			yield(everything("x")[0], nil)
			panic("secret canary")
		}
	}))
	for _, p := range protocols {
		_, err := drainAll(p.chat(t, f, t.Context(), ask("x")))
		code, info := outcome(t, err)
		if code != connect.CodeInternal || info.GetReason() != "internal" || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v %v", p.name, err, info)
		}
		if !strings.Contains(f.log.String(), info.GetRequestId()) {
			t.Errorf("%s: the log does not know the request", p.name)
		}
	}
	if log := f.log.String(); !strings.Contains(log, "protocol_test.go") || strings.Contains(log, "canary") {
		t.Error("the log has no stack, or it has the panic's text")
	}
}

func TestLabelsJoinAndStayUnderTheCeiling(t *testing.T) {
	var seen label.Label
	r := chats(func(_ context.Context, _ auth.Principal, req orchestrator.ChatRequest) events {
		seen = req.Label
		return says(nil, everything("x")...)
	})
	f := start(t, r, func(c *server.Config) {
		c.Authenticate = authenticate(auth.Principal{Tenant: "a", Ceiling: label.Confidential, Scopes: auth.Chat})
	})
	for _, c := range []struct {
		field  pb.Label
		header string
		want   label.Label
		code   codes.Code
	}{
		{pb.Label_LABEL_UNSPECIFIED, "", label.Unset, codes.OK},
		{pb.Label_LABEL_PUBLIC, "", label.Public, codes.OK},
		{pb.Label_LABEL_PUBLIC, "confidential", label.Confidential, codes.OK},
		{pb.Label_LABEL_CONFIDENTIAL, "public", label.Confidential, codes.OK},
		{pb.Label_LABEL_RESTRICTED, "", 0, codes.PermissionDenied},
		{pb.Label_LABEL_PUBLIC, "restricted", 0, codes.PermissionDenied},
		{pb.Label_LABEL_PUBLIC, "secret", 0, codes.InvalidArgument},
	} {
		for _, p := range protocols {
			seen = label.Unset
			req := ask("x")
			req.Label = c.field
			ctx := withHeader(t.Context(), "Fairlead-Label", c.header)
			_, err := drainAll(p.chat(t, f, ctx, req))
			if c.code == codes.OK {
				if !errors.Is(err, io.EOF) || seen != c.want {
					t.Errorf("%s: %v with %q: %v, %v", p.name, c.field, c.header, seen, err)
				}
				continue
			}
			if code, _ := outcome(t, err); codes.Code(code) != c.code {
				t.Errorf("%s: %v with %q: %v", p.name, c.field, c.header, err)
			}
		}
	}
}

func TestWithoutAPrincipalNothingIsServed(t *testing.T) {
	f := start(t, echo(), func(c *server.Config) {
		c.Authenticate = nil
		for i := range c.Mounts {
			c.Mounts[i].Handler = withoutPrincipal(c.Mounts[i].Handler)
		}
	})
	_, err := drainAll(protocols[0].chat(t, f, t.Context(), ask("x")))
	if code, _ := outcome(t, err); code != connect.CodeInternal {
		t.Errorf("end: %v", err)
	}
}

func TestReflectionAndHealthByGRPC(t *testing.T) {
	f := start(t, echo())
	conn := dial(t, f)
	s, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(req *reflectionpb.ServerReflectionRequest) *reflectionpb.ServerReflectionResponse {
		t.Helper()
		if err := s.Send(req); err != nil {
			t.Fatal(err)
		}
		res, err := s.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	var names []string
	list := ask(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}})
	for _, service := range list.GetListServicesResponse().GetService() {
		names = append(names, service.GetName())
	}
	slices.Sort(names)
	want := []string{"fairlead.v1.ChatService", "fairlead.v1.RetrievalService", "fairlead.v1.RoutingService", "fairlead.v1.RunService", "grpc.health.v1.Health"}
	if !slices.Equal(names, want) {
		t.Errorf("services = %v", names)
	}
	res := ask(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{
		FileContainingSymbol: "fairlead.v1.ChatService",
	}})
	if len(res.GetFileDescriptorResponse().GetFileDescriptorProto()) == 0 {
		t.Errorf("no description: %v", res)
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	health := healthpb.NewHealthClient(conn)
	for name, want := range map[string]codes.Code{"": codes.OK, "fairlead.v1.ChatService": codes.OK, "nobody": codes.NotFound} {
		res, err := health.Check(t.Context(), &healthpb.HealthCheckRequest{Service: name})
		if status.Code(err) != want || (want == codes.OK && res.GetStatus() != healthpb.HealthCheckResponse_SERVING) {
			t.Errorf("health of %q: %v, %v", name, res, err)
		}
	}
}

func TestUnknownMethodsAreUnimplementedInGRPC(t *testing.T) {
	f := start(t, echo())
	err := dial(t, f).Invoke(t.Context(), "/fairlead.v1.ChatService/Nothing", &pb.ChatRequest{}, &pb.ChatResponse{})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("Invoke = %v", err)
	}
}

func TestTheRunIDComesInAHeader(t *testing.T) {
	f := start(t, echo())
	res, _ := post(t, client(t, false), f.url+"/fairlead.v1.ChatService/Chat", "application/connect+json", nil,
		envelope(`{"messages":[{"role":"ROLE_USER","parts":[{"text":"x"}]}]}`))
	if got := res.Header.Get("Fairlead-Run"); got != "run-1" {
		t.Errorf("Fairlead-Run = %q", got)
	}
	if res.Header.Get("X-Request-Id") == "" {
		t.Error("no request id")
	}
}

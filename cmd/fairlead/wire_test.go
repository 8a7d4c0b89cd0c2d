package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"

	fairleadv1 "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
)

// protocol is one of the ways to speak to the API.
type protocol struct {
	name string
	// http2 says that it needs HTTP/2; the others speak HTTP/1.1.
	http2   bool
	options []connect.ClientOption
}

var protocols = []protocol{
	{"Connect proto", false, nil},
	{"Connect JSON", false, []connect.ClientOption{connect.WithProtoJSON()}},
	{"Connect over HTTP/2", true, nil},
	{"gRPC", true, []connect.ClientOption{connect.WithGRPC()}},
	{"gRPC-Web", false, []connect.ClientOption{connect.WithGRPCWeb()}},
}

func (p protocol) client(t testing.TB) *http.Client {
	if p.http2 {
		return http2Client(t)
	}
	return httpClient(t)
}

// infoOf gives an error's code and what the server says more.
func infoOf(t *testing.T, err error) (connect.Code, *fairleadv1.ErrorInfo) {
	t.Helper()
	var ce *connect.Error
	if !errors.As(err, &ce) {
		t.Fatalf("no error of the protocol: %v", err)
	}
	for _, d := range ce.Details() {
		if v, err := d.Value(); err == nil {
			if info, ok := v.(*fairleadv1.ErrorInfo); ok {
				return ce.Code(), info
			}
		}
	}
	t.Fatalf("the error says nothing more: %v", err)
	return 0, nil
}

func user(text string) []*fairleadv1.Message {
	return []*fairleadv1.Message{{Role: fairleadv1.Role_ROLE_USER, Parts: []*fairleadv1.Part{{Kind: &fairleadv1.Part_Text{Text: text}}}}}
}

func question(text string) *structpb.Struct {
	return &structpb.Struct{Fields: map[string]*structpb.Value{"question": structpb.NewStringValue(text)}}
}

// kind names an event.
func kind(ev *fairleadv1.Event) string {
	name := strings.TrimPrefix(fmt.Sprintf("%T", ev.GetKind()), "*fairleadv1.Event_")
	return strings.TrimSpace(ev.GetStep() + " " + name)
}

// The promise that matters most: a stream that the backend broke is an error for every client, after all
// the text that was sent, and never a clean end.
func TestACutStreamIsAnErrorForEveryClient(t *testing.T) {
	s := serve(t, "--config", playground(t))
	succeed(t, "ingest", "testdata/handbook", "--server", s.address)
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			c := fairleadv1connect.NewRunServiceClient(p.client(t), s.address, p.options...)
			stream, err := c.Run(t.Context(), &fairleadv1.RunRequest{Chain: "broken", Input: question("reception desk")})
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close()
			text, kinds := "", []string{}
			for stream.Receive() {
				ev := stream.Msg().GetEvent()
				text += ev.GetTextDelta().GetText()
				kinds = append(kinds, kind(ev))
			}
			if stream.Err() == nil {
				t.Fatalf("a clean end after %q", text)
			}
			code, info := infoOf(t, stream.Err())
			if info.GetReason() != "stream_truncated" || code != connect.CodeUnavailable && code != connect.CodeDataLoss {
				t.Errorf("%v, %v", code, info)
			}
			if text != "one two three four five " {
				t.Errorf("before the cut came %q", text)
			}
			if !slices.Contains(kinds, "broken/context StepFinished") || !slices.Contains(kinds, "broken/draft AttemptFailed") || slices.Contains(kinds, "RunFinished") {
				t.Errorf("events: %q", kinds)
			}
		})
	}

	c := httpClient(t)
	const body = `{"model":"chain/broken","stream":%t,"messages":[{"role":"user","content":"reception desk"}]}`
	t.Run("OpenAI", func(t *testing.T) {
		status, _, got := fetch(t, c, "POST", s.address+"/v1/chat/completions", "application/json", fmt.Sprintf(body, false))
		var answer struct {
			Error   struct{ Code, Message string }
			Choices []any
		}
		if err := json.Unmarshal([]byte(got), &answer); err != nil {
			t.Fatal(err)
		}
		if status != http.StatusBadGateway || answer.Error.Code != "stream_truncated" || answer.Choices != nil {
			t.Errorf("status %d: %s", status, got)
		}
	})
	t.Run("OpenAI stream", func(t *testing.T) {
		resp, err := c.Post(s.address+"/v1/chat/completions", "application/json", strings.NewReader(fmt.Sprintf(body, true)))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		// The connection breaks after the error, so that clients which do not know of errors in a stream see one.
		data, err := io.ReadAll(resp.Body)
		if err == nil {
			t.Error("the response ends cleanly")
		}
		got := string(data)
		if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
			t.Fatalf("status %d, %v: %s", resp.StatusCode, resp.Header, got)
		}
		if strings.Contains(got, "[DONE]") || strings.Contains(got, `"finish_reason":"stop"`) {
			t.Errorf("a clean end:\n%s", got)
		}
		frames := strings.Split(strings.TrimSpace(got), "\n\n")
		var last struct{ Error struct{ Code string } }
		if err := json.Unmarshal([]byte(strings.TrimPrefix(frames[len(frames)-1], "data: ")), &last); err != nil || last.Error.Code != "stream_truncated" {
			t.Errorf("the last frame is %s (%v)", frames[len(frames)-1], err)
		}
		if !strings.Contains(got, "one ") || !strings.Contains(got, "five") {
			t.Errorf("the text before the cut is not there:\n%s", got)
		}
	})
}

func TestTheSameEventsOverEveryProtocol(t *testing.T) {
	s := serve(t, "--config", playground(t))
	var want []string
	for _, p := range protocols {
		c := fairleadv1connect.NewChatServiceClient(p.client(t), s.address, p.options...)
		stream, err := c.Chat(t.Context(), &fairleadv1.ChatRequest{Messages: user("one two three")})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for stream.Receive() {
			ev := stream.Msg().GetEvent()
			if ev.GetSequence() != int64(len(got)+1) {
				t.Errorf("%s: event %d has the number %d", p.name, len(got)+1, ev.GetSequence())
			}
			got = append(got, kind(ev)+" "+ev.GetTextDelta().GetText()+ev.GetRunFinished().GetOutput())
		}
		if err := stream.Err(); err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
		stream.Close()
		if want == nil {
			want = got
			if len(got) < 8 || !strings.HasSuffix(got[len(got)-1], "RunFinished one two three") {
				t.Fatalf("%q", got)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s differs from %s:\n%s", p.name, protocols[0].name, diff)
		}
	}
}

// hangUp is how soon a call to a backend ends after the caller has left.
const hangUp = 250 * time.Millisecond

func TestACallerWhoLeavesEndsTheCallUpstream(t *testing.T) {
	called, ended := make(chan struct{}, 1), make(chan time.Time, 1)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		const frame = `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"word "}}]}` + "\n\n"
		for range 3 {
			_, _ = fmt.Fprint(w, frame)
			w.(http.Flusher).Flush()
		}
		called <- struct{}{}
		<-r.Context().Done()
		ended <- time.Now()
	}))
	defer upstream.Close()
	config := write(t, t.TempDir()+"/fairlead.yaml", `
backends:
  up: { kind: openai, url: "`+upstream.URL+`/v1", api_key: none }
targets:
  up: { backend: up, model: m, quality: 0.9 }
`)
	s := serve(t, "--config", config)
	check := func(t *testing.T, left time.Time) {
		t.Helper()
		select {
		case end := <-ended:
			if took := end.Sub(left); took > hangUp {
				t.Errorf("the call upstream ended %v after the caller left", took)
			} else {
				t.Logf("the call upstream ended %v after the caller left", took)
			}
		case <-time.After(patience):
			t.Fatal("the call upstream did not end")
		}
	}
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := fairleadv1connect.NewChatServiceClient(p.client(t), s.address, p.options...)
			stream, err := c.Chat(ctx, &fairleadv1.ChatRequest{Messages: user("hello")})
			if err != nil {
				t.Fatal(err)
			}
			defer stream.Close()
			for stream.Receive() && stream.Msg().GetEvent().GetTextDelta() == nil {
			}
			<-called
			left := time.Now()
			cancel()
			check(t, left)
		})
	}
	for _, stream := range []bool{true, false} {
		t.Run(fmt.Sprintf("OpenAI stream %t", stream), func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, "POST", s.address+"/v1/chat/completions",
				strings.NewReader(fmt.Sprintf(`{"model":"up","stream":%t,"messages":[{"role":"user","content":"hello"}]}`, stream)))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			client, gone := httpClient(t), make(chan struct{})
			go func() {
				defer close(gone)
				resp, err := client.Do(req)
				if err != nil {
					return // it was canceled before any answer
				}
				defer resp.Body.Close()
				_, _ = resp.Body.Read(make([]byte, 1))
				<-ctx.Done()
			}()
			<-called
			left := time.Now()
			cancel()
			<-gone
			check(t, left)
		})
	}
}

func TestBadInputIsRefusedAndTheServerStillServes(t *testing.T) {
	s := serve(t, "--config", playground(t))
	c := httpClient(t)
	const (
		chat    = "/fairlead.v1.ChatService/Chat"
		explain = "/fairlead.v1.RoutingService/Explain"
		search  = "/fairlead.v1.RetrievalService/Search"
		openai  = "/v1/chat/completions"
	)
	deep := strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)
	long := strings.Repeat("x", 5<<20)
	for _, b := range []struct {
		name, path, body string
		status           int
		want             string // the code or the reason
	}{
		{"malformed", search, `{"collection":`, 400, "bad_request"},
		{"malformed", openai, `{"model":`, 400, "invalid_"},
		{"wrong type", search, `{"collection":{},"query":"x"}`, 400, "bad_request"},
		{"wrong type", openai, `{"model":7,"messages":[]}`, 400, "invalid_"},
		{"not an object", search, `[]`, 400, "bad_request"},
		{"not an object", openai, `[]`, 400, "invalid_"},
		{"nothing", search, ``, 400, "bad_request"},
		{"nothing", openai, ``, 400, "invalid_"},
		{"unknown field", search, `{"collection":"docs","query":"x","colour":1}`, 400, "bad_request"},
		{"no messages", explain, `{"chat":{}}`, 400, "bad_request"},
		{"no messages", openai, `{"model":"echo","messages":[]}`, 400, "invalid_"},
		{"empty message", explain, `{"chat":{"messages":[{}]}}`, 400, "bad_request"},
		{"empty message", openai, `{"model":"echo","messages":[{}]}`, 400, "invalid_"},
		{"too large", search, `{"collection":"docs","query":"` + long + `"}`, 429, "too_large"},
		{"too large", openai, `{"model":"echo","messages":[{"role":"user","content":"` + long + `"}]}`, 413, "request_too_large"},
		{"deep", "/fairlead.v1.RunService/Run", envelope(`{"chain":"answer","input":` + deep + `}`), 200, "bad_request"},
		{"deep", openai, `{"model":"echo","messages":[{"role":"user","content":` + deep + `}]}`, 400, "invalid_"},
		{"invalid UTF-8", search, strings.Replace(`{"collection":"docs","query":"a?"}`, "?", "\xff", 1), 400, "bad_request"},
		{"invalid UTF-8", openai, strings.Replace(`{"model":"echo","messages":[{"role":"user","content":"a?"}]}`, "?", "\xff", 1), 400, "invalid_"},
		{"unknown collection", search, `{"collection":"none","query":"x"}`, 404, "unknown_collection"},
		{"unknown chain", openai, `{"model":"chain/none","messages":[{"role":"user","content":"x"}]}`, 404, "model_not_found"},
		{"unknown target", openai, `{"model":"none","messages":[{"role":"user","content":"x"}]}`, 404, "model_not_found"},
		{"unknown target", explain, `{"chat":{"model":"none","messages":[{"role":"ROLE_USER","parts":[{"text":"x"}]}]}}`, 404, `there is no model`},
		{"unknown chain", "/fairlead.v1.RunService/Run", envelope(`{"chain":"none"}`), 200, "unknown_chain"},
		{"malformed", chat, envelope(`{"messages":`), 200, "bad_request"},
		{"half a message", chat, envelope(`{"model":"echo"}`)[:9], 200, ""},
		{"a message longer than it says", chat, "\x00\xff\xff\xff\xff{}", 200, ""},
		{"unknown path", "/fairlead.v1.ChatService/None", `{}`, 404, ""},
		{"unknown path", "/v1/none", `{}`, 404, ""},
	} {
		t.Run(b.name+" "+b.path, func(t *testing.T) {
			contentType := "application/json"
			if b.status == 200 { // a stream: its end holds the error
				contentType = "application/connect+json"
			}
			status, _, got := fetch(t, c, "POST", s.address+b.path, contentType, b.body)
			if status != b.status || !strings.Contains(got, b.want) || b.status == 200 && !strings.Contains(got, `"error"`) {
				t.Errorf("status %d: %s", status, got)
			}
			if strings.Contains(got, "panic") || strings.Contains(got, "internal") || strings.Contains(got, "RunFinished") {
				t.Errorf("the server says: %s", got)
			}
			if status, _, got := fetch(t, c, "POST", s.address+openai, "application/json",
				`{"model":"echo","messages":[{"role":"user","content":"still there"}]}`); status != 200 || !strings.Contains(got, "still there") {
				t.Fatalf("it does not serve any more: %d %s", status, got)
			}
		})
	}
}

// envelope puts a message into the frame of Connect's streams.
func envelope(body string) string {
	n := len(body)
	return string([]byte{0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) + body
}

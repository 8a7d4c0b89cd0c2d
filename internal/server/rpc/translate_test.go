package rpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
	"fairlead/retrieval"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// stable writes a message as JSON without protojson's random spaces.
func stable(t *testing.T, m proto.Message) []byte {
	t.Helper()
	raw, err := protojson.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	out.WriteByte('\n')
	return out.Bytes()
}

func TestChatRequestGolden(t *testing.T) {
	raw, err := os.ReadFile("testdata/chat.json")
	if err != nil {
		t.Fatal(err)
	}
	var m pb.ChatRequest
	if err := (jsonCodec{name: "json"}).Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	if verdict := takeVerdict(&m); verdict != nil {
		t.Fatal(verdict)
	}
	got, err := chatRequest(&m, labelOf(m.GetLabel()))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "chat.want.json", append(text, '\n'))
}

var start = time.Date(2026, 11, 22, 12, 0, 0, 5, time.UTC)

func TestEventsGolden(t *testing.T) {
	local := &routing.Target{Name: "local", Backend: "box", Model: "m", Clearance: label.Restricted, Quality: -1}
	bodies := []orchestrator.Body{
		&orchestrator.RunStarted{Label: label.Public},
		&orchestrator.RunStarted{Chain: "c", Version: 2, Deadline: start, Budget: 7, Limited: true, Label: label.Internal},
		&orchestrator.StepStarted{Kind: "generate"},
		&orchestrator.RouteDecided{Plan: &routing.Plan{
			Policy: "p", Eligible: 1, Label: label.Confidential, Needs: providers.Chat | providers.JSON, PromptTokens: 3, OutputTokens: 4, Text: "s",
			Records: []routing.Record{
				{Target: local, Rank: 1, Score: 0, Scored: true, Cost: 0, CostKnown: true, TTFT: time.Millisecond, Latency: time.Second},
				{Target: &routing.Target{Name: "far", Quality: 0}, Reason: routing.OutCost, Text: "too dear"},
			},
		}},
		&orchestrator.AttemptStarted{Attempt: 1, Target: local, Label: label.Internal},
		&orchestrator.AttemptFailed{Attempt: 1, Target: local, Err: &providers.Error{Kind: providers.KindTimeout, Backend: "box"}, Elapsed: 1500 * time.Microsecond},
		&orchestrator.AttemptFailed{Attempt: 2, Target: local, Err: errors.New("canary")},
		&orchestrator.TextDelta{Text: "a\xff\xfeb", Output: true},
		&orchestrator.TextDelta{Text: "c"},
		&orchestrator.ReasoningDelta{Text: "r"},
		&orchestrator.ToolCallDelta{ToolCallDelta: providers.ToolCallDelta{Index: 1, ID: "i", Name: "n", Arguments: "{"}},
		&orchestrator.ToolCallDelta{ToolCallDelta: providers.ToolCallDelta{Index: 1, Arguments: "}"}},
		&orchestrator.Citation{
			Number: 2, Quote: "q", Span: retrieval.Span{ByteStart: 1, ByteEnd: 2, LineStart: 3, LineEnd: 4, Page: 5},
			Passage: retrieval.Passage{ID: "p", Collection: "c", DocumentID: "d", URI: "u", Title: "t", Heading: []string{"h", "i\xff"}},
		},
		&orchestrator.Retracted{Reason: "stream_truncated"},
		&orchestrator.AttemptUsage{Attempt: 1, Target: local, Reported: "r", Usage: providers.Usage{Input: 1, CachedInput: 2, Output: 3, Reasoning: 4, Estimated: true}, Duration: time.Second},
		&orchestrator.AttemptUsage{Attempt: 1, Target: local, Cost: 0, CostKnown: true, TTFT: time.Millisecond},
		&orchestrator.StepFinished{
			Status: orchestrator.StepFailed, Reason: "why", Finish: providers.FinishLength, Duration: time.Second, Label: label.Internal,
			Result: map[string]any{
				"bool": true, "int": 1, "int64": int64(2), "float": 1.5, "text": "t\xff", "null": nil, "nan": math.NaN(),
				"strings": []string{"a"}, "list": []any{1.0, nil, math.Inf(1)}, "maps": []map[string]any{{"a": 1}},
				"vector": []float32{1, 2}, "label": label.Public, "func": func() {},
			},
		},
		&orchestrator.RunFinished{
			Output: "o", Finish: providers.FinishToolCalls, Usage: providers.Usage{Input: 1}, Cost: 5, CostIncomplete: true,
			Duration: time.Minute, Label: label.Restricted,
		},
	}
	var (
		tr  translator
		out bytes.Buffer
	)
	for i, b := range bodies {
		ev := orchestrator.Event{Seq: int64(i + 1), Time: start, RunID: "run", Step: "a/b", Body: b}
		m, err := tr.translate(&ev)
		if err != nil {
			t.Fatalf("%T: %v", b, err)
		}
		if _, err := proto.Marshal(m); err != nil {
			t.Errorf("%T cannot be sent: %v", b, err)
		}
		out.Write(stable(t, m))
	}
	if strings.Contains(out.String(), "canary") {
		t.Error("an unknown error's text is in an event")
	}
	golden(t, "events.want.jsonl", out.Bytes())
}

// TestEveryEventHasATranslation fails when a kind of event is added on one side only.
func TestEveryEventHasATranslation(t *testing.T) {
	kinds := (&pb.Event{}).ProtoReflect().Descriptor().Oneofs().ByName("kind").Fields().Len()
	bodies := []orchestrator.Body{
		&orchestrator.RunStarted{}, &orchestrator.StepStarted{}, &orchestrator.RouteDecided{}, &orchestrator.AttemptStarted{},
		&orchestrator.AttemptFailed{}, &orchestrator.TextDelta{}, &orchestrator.ReasoningDelta{}, &orchestrator.ToolCallDelta{},
		&orchestrator.Citation{}, &orchestrator.Retracted{}, &orchestrator.AttemptUsage{}, &orchestrator.StepFinished{}, &orchestrator.RunFinished{},
	}
	seen := map[reflect.Type]bool{}
	for _, b := range bodies { // also: no field of an event is needed for its translation
		var tr translator
		m, err := tr.translate(&orchestrator.Event{Body: b})
		if err != nil {
			t.Errorf("%T: %v", b, err)
			continue
		}
		seen[reflect.TypeOf(m.GetKind())] = true
	}
	if len(seen) != kinds {
		t.Errorf("%d kinds of %d are made", len(seen), kinds)
	}
	var tr translator
	if _, err := tr.translate(&orchestrator.Event{}); fault.CodeOf(err) != fault.Internal {
		t.Errorf("no body: %v", err)
	}
}

// TestAReusedMessageKeepsNothing: what one event set must not show in the next.
func TestAReusedMessageKeepsNothing(t *testing.T) {
	var tr translator
	first := orchestrator.Event{Seq: 1, Time: start, RunID: "r", Step: "s", Body: &orchestrator.ToolCallDelta{
		ToolCallDelta: providers.ToolCallDelta{Index: 3, ID: "i", Name: "n", Arguments: "a"},
	}}
	if _, err := tr.translate(&first); err != nil {
		t.Fatal(err)
	}
	for _, body := range []orchestrator.Body{&orchestrator.ToolCallDelta{}, &orchestrator.TextDelta{}, &orchestrator.ReasoningDelta{}} {
		second := orchestrator.Event{Body: body}
		got, err := tr.translate(&second)
		if err != nil {
			t.Fatal(err)
		}
		var fresh translator
		want, err := fresh.translate(&second)
		if err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(want, got) {
			t.Errorf("%T: %v, want %v", body, got, want)
		}
	}
}

func TestLabelsHaveTheSameNumbers(t *testing.T) {
	for l := label.Unset; l <= label.Restricted; l++ {
		name := strings.ToLower(strings.TrimPrefix(labelMessage(l).String(), "LABEL_"))
		want := l.String()
		if l == label.Unset {
			want = "unspecified"
		}
		if name != want || labelOf(labelMessage(l)) != l {
			t.Errorf("%v is %s on the wire", l, name)
		}
	}
}

func TestEveryEnumValueIsRead(t *testing.T) {
	for v := range pb.Role_name {
		if _, ok := roles[pb.Role(v)]; !ok && v != 0 {
			t.Errorf("role %d", v)
		}
	}
	for v := range pb.ToolChoice_Mode_name {
		if _, ok := toolModes[pb.ToolChoice_Mode(v)]; !ok {
			t.Errorf("mode %d", v)
		}
	}
	for v := range pb.ResponseFormat_Kind_name {
		if _, ok := formats[pb.ResponseFormat_Kind(v)]; !ok {
			t.Errorf("format %d", v)
		}
	}
	for v := range pb.Filter_Op_name {
		if _, ok := ops[pb.Filter_Op(v)]; !ok && v != 0 {
			t.Errorf("op %d", v)
		}
	}
	if len(finishes) != len(pb.FinishReason_name) || len(statuses) != len(pb.IngestResult_Status_name)-1 || len(stepStatuses) != len(pb.StepFinished_Status_name)-1 {
		t.Error("a value is not made")
	}
}

func TestFaultsOnTheWire(t *testing.T) {
	for c := fault.Internal; c <= fault.Unauthenticated; c++ {
		e := connectError(t.Context(), fault.New(c, fault.ReasonNone, "x"))
		if e.Code().String() != c.String() {
			t.Errorf("%v is %v", c, e.Code())
		}
	}
	plan := &routing.Plan{Policy: "p", Records: make([]routing.Record, 100)}
	for _, c := range []struct {
		name  string
		err   error
		code  connect.Code
		want  *pb.ErrorInfo
		after string
	}{
		{"unknown", errors.New("canary"), connect.CodeInternal, &pb.ErrorInfo{Reason: "internal"}, ""},
		{"call", &providers.Error{Kind: providers.KindRateLimited, RetryAfter: 1100 * time.Millisecond}, connect.CodeResourceExhausted, &pb.ErrorInfo{Reason: "rate_limited", Retryable: true}, "2"},
		{"quota", (&providers.Error{Kind: providers.KindQuota}).Fault(), connect.CodeResourceExhausted, &pb.ErrorInfo{Reason: "rate_limited"}, ""},
		{"budget", fault.New(fault.ResourceExhausted, fault.ReasonBudgetExceeded, "x"), connect.CodeResourceExhausted, &pb.ErrorInfo{Reason: "budget_exceeded"}, ""},
		{"path", fault.At("a", fault.At("b", fault.New(fault.Unavailable, fault.ReasonUpstreamDown, "x"))), connect.CodeUnavailable, &pb.ErrorInfo{Reason: "upstream_unavailable", Path: []string{"a", "b"}, Retryable: true}, ""},
		{"plan", &fault.Error{Code: fault.FailedPrecondition, Reason: fault.ReasonNoTarget, Detail: plan}, connect.CodeFailedPrecondition, &pb.ErrorInfo{Reason: "no_target", Plan: planMessage(&routing.Plan{Policy: "p", Records: make([]routing.Record, maxErrorCandidates)})}, ""},
	} {
		e := connectError(t.Context(), c.err)
		if e.Code() != c.code || strings.Contains(e.Message(), "canary") || e.Meta().Get("Retry-After") != c.after {
			t.Errorf("%s: %v, retry after %q", c.name, e, e.Meta().Get("Retry-After"))
		}
		m, err := e.Details()[0].Value()
		if err != nil || !proto.Equal(m, c.want) {
			t.Errorf("%s: %v, want %v", c.name, m, c.want)
		}
	}
}

func TestPageTokens(t *testing.T) {
	for _, uri := range []string{"a", "ü/%00", strings.Repeat("x", 2048)} {
		if got, err := readPageToken(pageToken(uri)); err != nil || got != uri {
			t.Errorf("%q: %q, %v", uri, got, err)
		}
		if n := len(pageToken(uri)); n > 4096 {
			t.Errorf("a token of %d bytes, the API allows 4096", n)
		}
	}
}

func FuzzReadPageToken(f *testing.F) {
	f.Add(pageToken("docs/a.md"))
	f.Add("")
	f.Add("MTo")
	f.Fuzz(func(t *testing.T, token string) {
		after, err := readPageToken(token)
		if err == nil && token != "" {
			if again, err := readPageToken(pageToken(after)); err != nil || again != after {
				t.Errorf("%q: %q, %v", token, again, err)
			}
		}
	})
}

// FuzzDecode: whatever comes, a codec gives a message or a verdict, and no verdict quotes the request.
func FuzzDecode(f *testing.F) {
	const quoted = "zq\u00e4z" // not a word of ours
	f.Add([]byte(`{"messages":[{"role":"ROLE_USER","parts":[{"text":"zqäz"}]}]}`), true)
	f.Add([]byte(`{"model":zqäz}`), true)
	f.Add([]byte(`{"zqäz":1}`), true)
	f.Add([]byte(`{"timeout":"zqäz"}`), true)
	f.Add([]byte(`{"label":"zqäz"}`), true)
	f.Add([]byte(`{"messages":[{"parts":[{"image":{"data":"zqäz"}}]}]}`), true)
	f.Add([]byte("\x0a\x04auto"), false)
	f.Add([]byte("\x0a\x04au\xff"), false)
	f.Fuzz(func(t *testing.T, data []byte, text bool) {
		var (
			m     pb.ChatRequest
			codec connect.Codec = binaryCodec{}
		)
		if text {
			codec = jsonCodec{name: "json"}
		}
		if err := codec.Unmarshal(data, &m); err != nil {
			t.Fatalf("Unmarshal = %v", err)
		}
		verdict := takeVerdict(&m)
		if verdict != nil {
			if strings.Contains(verdict.Error(), quoted) {
				t.Errorf("quotes: %v", verdict)
			}
			if verdict.Code != fault.InvalidArgument || verdict.Text == "reading the request: " {
				t.Errorf("verdict %+v", verdict)
			}
			return
		}
		_, _ = chatRequest(&m, label.Public) // must not panic on what the rules would refuse
	})
}

func BenchmarkTranslateDelta(b *testing.B) {
	var tr translator
	ev := orchestrator.Event{Seq: 1, Time: start, RunID: "run", Step: "answer", Body: &orchestrator.TextDelta{Text: "some words ", Output: true}}
	var buffer []byte
	var response pb.ChatResponse
	b.ReportAllocs()
	for b.Loop() {
		m, err := tr.translate(&ev)
		if err != nil {
			b.Fatal(err)
		}
		response.Event = m
		if buffer, err = (binaryCodec{}).MarshalAppend(buffer[:0], &response); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDeepJSON is a request of 100,000 levels, which must cost next to nothing.
func BenchmarkDeepJSON(b *testing.B) {
	data := []byte(`{"chain":"c","input":{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}}`)
	b.ReportAllocs()
	for b.Loop() {
		var m pb.RunRequest
		if err := (jsonCodec{name: "json"}).Unmarshal(data, &m); err != nil {
			b.Fatal(err)
		}
		if verdict := takeVerdict(&m); verdict == nil || !strings.Contains(verdict.Text, "too deeply") {
			b.Fatal(verdict)
		}
	}
}

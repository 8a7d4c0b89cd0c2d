package rpc_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
	"fairlead/internal/auth"
)

func authenticate(p auth.Principal) func(*http.Request) (auth.Principal, error) {
	return func(*http.Request) (auth.Principal, error) { return p, nil }
}

// withoutPrincipal loses the request's context values, as a handler that was mounted elsewhere would.
func withoutPrincipal(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.Background()))
	})
}

// withHeader gives a context with which both connect's and grpc-go's clients send a header.
func withHeader(ctx context.Context, name, value string) context.Context {
	if value == "" {
		return ctx
	}
	ctx = metadata.AppendToOutgoingContext(ctx, strings.ToLower(name), value)
	ctx, info := connect.NewClientContext(ctx)
	info.RequestHeader().Set(name, value)
	return ctx
}

// post sends bytes as they are.
func post(t testing.TB, c *http.Client, url, contentType string, header map[string]string, body []byte) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, all
}

// envelope frames a message as streams do.
func envelope(message string) []byte {
	out := make([]byte, 5, 5+len(message))
	binary.BigEndian.PutUint32(out[1:], uint32(len(message)))
	return append(out, message...)
}

// postStream calls Chat by hand and gives the frames' contents.
func postStream(t testing.TB, c *http.Client, base, contentType string, header map[string]string, message string) []string {
	t.Helper()
	_, all := post(t, c, base+fairleadv1connect.ChatServiceChatProcedure, contentType, header, envelope(message))
	var frames []string
	for len(all) >= 5 {
		n := int(binary.BigEndian.Uint32(all[1:5]))
		if len(all) < 5+n {
			t.Fatalf("a frame of %d bytes with %d", n, len(all)-5)
		}
		frames = append(frames, string(all[5:5+n]))
		all = all[5+n:]
	}
	if len(frames) == 0 {
		t.Fatal("no frame")
	}
	return frames
}

// wireError is Connect's form of an error.
type wireError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Details []struct {
		Type  string          `json:"type"`
		Debug json.RawMessage `json:"debug"`
	} `json:"details"`
}

func (e *wireError) reason(t testing.TB) string {
	t.Helper()
	for _, d := range e.Details {
		if d.Type == "fairlead.v1.ErrorInfo" {
			var info struct{ Reason string }
			if err := json.Unmarshal(d.Debug, &info); err != nil {
				t.Fatal(err)
			}
			return info.Reason
		}
	}
	return "(no ErrorInfo)"
}

const canary = "canary-4711"

func TestBadJSONIsRefusedInOurWords(t *testing.T) {
	f := start(t, echo())
	cases := []struct {
		name, body, text string
	}{
		{"blank", ` `, "it is empty"},
		{"not json", canary, "line 1, column 1: it is not the JSON"},
		{"cut", `{"messages":[`, "its JSON ends too early"},
		{"unknown field", `{"mesages":[]}`, `line 1, column 2: there is no field "mesages" here`},
		{"unknown field with content", `{"` + canary + ` x":[]}`, "there is no field of this name"},
		{"wrong type", `{"model":["` + canary + `"]}`, `field "model" does not take such a value`},
		{"number for text", `{"model":4711}`, `field "model" does not take such a value: it is of the type string`},
		{"text for bytes", `{"messages":[{"parts":[{"image":{"data":"` + canary + `!"}}]}]}`, `field "data" does not take such a value: it is of the type bytes, which is written in base64`},
		{"text for number", `{"sampling":{"maxTokens":"` + canary + `"}}`, `field "maxTokens" does not take such a value: it is of the type int32`},
		{"unknown enum", `{"label":"` + canary + `"}`, `field "label" does not take such a value`},
		{"twice", `{"model":"a","model":"` + canary + `"}`, "a field is there twice"},
		{"two of one", `{"messages":[{"parts":[{"text":"` + canary + `","image":{}}]}]}`, "two fields exclude each other"},
		{"bad duration", `{"timeout":"` + canary + `"}`, "a value is not of the form"},
		{"bad utf-8", "{\"model\":\"\xff" + canary + "\"}", "a text is not valid UTF-8"},
		{"no object", `[1]`, "it is not the JSON"},
		{"deep", `{"messages":` + strings.Repeat("[", 100_000), "it is not the JSON"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			frames := postStream(t, client(t, false), f.url, "application/connect+json", nil, c.body)
			var end struct{ Error wireError }
			if err := json.Unmarshal([]byte(frames[0]), &end); err != nil {
				t.Fatal(err)
			}
			check(t, &end.Error, c.text)

			// The same through a unary call: its request is read before any interceptor runs.
			res, body := post(t, client(t, false), f.url+fairleadv1connect.RoutingServiceExplainProcedure, "application/json", nil,
				[]byte(strings.ReplaceAll(`{"chat":BODY}`, "BODY", c.body)))
			var e wireError
			if err := json.Unmarshal(body, &e); err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			if res.StatusCode != http.StatusBadRequest || e.Code != "invalid_argument" || e.reason(t) != "bad_request" || strings.Contains(string(body), canary) {
				t.Errorf("unary: %d %s", res.StatusCode, body)
			}
		})
	}
	if strings.Contains(f.log.String(), canary) {
		t.Error("content is in the log")
	}
}

func check(t *testing.T, e *wireError, text string) {
	t.Helper()
	if e.Code != "invalid_argument" || e.reason(t) != "bad_request" {
		t.Errorf("%s, %s: %s", e.Code, e.reason(t), e.Message)
	}
	if !strings.Contains(e.Message, text) || !strings.HasPrefix(e.Message, "reading the request: ") {
		t.Errorf("text = %q, want %q in it", e.Message, text)
	}
	if strings.Contains(e.Message, canary) {
		t.Errorf("content is in the error: %q", e.Message)
	}
}

func TestBadBytesAreRefusedInOurWords(t *testing.T) {
	f := start(t, echo())
	// Built by hand: an input of lists within lists.
	inner := []byte{}
	for range 2000 {
		value := protowire.AppendBytes(protowire.AppendTag(nil, 6, protowire.BytesType), inner)
		inner = protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), value)
	}
	entry := append(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), []byte("k")),
		protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType),
			protowire.AppendBytes(protowire.AppendTag(nil, 6, protowire.BytesType), inner))...)
	deepRun := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), entry))
	for _, c := range []struct {
		name, procedure, body, text string
	}{
		{"garbage", fairleadv1connect.ChatServiceChatProcedure, "\xff\xff\xff" + canary, "its bytes are not a message"},
		{"invalid utf-8", fairleadv1connect.ChatServiceChatProcedure, "\x0a\x02\xff\xfe", "not valid UTF-8"},
		{"deep", fairleadv1connect.RunServiceRunProcedure, string(deepRun), "nested too deeply"},
	} {
		_, all := post(t, client(t, true), f.url+c.procedure, "application/connect+proto", nil, envelope(c.body))
		var end struct{ Error wireError }
		if err := json.Unmarshal(all[5:], &end); err != nil {
			t.Fatalf("%s: %q: %v", c.name, all, err)
		}
		check(t, &end.Error, c.text)
	}
}

func TestRequestsThatBreakARule(t *testing.T) {
	f := start(t, echo())
	user := func(parts ...*pb.Part) *pb.Message { return &pb.Message{Role: pb.Role_ROLE_USER, Parts: parts} }
	text := &pb.Part{Kind: &pb.Part_Text{Text: canary}}
	image := func(i *pb.Image) *pb.Part { return &pb.Part{Kind: &pb.Part_Image{Image: i}} }
	change := func(f func(*pb.ChatRequest)) *pb.ChatRequest {
		req := ask(canary)
		f(req)
		return req
	}
	many := &pb.ChatRequest{}
	for range 2000 {
		many.Messages = append(many.Messages, &pb.Message{})
	}
	cases := []struct {
		name string
		req  *pb.ChatRequest
		text string
	}{
		{"nothing", &pb.ChatRequest{}, "messages: must contain at least 1 item(s)"},
		{"no role", change(func(r *pb.ChatRequest) { r.Messages[0].Role = 0 }), "messages[0].role: "},
		{"no content", &pb.ChatRequest{Messages: []*pb.Message{user()}}, "messages[0].parts: the message says nothing"},
		{"empty part", &pb.ChatRequest{Messages: []*pb.Message{user(&pb.Part{})}}, "messages[0].parts[0].kind: exactly one field is required in oneof"},
		{"many mistakes", many, "and more of the kind"},
		{"tool without id", change(func(r *pb.ChatRequest) { r.Messages[0].Role = pb.Role_ROLE_TOOL }), "messages[0].tool_call_id: a message of ROLE_TOOL names"},
		{"user with id", change(func(r *pb.ChatRequest) { r.Messages[0].ToolCallId = "x" }), "messages[0].tool_call_id: only a message of ROLE_TOOL"},
		{"user with calls", change(func(r *pb.ChatRequest) { r.Messages[0].ToolCalls = []*pb.ToolCall{{Id: "a", Name: "b"}} }), "messages[0].tool_calls: only"},
		{"picture by the model", &pb.ChatRequest{Messages: []*pb.Message{{Role: pb.Role_ROLE_ASSISTANT, Parts: []*pb.Part{image(&pb.Image{Source: &pb.Image_Url{Url: "https://a/b"}})}}}}, "only a message of ROLE_USER shows pictures"},
		{"picture without type", &pb.ChatRequest{Messages: []*pb.Message{user(text, image(&pb.Image{Source: &pb.Image_Data{Data: []byte{1}}}))}}, "messages[0].parts[1].image.media_type"},
		{"picture on disk", &pb.ChatRequest{Messages: []*pb.Message{user(image(&pb.Image{Source: &pb.Image_Url{Url: "file:///" + canary}}))}}, "image.url: it is not an address"},
		{"schema is not json", change(func(r *pb.ChatRequest) { r.Tools = []*pb.Tool{{Name: "a", ParametersJson: "{" + canary}} }), "tools[0].parameters_json: it is not JSON"},
		{"schema is a list", change(func(r *pb.ChatRequest) { r.Tools = []*pb.Tool{{Name: "a", ParametersJson: "[]"}} }), "not an object"},
		{"tools of one name", change(func(r *pb.ChatRequest) { r.Tools = []*pb.Tool{{Name: "a"}, {Name: "a"}} }), "tools[1].name"},
		{"choice of no tool", change(func(r *pb.ChatRequest) {
			r.ToolChoice = &pb.ToolChoice{Mode: pb.ToolChoice_MODE_NAMED, Name: "a"}
		}), "tool_choice.name"},
		{"must without tools", change(func(r *pb.ChatRequest) { r.ToolChoice = &pb.ToolChoice{Mode: pb.ToolChoice_MODE_REQUIRED} }), "tool_choice.mode"},
		{"form without schema", change(func(r *pb.ChatRequest) {
			r.ResponseFormat = &pb.ResponseFormat{Kind: pb.ResponseFormat_KIND_JSON_SCHEMA}
		}), "response_format.schema_json: KIND_JSON_SCHEMA needs"},
		{"negative budget", change(func(r *pb.ChatRequest) { r.Budget = &pb.Money{NanoUsd: -1} }), "budget.nano_usd: it is negative"},
		{"no time", change(func(r *pb.ChatRequest) { r.Timeout = &durationpb.Duration{} }), "timeout: "},
		{"hot", change(func(r *pb.ChatRequest) { r.Sampling = &pb.Sampling{Temperature: proto.Float64(3)} }), "sampling.temperature: "},
		{"not a number", change(func(r *pb.ChatRequest) { r.Sampling = &pb.Sampling{TopP: proto.Float64(math.NaN())} }), "sampling.top_p: "},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, p := range []protocol{protocols[0], protocols[len(protocols)-1]} {
				_, err := drainAll(p.chat(t, f, t.Context(), c.req))
				code, info := outcome(t, err)
				if code != connect.CodeInvalidArgument || info.GetReason() != "bad_request" || info.GetRetryable() {
					t.Errorf("%v %v", err, info)
				}
				if !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), canary) {
					t.Errorf("text = %q, want %q in it", err, c.text)
				}
				if len(err.Error()) > 4096 {
					t.Errorf("the text has %d bytes", len(err.Error()))
				}
			}
		})
	}
	if strings.Contains(f.log.String(), canary) {
		t.Error("content is in the log")
	}
}

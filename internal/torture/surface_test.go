package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
)

// question is what a case asks.
type question struct {
	policy string
	// tools: the answer is a tool call.
	tools bool
	// timeout is the run's. 0: none.
	timeout time.Duration
	// heard, if given, is called with each piece of the answer, where the surface has pieces.
	heard func()
}

// outcome is what a caller saw.
type outcome struct {
	// text is the answer: its text, or the arguments of its tool call. What was withdrawn is not in it.
	text string
	// whole: the surface says that the answer is whole.
	whole bool
	// reason is the reason that the error carries, where it is not whole.
	reason string
	// retracted and failed count what the events told; only the RPC surfaces have them.
	retracted int
	failed    []string
	// wrong says what no surface may do, such as an end that looks good beside an error.
	wrong string
}

// String shows an outcome without the whole of a flood.
func (o *outcome) String() string {
	text := o.text
	if len(text) > 200 {
		text = fmt.Sprintf("%s… (%d bytes)", text[:200], len(text))
	}
	return fmt.Sprintf("whole %v, reason %q, attempts %q, %d retracted, wrong %q, text %q", o.whole, o.reason, o.failed, o.retracted, o.wrong, text)
}

// surface is a way to call the server.
type surface struct {
	name string
	// stream: the answer is seen as it comes; retracts: what was seen can be withdrawn.
	stream, retracts bool
	ask              func(context.Context, *rig, question) outcome
}

var surfaces = []surface{
	{"connect proto", true, true, overConnect()},
	{"connect json", true, true, overConnect(connect.WithProtoJSON())},
	{"grpc", true, true, overGRPC},
	{"grpc-web", true, true, overConnect(connect.WithGRPCWeb())},
	{"openai sse", true, false, overSSE},
	{"openai plain", false, false, overPlain},
}

// message is the question for the RPC surfaces.
func (q *question) message() *pb.ChatRequest {
	m := &pb.ChatRequest{Model: "policy/" + q.policy, Messages: []*pb.Message{{
		Role: pb.Role_ROLE_USER, Parts: []*pb.Part{{Kind: &pb.Part_Text{Text: "question"}}},
	}}}
	if q.tools {
		m.Tools = []*pb.Tool{{Name: "look", Description: "looks"}}
	}
	if q.timeout > 0 {
		m.Timeout = durationpb.New(q.timeout)
	}
	return m
}

// next gives the next event of a stream, io.EOF at its end, or its error.
type next func() (*pb.Event, error)

// listen reads a stream of events as a careful client does.
func (q *question) listen(events next) (o outcome) {
	var b strings.Builder
	var finished *pb.RunFinished
	for {
		ev, err := events()
		if err == io.EOF {
			break
		}
		if err != nil {
			o.reason = reasonOf(err)
			if finished != nil {
				o.wrong = "an error came after RunFinished"
			}
			break
		}
		if finished != nil {
			o.wrong = "an event came after RunFinished"
		}
		switch {
		case ev.GetTextDelta() != nil:
			if !ev.GetTextDelta().GetOutput() {
				o.wrong = "text that is not the output"
			}
			b.WriteString(ev.GetTextDelta().GetText())
		case ev.GetToolCallDelta() != nil:
			if ev.GetToolCallDelta().GetIndex() != 0 {
				o.wrong = "a second tool call"
			}
			b.WriteString(ev.GetToolCallDelta().GetArguments())
		case ev.GetRetracted() != nil:
			o.retracted++
			b.Reset()
		case ev.GetAttemptFailed() != nil:
			o.failed = append(o.failed, ev.GetAttemptFailed().GetReason())
		case ev.GetRunFinished() != nil:
			finished = ev.GetRunFinished()
		}
		if q.heard != nil && b.Len() > 0 {
			q.heard()
		}
	}
	o.text = b.String()
	o.whole = finished != nil && o.reason == ""
	if finished != nil && !q.tools && finished.GetOutput() != o.text {
		o.wrong = fmt.Sprintf("the run's output is %q", finished.GetOutput())
	}
	if finished == nil && o.reason == "" {
		o.reason = "nothing"
	}
	return o
}

// reasonOf gives the reason that an error carries; without one it is the error's code.
func reasonOf(err error) string {
	var details []any
	code := "no code"
	var ce *connect.Error
	if errors.As(err, &ce) {
		code = ce.Code().String()
		for _, d := range ce.Details() {
			if m, err := d.Value(); err == nil {
				details = append(details, m)
			}
		}
	} else if s, ok := status.FromError(err); ok {
		code, details = s.Code().String(), s.Details()
	}
	for _, d := range details {
		if info, ok := d.(*pb.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return "code " + code
}

func overConnect(options ...connect.ClientOption) func(context.Context, *rig, question) outcome {
	return func(ctx context.Context, r *rig, q question) outcome {
		s, err := fairleadv1connect.NewChatServiceClient(r.http1, r.address, options...).Chat(ctx, q.message())
		if err != nil {
			return outcome{reason: reasonOf(err)}
		}
		defer s.Close()
		return q.listen(func() (*pb.Event, error) {
			if s.Receive() {
				return s.Msg().GetEvent(), nil
			}
			if s.Err() == nil {
				return nil, io.EOF
			}
			return nil, s.Err()
		})
	}
}

func overGRPC(ctx context.Context, r *rig, q question) outcome {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := r.grpc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, fairleadv1connect.ChatServiceChatProcedure)
	if err == nil {
		err = errors.Join(s.SendMsg(q.message()), s.CloseSend())
	}
	if err != nil {
		return outcome{reason: reasonOf(err)}
	}
	return q.listen(func() (*pb.Event, error) {
		var m pb.ChatResponse
		if err := s.RecvMsg(&m); err != nil {
			return nil, err
		}
		return m.GetEvent(), nil
	})
}

// post asks in OpenAI's dialect.
func (r *rig) post(ctx context.Context, q question, stream bool) (*http.Response, error) {
	body := map[string]any{
		"model": "policy/" + q.policy, "stream": stream, "messages": []any{map[string]any{"role": "user", "content": "question"}},
	}
	if q.tools {
		body["tools"] = []any{map[string]any{"type": "function", "function": map[string]any{"name": "look"}}}
	}
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.address+"/v1/chat/completions", bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if q.timeout > 0 {
		req.Header.Set("Fairlead-Timeout", q.timeout.String())
	}
	return r.http1.Do(req)
}

// said is what the dialect says, in pieces and whole.
type said struct {
	Choices []struct {
		Delta        spoken  `json:"delta"`
		Message      spoken  `json:"message"`
		FinishReason *string `json:"finish_reason"`
	} `json:"choices"`
	Error *struct {
		Code string `json:"code"`
	} `json:"error"`
}

type spoken struct {
	Content   string `json:"content"`
	ToolCalls []struct {
		Index    int `json:"index"`
		Function struct {
			Arguments string `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
}

func (s *spoken) text() string {
	text := s.Content
	for _, c := range s.ToolCalls {
		text += c.Function.Arguments
	}
	return text
}

func overSSE(ctx context.Context, r *rig, q question) (o outcome) {
	resp, err := r.post(ctx, q, true)
	if err != nil {
		return outcome{reason: reasonOf(err)}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refused(resp)
	}
	data, err := readAll(resp.Body, q.heard)
	finished, done := false, false
	for frame := range strings.SplitSeq(string(data), "\n\n") {
		frame, isData := strings.CutPrefix(frame, "data: ")
		switch {
		case !isData:
			continue // a comment, or the end
		case frame == "[DONE]":
			done = true
			continue
		}
		var s said
		if jsonErr := json.Unmarshal([]byte(frame), &s); jsonErr != nil {
			o.wrong = "a frame is not JSON"
			continue
		}
		if s.Error != nil {
			o.reason = reasonOfCode(s.Error.Code)
		}
		for _, c := range s.Choices {
			o.text += c.Delta.text()
			finished = finished || c.FinishReason != nil
		}
	}
	switch {
	case done && finished && err == nil && o.reason == "":
		o.whole = true
	case done, finished, err == nil:
		o.wrong = fmt.Sprintf("a broken answer has an end that looks good: [DONE] %v, finish reason %v, the body's end %v", done, finished, err)
	case o.reason == "":
		o.reason = "nothing"
	}
	return o
}

// readAll reads a body and tells of each read.
func readAll(body io.Reader, heard func()) (data []byte, err error) {
	buf := make([]byte, 16<<10)
	for {
		n, err := body.Read(buf)
		data = append(data, buf[:n]...)
		if heard != nil && n > 0 {
			heard()
		}
		if err == io.EOF {
			return data, nil
		}
		if err != nil {
			return data, err
		}
	}
}

// reasonOfCode gives the reason that a code of the dialect stands for: its clients know some by other names.
func reasonOfCode(code string) string {
	if code == "rate_limit_exceeded" {
		return "rate_limited"
	}
	return code
}

// refused is a refusal in the dialect's form.
func refused(resp *http.Response) outcome {
	var s said
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil || s.Error == nil {
		return outcome{reason: "nothing", wrong: fmt.Sprintf("status %d without an error in it: %v", resp.StatusCode, err)}
	}
	return outcome{reason: reasonOfCode(s.Error.Code)}
}

func overPlain(ctx context.Context, r *rig, q question) (o outcome) {
	resp, err := r.post(ctx, q, false)
	if err != nil {
		return outcome{reason: reasonOf(err)}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refused(resp)
	}
	var s said
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil || len(s.Choices) != 1 || s.Error != nil || s.Choices[0].FinishReason == nil {
		return outcome{reason: "nothing", wrong: fmt.Sprintf("status 200 without an answer: %v", err)}
	}
	return outcome{text: s.Choices[0].Message.text(), whole: true}
}

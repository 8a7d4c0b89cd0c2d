package faultproxy

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// DefaultAnswer is what the proxy answers by itself. Each word stands in it once, so that a hole and a
// repetition show.
const DefaultAnswer = "The night ferry to Tromsø leaves pier four at nine; naïve travellers queue early, bring “proper” coats,\n" +
	"and count 1 234 gulls — or rather, they give up somewhere near eighty. Boarding closes ten minutes before " +
	"departure. 渡し船は静かです。 Dogs sleep below deck, cats wherever they please, while engines hum an old tune " +
	"until morning light finds Finnmark."

// ToolArguments are the arguments with which the proxy, by itself, calls the first tool that a request brings.
const ToolArguments = `{"city":"Tromsø","days":3,"note":"window seat, \"quiet\" side"}`

// toolCallID is the id of that call.
const toolCallID = "call_1"

// dimensions is the size of the proxy's own vectors, when a request asks for none.
const dimensions = 32

// model answers as a model server would, always in the same way.
type model struct {
	answer string
	pace   time.Duration
}

// ask is what the model reads of any request.
type ask struct {
	Model  string          `json:"model"`
	Stream *bool           `json:"stream"`
	Input  json.RawMessage `json:"input"`
	Tools  []struct {
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	} `json:"tools"`
	ToolChoice    json.RawMessage `json:"tool_choice"`
	Dimensions    int             `json:"dimensions"`
	Encoding      string          `json:"encoding_format"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
}

// streams says whether a stream is wanted.
func (a *ask) streams(otherwise bool) bool {
	if a.Stream == nil {
		return otherwise
	}
	return *a.Stream
}

// tool names the tool to call, or is empty.
func (a *ask) tool() string {
	if len(a.Tools) == 0 || string(a.ToolChoice) == `"none"` {
		return ""
	}
	return a.Tools[0].Function.Name
}

// serve answers a request. The stream ends with ctx.
func (m *model) serve(ctx context.Context, r *http.Request, body []byte) *answer {
	var a ask
	if r.Method == http.MethodPost {
		if json.Unmarshal(body, &a) != nil || a.Model == "" {
			return fails(r.URL.Path, http.StatusBadRequest, "the request is not JSON with a model")
		}
	}
	switch r.Method + " " + strings.TrimSuffix(r.URL.Path, "/") {
	case "POST /v1/chat/completions":
		if a.streams(false) {
			return m.stream(ctx, "text/event-stream", m.openaiFrames(&a))
		}
		return document(m.openaiChat(&a))
	case "POST /v1/embeddings":
		return openaiVectors(&a)
	case "GET /v1/models":
		return document(map[string]any{"object": "list", "data": []any{map[string]any{"id": "fault", "object": "model", "created": 0, "owned_by": "fairlead"}}})
	case "POST /api/chat":
		if a.streams(true) {
			return m.stream(ctx, "application/x-ndjson", m.ollamaFrames(&a))
		}
		return document(m.ollamaChat(&a))
	case "POST /api/embed":
		return ollamaVectors(&a)
	case "GET /api/tags":
		return document(map[string]any{"models": []any{map[string]any{"name": "fault:latest", "model": "fault:latest", "size": 0}}})
	case "POST /api/show":
		return document(map[string]any{
			"capabilities": []string{"completion", "tools", "embedding"}, "model_info": map[string]any{"fault.context_length": 8192},
		})
	case "GET /api/version":
		return document(map[string]any{"version": "0.0.0"})
	default:
		return fails(r.URL.Path, http.StatusNotFound, "there is no such path")
	}
}

// document is a whole answer.
func document(v any) *answer { return jsonAnswer(http.StatusOK, v) }

func jsonAnswer(status int, v any) *answer {
	data := marshal(v)
	return &answer{
		status: status, header: http.Header{"Content-Type": {"application/json"}},
		body: io.NopCloser(bytes.NewReader(data)), length: int64(len(data)),
	}
}

// fails is a refusal in the format of the path.
func fails(path string, status int, message string) *answer {
	if strings.HasPrefix(path, "/api/") {
		return jsonAnswer(status, map[string]any{"error": message})
	}
	return jsonAnswer(status, map[string]any{"error": map[string]any{"message": message, "type": "invalid_request_error", "code": nil}})
}

// stream is an answer in frames.
func (m *model) stream(ctx context.Context, mediaType string, frames [][]byte) *answer {
	a := &answer{status: http.StatusOK, header: http.Header{"Content-Type": {mediaType}}, body: &paced{ctx: ctx, pace: m.pace, frames: frames}}
	for _, f := range frames {
		a.length += int64(len(f))
	}
	return a
}

// paced reads frames with a pause before each but the first.
type paced struct {
	ctx     context.Context //nolint:containedctx // it is the request's own, and the body is no longer than it
	pace    time.Duration
	frames  [][]byte
	current []byte
	begun   bool
}

// Read gives at most what is left of one frame.
func (p *paced) Read(b []byte) (int, error) {
	if len(p.current) == 0 {
		if len(p.frames) == 0 {
			return 0, io.EOF
		}
		if p.begun && p.pace > 0 {
			timer := time.NewTimer(p.pace)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-p.ctx.Done():
				return 0, p.ctx.Err()
			}
		}
		p.begun = true
		p.current, p.frames = p.frames[0], p.frames[1:]
	}
	n := copy(b, p.current)
	p.current = p.current[n:]
	return n, nil
}

// Close does nothing: there is nothing to give back.
func (p *paced) Close() error { return nil }

// pieces cuts a text as models do: by words, each with the space before it.
func pieces(text string) []string {
	var out []string
	start := 0
	for i, r := range text {
		if i > start && (r == ' ' || r == '\n') {
			out = append(out, text[start:i])
			start = i
		}
	}
	return append(out, text[start:])
}

// halves cuts a text in two, where a character begins.
func halves(text string) []string {
	at := 0
	for i := range text {
		if at = i; i >= len(text)/2 {
			break
		}
	}
	return []string{text[:at], text[at:]}
}

// texts reads one text or several.
func (a *ask) texts() []string {
	var one string
	if json.Unmarshal(a.Input, &one) == nil {
		return []string{one}
	}
	var many []string
	_ = json.Unmarshal(a.Input, &many) // what is neither has no texts, and is refused for that
	return many
}

// vector gives a text's vector, of length 1.
func (a *ask) vector(text string) []float32 {
	n := dimensions
	if a.Dimensions > 0 && a.Dimensions <= 1<<14 {
		n = a.Dimensions
	}
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(text))
	rng := rand.New(rand.NewPCG(hash.Sum64(), 1))
	values, sum := make([]float64, n), 0.0
	for i := range values {
		values[i] = rng.NormFloat64()
		sum += values[i] * values[i]
	}
	out := make([]float32, n)
	for i, v := range values {
		out[i] = float32(v / math.Sqrt(sum))
	}
	return out
}

// packed is a vector in base64, as OpenAI's clients ask for it.
func packed(v []float32) string {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return base64.StdEncoding.EncodeToString(b)
}

// marshal writes JSON as model servers do, without the escapes that are for HTML only. What is written here can
// always be.
func marshal(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

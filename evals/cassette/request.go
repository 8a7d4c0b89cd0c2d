package cassette

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"fairlead/providers"
	"fairlead/providers/tensor"
)

// Request is what is asked of a model, in a form whose JSON is the same whenever the question is: object keys are in
// order, pictures are their hashes, and what only our side uses (ids of documents) is not in it.
type Request struct {
	Do     string `json:"do"`
	Target string `json:"target"`
	Model  string `json:"model,omitempty"`

	Messages    []message                  `json:"messages,omitempty"`
	Query       string                     `json:"query,omitempty"`
	Tools       []tool                     `json:"tools,omitempty"`
	ToolChoice  *providers.ToolChoice      `json:"tool_choice,omitempty"`
	Parallel    *bool                      `json:"parallel_tool_calls,omitempty"`
	Format      *form                      `json:"format,omitempty"`
	MaxTokens   *int                       `json:"max_tokens,omitempty"`
	Temperature *float64                   `json:"temperature,omitempty"`
	TopP        *float64                   `json:"top_p,omitempty"`
	Stop        []string                   `json:"stop,omitempty"`
	Seed        *int64                     `json:"seed,omitempty"`
	Extra       map[string]json.RawMessage `json:"extra,omitempty"`

	Version    string   `json:"version,omitempty"`
	Texts      []string `json:"texts,omitempty"`
	Images     []string `json:"images,omitempty"`
	Dimensions int      `json:"dimensions,omitempty"`
	Signature  string   `json:"signature,omitempty"`
	Inputs     []Tensor `json:"inputs,omitempty"`
	Outputs    []string `json:"outputs,omitempty"`
}

type message struct {
	Role       providers.Role `json:"role"`
	Text       []string       `json:"text,omitempty"`
	Images     []string       `json:"images,omitempty"`
	ToolCalls  []ToolCall     `json:"tool_calls,omitempty"`
	ToolCallID string         `json:"tool_call_id,omitempty"`
	Name       string         `json:"name,omitempty"`
}

type tool struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
}

type form struct {
	Kind   providers.FormatKind `json:"kind"`
	Name   string               `json:"name,omitempty"`
	Schema json.RawMessage      `json:"schema,omitempty"`
	Strict *bool                `json:"strict,omitempty"`
}

// Key gives the SHA-256 of the request, in hex.
func (r *Request) Key() (string, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// scrubbed gives the request as it may be kept.
func (r *Request) scrubbed() (json.RawMessage, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return json.RawMessage(Scrub(string(data))), nil
}

// picture gives the hash of a picture, with its address where it has one.
func picture(data []byte, url string) string {
	if url != "" {
		return url
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// canonical gives JSON with its keys in order and without spaces; what is no JSON is kept as a text.
func canonical(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return nil
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		v = string(raw)
	}
	out, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return out
}

func generateRequest(target string, r *providers.Request) *Request {
	out := &Request{Do: "generate", Target: target, Model: r.Model, Query: r.Query, Parallel: r.ParallelToolCalls, MaxTokens: r.MaxTokens,
		Temperature: r.Temperature, TopP: r.TopP, Stop: r.Stop, Seed: r.Seed}
	for _, m := range r.Messages {
		one := message{Role: m.Role, ToolCallID: m.ToolCallID, Name: m.Name}
		for _, p := range m.Parts {
			if p.Image != nil {
				one.Images = append(one.Images, picture(p.Image.Data, p.Image.URL))
			} else {
				one.Text = append(one.Text, p.Text)
			}
		}
		for _, c := range m.ToolCalls {
			one.ToolCalls = append(one.ToolCalls, ToolCall(c))
		}
		out.Messages = append(out.Messages, one)
	}
	for _, t := range r.Tools {
		out.Tools = append(out.Tools, tool{t.Name, t.Description, canonical(t.Parameters), t.Strict})
	}
	if r.ToolChoice.Mode != providers.ToolsUnset {
		out.ToolChoice = &r.ToolChoice
	}
	if r.Format.Kind != providers.FormatUnset {
		out.Format = &form{r.Format.Kind, r.Format.Name, canonical(r.Format.Schema), r.Format.Strict}
	}
	for name, raw := range r.Extra {
		if out.Extra == nil {
			out.Extra = map[string]json.RawMessage{}
		}
		out.Extra[name] = canonical(raw)
	}
	return out
}

func embedRequest(target string, r *providers.EmbedRequest) *Request {
	return &Request{Do: "embed", Target: target, Model: r.Model, Texts: r.Texts, Dimensions: r.Dimensions}
}

func classifyRequest(target string, r *providers.ClassifyRequest) *Request {
	out := &Request{Do: "classify", Target: target, Model: r.Model, Version: r.Version, Texts: r.Texts}
	for _, image := range r.Images {
		out.Images = append(out.Images, picture(image, ""))
	}
	return out
}

func predictRequest(target string, r *providers.PredictRequest) *Request {
	out := &Request{Do: "predict", Target: target, Model: r.Model, Version: r.Version, Signature: r.Signature, Outputs: r.Outputs,
		Inputs: make([]Tensor, len(r.Inputs))}
	for i := range r.Inputs {
		out.Inputs[i] = tensorOf(&r.Inputs[i])
	}
	return out
}

func tensors(list []Tensor) ([]tensor.Tensor, error) {
	out := make([]tensor.Tensor, len(list))
	for i, t := range list {
		var err error
		if out[i], err = t.tensor(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

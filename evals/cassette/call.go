package cassette

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"fairlead/providers"
	"fairlead/providers/tensor"
)

// Call is one recorded call. Its JSON is the form of a line.
type Call struct {
	Case  string `json:"case"`
	Epoch int    `json:"epoch,omitempty"`
	// Key is the SHA-256 of the request, in hex, and Take its count within the case and epoch, from 0.
	Key    string `json:"key"`
	Take   int    `json:"take,omitempty"`
	Target string `json:"target"`
	// Request is what was asked, for people: it is not read again.
	Request json.RawMessage `json:"request,omitempty"`
	// TTFT and Took are in milliseconds.
	TTFT float64 `json:"ttft_ms,omitempty"`
	Took float64 `json:"took_ms"`

	// One of these is what came.
	Answer     *Answer     `json:"answer,omitempty"`
	Vectors    *Vectors    `json:"vectors,omitempty"`
	Classes    *Classes    `json:"classes,omitempty"`
	Prediction *Prediction `json:"prediction,omitempty"`
	// Failure is how the call ended, if it did not go well; an Answer beside it is what came before.
	Failure *Failure `json:"failure,omitempty"`
}

func (c *Call) place() place { return place{c.Case, c.Epoch, c.Key, c.Take} }

func (c *Call) check() error {
	n := 0
	for _, there := range []bool{c.Answer != nil, c.Vectors != nil, c.Classes != nil, c.Prediction != nil} {
		if there {
			n++
		}
	}
	switch {
	case c.Case == "" || len(c.Key) != 64 || c.Epoch < 0 || c.Take < 0:
		return errors.New("case, key, epoch or take is missing or wrong")
	case n > 1 || n == 0 && c.Failure == nil:
		return errors.New("want one of answer, vectors, classes and prediction, or failure")
	case c.TTFT < 0 || c.Took < 0 || c.TTFT > maxTime || c.Took > maxTime:
		return errors.New("its times are not from 0 to a day")
	}
	return nil
}

// maxTime is a day, in milliseconds.
const maxTime = 24 * 60 * 60 * 1000

// ms gives a time in milliseconds, to the microsecond.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func duration(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// Usage is what a call took.
type Usage struct {
	Input       int64 `json:"input,omitempty"`
	CachedInput int64 `json:"cached_input,omitempty"`
	Output      int64 `json:"output,omitempty"`
	Reasoning   int64 `json:"reasoning,omitempty"`
	Estimated   bool  `json:"estimated,omitempty"`
}

// Answer is a streamed answer, collected: pieces are not kept apart.
type Answer struct {
	Text      string                 `json:"text,omitempty"`
	Reasoning string                 `json:"reasoning,omitempty"`
	Tools     []ToolCall             `json:"tool_calls,omitempty"`
	Citations []Citation             `json:"citations,omitempty"`
	Usage     *Usage                 `json:"usage,omitempty"`
	Finish    providers.FinishReason `json:"finish,omitempty"`
	Model     string                 `json:"model,omitempty"`
}

// ToolCall is a model's wish to have a tool called.
type ToolCall struct {
	ID        string `json:"id,omitempty"`
	Name      string `json:"name"`
	Arguments string `json:"arguments,omitempty"`
}

// Citation is a quote of a document of the request.
type Citation struct {
	Document int `json:"document"`
	Start    int `json:"start"`
	End      int `json:"end"`
}

// Vectors are embeddings.
type Vectors struct {
	Vectors [][]float32 `json:"vectors"`
	Model   string      `json:"model,omitempty"`
	Usage   Usage       `json:"usage"`
}

// Classes are a classifier's, by item.
type Classes struct {
	Classes [][]Class `json:"classes"`
	Model   string    `json:"model,omitempty"`
	Usage   Usage     `json:"usage"`
}

// Class is a class with its probability.
type Class struct {
	Name        string  `json:"name"`
	Probability float64 `json:"probability"`
}

// Prediction is a model's outputs.
type Prediction struct {
	Outputs []Tensor `json:"outputs"`
	Model   string   `json:"model,omitempty"`
	Version string   `json:"version,omitempty"`
	Usage   Usage    `json:"usage"`
}

// Tensor is an output.
type Tensor struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Shape   []int64  `json:"shape"`
	Data    []byte   `json:"data,omitempty"`
	Strings [][]byte `json:"texts,omitempty"`
}

// Failure is a failed call.
type Failure struct {
	Kind         providers.Kind `json:"kind"`
	Status       int            `json:"status,omitempty"`
	Code         string         `json:"code,omitempty"`
	Param        string         `json:"param,omitempty"`
	Detail       string         `json:"detail,omitempty"`
	RetryAfterMS float64        `json:"retry_after_ms,omitempty"`
	MayBill      bool           `json:"may_bill,omitempty"`
}

func usageOf(u providers.Usage) Usage {
	return Usage{u.Input, u.CachedInput, u.Output, u.Reasoning, u.Estimated}
}

func (u Usage) providers() providers.Usage {
	return providers.Usage{Input: u.Input, CachedInput: u.CachedInput, Output: u.Output, Reasoning: u.Reasoning, Estimated: u.Estimated}
}

func answerOf(a *providers.Answer) *Answer {
	out := &Answer{Text: Scrub(a.Text), Reasoning: Scrub(a.Reasoning), Finish: a.Finish, Model: a.Model}
	for _, c := range a.ToolCalls {
		out.Tools = append(out.Tools, ToolCall{c.ID, c.Name, Scrub(c.Arguments)})
	}
	for _, c := range a.Citations {
		out.Citations = append(out.Citations, Citation{c.Document, c.Start, c.End})
	}
	if a.Usage != nil {
		u := usageOf(*a.Usage)
		out.Usage = &u
	}
	return out
}

// chunks gives the answer as a stream gives it: the text, what belongs to it, and the end.
func (a *Answer) chunks() []providers.Chunk {
	var out []providers.Chunk
	if a.Reasoning != "" {
		out = append(out, providers.Chunk{Reasoning: a.Reasoning, Model: a.Model})
	}
	if a.Text != "" {
		out = append(out, providers.Chunk{Text: a.Text, Model: a.Model})
	}
	for i, c := range a.Tools {
		out = append(out, providers.Chunk{ToolCalls: []providers.ToolCallDelta{{Index: i, ID: c.ID, Name: c.Name, Arguments: c.Arguments}}, Model: a.Model})
	}
	for _, c := range a.Citations {
		out = append(out, providers.Chunk{Citation: &providers.Citation{Document: c.Document, Start: c.Start, End: c.End}})
	}
	last := providers.Chunk{Finish: a.Finish, Model: a.Model}
	if a.Usage != nil {
		u := a.Usage.providers()
		last.Usage = &u
	}
	return append(out, last)
}

func failureOf(e *providers.Error) *Failure {
	return &Failure{e.Kind, e.Status, e.Code, e.Param, e.Detail, ms(e.RetryAfter), e.MayBill}
}

func (f *Failure) err(backend, model string) error {
	return &providers.Error{Kind: f.Kind, Backend: backend, Model: model, Status: f.Status, Code: f.Code, Param: f.Param, Detail: f.Detail,
		RetryAfter: duration(f.RetryAfterMS), MayBill: f.MayBill}
}

func tensorOf(t *tensor.Tensor) Tensor {
	return Tensor{t.Name, t.Type.String(), t.Shape, t.Data, t.Strings}
}

// tensor gives the tensor, checked as one that came over a wire.
func (t Tensor) tensor() (tensor.Tensor, error) {
	kind, err := tensor.ParseType(t.Type)
	if err != nil {
		return tensor.Tensor{}, fmt.Errorf("output %q: %w", t.Name, err)
	}
	out := tensor.Tensor{Name: t.Name, Type: kind, Shape: t.Shape, Data: t.Data, Strings: t.Strings}
	return out, out.Check(tensor.Limits{})
}

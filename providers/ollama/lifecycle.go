package ollama

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/ollama/ollama/api"

	"fairlead/providers"
	"fairlead/providers/internal/wire"
)

// lookTimeout is the longest time for what is asked beside answers, where the context has no earlier end.
const lookTimeout = 10 * time.Second

// lookAnswer bounds the pages that are read: with the factor of package wire, 4 MiB each.
const lookAnswer = 512 << 10

// tag is what /api/tags tells of a model.
type tag struct {
	Name string `json:"name"`
	Host string `json:"remote_host"`
	Size int64  `json:"size"` // on disk
}

// tags asks for the models that the server has.
func (c *Client) tags(ctx context.Context) ([]tag, *providers.Error) {
	var answer struct {
		Models wire.List[tag] `json:"models"`
	}
	if e := c.look(ctx, "api/tags", "", nil, &answer); e != nil {
		return nil, e
	}
	if answer.Models == nil {
		return nil, c.fail(providers.KindProtocol, "", "its answer holds no list of models")
	}
	return answer.Models, nil
}

// look is fetch for what is asked beside answers, which is small.
func (c *Client) look(ctx context.Context, path, model string, body []byte, into any) *providers.Error {
	small := *c
	small.wire.MaxAnswer = lookAnswer
	return small.fetch(ctx, path, model, body, into)
}

// Details of states, in our words.
const (
	detailOnCall = "it is loaded by its first call"
	detailRemote = "the server sends its calls on to another"
)

// Versions tells which models are in memory, with what they take of the accelerator's and how long they stay (ready), and
// which the server has beside them (absent: the first call loads them), with what they take on disk; see providers.Lifecycle.
// A model has one version, without a name.
func (c *Client) Versions(ctx context.Context, model string) ([]providers.ModelVersion, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	known, e := c.tags(ctx)
	if e != nil {
		e.Model = model
		return nil, e
	}
	var running struct {
		Models wire.List[struct {
			Name    string    `json:"name"`
			Expires time.Time `json:"expires_at"`
			VRAM    int64     `json:"size_vram"`
			Size    int64     `json:"size"` // of which VRAM is on the accelerator
		}] `json:"models"`
	}
	if e := c.look(ctx, "api/ps", model, nil, &running); e != nil {
		return nil, e
	}
	out := make([]providers.ModelVersion, 0, len(known))
	for _, m := range known {
		if m.Name == "" || model != "" && !sameModel(m.Name, model) {
			continue
		}
		v := providers.ModelVersion{Model: m.Name, State: providers.ModelAbsent, Detail: detailOnCall, Bytes: max(m.Size, 0)}
		if m.Host != "" {
			v.State, v.Detail, v.Bytes = providers.ModelReady, detailRemote, 0
		}
		for _, r := range running.Models {
			if !sameModel(r.Name, m.Name) {
				continue
			}
			v.State, v.Detail, v.Expires, v.Bytes = providers.ModelReady, "", r.Expires, max(r.VRAM, 0)
			if v.Bytes == 0 { // no accelerator: it is in the machine's own memory
				v.Bytes = max(r.Size, 0)
			}
		}
		out = append(out, v)
	}
	if model != "" && len(out) == 0 {
		return nil, c.fail(providers.KindNotFound, model, "")
	}
	return out, nil
}

// sameModel compares names as the server does: in any case, and with the tag "latest" where there is none.
func sameModel(a, b string) bool {
	return strings.EqualFold(tagged(a), tagged(b))
}

func tagged(name string) string {
	if strings.LastIndexByte(name, ':') <= strings.LastIndexByte(name, '/') {
		return name + ":latest"
	}
	return name
}

// Ready says whether the server has a model; see providers.Lifecycle. One that is not in memory is ready: its first call loads
// it. The version is not looked at.
func (c *Client) Ready(ctx context.Context, model, _ string) error {
	if model == "" {
		return c.fail(providers.KindInvalid, "", "the request names no model")
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	known, e := c.tags(ctx)
	if e != nil {
		e.Model = model
		return e
	}
	for _, m := range known {
		if sameModel(m.Name, model) {
			return nil
		}
	}
	return c.fail(providers.KindNotFound, model, "")
}

// Probe says whether the server takes calls; see providers.Prober.
func (c *Client) Probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var about struct {
		Version string `json:"version"`
	}
	if e := c.look(ctx, "api/version", "", nil, &about); e != nil {
		return e
	}
	if about.Version == "" {
		return c.fail(providers.KindProtocol, "", "it does not tell its version: is the base URL right?")
	}
	return nil
}

// warmRequest loads a model. The window is that of calls to come: with another one they would load it anew.
type warmRequest struct {
	Model     string         `json:"model"`
	Options   map[string]any `json:"options,omitempty"`
	KeepAlive *api.Duration  `json:"keep_alive,omitempty"`
	Stream    bool           `json:"stream"`
}

// Warm loads a model into memory, by a call for nothing; see providers.Warmer. It stays there for Config.KeepAlive. Loading
// takes as long as it takes: the context ends it.
func (c *Client) Warm(ctx context.Context, model, _ string) error {
	if model == "" {
		return c.fail(providers.KindInvalid, "", "the request names no model")
	}
	req := warmRequest{Model: model, KeepAlive: c.keepAlive}
	if c.numCtx > 0 {
		req.Options = map[string]any{"num_ctx": c.numCtx}
	}
	body, err := json.Marshal(req)
	if err != nil {
		return c.fail(providers.KindInvalid, model, "the request cannot be written as JSON")
	}
	var answer struct {
		Done       bool              `json:"done"`
		Embeddings []json.RawMessage `json:"embeddings"`
		Error      json.RawMessage   `json:"error"`
	}
	e := c.look(ctx, "api/generate", model, body, &answer)
	embeds := e != nil && e.Status == http.StatusBadRequest && e.Kind == providers.KindUnsupported
	if embeds {
		e = c.look(ctx, "api/embed", model, body, &answer)
	}
	switch {
	case e != nil:
		return e
	case len(answer.Error) > 0, !embeds && !answer.Done, embeds && answer.Embeddings == nil:
		return c.fail(providers.KindProtocol, model, "it does not say that the model was loaded")
	}
	return nil
}

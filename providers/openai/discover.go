package openai

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"

	"fairlead/providers"
	"fairlead/providers/internal/wire"
)

// listed is what servers say of a model in the list of the dialect, each of them some of it.
type listed struct {
	ID            string  `json:"id"`
	OwnedBy       string  `json:"owned_by"`
	Parent        string  `json:"parent"` // vLLM and SGLang: the base model of an adapter
	MaxModelLen   float64 `json:"max_model_len"`
	ContextLength float64 `json:"context_length"`
	// Meta, Aliases, Status and Architecture are llama.cpp's. Meta is null while the model is loaded; a router of several
	// models tells their Status.
	Meta    json.RawMessage   `json:"meta"`
	Aliases wire.List[string] `json:"aliases"`
	Status  *struct {
		Value  string `json:"value"`
		Failed bool   `json:"failed"`
	} `json:"status"`
	Architecture struct {
		Input wire.List[string] `json:"input_modalities"`
	} `json:"architecture"`
}

// trained gives the context that the model was trained for.
func (m *listed) trained() float64 {
	var meta struct {
		Context float64 `json:"n_ctx_train"`
	}
	if len(m.Meta) == 0 || json.Unmarshal(m.Meta, &meta) != nil {
		return 0
	}
	return meta.Context
}

// context gives the context window; 0 where it is not told.
func (m *listed) context() int { return count(max(m.MaxModelLen, m.ContextLength, m.trained())) }

// readList reads the list of the dialect.
func readList(call *wire.Call) ([]listed, *providers.Error) {
	var answer struct {
		Data wire.List[listed] `json:"data"`
	}
	if e := call.JSON(&answer); e != nil {
		return nil, e
	}
	if answer.Data == nil {
		return nil, call.Fail(providers.KindProtocol, "its answer holds no list of models")
	}
	return answer.Data, nil
}

// list asks for the list of the dialect.
func (c *Client) list(ctx context.Context) ([]listed, *providers.Error) {
	api := c.wire
	api.MaxAnswer = lookAnswer
	call, e := api.Start(ctx, "models", "", "application/json", nil)
	if e != nil {
		return nil, e
	}
	defer call.End()
	if call.Response.StatusCode != http.StatusOK {
		return nil, refused(call)
	}
	return readList(call)
}

// entry is a model as a server has it.
type entry struct {
	providers.Model
	aliases []string
	state   providers.ModelState
	detail  string
}

// Details of states, in our words.
const (
	detailOnCall = "it is loaded by its first call"
	detailSleeps = "it sleeps, and is loaded by the next call"
	detailBroken = "loading it failed: the server's own log says why"
)

// Models lists the server's models. Without Config.Server, Does is always 0, and Context is what some servers tell beyond the
// dialect; with it, they are what the server says on its own pages, as far as it does.
func (c *Client) Models(ctx context.Context) ([]providers.Model, error) {
	if c.site.server == ServerNone {
		all, e := c.list(ctx)
		if e != nil {
			return nil, e
		}
		return plain(all).models(), nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	program, e := c.program(ctx)
	if e != nil {
		return nil, e
	}
	all, _, e := c.entries(ctx, program, true)
	if e != nil {
		return nil, e
	}
	return all.models(), nil
}

// entries are the models of a server.
type entries []entry

func (all entries) models() []providers.Model {
	models := make([]providers.Model, len(all))
	for i, m := range all {
		models[i] = m.Model
	}
	return models
}

// plain takes the list as it is. An adapter has the window of its base model.
func plain(all []listed) entries {
	windows := make(map[string]int, len(all))
	for i := range all {
		windows[all[i].ID] = all[i].context()
	}
	out := make(entries, len(all))
	for i := range all {
		m := &all[i]
		out[i] = entry{aliases: m.Aliases, state: providers.ModelReady,
			Model: providers.Model{Name: m.ID, Context: cmp.Or(m.context(), windows[m.Parent])}}
	}
	return out
}

// entries asks a program for its models. anyName says that it answers calls of whatever name. Without details, what the models can
// do is left out where it is another page.
func (c *Client) entries(ctx context.Context, program string, details bool) (all entries, anyName bool, e *providers.Error) {
	if program == ServerLMStudio {
		all, e = c.lmStudioModels(ctx)
		return all, false, e
	}
	if program == ServerTGI {
		all, e = c.tgiModels(ctx)
		return all, true, e
	}
	list, e := c.list(ctx)
	if e != nil {
		return nil, false, e
	}
	switch all = plain(list); program {
	case ServerSGLang:
		if !details {
			return all, true, nil
		}
		info, e := c.sglangInfo(ctx)
		if e != nil {
			return nil, false, e
		}
		for i := range all {
			all[i].Does, all[i].Context = info.does(), cmp.Or(all[i].Context, count(info.Context))
		}
		return all, true, nil
	case ServerLlamaCPP:
		anyName, e = c.llamaCPPModels(ctx, list, all)
		return all, anyName, e
	}
	return all, false, nil
}

// Versions tells how the server's models stand; see providers.Lifecycle. A model has one version, without a name. Models that
// are loaded by their first call are absent until then. Without Config.Server it is KindUnsupported.
func (c *Client) Versions(ctx context.Context, model string) ([]providers.ModelVersion, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	program, e := c.program(ctx)
	if e != nil {
		return nil, e
	}
	all, anyName, e := c.entries(ctx, program, false)
	if e != nil {
		return nil, e
	}
	if model != "" {
		found := all.find(model, anyName)
		if found == nil {
			return nil, c.unlisted(program, model)
		}
		all = entries{*found}
	}
	out := make([]providers.ModelVersion, len(all))
	for i, m := range all {
		out[i] = providers.ModelVersion{Model: m.Name, State: m.state, Detail: m.detail}
	}
	return out, nil
}

// Ready says whether a model would answer now; see providers.Lifecycle. One that is loaded by its first call would. SGLang, TGI
// and a llama.cpp of one model answer calls of any name, so there any name is ready. What an unknown program does not list is
// KindUnsupported. The version is not looked at.
func (c *Client) Ready(ctx context.Context, model, _ string) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	program, e := c.program(ctx)
	if e != nil {
		return e
	}
	all, anyName, e := c.entries(ctx, program, false)
	if e != nil {
		e.Model = model
		return e
	}
	switch found := all.find(model, anyName); {
	case found == nil:
		return c.unlisted(program, model)
	case found.state == providers.ModelLoading:
		return c.fail(providers.KindUnavailable, model, "it is being loaded")
	case found.state == providers.ModelBroken:
		return c.fail(providers.KindUnavailable, model, detailBroken)
	default:
		return nil
	}
}

// unlisted is the failure of a model that the program does not list. An unknown one may know it all the same: a proxy in front
// of others need not list what it passes on, and calls are not to be kept from it for that.
func (c *Client) unlisted(program, model string) *providers.Error {
	if program == serverUnknown {
		return c.fail(providers.KindUnsupported, model, "it does not list the model, which for an unknown program says nothing: set server")
	}
	return c.fail(providers.KindNotFound, model, "")
}

// find gives the model of a name, or with anyName the first where there is none of it.
func (all entries) find(model string, anyName bool) *entry {
	for i := range all {
		if all[i].Name == model || slices.Contains(all[i].aliases, model) {
			return &all[i]
		}
	}
	if anyName && len(all) > 0 {
		return &all[0]
	}
	return nil
}

// modelQuery names a model to a router of llama.cpp, which is not to load it.
func modelQuery(model string) url.Values { return gauges[ServerLlamaCPP].query(model) }

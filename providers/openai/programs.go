package openai

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"

	"fairlead/providers"
	"fairlead/providers/internal/wire"
)

// llamaProps is what llama.cpp tells of itself on /props, as of build 11669.
type llamaProps struct {
	TotalSlots float64 `json:"total_slots"`
	Settings   struct {
		Context float64 `json:"n_ctx"` // of one slot
	} `json:"default_generation_settings"`
	Modalities struct {
		Vision bool `json:"vision"`
	} `json:"modalities"`
	// TemplateToolUse is there, on builds of 2025, where the model has a template of its own for tools; Caps on later ones.
	TemplateToolUse string `json:"chat_template_tool_use"`
	Caps            struct {
		Tools     bool `json:"supports_tools"`
		ToolCalls bool `json:"supports_tool_calls"`
	} `json:"chat_template_caps"`
	Sleeping bool `json:"is_sleeping"`
}

// props asks llama.cpp about itself. A page that is not there, as behind a proxy that has the API alone, says nothing.
func (c *Client) props(ctx context.Context, model string) (*llamaProps, *providers.Error) {
	var p llamaProps
	if e := c.look(ctx, "props", modelQuery(model), &p); e != nil && !without(e) {
		return nil, e
	}
	return &p, nil
}

// llamaCPPModels fills in what llama.cpp tells of its models. anyName says that it has one model, for calls of any name.
func (c *Client) llamaCPPModels(ctx context.Context, list []listed, all entries) (anyName bool, e *providers.Error) {
	router := false
	for i := range list {
		m := &all[i]
		// It holds any model to a grammar. That it was started to embed alone, it does not tell.
		m.Does = providers.Chat | providers.JSON
		for _, word := range list[i].Architecture.Input {
			if word == "image" {
				m.Does |= providers.Vision
			}
		}
		status := list[i].Status
		if status == nil {
			if string(list[i].Meta) == "null" {
				m.state = providers.ModelLoading
			}
			continue
		}
		router = true
		switch status.Value {
		case "loaded":
			p, e := c.props(ctx, m.Name)
			if e != nil {
				return false, e
			}
			m.apply(p)
		case "loading", "downloading":
			m.state = providers.ModelLoading
		case "sleeping":
			m.state, m.detail = providers.ModelAbsent, detailSleeps
		default:
			m.state, m.detail = providers.ModelAbsent, detailOnCall
			if status.Failed {
				m.state, m.detail = providers.ModelBroken, detailBroken
			}
		}
	}
	if router || len(all) == 0 {
		return false, nil
	}
	p, e := c.props(ctx, "")
	if e != nil {
		return false, e
	}
	for i := range all {
		all[i].apply(p)
	}
	return true, nil
}

// apply adds what /props says.
func (m *entry) apply(p *llamaProps) {
	m.Context = cmp.Or(count(p.Settings.Context), m.Context) // what it was started with counts, not what it was trained for
	if p.Modalities.Vision {
		m.Does |= providers.Vision
	}
	if p.Caps.Tools || p.Caps.ToolCalls || p.TemplateToolUse != "" {
		m.Does |= providers.Tools
	}
	if p.Sleeping {
		m.state, m.detail = providers.ModelAbsent, detailSleeps
	}
}

// sglangInfo is what SGLang (0.5) tells of itself on /server_info, which older ones call /get_server_info. The rest of that page, which holds
// the server's own key, is not read.
type sglangInfo struct {
	Context    float64         `json:"context_length"`
	MaxRunning float64         `json:"max_running_requests"`
	Embedding  bool            `json:"is_embedding"`
	ToolParser json.RawMessage `json:"tool_call_parser"`
	States     wire.List[struct {
		MaxRunning float64 `json:"effective_max_running_requests_per_dp"`
	}] `json:"internal_states"`
}

func (c *Client) sglangInfo(ctx context.Context) (*sglangInfo, *providers.Error) {
	var info sglangInfo
	e := c.look(ctx, "server_info", nil, &info)
	if e != nil && e.Status == http.StatusNotFound {
		info = sglangInfo{}
		e = c.look(ctx, "get_server_info", nil, &info)
	}
	return &info, e
}

func (s *sglangInfo) does() providers.Capability {
	if s.Embedding {
		return providers.Embed
	}
	does := providers.Chat | providers.JSON // it holds any model to a grammar
	if len(s.ToolParser) > 0 && string(s.ToolParser) != "null" {
		does |= providers.Tools
	}
	return does
}

// slots adds up what its engines run at once.
func (s *sglangInfo) slots() int {
	sum := 0.0
	for _, state := range s.States {
		sum += state.MaxRunning
	}
	return cmp.Or(count(sum), count(s.MaxRunning))
}

// tgiInfo is what TGI tells of itself on /info (2 and 3).
type tgiInfo struct {
	Model         string  `json:"model_id"`
	Pipeline      string  `json:"model_pipeline_tag"`
	MaxTotal      float64 `json:"max_total_tokens"`
	MaxConcurrent float64 `json:"max_concurrent_requests"`
	MaxBatch      float64 `json:"max_batch_size"`
}

func (c *Client) tgiInfo(ctx context.Context) (*tgiInfo, *providers.Error) {
	var info tgiInfo
	if e := c.look(ctx, "info", nil, &info); e != nil {
		return nil, e
	}
	return &info, nil
}

// slots gives how many calls it works on at once: few are started with a limit of their own, and the others have that beyond
// which calls are refused.
func (i *tgiInfo) slots() int { return cmp.Or(count(i.MaxBatch), count(i.MaxConcurrent)) }

func (c *Client) tgiModels(ctx context.Context) (entries, *providers.Error) {
	info, e := c.tgiInfo(ctx)
	if e != nil {
		return nil, e
	}
	if info.Model == "" {
		return nil, c.fail(providers.KindProtocol, "", "what it tells of itself names no model: is server right?")
	}
	m := entry{state: providers.ModelReady, Model: providers.Model{Name: info.Model, Context: count(info.MaxTotal)}}
	switch info.Pipeline { // its grammars, on unless it was told otherwise, are what JSON and tools need
	case "image-text-to-text":
		m.Does = providers.Chat | providers.JSON | providers.Tools | providers.Vision
	case "text-generation":
		m.Does = providers.Chat | providers.JSON | providers.Tools
	}
	return entries{m}, nil
}

// lmStudioModels asks LM Studio for its models: on /api/v0/models (since 0.3.6), or where that is not there any more on
// /api/v1/models (since 0.4.0). Pages that it does not have it answers with status 200 and an error.
func (c *Client) lmStudioModels(ctx context.Context) (entries, *providers.Error) {
	var old struct {
		Data wire.List[struct {
			ID           string            `json:"id"`
			Type         string            `json:"type"`
			State        string            `json:"state"`
			Context      float64           `json:"max_context_length"`
			Loaded       float64           `json:"loaded_context_length"`
			Capabilities wire.List[string] `json:"capabilities"`
		}] `json:"data"`
	}
	if e := c.look(ctx, "api/v0/models", nil, &old); e != nil && !without(e) {
		return nil, e
	}
	if old.Data != nil {
		all := make(entries, len(old.Data))
		for i, m := range old.Data {
			all[i] = lmStudioModel(m.ID, m.State == "loaded", cmp.Or(count(m.Loaded), count(m.Context)))
			tools := false
			for _, word := range m.Capabilities {
				tools = tools || word == "tool_use"
			}
			all[i].Does = lmStudioDoes(m.Type, m.Type == "vlm", tools)
		}
		return all, nil
	}
	var now struct {
		Models wire.List[struct {
			Key     string  `json:"key"`
			Type    string  `json:"type"`
			Context float64 `json:"max_context_length"`
			Loaded  wire.List[struct {
				ID     string `json:"id"`
				Config struct {
					Context float64 `json:"context_length"`
				} `json:"config"`
			}] `json:"loaded_instances"`
			Capabilities struct {
				Vision bool `json:"vision"`
				Tools  bool `json:"trained_for_tool_use"`
			} `json:"capabilities"`
		}] `json:"models"`
	}
	if e := c.look(ctx, "api/v1/models", nil, &now); e != nil {
		return nil, e
	}
	if now.Models == nil {
		return nil, c.fail(providers.KindProtocol, "", "its answer holds no list of models: is server right?")
	}
	all := make(entries, len(now.Models))
	for i, m := range now.Models {
		all[i] = lmStudioModel(m.Key, len(m.Loaded) > 0, count(m.Context))
		all[i].Does = lmStudioDoes(m.Type, m.Capabilities.Vision, m.Capabilities.Tools)
		for _, instance := range m.Loaded {
			all[i].aliases = append(all[i].aliases, instance.ID)
			all[i].Context = cmp.Or(count(instance.Config.Context), all[i].Context)
		}
	}
	return all, nil
}

func lmStudioModel(name string, loaded bool, context int) entry {
	m := entry{Model: providers.Model{Name: name, Context: context}, state: providers.ModelReady}
	if !loaded {
		m.state, m.detail = providers.ModelAbsent, detailOnCall
	}
	return m
}

func lmStudioDoes(kind string, vision, tools bool) providers.Capability {
	switch kind {
	case "embedding", "embeddings":
		return providers.Embed
	case "llm", "vlm":
	default:
		return 0
	}
	does := providers.Chat | providers.JSON
	if vision {
		does |= providers.Vision
	}
	if tools {
		does |= providers.Tools
	}
	return does
}

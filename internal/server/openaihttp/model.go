package openaihttp

import (
	"net/http"
	"strings"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/orchestrator"
)

// owner owns what is not one target.
const owner = "fairlead"

type wireModel struct {
	ID       string             `json:"id"`
	Object   string             `json:"object"`
	Created  int64              `json:"created"`
	OwnedBy  string             `json:"owned_by"`
	Fairlead *wireModelFairlead `json:"fairlead"`
}

// wireModelFairlead says what the dialect has no field for.
type wireModelFairlead struct {
	// Kind is "auto", "policy", "chain" or "target".
	Kind        string   `json:"kind"`
	Description string   `json:"description,omitempty"`
	Does        []string `json:"does,omitempty"`
	// Context is the context window in tokens.
	Context   int    `json:"context_window,omitempty"`
	Clearance string `json:"clearance,omitempty"`
	Backend   string `json:"backend,omitempty"`
	// Model is the model as its backend calls it.
	Model string `json:"model,omitempty"`
}

// catalog lists every name that a caller's request may have as its model.
func (h *handler) catalog(p *auth.Principal) []wireModel {
	list := []wireModel{}
	add := func(id, owner string, f wireModelFairlead) {
		if orchestrator.MayName(p, id) {
			list = append(list, wireModel{ID: id, Object: "model", Created: h.started.Unix(), OwnedBy: owner, Fairlead: &f})
		}
	}
	add("auto", owner, wireModelFairlead{Kind: "auto"})
	for _, name := range h.Engine.Policies() {
		add("policy/"+name, owner, wireModelFairlead{Kind: "policy"})
	}
	for _, c := range h.Engine.Chains() {
		add("chain/"+c.Name, owner, wireModelFairlead{Kind: "chain", Description: c.Description})
	}
	for _, c := range h.Engine.Targets() {
		t := c.Target
		if t.Of != "" {
			continue // nobody may name it
		}
		add(t.Name, t.Backend, wireModelFairlead{
			Kind: "target", Does: t.Does.Names(), Context: t.Context, Clearance: t.Clearance.String(),
			Backend: t.Backend, Model: t.Model,
		})
	}
	return list
}

// models serves GET /v1/models.
func (h *handler) models(w http.ResponseWriter, _ *http.Request, p auth.Principal) error {
	return h.writeJSON(w, struct {
		Object string      `json:"object"`
		Data   []wireModel `json:"data"`
	}{"list", h.catalog(&p)})
}

// model serves GET /v1/models/{id}.
func (h *handler) model(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
	id := strings.TrimPrefix(r.URL.Path, "/v1/models/")
	for _, m := range h.catalog(&p) {
		if m.ID == id {
			return h.writeJSON(w, m)
		}
	}
	return fault.New(fault.NotFound, fault.ReasonUnknownModel, "there is no such model: ask GET /v1/models for those that there are")
}

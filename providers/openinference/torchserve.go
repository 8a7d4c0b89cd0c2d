package openinference

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/sync/errgroup"

	"fairlead/providers"
	"fairlead/providers/internal/wire"
	"fairlead/providers/tensor"
)

const (
	// maxBodies is the most bodies of one request: each is a call.
	maxBodies = 1024
	// modelsAtOnce is how many models a page of the list holds.
	modelsAtOnce = "1000"
)

// contentTypes are those of the forms of a body.
var contentTypes = map[string]string{
	BodyJSON:  "application/json",
	BodyText:  "text/plain; charset=utf-8",
	BodyBytes: "application/octet-stream",
}

// torchServe is TorchServe's own REST.
type torchServe struct {
	cfg  Config
	wire wire.Client
	// management is nil where there is no address for it.
	management *wire.Client
}

var _ protocol = (*torchServe)(nil)

func newTorchServe(cfg Config) (*torchServe, error) {
	w, err := newWire(cfg, cfg.URL, cfg.APIKey)
	if err != nil {
		return nil, err
	}
	t := &torchServe{cfg: cfg, wire: w}
	if cfg.ManagementURL != "" {
		m, err := newWire(cfg, cfg.ManagementURL, cfg.ManagementKey)
		if err != nil {
			return nil, err
		}
		t.management = &m
	}
	return t, nil
}

func (t *torchServe) closeIdle() {
	t.wire.HTTP.CloseIdleConnections()
	if t.management != nil {
		t.management.HTTP.CloseIdleConnections()
	}
}

func (t *torchServe) close() error {
	t.closeIdle()
	return nil
}

// bodies gives the bodies of a request and the form that they have.
func (t *torchServe) bodies(req *providers.PredictRequest) (bodies [][]byte, contentType string, err error) {
	form := req.Signature
	if form == "" {
		form = t.cfg.Body
	}
	contentType, ok := contentTypes[form]
	if !ok {
		return nil, "", fail(t.cfg.Name, providers.KindUnsupported, req.Model, "the signature must be %q, %q or %q, or empty", BodyJSON, BodyText, BodyBytes)
	}
	if len(req.Inputs) != 1 || req.Inputs[0].Type != tensor.String {
		return nil, "", fail(t.cfg.Name, providers.KindUnsupported, req.Model, "TorchServe takes bodies and no tensors: give one input of type BYTES, each element of which is a body")
	}
	in := &req.Inputs[0]
	switch {
	case len(in.Shape) > 2 || len(in.Shape) == 2 && in.Shape[1] != 1:
		return nil, "", fail(t.cfg.Name, providers.KindInvalid, req.Model, "the bodies have shape %v and must have [n] or [n 1]", in.Shape)
	case len(in.Strings) == 0 || len(in.Strings) > maxBodies:
		return nil, "", fail(t.cfg.Name, providers.KindInvalid, req.Model, "the request has %d bodies and may have 1 to %d", len(in.Strings), maxBodies)
	}
	for i, b := range in.Strings {
		if form == BodyJSON && !json.Valid(b) {
			return nil, "", fail(t.cfg.Name, providers.KindInvalid, req.Model, "body %d is not JSON", i)
		}
	}
	return in.Strings, contentType, nil
}

func (t *torchServe) infer(ctx context.Context, req *providers.PredictRequest) (*providers.Prediction, error) {
	bodies, contentType, err := t.bodies(req)
	if err != nil {
		return nil, err
	}
	path := "predictions/" + url.PathEscape(req.Model)
	if req.Version != "" {
		path += "/" + url.PathEscape(req.Version)
	}
	answers := make([][]byte, len(bodies))
	group, calls := errgroup.WithContext(ctx)
	group.SetLimit(t.cfg.Parallel)
	for i, body := range bodies {
		group.Go(func() error {
			if calls.Err() != nil {
				return calls.Err()
			}
			if body == nil {
				body = []byte{} // nil would make a GET
			}
			var err error
			answers[i], err = t.post(calls, wire.Request{Path: path, Model: req.Model, Accept: "*/*", Body: body, ContentType: contentType})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		var e *providers.Error
		if errors.As(err, &e) && (ctx.Err() == nil || e.Kind == providers.KindTimeout) {
			return nil, e // the first failure: those after it are the echo of its end
		}
		return nil, providers.AsError(ctx, t.cfg.Name, req.Model, err)
	}
	outputs, err := torchOutputs(answers, t.cfg.Limits)
	if err != nil {
		return nil, unreadable(t.cfg.Name, req.Model, err)
	}
	return &providers.Prediction{Outputs: outputs, Model: req.Model, Version: req.Version}, nil
}

// post makes one call. An answer may be as long as a text.
func (t *torchServe) post(ctx context.Context, r wire.Request) ([]byte, error) {
	call, e := t.wire.Send(ctx, r)
	if e != nil {
		return nil, e
	}
	defer call.End()
	if call.Response.StatusCode != http.StatusOK {
		return nil, refused(call, false)
	}
	body, e := readBody(call, t.cfg.Limits.Text)
	if e != nil {
		return nil, e
	}
	return body, nil
}

// torchModel is what the management tells of a version.
type torchModel struct {
	Name    string `json:"modelName"`
	Version string `json:"modelVersion"`
	Workers []struct {
		Status string `json:"status"`
	} `json:"workers"`
	MinWorkers int `json:"minWorkers"`
}

// managed gives the versions of a model, as the management tells them; of its default version where version is empty.
func (t *torchServe) managed(ctx context.Context, model, version string) ([]torchModel, error) {
	if t.management == nil {
		return nil, fail(t.cfg.Name, providers.KindUnsupported, model, "TorchServe tells of its models at its management address, which is not set")
	}
	path := "models/" + url.PathEscape(model)
	if version != "" {
		path += "/" + url.PathEscape(version)
	}
	var models []torchModel
	err := fetch(ctx, t.management, wire.Request{Path: path, Model: model}, false, maxDescription, &models)
	if err != nil {
		return nil, err
	}
	if len(models) == 0 || len(models) > maxVersions {
		return nil, fail(t.cfg.Name, providers.KindProtocol, model, "its answer does not tell of the model")
	}
	for _, m := range models {
		if len(m.Version) > maxName {
			return nil, fail(t.cfg.Name, providers.KindProtocol, model, "it tells of a version with a name that is too long")
		}
	}
	return models, nil
}

// state reads the workers of a version: it answers when one of them is ready.
func (m torchModel) state() (providers.ModelState, string) {
	state, detail := providers.ModelAbsent, "it has no workers"
	if len(m.Workers) > 0 {
		state, detail = providers.ModelBroken, "none of its workers is ready"
	}
	for _, w := range m.Workers {
		switch w.Status {
		case "READY":
			return providers.ModelReady, ""
		case "LOADING", "UNLOADING_AND_LOADING":
			state, detail = providers.ModelLoading, "its workers are starting"
		case "UNLOADING":
			if state != providers.ModelLoading {
				state, detail = providers.ModelUnloading, "its workers are ending"
			}
		}
	}
	if len(m.Workers) == 0 && m.MinWorkers > 0 {
		state, detail = providers.ModelLoading, "its workers have not been started yet"
	}
	return state, detail
}

// describe says how TorchServe is called, which is the same for all of its models.
func (t *torchServe) describe(ctx context.Context, model, version string) (*providers.ModelDescription, []string, error) {
	var versions []string
	if t.management != nil {
		models, err := t.managed(ctx, model, version)
		if err != nil {
			return nil, nil, err
		}
		for _, m := range models {
			versions = append(versions, m.Version)
		}
		version = versions[0]
	}
	s := providers.Signature{
		Inputs:  []providers.Spec{{Name: OutputBody, Type: tensor.String, Shape: []int64{-1}}},
		Outputs: []providers.Spec{{Name: OutputBody, Type: tensor.String, Shape: []int64{-1}}},
		Method:  "predict",
	}
	signatures := map[string]providers.Signature{"": s, BodyJSON: s, BodyText: s, BodyBytes: s}
	return &providers.ModelDescription{Model: model, Version: version, Signatures: signatures}, versions, nil
}

func (t *torchServe) ready(ctx context.Context, model, version string) (bool, error) {
	if t.management == nil {
		return t.healthy(ctx, true)
	}
	models, err := t.managed(ctx, model, version)
	if err != nil {
		return false, err
	}
	state, _ := models[0].state()
	return state == providers.ModelReady, nil
}

// healthy asks the server how it is. A server some of whose models have too few workers is live and ready.
func (t *torchServe) healthy(ctx context.Context, ready bool) (bool, error) {
	call, e := t.wire.Send(ctx, wire.Request{Path: "ping", Accept: "application/json"})
	if e != nil {
		return false, e
	}
	defer call.End()
	status := call.Response.StatusCode
	if status != http.StatusOK && status != http.StatusInternalServerError {
		return false, refused(call, false)
	}
	body, e := readBody(call, maxDescription)
	if e != nil {
		return false, e
	}
	var answer struct {
		Status string `json:"status"`
		Health string `json:"health"` // of older servers
	}
	if json.Unmarshal(body, &answer) != nil || answer.Status+answer.Health == "" {
		return false, call.Fail(providers.KindProtocol, "its answer is not the JSON that was expected: is the URL right?")
	}
	if !ready {
		return true, nil // it answers as TorchServe does
	}
	return status == http.StatusOK && !strings.EqualFold(answer.Status, "unhealthy"), nil
}

// index lists the versions of a model, or, without one, the models and how their default versions stand.
func (t *torchServe) index(ctx context.Context, model string) ([]providers.ModelVersion, error) {
	if model != "" {
		return t.stands(ctx, model, "all")
	}
	if t.management == nil {
		return nil, fail(t.cfg.Name, providers.KindUnsupported, "", "TorchServe tells of its models at its management address, which is not set")
	}
	var out []providers.ModelVersion
	for next, pages := "", 0; ; pages++ {
		var page struct {
			Models []struct {
				Name string `json:"modelName"`
			} `json:"models"`
			Next string `json:"nextPageToken"`
		}
		query := url.Values{"limit": {modelsAtOnce}}
		if next != "" {
			query.Set("next_page_token", next)
		}
		if err := fetch(ctx, t.management, wire.Request{Path: "models", Query: query.Encode()}, false, maxIndex, &page); err != nil {
			return nil, err
		}
		for _, m := range page.Models {
			if m.Name == "" || len(m.Name) > maxName || m.Name == "." || m.Name == ".." || len(out) > maxModels {
				return nil, fail(t.cfg.Name, providers.KindProtocol, "", "its list has too many models, or one with a name that cannot be")
			}
			versions, err := t.stands(ctx, m.Name, "")
			if err != nil {
				if providers.KindOf(err) == providers.KindNotFound {
					continue // it went while the list was read
				}
				return nil, err
			}
			out = append(out, versions...)
		}
		if next = page.Next; next == "" || len(page.Models) == 0 {
			return out, nil
		}
		if len(next) > maxName || pages > maxModels/10 {
			return nil, fail(t.cfg.Name, providers.KindProtocol, "", "its list of models has no end")
		}
	}
}

func (t *torchServe) stands(ctx context.Context, model, version string) ([]providers.ModelVersion, error) {
	models, err := t.managed(ctx, model, version)
	if err != nil {
		return nil, err
	}
	out := make([]providers.ModelVersion, len(models))
	for i, m := range models {
		out[i] = providers.ModelVersion{Model: model, Version: m.Version}
		out[i].State, out[i].Detail = m.state()
	}
	return out, nil
}

func (t *torchServe) load(_ context.Context, model string) error {
	return fail(t.cfg.Name, providers.KindUnsupported, model, "models of TorchServe get their workers at its management, and not from here")
}

func (t *torchServe) unload(ctx context.Context, model string) error { return t.load(ctx, model) }

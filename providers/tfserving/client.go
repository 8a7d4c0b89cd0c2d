package tfserving

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"fairlead/providers"
	"fairlead/providers/internal/wire"
	"fairlead/providers/tensor"
)

// api is a way to the server. Versions and signatures are as the server wants them; answers have been read, but not
// checked against a signature.
type api interface {
	predict(ctx context.Context, s spec, req *providers.PredictRequest, sig *providers.Signature) (*providers.Prediction, *providers.Error)
	examples(ctx context.Context, s spec, method string, list []Example) (*exampleResults, *providers.Error)
	describe(ctx context.Context, model, version string) (*described, *providers.Error)
	versions(ctx context.Context, model string) ([]providers.ModelVersion, *providers.Error)
}

// Client talks to one server. It may be used by several goroutines at once.
type Client struct {
	cfg       Config
	api       api
	discovery discovery
	closeIdle func()
}

var (
	_ providers.Predictor = (*Client)(nil)
	_ providers.Describer = (*Client)(nil)
	_ providers.Lifecycle = (*Client)(nil)
)

// New makes a client. It does not call the server.
func New(cfg Config) (*Client, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("backend %s: %w", cfg.Name, err)
	}
	at, err := parseURL(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", cfg.Name, err)
	}
	header, err := wire.Credentials(cfg.Header, map[string]string{"Authorization": cfg.APIKey})
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", cfg.Name, err)
	}
	c := &Client{cfg: cfg, discovery: discovery{ttl: cfg.DiscoveryTTL}}
	if at.rpc {
		r, err := newRPC(cfg, at, header)
		if err != nil {
			return nil, fmt.Errorf("backend %s: %w", cfg.Name, err)
		}
		c.api, c.closeIdle = r, r.closeIdle
		return c, nil
	}
	r := newREST(cfg, at, header)
	c.api, c.closeIdle = r, r.calls.HTTP.CloseIdleConnections
	return c, nil
}

// CloseIdle closes the connections that no call uses; over gRPC, one that calls use is closed when they have ended. The
// client can still be used, and then connects anew.
func (c *Client) CloseIdle() { c.closeIdle() }

// Predict runs a model over tensors; see providers.Predictor. Without a signature it is "serving_default". A request that does not
// fit the signature is KindInvalid and is not sent; an answer that does not fit it is KindProtocol.
func (c *Client) Predict(ctx context.Context, req *providers.PredictRequest) (*providers.Prediction, error) {
	if e := c.checkTarget(ctx, req.Model, req.Version); e != nil {
		return nil, e
	}
	if e := c.checkRequest(req); e != nil {
		return nil, e
	}
	ctx, cancel := c.deadline(ctx)
	defer cancel()
	s := spec{model: req.Model, version: req.Version, signature: signatureName(req.Signature)}
	d, sig, e := c.fitting(ctx, s, func(d *described, sig *providers.Signature) *providers.Error {
		return c.checkInputs(d, s, sig, req)
	})
	if e != nil {
		return nil, e
	}
	out, e := c.api.predict(ctx, s, req, sig)
	if e != nil {
		return nil, c.refused(s, e)
	}
	moved := out.Version != "" && out.Version != d.description.Version
	if !moved {
		if e = c.checkOutputs(req, sig, out); e == nil {
			return out, nil
		}
	}
	// The version or its label has moved since it was asked about: the answer is held to what the new one says.
	c.discovery.forget(s.model, s.version)
	if d, e = c.known(ctx, s.model, cmp.Or(out.Version, s.version)); e != nil {
		return nil, e
	}
	if sig, e = c.signature(d, s); e != nil {
		return nil, e
	}
	if e := c.checkOutputs(req, sig, out); e != nil {
		return nil, e
	}
	return out, nil
}

// Describe gives the signatures of a model, as the server tells of them now; see providers.Describer.
func (c *Client) Describe(ctx context.Context, model, version string) (*providers.ModelDescription, error) {
	if e := c.checkTarget(ctx, model, version); e != nil {
		return nil, e
	}
	ctx, cancel := c.deadline(ctx)
	defer cancel()
	c.discovery.forget(model, version)
	d, e := c.known(ctx, model, version)
	if e != nil {
		return nil, e
	}
	out := d.description
	out.Signatures = make(map[string]providers.Signature, len(d.description.Signatures))
	for name, sig := range d.description.Signatures {
		sig.Inputs, sig.Outputs = copySpecs(sig.Inputs), copySpecs(sig.Outputs)
		out.Signatures[name] = sig
	}
	return &out, nil
}

// copySpecs copies specs, so that a caller may change what it was given.
func copySpecs(specs []providers.Spec) []providers.Spec {
	specs = slices.Clone(specs)
	for i := range specs {
		specs[i].Shape = slices.Clone(specs[i].Shape)
	}
	return specs
}

// Versions gives the versions of a model; see providers.Lifecycle. The server cannot list its models: without a name this is
// KindUnsupported. Of the labels in Config.Labels it tells where they point.
func (c *Client) Versions(ctx context.Context, model string) ([]providers.ModelVersion, error) {
	if model == "" {
		return nil, c.fail(providers.KindUnsupported, "", "it cannot list its models: name one")
	}
	if e := c.checkTarget(ctx, model, ""); e != nil {
		return nil, e
	}
	ctx, cancel := c.deadline(ctx)
	defer cancel()
	list, e := c.api.versions(ctx, model)
	if e != nil {
		return nil, e
	}
	for _, label := range c.cfg.Labels {
		d, e := c.describe(ctx, model, label)
		switch {
		case e != nil && e.Kind == providers.KindNotFound:
			continue // nothing has the label, or nothing that is loaded
		case e != nil:
			return nil, e
		}
		for i := range list {
			if list[i].Version == d.description.Version {
				list[i].Labels = append(list[i].Labels, label)
			}
		}
	}
	return list, nil
}

// Ready says whether a version would answer now; see providers.Lifecycle. One that is there and not loaded is KindUnavailable.
func (c *Client) Ready(ctx context.Context, model, version string) error {
	if e := c.checkTarget(ctx, model, version); e != nil {
		return e
	}
	ctx, cancel := c.deadline(ctx)
	defer cancel()
	if version != "" && !isNumber(version) {
		// Only a version that is loaded tells of its signatures.
		if _, e := c.describe(ctx, model, version); e != nil {
			return e
		}
		return nil
	}
	list, e := c.api.versions(ctx, model)
	if e != nil {
		return e
	}
	found := false
	for _, v := range list {
		if version != "" && v.Version != version {
			continue
		}
		if found = true; v.State == providers.ModelReady {
			return nil
		}
	}
	if !found {
		return c.fail(providers.KindNotFound, model, "it has no such version")
	}
	return c.fail(providers.KindUnavailable, model, "the model is not loaded")
}

// deadline gives the context of a call: with a deadline, always.
func (c *Client) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.cfg.Timeout)
}

// fail makes an error about a call.
func (c *Client) fail(kind providers.Kind, model, format string, args ...any) *providers.Error {
	return &providers.Error{Kind: kind, Backend: c.cfg.Name, Model: model, Detail: fmt.Sprintf(format, args...)}
}

// checkTarget says what is wrong with the context or with what names the model.
func (c *Client) checkTarget(ctx context.Context, model, version string) *providers.Error {
	if err := ctx.Err(); err != nil {
		return providers.AsError(ctx, c.cfg.Name, model, err)
	}
	if !plain(model) || (version != "" && !plain(version)) {
		return c.fail(providers.KindInvalid, "", "a model's name and version are letters, digits, spaces and \"_.-\", and not only dots")
	}
	return nil
}

// plain says whether a name can be part of an address: the server's own rules are wider, and other names are not in use.
func plain(name string) bool {
	if len(name) > 256 || strings.Trim(name, ". ") == "" {
		return false
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '.', r == '-', r == ' ':
		default:
			return false
		}
	}
	return true
}

// checkRequest says what is wrong with a request whatever the model.
func (c *Client) checkRequest(req *providers.PredictRequest) *providers.Error {
	if len(req.Inputs) > c.cfg.Limits.Tensors || len(req.Outputs) > c.cfg.Limits.Tensors {
		return c.fail(providers.KindInvalid, req.Model, "the request names more tensors than the limit of %d", c.cfg.Limits.Tensors)
	}
	total := int64(0)
	for i := range req.Inputs {
		t := &req.Inputs[i]
		if err := t.Check(c.cfg.Limits); err != nil {
			return c.fail(providers.KindInvalid, req.Model, "%s", err)
		}
		total += int64(len(t.Data))
		for _, s := range t.Strings {
			total += int64(len(s))
		}
		if slices.ContainsFunc(req.Inputs[:i], func(u tensor.Tensor) bool { return u.Name == t.Name }) {
			return c.fail(providers.KindInvalid, req.Model, "the request gives the input %q twice", t.Name)
		}
	}
	if total > c.cfg.Limits.Bytes {
		return c.fail(providers.KindInvalid, req.Model, "the tensors of the request have more than %d bytes, the limit", c.cfg.Limits.Bytes)
	}
	return nil
}

// refused notes an error of a call: what was known of the model may be why.
func (c *Client) refused(s spec, e *providers.Error) *providers.Error {
	if e.Kind == providers.KindNotFound || e.Kind == providers.KindInvalid {
		c.discovery.forget(s.model, s.version)
	}
	return e
}

// httpClient gives the HTTP client of the REST API.
func httpClient(cfg Config) *http.Client {
	if cfg.HTTPClient != nil {
		return wire.NewHTTP(cfg.HTTPClient, nil)
	}
	t := wire.NewTransport(cfg.Proxy)
	if cfg.TLS != nil {
		t.TLSClientConfig = cfg.TLS.Clone()
	}
	t.DialContext = dialer(cfg.ConnectTimeout).DialContext
	t.TLSHandshakeTimeout = cfg.ConnectTimeout
	return wire.NewHTTP(&http.Client{Transport: t}, nil)
}

// probes of the connections themselves, by the system.
const probeInterval = 30 * time.Second

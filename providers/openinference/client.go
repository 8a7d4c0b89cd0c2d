package openinference

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"fairlead/providers"
)

// protocol is one of the ways to talk to a server. Its errors are *providers.Error.
type protocol interface {
	infer(ctx context.Context, req *providers.PredictRequest) (*providers.Prediction, error)
	// describe tells of a model, and which versions of it there are.
	describe(ctx context.Context, model, version string) (*providers.ModelDescription, []string, error)
	// ready says whether a version would answer now.
	ready(ctx context.Context, model, version string) (bool, error)
	// healthy says whether the server is live, or ready for calls.
	healthy(ctx context.Context, ready bool) (bool, error)
	// index lists models; KindUnsupported where the server does not. model is a hint.
	index(ctx context.Context, model string) ([]providers.ModelVersion, error)
	load(ctx context.Context, model string) error
	unload(ctx context.Context, model string) error
	closeIdle()
	close() error
}

// Client talks to one server. It may be used by several goroutines at once.
type Client struct {
	cfg   Config
	proto protocol
	cache cache
}

var (
	_ providers.Predictor = (*Client)(nil)
	_ providers.Describer = (*Client)(nil)
	_ providers.Lifecycle = (*Client)(nil)
	_ providers.Warmer    = (*Client)(nil)
	_ providers.Lister    = (*Client)(nil)
)

// New makes a client. It does not call the server. Close ends it.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", cfg.Name, err)
	}
	c := &Client{cfg: cfg, cache: cache{ttl: cfg.MetadataTTL}}
	hostPort, secure, isGRPC, err := grpcAddress(cfg.URL)
	switch {
	case err != nil:
	case isGRPC && cfg.Variant == TorchServe:
		err = errors.New("the variant torchserve wants an address that begins with http:// or https://")
	case isGRPC:
		c.proto, err = newGRPC(cfg, hostPort, secure)
	case cfg.Variant == TorchServe:
		c.proto, err = newTorchServe(cfg)
	default:
		c.proto, err = newREST(cfg)
	}
	if err != nil {
		return nil, fmt.Errorf("backend %s: %w", cfg.Name, err)
	}
	return c, nil
}

// CloseIdle closes the connections that no call uses. Those of gRPC close by themselves when they have not been used for
// half an hour.
func (c *Client) CloseIdle() { c.proto.closeIdle() }

// Close ends the client and its connections. Calls in progress fail.
func (c *Client) Close() error { return c.proto.close() }

// Predict runs a model. The signature of a request must be empty, but for TorchServe.
func (c *Client) Predict(ctx context.Context, req *providers.PredictRequest) (*providers.Prediction, error) {
	if err := c.checkRequest(req); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	var about *providers.ModelDescription
	if c.cfg.Check != CheckNone && c.cfg.Variant == V2 {
		var err error
		if about, err = c.described(ctx, req.Model, req.Version); err != nil {
			return nil, err
		}
		if err := c.checkInputs(req, about); err != nil {
			return nil, err
		}
	}
	p, err := c.proto.infer(ctx, req)
	if err == nil {
		err = c.checkOutputs(req, p, about)
	}
	if err != nil {
		switch providers.KindOf(err) {
		case providers.KindNotFound, providers.KindInvalid, providers.KindProtocol:
			c.cache.drop(req.Model, req.Version) // the model may be another than it was
		}
		return nil, err
	}
	return p, nil
}

// Describe gives what the model takes and gives. What a server does not tell is left out: a Spec without a type, a nil
// shape, or no inputs at all.
func (c *Client) Describe(ctx context.Context, model, version string) (*providers.ModelDescription, error) {
	if err := c.checkName(model, version); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.ProbeTimeout)
	defer cancel()
	about, _, err := c.proto.describe(ctx, model, version)
	if err != nil {
		return nil, err
	}
	return about, nil
}

// described is Describe from memory, where it is young enough. It gives nil where the server describes no models.
func (c *Client) described(ctx context.Context, model, version string) (*providers.ModelDescription, error) {
	return c.cache.get(model, version, func() (*providers.ModelDescription, error) {
		ctx, cancel := context.WithTimeout(ctx, c.cfg.ProbeTimeout)
		defer cancel()
		about, _, err := c.proto.describe(ctx, model, version)
		if providers.KindOf(err) == providers.KindUnsupported {
			return nil, nil //nolint:nilnil // there is nothing to hold the request to
		}
		return about, err
	})
}

// Versions gives the versions of a model, from the index of the server's repository, or, where it has none, from what it
// tells of the model. Without a model it needs the index.
func (c *Client) Versions(ctx context.Context, model string) ([]providers.ModelVersion, error) {
	if model != "" {
		if err := c.checkName(model, ""); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.ProbeTimeout)
	defer cancel()
	all, err := c.proto.index(ctx, model)
	if err != nil {
		if model != "" && providers.KindOf(err) == providers.KindUnsupported {
			return c.versionsByReady(ctx, model)
		}
		return nil, err
	}
	if model == "" {
		return all, nil
	}
	all = slices.DeleteFunc(all, func(v providers.ModelVersion) bool { return v.Model != model })
	if len(all) == 0 {
		return nil, c.fail(providers.KindNotFound, model, "")
	}
	return all, nil
}

// unready is the detail of what is not ready.
const unready = "it is not ready, and the server does not tell why"

// versionsByReady asks of each version that the server tells whether it is ready.
func (c *Client) versionsByReady(ctx context.Context, model string) ([]providers.ModelVersion, error) {
	_, names, err := c.proto.describe(ctx, model, "")
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		names = []string{""}
	}
	out := make([]providers.ModelVersion, 0, len(names))
	for _, name := range names {
		ready, err := c.proto.ready(ctx, model, name)
		if err != nil {
			return nil, err
		}
		v := providers.ModelVersion{Model: model, Version: name, State: providers.ModelReady}
		if !ready {
			v.State, v.Detail = providers.ModelAbsent, unready
		}
		out = append(out, v)
	}
	return out, nil
}

// Models lists the models of the index, each once.
func (c *Client) Models(ctx context.Context) ([]providers.Model, error) {
	all, err := c.Versions(ctx, "")
	if err != nil {
		return nil, err
	}
	var models []providers.Model
	for _, v := range all {
		if !slices.ContainsFunc(models, func(m providers.Model) bool { return m.Name == v.Model }) {
			models = append(models, providers.Model{Name: v.Model})
		}
	}
	return models, nil
}

// Ready says whether a version would answer now.
func (c *Client) Ready(ctx context.Context, model, version string) error {
	if err := c.checkName(model, version); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.ProbeTimeout)
	defer cancel()
	ready, err := c.proto.ready(ctx, model, version)
	if err == nil && !ready {
		err = c.fail(providers.KindUnavailable, model, "the model is not ready")
	}
	return err
}

// Live says whether the server runs; nil is yes. ServerReady says whether it takes calls.
func (c *Client) Live(ctx context.Context) error { return c.health(ctx, false) }

// ServerReady says whether the server takes calls; nil is yes. A model may still not be ready.
func (c *Client) ServerReady(ctx context.Context) error { return c.health(ctx, true) }

func (c *Client) health(ctx context.Context, ready bool) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.ProbeTimeout)
	defer cancel()
	ok, err := c.proto.healthy(ctx, ready)
	if err == nil && !ok {
		err = c.fail(providers.KindUnavailable, "", "the server says that it is not ready")
	}
	return err
}

// Warm loads a model that is not ready, and returns once it is. A model that is ready is left as it is. The server decides
// which versions it loads.
func (c *Client) Warm(ctx context.Context, model, version string) error {
	if err := c.checkName(model, version); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.LoadTimeout)
	defer cancel()
	ready, err := c.proto.ready(ctx, model, version)
	switch {
	case err == nil && ready:
		return nil
	case err != nil && providers.KindOf(err) != providers.KindNotFound: // servers do not find what is not loaded
		return err
	}
	if err := c.proto.load(ctx, model); err != nil {
		return err
	}
	c.cache.drop(model, version)
	if ready, err = c.proto.ready(ctx, model, version); err == nil && !ready {
		err = c.fail(providers.KindUnavailable, model, "it was loaded, and is not ready: does the server load this version?")
	}
	return err
}

// Unload takes a model, with all of its versions, out of the server's memory.
func (c *Client) Unload(ctx context.Context, model string) error {
	if err := c.checkName(model, ""); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.LoadTimeout)
	defer cancel()
	c.cache.dropModel(model)
	return c.proto.unload(ctx, model)
}

// maxName is the most bytes in the name of a model, a version or a tensor.
const maxName = 256

// checkName refuses names that an address or a header could take for something else.
func (c *Client) checkName(model, version string) error {
	if model == "" {
		return c.fail(providers.KindInvalid, "", "the request names no model")
	}
	for what, name := range map[string]string{"model": model, "version": version} {
		bad := len(name) > maxName || !utf8.ValidString(name) || name == "." || name == ".." ||
			strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f })
		if bad {
			return c.fail(providers.KindInvalid, "", "the name of the %s is one that no server has", what)
		}
	}
	return nil
}

// fail makes an error about a call.
func (c *Client) fail(kind providers.Kind, model, format string, args ...any) *providers.Error {
	return fail(c.cfg.Name, kind, model, format, args...)
}

func fail(backend string, kind providers.Kind, model, format string, args ...any) *providers.Error {
	return &providers.Error{Kind: kind, Backend: backend, Model: model, Detail: fmt.Sprintf(format, args...)}
}

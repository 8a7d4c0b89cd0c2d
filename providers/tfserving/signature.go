package tfserving

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	tensorflow "fairlead/gen/thirdparty/tensorflow"
	"fairlead/providers"
	"fairlead/providers/tensor"
)

// defaultSignature is the one that the server takes where none is named.
const defaultSignature = "serving_default"

// The methods of signatures.
const (
	methodPredict  = "predict"
	methodClassify = "classify"
	methodRegress  = "regress"
)

func signatureName(name string) string {
	if name == "" {
		return defaultSignature
	}
	return name
}

// methodName gives the method of a SignatureDef in our words.
func methodName(name string) string {
	switch m := strings.TrimPrefix(name, "tensorflow/serving/"); m {
	case methodPredict, methodClassify, methodRegress:
		return m
	default:
		return ""
	}
}

// describedBy makes a description of signatures. Those that TensorFlow keeps for itself ("__saved_model_init_op") are left out.
func describedBy(model, version string, signatures map[string]*tensorflow.SignatureDef) *described {
	d := &described{
		description: providers.ModelDescription{Model: model, Version: version, Signatures: map[string]providers.Signature{}},
		optional:    map[string]map[string]bool{},
	}
	for name, def := range signatures {
		if strings.HasPrefix(name, "__") {
			continue
		}
		d.description.Signatures[name] = providers.Signature{
			Inputs: specs(def.GetInputs()), Outputs: specs(def.GetOutputs()), Method: methodName(def.GetMethodName()),
		}
		d.optional[name] = map[string]bool{}
		for input := range def.GetDefaults() {
			d.optional[name][input] = true
		}
	}
	return d
}

// specs gives the tensors of a signature, by name.
func specs(infos map[string]*tensorflow.TensorInfo) []providers.Spec {
	out := make([]providers.Spec, 0, len(infos))
	for _, name := range slices.Sorted(maps.Keys(infos)) {
		s := providers.Spec{Name: name, Type: typeOf(infos[name].GetDtype())}
		if shape := infos[name].GetTensorShape(); shape != nil && !shape.GetUnknownRank() {
			s.Shape = make([]int64, 0, len(shape.GetDim()))
			for _, d := range shape.GetDim() {
				s.Shape = append(s.Shape, max(d.GetSize(), -1))
			}
		}
		out = append(out, s)
	}
	return out
}

// known gives what a model tells, from memory or from the server.
func (c *Client) known(ctx context.Context, model, version string) (*described, *providers.Error) {
	d, _, e := c.discover(ctx, model, version)
	return d, e
}

func (c *Client) discover(ctx context.Context, model, version string) (*described, bool, *providers.Error) {
	d, fresh, e := c.discovery.get(ctx, place{model, version}, func() (*described, *providers.Error) {
		return c.describe(ctx, model, version)
	})
	if e != nil && e.Backend == "" {
		e.Backend = c.cfg.Name
	}
	return d, fresh, e
}

// describe asks the server. A refusal as wrong can only be about the version: its label is one that nothing has.
func (c *Client) describe(ctx context.Context, model, version string) (*described, *providers.Error) {
	d, e := c.api.describe(ctx, model, version)
	if e != nil && e.Kind == providers.KindInvalid && version != "" {
		e.Kind, e.Detail = providers.KindNotFound, "it has no such version"
	}
	return d, e
}

// fitting gives the signature of a call that check finds nothing wrong with. What does not fit is asked about again, unless that was just done.
func (c *Client) fitting(ctx context.Context, s spec, check func(*described, *providers.Signature) *providers.Error) (*described, *providers.Signature, *providers.Error) {
	for {
		d, fresh, e := c.discover(ctx, s.model, s.version)
		if e != nil {
			return nil, nil, e
		}
		sig, e := c.signature(d, s)
		if e == nil {
			e = check(d, sig)
		}
		if e == nil || fresh {
			return d, sig, e
		}
		c.discovery.forget(s.model, s.version)
	}
}

// signature finds the signature of a call.
func (c *Client) signature(d *described, s spec) (*providers.Signature, *providers.Error) {
	if sig, ok := d.description.Signatures[s.signature]; ok {
		return &sig, nil
	}
	return nil, c.fail(providers.KindInvalid, s.model, "the model has no signature %q: it has %s",
		s.signature, names(slices.Sorted(maps.Keys(d.description.Signatures))))
}

// names lists names that a backend gave: only those that cannot be text, and not too many.
func names(list []string) string {
	const most = 8
	var out []string
	for _, name := range list {
		if len(out) == most {
			return strings.Join(out, ", ") + " and others"
		}
		if name = providers.SafeCode(name); name == "" {
			name = "(a name that is not shown)"
		}
		out = append(out, name)
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}

func specNames(specs []providers.Spec) []string {
	out := make([]string, len(specs))
	for i, s := range specs {
		out[i] = s.Name
	}
	return out
}

func findSpec(specs []providers.Spec, name string) *providers.Spec {
	if i := slices.IndexFunc(specs, func(s providers.Spec) bool { return s.Name == name }); i >= 0 {
		return &specs[i]
	}
	return nil
}

// checkInputs says what in a request does not fit the signature.
func (c *Client) checkInputs(d *described, s spec, sig *providers.Signature, req *providers.PredictRequest) *providers.Error {
	invalid := func(format string, args ...any) *providers.Error {
		return c.fail(providers.KindInvalid, req.Model, "signature %q: %s; its inputs are %s", s.signature, fmt.Sprintf(format, args...), names(specNames(sig.Inputs)))
	}
	for i := range req.Inputs {
		t := &req.Inputs[i]
		want := findSpec(sig.Inputs, t.Name)
		switch {
		case want == nil:
			return invalid("there is no input %q", t.Name)
		case !want.Type.Valid():
			return c.fail(providers.KindUnsupported, req.Model, "signature %q: input %q has a type that is not supported", s.signature, t.Name)
		case want.Type != t.Type:
			return invalid("input %q is %s and was given as %s", t.Name, want.Type, t.Type)
		case !fits(want.Shape, t.Shape):
			return invalid("input %q has the shape %v and was given %v", t.Name, want.Shape, t.Shape)
		}
	}
	for _, want := range sig.Inputs {
		given := slices.ContainsFunc(req.Inputs, func(t tensor.Tensor) bool { return t.Name == want.Name })
		if !given && !d.optional[s.signature][want.Name] {
			return invalid("an input is missing")
		}
	}
	for _, name := range req.Outputs {
		if findSpec(sig.Outputs, name) == nil {
			return c.fail(providers.KindInvalid, req.Model, "signature %q: there is no output %q; its outputs are %s",
				s.signature, name, names(specNames(sig.Outputs)))
		}
	}
	return nil
}

// fits says whether a shape is one that a model's allows.
func fits(want, shape []int64) bool {
	if want == nil {
		return true
	}
	return slices.EqualFunc(want, shape, func(w, d int64) bool { return w < 0 || w == d })
}

// checkOutputs says what in an answer does not fit the signature and what was asked for, and puts the outputs in order: that of the
// request, or that of their names.
func (c *Client) checkOutputs(req *providers.PredictRequest, sig *providers.Signature, out *providers.Prediction) *providers.Error {
	for i := range out.Outputs {
		t := &out.Outputs[i]
		want := findSpec(sig.Outputs, t.Name)
		if want == nil || want.Type != t.Type || !fits(want.Shape, t.Shape) {
			return c.fail(providers.KindProtocol, req.Model, "its answer does not fit the model's signature")
		}
		if err := t.Check(c.cfg.Limits); err != nil {
			return c.fail(providers.KindProtocol, req.Model, "its answer holds a tensor that is not whole")
		}
	}
	wanted := req.Outputs
	if len(wanted) == 0 {
		wanted = specNames(sig.Outputs)
	}
	ordered := make([]tensor.Tensor, 0, len(wanted))
	for _, name := range wanted {
		t := out.Output(name)
		if t == nil {
			return c.fail(providers.KindProtocol, req.Model, "its answer lacks an output")
		}
		ordered = append(ordered, *t)
	}
	out.Outputs = ordered
	return nil
}

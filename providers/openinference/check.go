package openinference

import (
	"slices"

	"fairlead/providers"
	"fairlead/providers/tensor"
)

// checkRequest says what is wrong with a request in itself.
func (c *Client) checkRequest(req *providers.PredictRequest) error {
	if err := c.checkName(req.Model, req.Version); err != nil {
		return err
	}
	l := c.cfg.Limits
	switch {
	case req.Signature != "" && c.cfg.Variant == V2:
		return c.fail(providers.KindUnsupported, req.Model, "models of this protocol are called in one way: leave the signature out")
	case len(req.Inputs) > l.Tensors || len(req.Outputs) > l.Tensors:
		return c.fail(providers.KindInvalid, req.Model, "the request has more than %d tensors, the limit", l.Tensors)
	}
	total := int64(0)
	for i := range req.Inputs {
		in := &req.Inputs[i]
		if in.Name == "" || len(in.Name) > maxName {
			return c.fail(providers.KindInvalid, req.Model, "input %d has no name, or one that is too long", i)
		}
		if slices.ContainsFunc(req.Inputs[:i], func(t tensor.Tensor) bool { return t.Name == in.Name }) {
			return c.fail(providers.KindInvalid, req.Model, "two inputs are called %q", in.Name)
		}
		if err := in.Check(l); err != nil {
			e := c.fail(providers.KindInvalid, req.Model, "%v", err)
			e.Err = err
			return e
		}
		if total += sizeOf(in); total > l.Bytes {
			return c.fail(providers.KindInvalid, req.Model, "the inputs have more than %d bytes, the limit", l.Bytes)
		}
	}
	for i, name := range req.Outputs {
		if name == "" || len(name) > maxName || slices.Contains(req.Outputs[:i], name) {
			return c.fail(providers.KindInvalid, req.Model, "output %d has no name, one that is too long, or that of another", i)
		}
	}
	return nil
}

// sizeOf is what the elements take on the wire, at most.
func sizeOf(t *tensor.Tensor) int64 {
	n := int64(len(t.Data))
	for _, s := range t.Strings {
		n += int64(len(s)) + 4
	}
	return n
}

// checkInputs holds a request to what the server tells of the model, as far as it tells.
func (c *Client) checkInputs(req *providers.PredictRequest, about *providers.ModelDescription) error {
	if about == nil {
		return nil
	}
	s := about.Signatures[""]
	if err := c.checkWanted(req, s.Outputs); err != nil || len(s.Inputs) == 0 {
		return err
	}
	for i := range req.Inputs {
		in := &req.Inputs[i]
		at := slices.IndexFunc(s.Inputs, func(spec providers.Spec) bool { return spec.Name == in.Name })
		switch {
		case at < 0:
			return c.fail(providers.KindInvalid, req.Model, "the model has no input %q", in.Name)
		case s.Inputs[at].Type.Valid() && s.Inputs[at].Type != in.Type:
			return c.fail(providers.KindInvalid, req.Model, "input %q is %s and the model wants %s", in.Name, in.Type, s.Inputs[at].Type)
		case !fits(in.Shape, s.Inputs[at].Shape):
			return c.fail(providers.KindInvalid, req.Model, "input %q has shape %v and the model wants %v", in.Name, in.Shape, s.Inputs[at].Shape)
		}
	}
	if len(req.Inputs) < len(s.Inputs) && !c.cfg.OptionalInputs {
		return c.fail(providers.KindInvalid, req.Model, "the model has %d inputs and the request %d", len(s.Inputs), len(req.Inputs))
	}
	return nil
}

func (c *Client) checkWanted(req *providers.PredictRequest, outputs []providers.Spec) error {
	for _, name := range req.Outputs {
		if len(outputs) > 0 && !slices.ContainsFunc(outputs, func(spec providers.Spec) bool { return spec.Name == name }) {
			return c.fail(providers.KindInvalid, req.Model, "the model has no output %q", name)
		}
	}
	return nil
}

// fits says whether a shape is one that a description allows; nil allows all.
func fits(shape, allowed []int64) bool {
	if allowed == nil {
		return true
	}
	if len(shape) != len(allowed) {
		return false
	}
	for i, d := range allowed {
		if d >= 0 && shape[i] != d {
			return false
		}
	}
	return true
}

// checkOutputs holds an answer to the request and to what the server tells of the model, and leaves out what was not asked for.
func (c *Client) checkOutputs(req *providers.PredictRequest, p *providers.Prediction, about *providers.ModelDescription) error {
	if len(req.Outputs) > 0 {
		p.Outputs = slices.DeleteFunc(p.Outputs, func(t tensor.Tensor) bool { return !slices.Contains(req.Outputs, t.Name) })
		for i, name := range req.Outputs {
			if p.Output(name) == nil {
				return c.fail(providers.KindProtocol, req.Model, "output %d of those that were asked for is not in its answer", i)
			}
		}
	}
	for i := range p.Outputs {
		if slices.ContainsFunc(p.Outputs[:i], func(t tensor.Tensor) bool { return t.Name == p.Outputs[i].Name }) {
			return c.fail(providers.KindProtocol, req.Model, "two outputs have the same name")
		}
	}
	if about == nil || c.cfg.Check != CheckAll {
		return nil
	}
	specs := about.Signatures[""].Outputs
	for i := range p.Outputs {
		out := &p.Outputs[i]
		at := slices.IndexFunc(specs, func(spec providers.Spec) bool { return spec.Name == out.Name })
		switch {
		case len(specs) == 0:
			return nil
		case at < 0:
			return c.fail(providers.KindProtocol, req.Model, "output %d is not one that its description of the model names", i)
		case specs[at].Type.Valid() && specs[at].Type != out.Type:
			return c.fail(providers.KindProtocol, req.Model, "output %d is %s and its description of the model says %s", i, out.Type, specs[at].Type)
		case !fits(out.Shape, specs[at].Shape):
			return c.fail(providers.KindProtocol, req.Model, "output %d has another shape than its description of the model says", i)
		}
	}
	return nil
}

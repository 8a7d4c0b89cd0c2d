package orchestrator

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
	"fairlead/providers/tensor"
)

// predictStep is the path of the only step of a call for tensors outside runs.
const predictStep = "predict"

// maxStepElements is the most elements of the outputs of a predict step: they are kept as what JSON knows, at many times
// their size. Who needs more of them asks by Engine.Predict.
const maxStepElements = 1 << 18

// Predict runs a model over tensors. It is not failed over: the caller gets what the target that was named gives, or an
// error.
func (e *Engine) Predict(ctx context.Context, p auth.Principal, req PredictRequest) (*Predicted, error) {
	if len(req.Inputs) == 0 {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "there are no inputs: send one at least")
	}
	if err := checkTensors(req.Inputs); err != nil {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "reading the inputs: %s", err)
	}
	r, err := e.newRun(e.state.Load(), p, req.Limits, nil)
	if err != nil {
		return nil, err
	}
	t, err := r.st.doingFor(&p, req.Target, providers.Predict, "predict")
	if err != nil {
		return nil, err
	}
	r.started = time.Now()
	ctx, cancel := r.bound(ctx)
	defer cancel()
	var got *answered
	err = r.alone(ctx, predictStep, func(ctx context.Context, emit emitter) (err error) {
		got, err = r.errand(ctx, &errand{path: predictStep, target: t, label: r.label, emit: emit,
			question: &question{needs: providers.Predict, inputs: req.Inputs, outputs: req.Outputs, signature: req.Signature}})
		return err
	})
	if err != nil {
		return nil, r.verdict(ctx, err, false)
	}
	return &Predicted{
		Prediction: providers.Prediction{Outputs: got.outputs, Model: got.model, Version: got.version, Usage: got.usage},
		Target:     got.target.Named(), Cost: got.cost, CostKnown: got.known,
	}, nil
}

// checkTensors says what is wrong with inputs.
func checkTensors(inputs []tensor.Tensor) error {
	var limits tensor.Limits
	limits = limits.WithDefaults()
	if len(inputs) > limits.Tensors {
		return fmt.Errorf("there are %d tensors, the limit is %d", len(inputs), limits.Tensors)
	}
	size := int64(0)
	names := make(map[string]bool, len(inputs))
	for i := range inputs {
		in := &inputs[i]
		if err := in.Check(limits); err != nil {
			return err
		}
		if names[in.Name] {
			return fmt.Errorf("there are two tensors of the name %q", in.Name)
		}
		names[in.Name] = true
		size += int64(len(in.Data))
		for _, text := range in.Strings {
			size += int64(len(text))
		}
	}
	if size > limits.Bytes {
		return fmt.Errorf("the tensors have %d bytes, the limit is %d", size, limits.Bytes)
	}
	return nil
}

// doPredict runs a model over the tensors of a step.
func (b *branch) doPredict(ctx context.Context, s *chain.Step, path string, emit emitter) (result, *StepFinished, error) {
	l := label.Join(s.Label, b.labelOf(s.Predict.Templates()...))
	t, err := b.st.doing(s.Target, providers.Predict, "predict")
	if err != nil {
		return result{}, nil, err
	}
	var policy *routing.Policy // the default policy is for answers
	if s.Policy != "" {
		if policy, err = b.policyFor(s.Policy, t.Name); err != nil {
			return result{}, nil, err
		}
	}
	q := &question{needs: providers.Predict, outputs: s.Predict.Outputs, signature: s.Predict.Signature}
	if q.inputs, err = b.tensors(ctx, t, s.Predict); err != nil {
		return result{}, nil, err
	}
	got, err := b.errand(ctx, &errand{path: path, target: t, policy: policy, label: l, classes: b.classes, question: q, emit: emit})
	if err != nil {
		return result{}, nil, err
	}
	outputs, shapes := map[string]any{}, map[string]any{}
	left := int64(maxStepElements)
	for i := range got.outputs {
		out := &got.outputs[i]
		if left -= max(int64(len(out.Strings)), int64(len(out.Data)/max(out.Type.Size(), 1))); left < 0 {
			return result{}, nil, fault.New(fault.ResourceExhausted, fault.ReasonTooLarge, "target %s: its outputs have more than %d elements, which is the most of a step", t.Named(), maxStepElements)
		}
		if outputs[out.Name], err = nested(out); err != nil {
			return result{}, nil, fault.Wrap(err, fault.Unavailable, fault.ReasonUpstreamProtocol, "target %s: its output %s holds what is no number or text of JSON", t.Named(), out.Name)
		}
		shapes[out.Name] = fmt.Sprint(out.Shape)
	}
	version := got.version
	return result{label: l, values: map[string]any{"outputs": outputs, "target": got.target.Named(), "version": version}},
		&StepFinished{Result: map[string]any{"outputs": shapes, "target": got.target.Name, "version": version}}, nil
}

// nested gives a tensor's elements as lists in lists. Numbers are float64, as everywhere in a chain.
func nested(t *tensor.Tensor) (v any, err error) {
	data, err := t.AppendJSON(nil, tensor.JSON{Finite: true})
	if err != nil {
		return nil, err
	}
	return v, json.Unmarshal(data, &v)
}

// tensors makes the inputs of a predict step. Types and axes that the step does not say are the model's own.
func (b *branch) tensors(ctx context.Context, t *target, p *chain.Predict) ([]tensor.Tensor, error) {
	values := make([]any, len(p.Inputs))
	scope := b.scope()
	for i, in := range p.Inputs {
		var err error
		if values[i], err = in.Value.Render(scope); err != nil {
			return nil, err
		}
	}
	signature, known := t.signatureOf(ctx, p.Signature)
	made := make([]tensor.Tensor, len(p.Inputs))
	for i, in := range p.Inputs {
		spec := providers.Spec{Name: in.Name}
		if known {
			k := slices.IndexFunc(signature.Inputs, func(s providers.Spec) bool { return s.Name == in.Name })
			if k < 0 {
				return nil, fault.New(fault.InvalidArgument, fault.ReasonBadChain, "the model of target %s has no input %s: it has %s", t.Named(), in.Name, inputNames(signature))
			}
			spec = signature.Inputs[k]
		}
		if in.Type != tensor.Invalid {
			spec.Type = in.Type
		}
		var err error
		if made[i], err = tensorOf(values[i], spec); err != nil {
			return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "making the input %s: %s", in.Name, err)
		}
	}
	if err := checkTensors(made); err != nil {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "making the inputs: %s", err)
	}
	return made, nil
}

func inputNames(s providers.Signature) string {
	var names []string
	for _, spec := range s.Inputs {
		names = append(names, spec.Name)
	}
	return fmt.Sprint(names)
}

package openinference

import (
	"google.golang.org/protobuf/encoding/protowire"

	"fairlead/gen/thirdparty/inference"
	"fairlead/providers"
	"fairlead/providers/tensor"
)

// inferRequest is the message of a request. The elements of its inputs stay where they are.
func inferRequest(req *providers.PredictRequest) (*inference.ModelInferRequest, error) {
	m := &inference.ModelInferRequest{ModelName: req.Model, ModelVersion: req.Version}
	for i := range req.Inputs {
		in := &req.Inputs[i]
		m.Inputs = append(m.Inputs, &inference.ModelInferRequest_InferInputTensor{Name: in.Name, Datatype: in.Type.String(), Shape: in.Shape})
		raw, err := rawOf(in)
		if err != nil {
			return nil, err
		}
		m.RawInputContents = append(m.RawInputContents, raw)
	}
	for _, name := range req.Outputs {
		m.Outputs = append(m.Outputs, &inference.ModelInferRequest_InferRequestedOutputTensor{Name: name})
	}
	return m, nil
}

// The numbers of the fields of ModelInferResponse and of its InferOutputTensor.
const (
	fieldModelName    = 1
	fieldModelVersion = 2
	fieldOutputs      = 5
	fieldRawOutputs   = 6

	fieldName     = 1
	fieldDatatype = 2
	fieldShape    = 3
	fieldContents = 5
)

// readInfer reads a ModelInferResponse. The outputs keep the message's memory. It is read by hand because a message may
// hold an output in two bytes, and proto.Unmarshal would make more than a hundred of them before anything could be checked.
func readInfer(message []byte, limits tensor.Limits) (*providers.Prediction, error) {
	limits = limits.WithDefaults()
	p := &providers.Prediction{}
	var outputs, raws int
	for f := (fields{rest: message}); ; {
		more, err := f.next()
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		switch f.number {
		case fieldModelName:
			p.Model, err = f.name()
		case fieldModelVersion:
			p.Version, err = f.name()
		case fieldOutputs:
			outputs++
			err = f.want(protowire.BytesType)
		case fieldRawOutputs:
			raws++
			err = f.want(protowire.BytesType)
		}
		if err != nil {
			return nil, err
		}
	}
	switch {
	case outputs > limits.Tensors || raws > limits.Tensors:
		return nil, beyond("it has %d outputs, the limit is %d", max(outputs, raws), limits.Tensors)
	case raws != 0 && raws != outputs:
		return nil, broken("it has %d outputs and the raw contents of %d", outputs, raws)
	}
	if err := readOutputs(message, p, outputs, raws != 0, budget{Limits: limits}); err != nil {
		return nil, err
	}
	return p, nil
}

// readOutputs is the second time through the message: the number of outputs is known now.
func readOutputs(message []byte, p *providers.Prediction, outputs int, isRaw bool, b budget) error {
	p.Outputs = make([]tensor.Tensor, 0, outputs)
	contents := make([][]byte, outputs)
	raws := 0
	for f := (fields{rest: message}); ; {
		more, err := f.next()
		if err != nil || !more {
			break // the first time found no error
		}
		if f.number == fieldOutputs {
			out, content, err := readOutput(f.data, len(p.Outputs), b.Limits)
			if err != nil {
				return err
			}
			contents[len(p.Outputs)] = content
			p.Outputs = append(p.Outputs, out)
		}
	}
	if !isRaw {
		for i := range p.Outputs {
			if err := b.typed(i, &p.Outputs[i], fields{rest: contents[i]}); err != nil {
				return err
			}
		}
		return nil
	}
	for f := (fields{rest: message}); raws < outputs; {
		if more, err := f.next(); err != nil || !more {
			break
		}
		if f.number != fieldRawOutputs {
			continue
		}
		if len(contents[raws]) > 0 {
			return broken("output %d: it has raw contents and others", raws)
		}
		if err := b.raw(raws, &p.Outputs[raws], f.data); err != nil {
			return err
		}
		raws++
	}
	return nil
}

// readOutput reads an InferOutputTensor up to its contents.
func readOutput(message []byte, i int, l tensor.Limits) (out tensor.Tensor, contents []byte, err error) {
	var typeName string
	out.Shape = []int64{}
	for f := (fields{rest: message}); ; {
		more, err := f.next()
		if err != nil {
			return out, contents, err
		}
		if !more {
			break
		}
		switch f.number {
		case fieldName:
			out.Name, err = f.name()
		case fieldDatatype:
			typeName, err = f.name()
		case fieldShape:
			out.Shape, err = f.dimensions(out.Shape, i, l)
		case fieldContents:
			if err = f.want(protowire.BytesType); err == nil && contents != nil {
				err = broken("output %d: it has contents twice", i)
			}
			contents = f.data
		}
		if err != nil {
			return out, contents, err
		}
	}
	if out.Name == "" {
		return out, contents, broken("output %d has no name", i)
	}
	if out.Type, err = tensor.ParseType(typeName); err != nil {
		return out, contents, broken("output %d has a type that the protocol does not know", i)
	}
	return out, contents, nil
}

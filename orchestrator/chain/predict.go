package chain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"fairlead/internal/fault"
	"fairlead/providers/tensor"
)

const (
	// maxTensors is how many inputs and outputs a predict step may name, and maxElements how many elements a file may
	// write out.
	maxTensors  = 64
	maxElements = 10_000
	// maxRank is how deep lists of elements may be nested.
	maxRank = 8
	// maxTensorName is the length of a tensor's name in bytes.
	maxTensorName = 256
)

// Predict runs a model over tensors. The step's Target is the model. Its result is {outputs: {NAME: nested lists},
// target, version}.
type Predict struct {
	// Inputs are the model's inputs, in the order of the file.
	Inputs []PredictInput
	// Outputs are the names of what is wanted. Empty: all.
	Outputs []string
	// Signature is the way of calling the model. Empty: the target's own.
	Signature string
}

// PredictInput is one input.
type PredictInput struct {
	Name string
	// Value renders to a number, a text, a truth value, or lists of them, nested as the shape is.
	Value Elements
	// Type is that of the elements, such as FP32. Invalid: what the model's own description says.
	Type tensor.Type
}

// Elements are a number or truth value as it stands in the file, or a template, or a list of Elements: one of the three.
type Elements struct {
	Literal  any
	Template *Template
	List     []Elements
	// IsList says that it is a list, which may be empty.
	IsList bool
}

// Templates gives what the step is made from.
func (p *Predict) Templates() []*Template {
	var list []*Template
	var walk func(e Elements)
	walk = func(e Elements) {
		if e.Template != nil {
			list = append(list, e.Template)
		}
		for _, inner := range e.List {
			walk(inner)
		}
	}
	for _, in := range p.Inputs {
		walk(in.Value)
	}
	return list
}

// Render gives the elements as what JSON knows. A template that is one placeholder gives its value, which may be a list.
func (e Elements) Render(s *Scope) (any, error) {
	switch {
	case e.Template != nil:
		v, err := e.Template.Value(s)
		if err == nil && v == nil {
			err = fault.New(fault.FailedPrecondition, fault.ReasonBadChain, "filling %s: there is no value, and a tensor has no gaps", e.Template.Source())
		}
		return v, err
	case !e.IsList:
		return e.Literal, nil
	}
	list := make([]any, len(e.List))
	for i, inner := range e.List {
		var err error
		if list[i], err = inner.Render(s); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (p *parsing) predict(o *object, s *Step) *Predict {
	out := &Predict{}
	if f, ok := o.get("target"); ok {
		s.Target = p.name(f.value, "target")
	} else {
		p.fail(o.at, "predict has no target: name one on a server of models over tensors")
	}
	if f, ok := o.get("signature"); ok {
		if text, ok := p.text(f.value, "signature"); ok {
			if out.Signature = text.text; len(text.text) > maxTensorName {
				p.fail(placeOf(f.value), "signature is longer than %d bytes", maxTensorName)
			}
		}
	}
	if f, ok := o.get("inputs"); ok {
		p.predictInputs(f.value, out)
	} else {
		p.fail(o.at, "predict has no inputs: it needs one")
	}
	if f, ok := o.get("types"); ok {
		p.predictTypes(f.value, out)
	}
	if f, ok := o.get("outputs"); ok {
		nodes := p.list(f.value, "outputs")
		if len(nodes) > maxTensors {
			p.fail(placeOf(f.value), "outputs has more than %d names", maxTensors)
			nodes = nil
		}
		for _, n := range nodes {
			if text, ok := p.text(n, "outputs"); ok {
				p.tensorName(placeOf(n), "outputs", text.text)
				if slices.Contains(out.Outputs, text.text) {
					p.fail(placeOf(n), "outputs names %q twice", clip(text.text))
				}
				out.Outputs = append(out.Outputs, text.text)
			}
		}
	}
	return out
}

func (p *parsing) tensorName(at place, what, name string) {
	if strings.TrimSpace(name) == "" || len(name) > maxTensorName {
		p.fail(at, "%s: the name of a tensor has from 1 to %d bytes", what, maxTensorName)
	}
}

func (p *parsing) predictInputs(n ast.Node, out *Predict) {
	o := p.object(n, "inputs", nil)
	switch {
	case o == nil:
		return
	case len(o.fields) == 0:
		p.fail(o.at, "inputs is empty: it needs a tensor")
	case len(o.fields) > maxTensors:
		p.fail(o.at, "inputs has more than %d tensors", maxTensors)
		return
	}
	left := maxElements
	for _, f := range o.fields {
		p.tensorName(f.at, "inputs", f.key)
		out.Inputs = append(out.Inputs, PredictInput{Name: f.key, Value: p.elements(f.value, "inputs."+clip(f.key), 0, &left)})
		if left < 0 {
			p.fail(f.at, "inputs has more than %d elements: give them as an input of the chain", maxElements)
			return
		}
	}
}

// elements reads an input's value. left counts the elements that may still come.
func (p *parsing) elements(n ast.Node, what string, depth int, left *int) Elements {
	switch n := n.(type) {
	case *ast.SequenceNode:
		e := Elements{IsList: true}
		if depth >= maxRank {
			p.fail(placeOf(n), "%s: lists are nested deeper than %d", what, maxRank)
			return e
		}
		for _, v := range n.Values {
			if *left < 0 {
				break
			}
			e.List = append(e.List, p.elements(v, what, depth+1, left))
		}
		return e
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		*left--
		v, ok := p.json(n, what)
		if ok && compactJSON(v) == nil {
			p.fail(placeOf(n), "%s is no finite number", what)
		}
		return Elements{Literal: v}
	}
	*left--
	return Elements{Template: p.template(n, what)}
}

func (p *parsing) predictTypes(n ast.Node, out *Predict) {
	o := p.object(n, "types", nil)
	if o == nil {
		return
	}
	var names []string
	for _, in := range out.Inputs {
		names = append(names, in.Name)
	}
	for _, f := range o.fields {
		i := slices.Index(names, f.key)
		if i < 0 {
			p.fail(f.at, "types: there is no input %q%s", clip(f.key), suggest(f.key, names))
			continue
		}
		text, ok := p.text(f.value, "types."+clip(f.key))
		if !ok {
			continue
		}
		t, err := tensor.ParseType(text.text)
		if err != nil {
			p.fail(placeOf(f.value), "there is no type %q%s", clip(text.text), suggest(text.text, typeNames()))
		}
		out.Inputs[i].Type = t
	}
}

func typeNames() (names []string) {
	for t := tensor.Bool; t.Valid(); t++ {
		names = append(names, fmt.Sprint(t))
	}
	return names
}

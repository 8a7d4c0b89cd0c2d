package pipeline

import (
	"errors"
	"fmt"
	"math"

	"fairlead/providers"
	"fairlead/providers/pipeline/picture"
	"fairlead/providers/pipeline/wordpiece"
	"fairlead/providers/tensor"
)

// texts sends texts as they are.
type texts struct{ c Text }

func newTexts(c Text) (*texts, error) {
	if c.Tensor == "" {
		return nil, errors.New("tensor must be set: want the name of the model's input")
	}
	return &texts{c: c}, nil
}

func (t *texts) encode(i items) (encoded, error) {
	shape := []int64{int64(len(i.texts))}
	if t.c.Column {
		shape = append(shape, 1)
	}
	made, err := tensor.FromStrings(t.c.Tensor, shape, i.texts)
	if err == nil {
		err = made.Check(tensor.Limits{})
	}
	return encoded{inputs: []tensor.Tensor{made}}, err
}

func (t *texts) specs() []providers.Spec {
	shape := []int64{-1}
	if t.c.Column {
		shape = append(shape, 1)
	}
	return []providers.Spec{{Name: t.c.Tensor, Type: tensor.String, Shape: shape}}
}

// tokenized sends texts as numbers of tokens.
type tokenized struct {
	c         Tokens
	tokenizer *wordpiece.Tokenizer
}

const maxTokens = 1 << 16

func newTokens(c Tokens) (*tokenized, error) {
	if c.Max == 0 {
		c.Max = 512
	}
	if c.Type == tensor.Invalid {
		c.Type = tensor.Int64
	}
	switch {
	case c.IDs == "":
		return nil, errors.New("ids must be set: want the name of the model's input")
	case c.IDs == c.Mask || c.IDs == c.Types || c.Mask != "" && c.Mask == c.Types:
		return nil, errors.New("ids, mask and types are inputs of one name")
	case c.Type != tensor.Int64 && c.Type != tensor.Int32:
		return nil, fmt.Errorf("tokens of type %s: want INT64 or INT32", c.Type)
	case c.Tokenizer == "":
		return nil, errors.New("tokenizer must be set: want the model's tokenizer.json")
	}
	tokenizer, err := wordpiece.Load(c.Tokenizer)
	if err != nil {
		return nil, err
	}
	switch _, _, pads := tokenizer.Pad(); {
	case !pads:
		return nil, errors.New("the tokenizer has no padding, and its vocabulary no [PAD]")
	case c.Max <= tokenizer.Around() || c.Max > maxTokens:
		return nil, fmt.Errorf("max: %d is not from %d to %d", c.Max, tokenizer.Around()+1, maxTokens)
	}
	return &tokenized{c: c, tokenizer: tokenizer}, nil
}

func (t *tokenized) encode(i items) (encoded, error) {
	list := make([]wordpiece.Encoding, len(i.texts))
	lengths := make([]int, len(i.texts))
	longest := 1
	if t.c.Full {
		longest = t.c.Max
	}
	for k, text := range i.texts {
		list[k] = t.tokenizer.Encode(text, t.c.Max)
		lengths[k] = len(list[k].IDs)
		longest = max(longest, lengths[k])
	}
	out := encoded{lengths: lengths}
	pad, padType, _ := t.tokenizer.Pad()
	for _, made := range []struct {
		name string
		row  func(k, j int) int64
		fill int64
	}{
		{t.c.IDs, func(k, j int) int64 { return list[k].IDs[j] }, pad},
		{t.c.Mask, func(int, int) int64 { return 1 }, 0},
		{t.c.Types, func(k, j int) int64 { return list[k].Types[j] }, padType},
	} {
		if made.name == "" {
			continue
		}
		numbers := make([]int64, 0, len(list)*longest)
		for k := range list {
			for j := range longest {
				if j < lengths[k] {
					numbers = append(numbers, made.row(k, j))
				} else {
					numbers = append(numbers, made.fill)
				}
			}
		}
		shape := []int64{int64(len(list)), int64(longest)}
		input, err := t.tensor(made.name, shape, numbers)
		if err != nil {
			return encoded{}, err
		}
		out.inputs = append(out.inputs, input)
	}
	return out, nil
}

func (t *tokenized) tensor(name string, shape, numbers []int64) (tensor.Tensor, error) {
	if t.c.Type == tensor.Int64 {
		return tensor.From(name, shape, numbers)
	}
	short := make([]int32, len(numbers))
	for i, n := range numbers {
		short[i] = int32(n) // the tokenizer's numbers are no larger
	}
	return tensor.From(name, shape, short)
}

func (t *tokenized) specs() (list []providers.Spec) {
	for _, name := range []string{t.c.IDs, t.c.Mask, t.c.Types} {
		if name != "" {
			list = append(list, providers.Spec{Name: name, Type: t.c.Type, Shape: []int64{-1, -1}})
		}
	}
	return list
}

// images sends pictures.
type images struct {
	c         Image
	transform *picture.Transform
}

func newImages(c Image) (*images, error) {
	if c.Type == tensor.Invalid {
		c.Type = tensor.Float32
	}
	switch {
	case c.Tensor == "":
		return nil, errors.New("tensor must be set: want the name of the model's input")
	case !c.Type.Numeric():
		return nil, fmt.Errorf("pictures of type %s: want a type of numbers", c.Type)
	}
	transform, err := picture.New(c.Picture)
	if err != nil {
		return nil, err
	}
	return &images{c: c, transform: transform}, nil
}

func (m *images) encode(i items) (encoded, error) {
	shape := append([]int64{int64(len(i.images))}, m.transform.Shape()...)
	count, _, err := (tensor.Limits{}).Check(m.c.Type, shape)
	if err != nil {
		return encoded{}, err
	}
	values := make([]float32, 0, count)
	for k, file := range i.images {
		if values, err = m.transform.Append(values, file); err != nil {
			return encoded{}, fmt.Errorf("image %d cannot be taken: %w", k, err)
		}
	}
	var made tensor.Tensor
	if m.c.Type == tensor.Float32 {
		made, err = tensor.From(m.c.Tensor, shape, values)
	} else {
		wide := make([]float64, len(values))
		for k, v := range values {
			wide[k] = float64(v)
			if m.c.Type.Whole() {
				wide[k] = math.RoundToEven(wide[k])
			}
		}
		made, err = tensor.FromNumbers(m.c.Tensor, m.c.Type, shape, wide)
	}
	return encoded{inputs: []tensor.Tensor{made}}, err
}

func (m *images) specs() []providers.Spec {
	return []providers.Spec{{Name: m.c.Tensor, Type: m.c.Type, Shape: append([]int64{-1}, m.transform.Shape()...)}}
}

package pipeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"fairlead/providers"
	"fairlead/providers/tensor"
)

// records sends records of numbers.
type records struct {
	c Features
	// place is a feature's place in the list.
	place map[string]int
}

const (
	maxFeatures = 10_000
	// maxRecord is the most bytes of a record.
	maxRecord = 1 << 20
)

func newRecords(c Features) (*records, error) {
	if c.Type == tensor.Invalid {
		c.Type = tensor.Float32
	}
	r := &records{c: c, place: map[string]int{}}
	if len(c.List) == 0 || len(c.List) > maxFeatures {
		return nil, fmt.Errorf("there are %d features: want 1 to %d", len(c.List), maxFeatures)
	}
	if c.Tensor == "" && len(c.List) > tensor.Limits.WithDefaults(tensor.Limits{}).Tensors {
		return nil, fmt.Errorf("%d features are more inputs than a request has: set tensor for one input of all", len(c.List))
	}
	for i, f := range c.List {
		t := f.Type
		switch {
		case f.Name == "":
			return nil, fmt.Errorf("feature %d has no name", i)
		case t != tensor.Invalid && c.Tensor != "":
			return nil, fmt.Errorf("feature %s has a type of its own, and all are of one tensor", f.Name)
		case t == tensor.Invalid:
			t = c.Type
		}
		if !t.Numeric() {
			return nil, fmt.Errorf("feature %s is of type %s: want a type of numbers", f.Name, t)
		}
		if _, twice := r.place[f.Name]; twice {
			return nil, fmt.Errorf("feature %s is there twice", f.Name)
		}
		if f.Default != nil {
			if _, err := tensor.FromNumbers(f.Name, t, nil, []float64{*f.Default}); err != nil {
				return nil, fmt.Errorf("the default of feature %s is no number of type %s", f.Name, t)
			}
		}
		r.place[f.Name] = i
	}
	return r, nil
}

func (r *records) encode(i items) (encoded, error) {
	n, width := len(i.texts), len(r.c.List)
	// Column by column, since each feature may be an input of its own.
	values := make([]float64, n*width)
	for row, text := range i.texts {
		if err := r.read(text, func(k int, v float64) { values[k*n+row] = v }); err != nil {
			return encoded{}, fmt.Errorf("record %d: %w", row, err)
		}
	}
	if r.c.Tensor != "" {
		across := make([]float64, len(values))
		for k := range width {
			for row := range n {
				across[row*width+k] = values[k*n+row]
			}
		}
		made, err := tensor.FromNumbers(r.c.Tensor, r.c.Type, []int64{int64(n), int64(width)}, across)
		return encoded{inputs: []tensor.Tensor{made}}, err
	}
	var out encoded
	for k, spec := range r.specs() {
		made, err := tensor.FromNumbers(spec.Name, spec.Type, []int64{int64(n), 1}, values[k*n:(k+1)*n])
		if err != nil {
			return encoded{}, err
		}
		out.inputs = append(out.inputs, made)
	}
	return out, nil
}

// read reads one record. Every name must be a feature's and come once: what is misspelt would be a default unseen.
func (r *records) read(text string, set func(k int, v float64)) error {
	if len(text) > maxRecord {
		return fmt.Errorf("it has %d bytes, the limit is %d", len(text), maxRecord)
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return errors.New("it is not a JSON object of numbers by name")
	}
	const (
		absent = iota
		null
		present
	)
	seen := make([]uint8, len(r.c.List))
	for d.More() {
		key, err := d.Token()
		name, isText := key.(string)
		if err != nil || !isText {
			return errors.New("it is not a JSON object of numbers by name")
		}
		k, ok := r.place[name]
		switch {
		case !ok:
			return errors.New("it has a name that is no feature's")
		case seen[k] != absent:
			return fmt.Errorf("feature %s is there twice", name)
		}
		value, err := d.Token()
		if err != nil {
			return errors.New("it is not a JSON object of numbers by name")
		}
		seen[k] = present
		switch v := value.(type) {
		case json.Number:
			n, err := strconv.ParseFloat(string(v), 64)
			if err != nil {
				return fmt.Errorf("feature %s is beyond any type", name)
			}
			set(k, n)
		case bool:
			if v {
				set(k, 1)
			} else {
				set(k, 0)
			}
		case nil:
			seen[k] = null
		default:
			return fmt.Errorf("feature %s is not a number", name)
		}
	}
	if _, err := d.Token(); err != nil {
		return errors.New("it is not a JSON object of numbers by name")
	}
	if d.More() {
		return errors.New("something follows it")
	}
	for k, s := range seen {
		f := &r.c.List[k]
		switch {
		case s == present:
		case f.Default == nil:
			return fmt.Errorf("feature %s is missing and has no default", f.Name)
		default:
			set(k, *f.Default)
		}
	}
	return nil
}

func (r *records) specs() []providers.Spec {
	if r.c.Tensor != "" {
		return []providers.Spec{{Name: r.c.Tensor, Type: r.c.Type, Shape: []int64{-1, int64(len(r.c.List))}}}
	}
	list := make([]providers.Spec, len(r.c.List))
	for i, f := range r.c.List {
		list[i] = providers.Spec{Name: f.Name, Type: f.Type, Shape: []int64{-1, 1}}
		if f.Type == tensor.Invalid {
			list[i].Type = r.c.Type
		}
	}
	return list
}

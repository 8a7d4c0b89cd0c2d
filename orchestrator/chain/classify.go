package chain

import (
	"strings"

	"github.com/goccy/go-yaml/ast"

	"fairlead/internal/label"
)

const (
	// maxClasses is how many classes a classify step may give labels to.
	maxClasses = 100
	// maxFeatures is how many numbers a record may have.
	maxFeatures = 1000
)

func (p *parsing) classify(o *object, s *Step) *Classify {
	c := &Classify{}
	switch given := o.among("text", "image", "features"); {
	case len(given) == 0:
		p.fail(o.at, "classify has no text: it needs one, or an image, or features")
	case len(given) > 1:
		p.fail(given[1].at, "classify has both %s and %s: give one", given[0].key, given[1].key)
	case given[0].key == "text":
		c.Text = p.required(o, "text", "classify")
	case given[0].key == "image":
		c.Image = p.required(o, "image", "classify")
	default:
		c.Features = p.features(given[0].value)
	}
	if f, ok := o.get("target"); ok {
		s.Target = p.name(f.value, "target")
	} else {
		p.fail(o.at, "classify has no target: name one that classifies")
	}
	if f, ok := o.get("unknown_below"); ok {
		c.UnknownBelow, _ = p.number(f.value, "unknown_below", 0, 1)
	}
	f, ok := o.get("labels")
	if !ok {
		return c
	}
	labels := p.object(f.value, "labels", nil)
	if labels == nil {
		return c
	}
	if len(labels.fields) > maxClasses {
		p.fail(labels.at, "labels has more than %d classes", maxClasses)
		return c
	}
	c.Labels = map[string]label.Label{}
	for _, class := range labels.fields {
		if strings.TrimSpace(class.key) == "" {
			p.fail(class.at, "labels: a class has no name")
		}
		c.Labels[class.key] = p.label(class.value)
	}
	return c
}

// among gives those of the fields that are there, in the order of the file.
func (o *object) among(keys ...string) (found []field) {
	for _, f := range o.fields {
		for _, key := range keys {
			if f.key == key {
				found = append(found, f)
			}
		}
	}
	return found
}

func (p *parsing) features(n ast.Node) []Feature {
	o := p.object(n, "features", nil)
	switch {
	case o == nil:
		return nil
	case len(o.fields) == 0:
		p.fail(o.at, "features is empty: it needs a number")
	case len(o.fields) > maxFeatures:
		p.fail(o.at, "features has more than %d numbers", maxFeatures)
		return nil
	}
	list := make([]Feature, 0, len(o.fields))
	for _, f := range o.fields {
		if strings.TrimSpace(f.key) == "" {
			p.fail(f.at, "features: a number has no name")
		}
		list = append(list, Feature{Name: f.key, Value: p.scalar(f.value, "features."+f.key)})
	}
	return list
}

// scalar reads a template, or a number, true or false, as a template that renders to it.
func (p *parsing) scalar(n ast.Node, what string) *Template {
	switch n.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		v, ok := p.json(n, what)
		if !ok {
			return nil
		}
		text := string(compactJSON(v))
		if text == "" {
			p.fail(placeOf(n), "%s is no finite number", what)
			return nil
		}
		t := &Template{source: text, pieces: []piece{{text: text}}}
		p.texts[t] = scalar{text, n}
		return t
	}
	return p.template(n, what)
}

package chain

import (
	"strings"

	"fairlead/internal/label"
)

// maxClasses is how many classes a classify step may give labels to.
const maxClasses = 100

func (p *parsing) classify(o *object, s *Step) *Classify {
	c := &Classify{Text: p.required(o, "text", "classify")}
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

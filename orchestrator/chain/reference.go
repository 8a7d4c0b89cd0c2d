package chain

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"fairlead/providers"
)

// runFields are the fields of run.
var runFields = []string{"id", "chain", "version", "label", "tenant", "locale", "left_usd", "left_ms"}

// resultFields are the fields of a step's result.
var resultFields = map[Kind][]string{
	KindGenerate:  {"text", "finish", "target", "model", "citations"},
	KindRetrieve:  {"count", "exhausted", "passages", "query"},
	KindEmbed:     {"dimensions", "vector", "target"},
	KindClassify:  {"label", "probability", "classes", "unknown", "target"},
	KindPredict:   {"outputs", "target", "version"},
	KindSummarize: {"text", "method", "documents"},
	KindChoose:    {"case"},
	KindParallel:  nil,
}

// classFields are the fields of an element of classes.
var classFields = []string{"name", "probability"}

// passageFields are the fields of an element of passages.
var passageFields = []string{"id", "uri", "title", "heading", "text", "score", "label", "line_start", "line_end"}

// fields gives the fields of the step's result.
func (s *Step) fields() []string {
	if s.Kind == KindGenerate && s.Generate != nil &&
		(s.Generate.Format.Kind == providers.FormatJSONObject || s.Generate.Format.Kind == providers.FormatJSONSchema) {
		return append(slices.Clone(resultFields[KindGenerate]), "json")
	}
	return resultFields[s.Kind]
}

// checkReferences checks everything that a template, a condition or documents refers to. A step sees the
// inputs, the run, and the steps that ran before it. Steps of a choose step's branches are seen after it
// as steps that may have been skipped; branches of one choose or parallel step do not see each other.
func (p *parsing) checkReferences() {
	visible := map[string]bool{}
	p.checkSteps(p.chain.Steps, visible)
	p.checkTemplate(p.chain.Output, "", visible)
}

func (p *parsing) checkSteps(steps []*Step, visible map[string]bool) {
	for _, s := range steps {
		p.checkStep(s, visible)
		mark(s, visible)
	}
}

// mark makes a step and all within it visible.
func mark(s *Step, visible map[string]bool) {
	visible[s.ID] = true
	for _, inner := range s.inner() {
		mark(inner, visible)
	}
}

// inner gives the steps within a step.
func (s *Step) inner() []*Step {
	if s.Choose == nil {
		return s.Parallel
	}
	var steps []*Step
	for _, c := range s.Choose.Cases {
		steps = append(steps, c.Steps...)
	}
	return append(steps, s.Choose.Else...)
}

func (p *parsing) checkStep(s *Step, visible map[string]bool) {
	p.checkCondition(s.When, s.ID, visible)
	switch {
	case s.Generate != nil:
		g := s.Generate
		templates := append([]*Template{g.System, g.User, g.Locale, g.Query}, slices.Collect(maps.Values(g.With))...)
		p.checkTemplates(s, visible, templates...)
		p.checkDocuments(s, g.Documents, visible)
	case s.Retrieve != nil:
		r := s.Retrieve
		p.checkTemplates(s, visible, r.Collection, r.Query, r.TopFrom)
		for _, c := range r.Filter {
			p.checkTemplate(c.Template, s.ID, visible)
		}
	case s.Embed != nil:
		p.checkTemplate(s.Embed.Text, s.ID, visible)
	case s.Classify != nil:
		p.checkTemplates(s, visible, s.Classify.Templates()...)
	case s.Predict != nil:
		p.checkTemplates(s, visible, s.Predict.Templates()...)
	case s.Summarize != nil:
		p.checkTemplates(s, visible, s.Summarize.Text, s.Summarize.Instruction)
		p.checkDocuments(s, s.Summarize.Documents, visible)
	case s.Choose != nil:
		for _, c := range s.Choose.Cases {
			p.checkCondition(c.When, s.ID, visible)
			p.checkSteps(c.Steps, maps.Clone(visible))
		}
		p.checkSteps(s.Choose.Else, maps.Clone(visible))
	case s.Parallel != nil:
		for _, inner := range s.Parallel {
			p.checkStep(inner, maps.Clone(visible))
		}
	}
}

func (p *parsing) checkTemplates(s *Step, visible map[string]bool, templates ...*Template) {
	for _, t := range templates {
		p.checkTemplate(t, s.ID, visible)
	}
}

func (p *parsing) checkTemplate(t *Template, step string, visible map[string]bool) {
	if t == nil {
		return
	}
	for _, piece := range t.pieces {
		if piece.path != nil {
			p.checkPath(piece.path, p.within(p.texts[t], piece.offset), step, visible)
		}
	}
}

func (p *parsing) checkCondition(c *Condition, step string, visible map[string]bool) {
	if c == nil {
		return
	}
	for _, ref := range c.refs {
		p.checkPath(ref.path, p.within(p.conditions[c], ref.offset), step, visible)
	}
}

func (p *parsing) checkPath(ref path, at place, step string, visible map[string]bool) {
	switch ref[0] {
	case rootRun:
		if !slices.Contains(runFields, ref[1]) {
			p.fail(at, "run has no %q%s", ref[1], suggest(ref[1], runFields))
		}
		p.chain.UsesLocale = p.chain.UsesLocale || ref[1] == "locale"
	case rootInput:
		p.checkInputPath(ref, at)
	case rootSteps:
		if !p.checkVisible(ref[1], at, step, visible) {
			return
		}
		s := p.steps[ref[1]]
		fields := s.fields()
		switch {
		case ref[2] == "json" && s.Kind == KindGenerate && !slices.Contains(fields, "json"):
			p.fail(at, "step %s makes no json: give its generate format: json", s.ID)
		case !slices.Contains(fields, ref[2]):
			p.fail(at, "step %s (%s) makes no %q%s", s.ID, s.Kind, ref[2], suggest(ref[2], fields))
		case s.Kind == KindRetrieve && ref[2] == "passages" && len(ref) > 4 && isIndex(ref[3]) && !slices.Contains(passageFields, ref[4]):
			p.fail(at, "a passage has no %q%s", ref[4], suggest(ref[4], passageFields))
		case s.Kind == KindClassify && ref[2] == "classes" && len(ref) > 4 && isIndex(ref[3]) && !slices.Contains(classFields, ref[4]):
			p.fail(at, "a class has no %q%s", ref[4], suggest(ref[4], classFields))
		}
	}
}

func (p *parsing) checkInputPath(ref path, at place) {
	i := slices.IndexFunc(p.chain.Inputs, func(in Input) bool { return in.Name == ref[1] })
	if i < 0 {
		var names []string
		for _, in := range p.chain.Inputs {
			names = append(names, in.Name)
		}
		p.fail(at, "there is no input %q%s", ref[1], suggest(ref[1], names))
		return
	}
	if in := p.chain.Inputs[i]; len(ref) > 2 && in.Type != Object && in.Type != List {
		p.fail(at, "input %s is %s: it has no parts", in.Name, in.Type.article())
	}
}

// checkVisible says whether a step can be seen from another; when not, it says why. step is empty for the
// chain's output.
func (p *parsing) checkVisible(id string, at place, step string, visible map[string]bool) bool {
	if visible[id] {
		return true
	}
	if p.steps[id] == nil {
		p.fail(at, "there is no step %q%s", id, suggest(id, p.order))
		return false
	}
	switch p.relation(id, step) {
	case "self":
		p.fail(at, "step %s refers to itself", id)
	case "around":
		p.fail(at, "step %s is around this step, and has no result yet", id)
	case string(KindParallel):
		p.fail(at, "step %s runs at the same time: put what needs it after the parallel step", id)
	case string(KindChoose):
		p.fail(at, "step %s is in another branch, which does not run when this one does", id)
	default:
		p.fail(at, "step %s comes later (line %d): a step sees what ran before it", id, p.steps[id].Line)
	}
	return false
}

// relation says how a step that cannot be seen stands to the one that refers to it.
func (p *parsing) relation(id, from string) string {
	there, here := p.trails[id], p.trails[from]
	if id == from {
		return "self"
	}
	if slices.ContainsFunc(here, func(b branch) bool { return b.container.ID == id }) {
		return "around"
	}
	for i := range min(len(there), len(here)) {
		switch {
		case there[i].container != here[i].container:
			return ""
		case there[i].index != here[i].index:
			return string(there[i].container.Kind)
		}
	}
	return ""
}

func (p *parsing) checkDocuments(s *Step, id string, visible map[string]bool) {
	where, ok := p.documents[s]
	if !ok {
		return
	}
	at := placeOf(where.node)
	if !p.checkVisible(id, at, s.ID, visible) {
		return
	}
	if kind := p.steps[id].Kind; kind != KindRetrieve {
		var found []string
		for _, name := range p.order {
			if visible[name] && p.steps[name].Kind == KindRetrieve {
				found = append(found, name)
			}
		}
		hint := "there is no retrieve step before it"
		if found != nil {
			hint = "use one of " + strings.Join(found, ", ")
		}
		p.fail(at, "documents must name a retrieve step, and %s is %s: %s", id, kind, hint)
	}
}

// All gives every step of the chain with its path ("choice/short"), those within others included, in the
// order of the file.
func (c *Chain) All() func(yield func(path string, s *Step) bool) {
	return func(yield func(string, *Step) bool) {
		var walk func(prefix string, steps []*Step) bool
		walk = func(prefix string, steps []*Step) bool {
			for _, s := range steps {
				if !yield(prefix+s.ID, s) || !walk(prefix+s.ID+"/", s.inner()) {
					return false
				}
			}
			return true
		}
		walk("", c.Steps)
	}
}

// OutputSteps gives the steps whose text can be streamed as the run's output: the step of
// Template.OutputStep, or those of an output that consists of nothing but {{steps.ID.text}} of steps in
// different branches of one choose step, of which at most one runs. Otherwise none.
func (c *Chain) OutputSteps() []string {
	if id := c.Output.OutputStep(); id != "" {
		return []string{id}
	}
	var ids []string
	for _, p := range c.Output.pieces {
		if len(p.path) != 3 || p.path[0] != rootSteps || p.path[2] != "text" || slices.Contains(ids, p.path[1]) {
			return nil
		}
		ids = append(ids, p.path[1])
	}
	branches := map[string]string{}
	for _, s := range c.Steps {
		if s.Choose == nil {
			continue
		}
		for i, k := range s.Choose.Cases {
			for _, inner := range k.Steps {
				branches[inner.ID] = fmt.Sprint(s.ID, "/", i)
			}
		}
		for _, inner := range s.Choose.Else {
			branches[inner.ID] = s.ID + "/else"
		}
	}
	seen, container := map[string]bool{}, ""
	for _, id := range ids {
		b, ok := branches[id]
		choose, _, _ := strings.Cut(b, "/")
		if !ok || seen[b] || container != "" && container != choose {
			return nil
		}
		seen[b], container = true, choose
	}
	return ids
}

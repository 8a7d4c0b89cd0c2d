package chain

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

var (
	generateKeys = []string{"prompt", "locale", "system", "user", "with", "documents", "query", "session",
		"max_tokens", "temperature", "top_p", "seed", "stop", "format"}
	retrieveKeys  = []string{"collection", "query", "top", "filter"}
	filterKeys    = []string{"field", "op", "value"}
	embedKeys     = []string{"text"}
	classifyKeys  = []string{"target", "text", "image", "features", "unknown_below", "labels"}
	predictKeys   = []string{"target", "inputs", "types", "outputs", "signature"}
	summarizeKeys = []string{"method", "documents", "text", "instruction", "max_tokens", "temperature"}
	caseKeys      = []string{"name", "when", "steps", "else"}
	formatKeys    = []string{"schema", "name", "description", "strict"}

	kinds   = []Kind{KindGenerate, KindRetrieve, KindEmbed, KindClassify, KindPredict, KindSummarize, KindChoose, KindParallel}
	methods = []string{string(Stuff), string(MapReduce), string(Refine)}
	ops     = []string{"=", "!=", "<", "<=", ">", ">=", "in", "exists"}

	fieldName  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	formatName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

// stepList reads a list of steps that stand at trail.
func (p *parsing) stepList(n ast.Node, what string, trail []branch) []*Step {
	nodes := p.list(n, what)
	if list, ok := n.(*ast.SequenceNode); ok && len(list.Values) == 0 {
		p.fail(placeOf(n), "%s is empty: it needs a step", what)
	}
	if len(trail) > maxDepth {
		p.fail(placeOf(n), "steps are nested deeper than %d", maxDepth)
		return nil
	}
	var steps []*Step
	for _, node := range nodes {
		if s := p.step(node, trail); s != nil {
			steps = append(steps, s)
		}
	}
	return steps
}

func (p *parsing) step(n ast.Node, trail []branch) *Step {
	o := p.object(n, "the step", stepKeys)
	if o == nil {
		return nil
	}
	s := &Step{Line: o.at.line, Column: o.at.column}
	p.identify(o, s, trail)
	what := "the step"
	if s.ID != "" {
		what = "step " + s.ID
	}
	var present []string
	for _, k := range kinds {
		if o.has(string(k)) {
			present = append(present, string(k))
		}
	}
	var names []string
	for _, k := range kinds {
		names = append(names, string(k))
	}
	switch len(present) {
	case 0:
		p.fail(o.at, "%s does nothing: give it one of %s", what, strings.Join(names, ", "))
	case 1:
		s.Kind = Kind(present[0])
	default:
		f, _ := o.get(present[1])
		p.fail(f.at, "%s has both %s: a step is of one kind", what, strings.Join(present, " and "))
	}
	p.common(o, s, what)
	if s.Kind != "" {
		f, _ := o.get(string(s.Kind))
		p.kind(f, s, trail)
	}
	return s
}

func (p *parsing) identify(o *object, s *Step, trail []branch) {
	f, ok := o.get("id")
	if !ok {
		p.fail(o.at, "the step has no id: write id: NAME")
		return
	}
	text, ok := p.text(f.value, "id")
	if !ok {
		return
	}
	switch {
	case !isName(text.text):
		p.fail(placeOf(f.value), "a step cannot be named %q: use letters, digits and _, and no digit first", clip(text.text))
	case p.steps[text.text] != nil:
		p.fail(placeOf(f.value), "there is a step %q already, in line %d", text.text, p.steps[text.text].Line)
	case len(p.order) >= maxSteps:
		p.fail(placeOf(f.value), "the chain has more than %d steps", maxSteps)
	default:
		s.ID = text.text
		p.steps[s.ID], p.trails[s.ID] = s, slices.Clone(trail)
		p.order = append(p.order, s.ID)
	}
}

// common reads what all kinds of steps have.
func (p *parsing) common(o *object, s *Step, what string) {
	if f, ok := o.get("when"); ok {
		s.When = p.condition(f.value, "when")
	}
	if f, ok := o.get("optional"); ok {
		s.Optional = p.boolean(f.value, "optional")
	}
	calls := s.CallsModel()
	for _, key := range []string{"policy", "target"} {
		f, ok := o.get(key)
		if !ok {
			continue
		}
		if !calls && s.Kind != "" {
			p.fail(f.at, "%s calls no model: %s is for generate, summarize, embed, classify and predict", what, key)
			continue
		}
		if key == "target" && (s.Kind == KindClassify || s.Kind == KindPredict) {
			p.fail(f.at, "%s names its target within %s", what, s.Kind)
			continue
		}
		if name := p.name(f.value, key); key == "policy" {
			s.Policy = name
		} else {
			s.Target = name
		}
	}
	if f, ok := o.get("label"); ok {
		s.Label = p.label(f.value)
	}
	if f, ok := o.get("timeout"); ok {
		s.Timeout = p.duration(f.value, "timeout")
	}
	if f, ok := o.get("budget"); ok {
		s.Budget = p.stepBudget(f, s, what)
	}
}

func (p *parsing) kind(f field, s *Step, trail []branch) {
	what := string(s.Kind)
	switch s.Kind {
	case KindParallel:
		for i, node := range p.list(f.value, what) {
			if len(trail) >= maxDepth {
				p.fail(placeOf(node), "steps are nested deeper than %d", maxDepth)
				return
			}
			if step := p.step(node, append(trail, branch{s, i})); step != nil {
				s.Parallel = append(s.Parallel, step)
			}
		}
		if list, ok := f.value.(*ast.SequenceNode); ok && len(list.Values) == 0 {
			p.fail(placeOf(f.value), "parallel is empty: it needs a step")
		}
		return
	case KindChoose:
		s.Choose = p.choose(f.value, s, trail)
		return
	}
	keys := map[Kind][]string{KindGenerate: generateKeys, KindRetrieve: retrieveKeys, KindEmbed: embedKeys,
		KindClassify: classifyKeys, KindPredict: predictKeys, KindSummarize: summarizeKeys}[s.Kind]
	o := p.object(f.value, what, keys)
	if o == nil {
		return
	}
	switch s.Kind {
	case KindGenerate:
		s.Generate = p.generate(o, s)
	case KindRetrieve:
		s.Retrieve = p.retrieve(o)
	case KindEmbed:
		s.Embed = &Embed{Text: p.required(o, "text", what)}
	case KindClassify:
		s.Classify = p.classify(o, s)
	case KindPredict:
		s.Predict = p.predict(o, s)
	case KindSummarize:
		s.Summarize = p.summarize(o, s)
	}
}

func (p *parsing) choose(n ast.Node, s *Step, trail []branch) *Choose {
	nodes := p.list(n, "choose")
	if list, ok := n.(*ast.SequenceNode); ok && len(list.Values) == 0 {
		p.fail(placeOf(n), "choose is empty: it needs a case")
	}
	c := &Choose{}
	for i, node := range nodes {
		o := p.object(node, "the case", caseKeys)
		if o == nil {
			continue
		}
		here := append(slices.Clone(trail), branch{s, i})
		if f, ok := o.get("else"); ok {
			if len(o.fields) > 1 || i < len(nodes)-1 || i == 0 {
				p.fail(f.at, "else must be the last case, after one with when, and have nothing beside it")
			}
			c.Else = p.stepList(f.value, "else", here)
			continue
		}
		k := Case{Name: fmt.Sprint(i + 1)}
		if f, ok := o.get("name"); ok {
			k.Name = p.name(f.value, "name")
			if k.Name == "else" || slices.ContainsFunc(c.Cases, func(other Case) bool { return other.Name == k.Name }) {
				p.fail(placeOf(f.value), "there is a case %q already", k.Name)
			}
		}
		if f, ok := o.get("when"); ok {
			k.When = p.condition(f.value, "when")
		} else {
			p.fail(o.at, "the case has no when: only else does without")
		}
		if f, ok := o.get("steps"); ok {
			k.Steps = p.stepList(f.value, "steps", here)
		} else {
			p.fail(o.at, "the case has no steps")
		}
		c.Cases = append(c.Cases, k)
	}
	return c
}

func (p *parsing) summarize(o *object, s *Step) *Summarize {
	m := &Summarize{Method: MapReduce, Documents: p.documentsOf(o, s)}
	if f, ok := o.get("method"); ok {
		if text, ok := p.text(f.value, "method"); ok {
			m.Method = Method(text.text)
			if !slices.Contains(methods, text.text) {
				p.fail(placeOf(f.value), "there is no method %q%s", clip(text.text), suggest(text.text, methods))
			}
		}
	}
	text, hasText := o.get("text")
	switch {
	case hasText && o.has("documents"):
		p.fail(text.at, "summarize has both documents and text: give one")
	case !hasText && !o.has("documents"):
		p.fail(o.at, "summarize has neither documents nor text: give one")
	case hasText:
		m.Text = p.required(o, "text", "summarize")
	}
	m.Instruction = p.optional(o, "instruction", "summarize")
	m.MaxTokens, m.Temperature = p.sampling(o)
	return m
}

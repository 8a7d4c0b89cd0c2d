package chain

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"fairlead/internal/label"
	"fairlead/internal/yamldepth"
	"fairlead/providers"
)

// The limits of a chain file.
const (
	maxFileSize = 256 << 10
	maxNesting  = 200
	maxSteps    = 100
	maxDepth    = 8
	maxInputs   = 64
)

// The keys of a chain file. The schema is checked against them.
var (
	chainKeys = []string{"chain", "version", "description", "input", "budget", "label", "steps", "output"}
	inputKeys = []string{"type", "optional", "default", "description"}
	stepKeys  = []string{"id", "when", "optional", "policy", "target", "label", "timeout", "budget",
		"generate", "retrieve", "embed", "classify", "predict", "summarize", "choose", "parallel"}
	budgetKeys = []string{"usd", "deadline"}
)

var (
	chainName  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)
	thingName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$`)
	inputTypes = []string{string(String), string(Number), string(Integer), string(Boolean), string(List), string(Object)}
)

// parsing reads one chain.
type parsing struct {
	reader
	chain *Chain
	// texts and conditions say where templates and conditions stand.
	texts      map[*Template]scalar
	conditions map[*Condition]scalar
	// documents says where a step names a retrieve step.
	documents map[*Step]scalar
	// trails says for each step by its id in which containers and branches it is.
	trails map[string][]branch
	steps  map[string]*Step
	order  []string
}

// branch is a place within a choose or parallel step.
type branch struct {
	container *Step
	index     int
}

// Parse reads a chain from YAML. file names it in messages. The error is a *fault.Error
// (fault.InvalidArgument, fault.ReasonBadChain) that lists all that is wrong, each on a line that begins
// with "file:line:column: ".
func Parse(file string, data []byte) (*Chain, error) {
	sum := sha256.Sum256(data)
	p := &parsing{
		reader:     reader{file: file, lines: strings.Split(string(data), "\n")},
		chain:      &Chain{File: file, Digest: hex.EncodeToString(sum[:])},
		texts:      map[*Template]scalar{},
		conditions: map[*Condition]scalar{},
		documents:  map[*Step]scalar{},
		trails:     map[string][]branch{},
		steps:      map[string]*Step{},
	}
	switch {
	case len(data) > maxFileSize:
		p.fail(place{1, 1}, "the file is larger than %d KiB", maxFileSize>>10)
	case yamldepth.Of(data) > maxNesting:
		p.fail(place{1, 1}, "the file is nested too deep")
	default:
		if body := p.parse(data); body != nil {
			p.whole(body)
		}
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return p.chain, nil
}

func (p *parsing) whole(body ast.Node) {
	o := p.object(body, "the chain", chainKeys)
	if o == nil {
		return
	}
	c := p.chain
	if f, ok := o.get("chain"); ok {
		if s, ok := p.text(f.value, "chain"); ok {
			if !chainName.MatchString(s.text) {
				p.fail(placeOf(f.value), `chain must be a name of letters, digits, ".", "_" and "-"`)
			}
			c.Name = s.text
		}
	} else {
		p.fail(o.at, "the chain has no name: write chain: NAME")
	}
	if f, ok := o.get("version"); ok {
		v, _ := p.integer(f.value, "version", 1, 1_000_000)
		c.Version = int(v)
	} else {
		p.fail(o.at, "the chain has no version: write version: 1")
	}
	if f, ok := o.get("description"); ok {
		s, _ := p.text(f.value, "description")
		c.Description = strings.TrimSpace(s.text)
		if len(c.Description) > 2048 {
			p.fail(placeOf(f.value), "description is longer than 2048 bytes")
		}
	}
	if f, ok := o.get("input"); ok {
		p.inputs(f.value)
	}
	if f, ok := o.get("budget"); ok {
		p.budget(f.value)
	}
	if f, ok := o.get("label"); ok {
		c.Label = p.label(f.value)
	}
	if f, ok := o.get("steps"); ok {
		c.Steps = p.stepList(f.value, "steps", nil)
	} else {
		p.fail(o.at, "the chain has no steps: write steps: and a list")
	}
	if f, ok := o.get("output"); ok {
		c.Output = p.template(f.value, "output")
	} else {
		p.fail(o.at, `the chain has no output: write output: "{{steps.ID.text}}"`)
	}
	p.checkBudgets(c.Steps)
	p.checkReferences()
}

func (p *parsing) budget(n ast.Node) {
	o := p.object(n, "budget", budgetKeys)
	if o == nil {
		return
	}
	if f, ok := o.get("usd"); ok {
		if usd, ok := p.number(f.value, "budget.usd", 0, 1_000_000); ok {
			p.chain.Budget, p.chain.Limited = providers.USD(usd), true
		}
	}
	if f, ok := o.get("deadline"); ok {
		p.chain.Deadline = p.duration(f.value, "budget.deadline")
	}
}

func (p *parsing) label(n ast.Node) label.Label {
	s, ok := p.text(n, "label")
	if !ok {
		return label.Unset
	}
	l, err := label.Parse(s.text)
	if err != nil || l == label.Unset {
		p.fail(placeOf(n), "there is no label %q%s", clip(s.text), suggest(s.text, label.Names()))
	}
	return l
}

func (p *parsing) inputs(n ast.Node) {
	o := p.object(n, "input", nil)
	if o == nil {
		return
	}
	if len(o.fields) > maxInputs {
		p.fail(o.at, "input has more than %d inputs", maxInputs)
		return
	}
	for _, f := range o.fields {
		if !isName(f.key) || slices.Contains([]string{rootInput, rootSteps, rootRun, "true", "false", "null", "in"}, f.key) {
			p.fail(f.at, "an input cannot be named %q: use letters, digits and _, and none of input, steps, run, true, false, null, in", clip(f.key))
			continue
		}
		// Also one that was not read well: what refers to it is not wrong.
		p.chain.Inputs = append(p.chain.Inputs, p.input(f))
	}
}

func (p *parsing) input(f field) Input {
	in := Input{Name: f.key, Type: Object}
	what := "input." + f.key
	switch f.value.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
	default:
		p.inputType(&in, f.value, what)
		return in
	}
	o := p.object(f.value, what, inputKeys)
	t, ok := o.get("type")
	if !ok {
		p.fail(o.at, "%s has no type: write type: string", what)
		return in
	}
	if !p.inputType(&in, t.value, what+".type") {
		return in
	}
	if d, ok := o.get("description"); ok {
		s, _ := p.text(d.value, what+".description")
		in.Description = s.text
	}
	if opt, ok := o.get("optional"); ok {
		in.Optional = p.boolean(opt.value, what+".optional") || in.Optional
	}
	if d, ok := o.get("default"); ok {
		v, ok := p.json(d.value, what+".default")
		if !ok {
			return in
		}
		if in.Default, ok = in.Type.convert(v); !ok {
			p.fail(placeOf(d.value), "%s.default must be %s, not %s", what, in.Type.article(), kindOf(d.value))
		}
		in.Optional = true
	}
	return in
}

func (p *parsing) inputType(in *Input, n ast.Node, what string) bool {
	s, ok := p.text(n, what)
	if !ok {
		return false
	}
	name, optional := strings.CutSuffix(s.text, "?")
	if !slices.Contains(inputTypes, name) {
		p.fail(placeOf(n), "there is no type %q%s", clip(s.text), suggest(name, inputTypes))
		return false
	}
	in.Type, in.Optional = Type(name), optional
	return true
}

// template reads a template.
func (p *parsing) template(n ast.Node, what string) *Template {
	s, ok := p.text(n, what)
	if !ok {
		return nil
	}
	t, err := ParseTemplate(s.text)
	if err != nil {
		p.syntax(s, what, err)
		return nil
	}
	p.texts[t] = s
	return t
}

// required reads a template that must be there and may not be empty.
func (p *parsing) required(o *object, key, what string) *Template {
	f, ok := o.get(key)
	if !ok {
		p.fail(o.at, "%s has no %s: it needs one", what, key)
		return nil
	}
	t := p.template(f.value, what+"."+key)
	if t != nil && strings.TrimSpace(t.source) == "" {
		p.fail(placeOf(f.value), "%s.%s is empty", what, key)
	}
	return t
}

func (p *parsing) optional(o *object, key, what string) *Template {
	f, ok := o.get(key)
	if !ok {
		return nil
	}
	return p.template(f.value, what+"."+key)
}

func (p *parsing) condition(n ast.Node, what string) *Condition {
	if b, ok := n.(*ast.BoolNode); ok {
		p.fail(placeOf(n), "%s must be a condition in quotes, not %v", what, b.Value)
		return nil
	}
	s, ok := p.text(n, what)
	if !ok {
		return nil
	}
	c, err := ParseCondition(s.text)
	if err != nil {
		p.syntax(s, what, err)
		return nil
	}
	p.conditions[c] = s
	return c
}

func (p *parsing) syntax(s scalar, what string, err error) {
	if e, ok := errors.AsType[*SyntaxError](err); ok {
		p.fail(p.within(s, e.Offset), "%s: %s", what, e.Text)
		return
	}
	p.fail(placeOf(s.node), "%s: %s", what, err)
}

// name reads a name that something else defines.
func (p *parsing) name(n ast.Node, what string) string {
	s, ok := p.text(n, what)
	if ok && !thingName.MatchString(s.text) {
		p.fail(placeOf(n), "%s must be a name, and %q is none", what, clip(s.text))
	}
	return s.text
}

// promptRef reads NAME@VERSION.
func (p *parsing) promptRef(n ast.Node, what string) (string, int) {
	s, ok := p.text(n, what)
	if !ok {
		return "", 0
	}
	name, version, pinned := strings.Cut(s.text, "@")
	v, err := strconv.Atoi(version)
	switch {
	case !thingName.MatchString(name):
		p.fail(placeOf(n), "%s must be NAME@VERSION, and %q is not", what, clip(s.text))
	case !pinned:
		p.fail(placeOf(n), "%s does not pin a version: write %s@1, so that the chain does not change when the prompt does", what, name)
	case err != nil || v < 1 || strconv.Itoa(v) != version:
		p.fail(placeOf(n), "%s: %q is not a version: write a number from 1, as in %s@1", what, clip(version), name)
	}
	return name, v
}

func (t Type) article() string {
	switch t {
	case Integer:
		return "a whole number"
	case Boolean:
		return "true or false"
	case Object:
		return "an object"
	case String:
		return "text"
	}
	return fmt.Sprintf("a %s", t)
}

package config

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Options say where a configuration comes from.
type Options struct {
	// Path is the file. Empty: no file, so defaults, environment and flags alone.
	Path string
	// Environ is the environment as "NAME=value". Nil: the process's own.
	Environ []string
	// Offline is for who calls no backend: a variable that is not set stands for the text "offline".
	Offline bool
	// Set is what flags say: text by path, such as "server.listen".
	Set map[string]string
	// Base holds where nothing else says a thing; entries of its maps stay beside those of the file. Nil: the
	// defaults.
	Base *Config
}

// Default gives the configuration of a program that was told nothing.
func Default() *Config {
	c := defaults()
	c.complete()
	return c
}

// defaults gives the defaults of the tags, and the built-in policy.
func defaults() *Config {
	c := &Config{}
	root := schema()
	root.setDefaults(reflect.ValueOf(c).Elem())
	builtIn := root.field("policies").elem.fresh().Interface().(Policy)
	builtIn.Prefer = "best"
	c.Policies = map[string]Policy{DefaultPolicyName: builtIn}
	return c
}

// Load reads the configuration: the defaults, then the file, then the environment, then the flags, and
// checks it as a whole. The error is an *Error with all that is wrong, each with its place; the report
// is there even then, unless the file could not be read.
func Load(o Options) (*Config, *Report, error) {
	if o.Path == "" {
		return load(o, nil)
	}
	data, err := os.ReadFile(o.Path)
	if err != nil {
		// The system's text names the path and the reason, and nothing of the content.
		return nil, nil, &Error{Problems: []Problem{{Text: fmt.Sprintf("reading the configuration: %v", err)}}}
	}
	return load(o, data)
}

func load(o Options, data []byte) (*Config, *Report, error) {
	environ := o.Environ
	if environ == nil {
		environ = os.Environ()
	}
	env := make(map[string]string, len(environ))
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok {
			env[name] = value
		}
	}
	d := &decoder{
		file: o.Path, lookup: func(name string) (string, bool) {
			v, ok := env[name]
			if !ok && o.Offline {
				return "offline", true
			}
			return v, ok
		},
		anchors: map[string]ast.Node{}, report: &Report{origins: map[string]Origin{}},
	}
	c := defaults()
	if o.Base != nil {
		*c = *o.Base
		c.Backends, c.Targets, c.Policies = maps.Clone(c.Backends), maps.Clone(c.Targets), maps.Clone(c.Policies)
	}
	if o.Path != "" {
		// Absolute, so that a later change of the working directory changes nothing.
		dir, err := filepath.Abs(filepath.Dir(o.Path))
		if err != nil {
			return nil, nil, &Error{Problems: []Problem{{Text: fmt.Sprintf("finding the configuration's folder: %v", err)}}}
		}
		d.dir = dir
		if problem := d.decodeFile(c, data); problem != nil {
			// Nothing of the file was read, so whatever else is wrong may be so only for that reason.
			return nil, d.report, &Error{Problems: []Problem{*problem}}
		}
	}
	d.applyEnviron(c, env)
	d.applySet(c, o.Set)
	c.resolveDatabase(d)
	c.complete()
	failed := map[string]bool{}
	for _, p := range d.problems {
		failed[p.Path] = true
	}
	checked := c.check()
	for _, p := range checked.list {
		if failed[p.Path] {
			continue // the value could not be read, so the check saw the one that it had before
		}
		p.Origin = d.report.near(p.Path)
		d.problems = append(d.problems, p)
	}
	for _, w := range append(c.warnings(), checked.unsure...) {
		w.Origin = d.report.near(w.Path)
		d.report.Warnings = append(d.report.Warnings, w)
	}
	sortProblems(d.report.Warnings)
	if len(d.problems) > 0 {
		sortProblems(d.problems)
		return nil, d.report, &Error{Problems: d.problems}
	}
	return c, d.report, nil
}

func (d *decoder) decodeFile(c *Config, data []byte) *Problem {
	// A byte order mark is what some editors leave; YAML allows it, the parser does not.
	body, problem := parseSource(d.file, bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	if problem != nil || body == nil {
		return problem
	}
	ast.Walk(d, body)
	d.value(schema(), "", body, reflect.ValueOf(c).Elem())
	return nil
}

// applyEnviron reads the variables that are named after settings.
func (d *decoder) applyEnviron(c *Config, env map[string]string) {
	var names []string
	leafValues(schema(), "", reflect.ValueOf(c).Elem(), func(path string, s *setting, v reflect.Value) {
		names = append(names, s.env)
		text, ok := env[s.env]
		if !ok {
			return
		}
		origin := Origin{Kind: OriginEnvironment, Name: s.env}
		d.report.origins[path] = origin
		if err := s.parse(v, text); err != nil {
			d.problems = append(d.problems, Problem{Origin: origin, Path: path, Text: err.Error()})
		}
	})
	// A variable that is almost the name of a setting was meant as one. Others that start so are left
	// alone: Kubernetes makes some for every service.
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if !strings.HasPrefix(name, "FAIRLEAD_") || slices.Contains(names, name) {
			continue
		}
		if near, ok := suggest(name, names); ok {
			d.report.Warnings = append(d.report.Warnings, Problem{
				Origin: Origin{Kind: OriginEnvironment, Name: name},
				Text:   "no setting has this name; did you mean " + near + "?",
			})
		}
	}
}

// leafValues calls visit for every leaf outside of maps, with its value.
func leafValues(s *setting, path string, v reflect.Value, visit func(string, *setting, reflect.Value)) {
	switch {
	case s.leaf():
		visit(path, s, v)
	case s.kind == kindStruct:
		for _, f := range s.fields {
			leafValues(f, under(path, f.key), f.at(v), visit)
		}
	}
}

func (d *decoder) applySet(c *Config, set map[string]string) {
	for _, path := range slices.Sorted(maps.Keys(set)) {
		canonical, err := assign(schema(), reflect.ValueOf(c).Elem(), "", path, set[path])
		if err != nil {
			d.problems = append(d.problems, Problem{Origin: Origin{Kind: OriginFlag}, Path: path, Text: err.Error()})
			continue
		}
		d.report.origins[canonical] = Origin{Kind: OriginFlag}
	}
}

// assign writes a text to the setting at rest, which is relative to s. It gives the setting's path.
func assign(s *setting, v reflect.Value, path, rest, text string) (string, error) {
	switch {
	case rest == "" && s.leaf():
		if err := s.parse(v, text); err != nil {
			return path, errors.New(refusal(err, s, path, text, !s.confidential(text)))
		}
		return path, nil
	case rest == "":
		return path, errors.New("is not one value: name one of its settings")
	case s.leaf():
		return path, fmt.Errorf("is one value and has nothing below it")
	case s.kind == kindStruct:
		key, rest, _ := strings.Cut(rest, ".") // no key of a struct has a dot
		f := s.field(key)
		if f == nil {
			return path, errors.New(unknownKey(s, path, key))
		}
		held := s.hold(v)
		if m := f.mapping; m != nil && rest != "" {
			f = m
		} else if m != nil {
			m.at(held).SetZero() // the word takes the mapping's place
		}
		return assign(f, f.at(held), under(path, key), rest, text)
	}
	name, rest := cutName(s, v, rest)
	if why := badName(s, name); why != "" {
		return path, errors.New(why)
	}
	elem := s.elem.fresh()
	if old := v.MapIndex(reflect.ValueOf(name)); old.IsValid() {
		elem.Set(old)
	}
	canonical, err := assign(s.elem, elem, under(path, name), rest, text)
	if err != nil {
		return canonical, err
	}
	if v.IsNil() {
		v.Set(reflect.MakeMap(s.typ))
	}
	v.SetMapIndex(reflect.ValueOf(name), elem)
	return canonical, nil
}

// cutName takes the name of an entry off a path. A name may hold dots: in quotes always, and without
// them where such an entry is there already.
func cutName(s *setting, v reflect.Value, path string) (name, rest string) {
	longest := ""
	for _, key := range v.MapKeys() {
		k := key.String()
		if len(k) > len(longest) && (path == k || strings.HasPrefix(path, k+".")) {
			longest = k
		}
	}
	if longest != "" {
		return longest, strings.TrimPrefix(path[len(longest):], ".")
	}
	segments := splitPath(path)
	return segments[0], joinPath(segments[1:])
}

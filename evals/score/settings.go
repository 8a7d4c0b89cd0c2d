package score

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"fairlead/providers"
)

type regexSettings struct {
	Regex `yaml:",inline"`
}

func (s *regexSettings) check() error { _, err := NewRegex(s.Regex); return err }

func (s *regexSettings) make(Deps) (Scorer, error) { return NewRegex(s.Regex) }

type schemaSettings struct {
	Of string `yaml:"of"`
	// Schema is the schema itself, File a file that holds it.
	Schema map[string]any `yaml:"schema"`
	File   string         `yaml:"file"`
}

// maxSchema bounds files of schemas, in bytes.
const maxSchema = 1 << 20

func (s *schemaSettings) check() error {
	if (s.Schema == nil) == (s.File == "") {
		return errors.New("give either schema or file")
	}
	if s.File != "" {
		return Source{Of: s.Of}.check()
	}
	_, err := s.make(Deps{})
	return err
}

func (s *schemaSettings) make(d Deps) (Scorer, error) {
	var schema []byte
	var err error
	if s.File == "" {
		if schema, err = json.Marshal(s.Schema); err != nil {
			return nil, errors.New("schema cannot be written as JSON")
		}
	} else {
		f, err := os.Open(filepath.Join(d.Dir, s.File))
		if filepath.IsAbs(s.File) {
			f, err = os.Open(s.File)
		}
		if err != nil {
			return nil, fmt.Errorf("file cannot be read: %w", err)
		}
		defer f.Close()
		if schema, err = io.ReadAll(io.LimitReader(f, maxSchema+1)); err != nil || len(schema) > maxSchema {
			return nil, errors.New("file cannot be read, or is too large")
		}
	}
	return NewSchema(Schema{Of: s.Of, Schema: schema})
}

type costSettings struct {
	MaxUSD *float64 `yaml:"max_usd"`
}

func (s *costSettings) check() error {
	if s.MaxUSD == nil || !(*s.MaxUSD >= 0 && *s.MaxUSD <= 1e6) {
		return errors.New("max_usd must be there, and from 0 to 1000000")
	}
	return nil
}

func (s *costSettings) make(Deps) (Scorer, error) { return &Cost{Max: providers.USD(*s.MaxUSD)}, nil }

type similaritySettings struct {
	Similarity `yaml:",inline"`
	Model      string `yaml:"model"`
}

func (s *similaritySettings) check() error { return errors.Join(s.Source.check(), s.Bar.check()) }

func (s *similaritySettings) make(d Deps) (Scorer, error) {
	if d.Embedder == nil {
		return nil, errors.New("there are no models that make vectors here")
	}
	out := s.Similarity
	var err error
	if out.Embed, err = d.Embedder(s.Model); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	return &out, out.check()
}

// judge gives a judge of Deps.
func (d Deps) judge(name string) (Judge, error) {
	if d.Judge == nil {
		return nil, errors.New("there are no judges here")
	}
	j, err := d.Judge(name)
	if err != nil {
		return nil, fmt.Errorf("judge: %w", err)
	}
	return j, nil
}

type rubricSettings struct {
	Rubric    `yaml:",inline"`
	JudgeName string `yaml:"judge"`
}

// unasked stands for a judge while settings are checked.
var unasked Judge = func(context.Context, []providers.Message, json.RawMessage) (string, error) {
	return "", errors.ErrUnsupported
}

func (s *rubricSettings) check() error {
	r := s.Rubric
	r.Judge = unasked
	return r.check()
}

func (s *rubricSettings) make(d Deps) (Scorer, error) {
	out := s.Rubric
	var err error
	out.Judge, err = d.judge(s.JudgeName)
	return &out, err
}

type pairwiseSettings struct {
	Pairwise  `yaml:",inline"`
	JudgeName string `yaml:"judge"`
}

func (s *pairwiseSettings) check() error {
	p := s.Pairwise
	p.Judge = unasked
	return p.check()
}

func (s *pairwiseSettings) make(d Deps) (Scorer, error) {
	out := s.Pairwise
	var err error
	out.Judge, err = d.judge(s.JudgeName)
	return &out, err
}

// supportSettings say who tells support.
type supportSettings struct {
	// By is "words" (default) or "judge".
	By        string   `yaml:"by"`
	Threshold *float64 `yaml:"threshold"`
	JudgeName string   `yaml:"judge"`
}

func (s supportSettings) check() error {
	switch {
	case !slices.Contains([]string{"", "words", "judge"}, s.By):
		return errors.New("by must be words or judge")
	case s.Threshold != nil && (s.By == "judge" || !(*s.Threshold > 0 && *s.Threshold <= 1)):
		return errors.New("threshold must be above 0, 1 at most, and is of words alone")
	case s.JudgeName != "" && s.By != "judge":
		return errors.New("judge needs by: judge")
	}
	return nil
}

func (s supportSettings) support(d Deps) (Support, error) {
	if s.By == "judge" {
		j, err := d.judge(s.JudgeName)
		return JudgedSupport{j}, err
	}
	if s.Threshold != nil {
		return Lexical{Threshold: *s.Threshold}, nil
	}
	return Lexical{}, nil
}

type citationSettings struct {
	Citations `yaml:",inline"`
	How       supportSettings `yaml:",inline"`
}

func (s *citationSettings) check() error { return errors.Join(s.Citations.check(), s.How.check()) }

func (s *citationSettings) make(d Deps) (Scorer, error) {
	out := s.Citations
	var err error
	out.Support, err = s.How.support(d)
	return &out, err
}

type groundedSettings struct {
	Grounded `yaml:",inline"`
	How      supportSettings `yaml:",inline"`
}

func (s *groundedSettings) check() error { return errors.Join(s.Grounded.check(), s.How.check()) }

func (s *groundedSettings) make(d Deps) (Scorer, error) {
	out := s.Grounded
	var err error
	out.Support, err = s.How.support(d)
	return &out, err
}

type commandSettings struct {
	Run     []string      `yaml:"run"`
	Env     []string      `yaml:"env"`
	Timeout time.Duration `yaml:"timeout"`
	MaxLine int           `yaml:"max_line"`
}

func (s *commandSettings) command(d Deps) *Command {
	return &Command{Run: s.Run, Dir: d.Dir, Env: s.Env, Timeout: s.Timeout, MaxLine: s.MaxLine}
}

func (s *commandSettings) check() error { return s.command(Deps{}).check() }

func (s *commandSettings) make(d Deps) (Scorer, error) { return s.command(d), nil }

type compositeSettings struct {
	Bar   `yaml:",inline"`
	Parts []partSettings `yaml:"parts"`
}

type partSettings struct {
	Score    *Spec    `yaml:"score"`
	Name     string   `yaml:"name"`
	Weight   *float64 `yaml:"weight"`
	Optional bool     `yaml:"optional"`
}

// maxParts bounds the parts of a composite scorer.
const maxParts = 64

func (s *compositeSettings) check() error {
	if len(s.Parts) > maxParts {
		return fmt.Errorf("there are more than %d parts", maxParts)
	}
	c := Composite{Bar: s.Bar}
	for i, p := range s.Parts {
		if p.Score == nil || p.Score.settings == nil {
			return fmt.Errorf("part %d has no score", i+1)
		}
		c.Parts = append(c.Parts, p.part(nil))
	}
	return c.check()
}

func (p partSettings) part(s Scorer) Part {
	out := Part{Name: p.Name, Scorer: s, Weight: 1, Optional: p.Optional}
	if out.Name == "" {
		out.Name = p.Score.Kind
	}
	if p.Weight != nil {
		out.Weight = *p.Weight
	}
	return out
}

func (s *compositeSettings) make(d Deps) (Scorer, error) {
	c := &Composite{Bar: s.Bar}
	for _, p := range s.Parts {
		part, err := New(*p.Score, d)
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		c.Parts = append(c.Parts, p.part(part))
	}
	return c, nil
}

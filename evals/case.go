package evals

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"fairlead/evals/score"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/providers"
)

// Case is a question of a suite, with what is expected of the answer.
type Case struct {
	score.Case
	// Digest is the SHA-256 of what makes the case, in hex, shortened: where it has changed, scores of before say nothing.
	Digest string
}

// line is the form of a case: a line of JSON.
type line struct {
	ID string `json:"id"`
	// Input is an object, or a text for what takes one question.
	Input    json.RawMessage `json:"input"`
	Expected json.RawMessage `json:"expected"`
	Tags     []string        `json:"tags"`
	Label    string          `json:"label"`
	Locale   string          `json:"locale"`
	Tools    []toolLine      `json:"tools"`
}

type toolLine struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
}

// question is the name under which a text stands that is all of a case's input.
const question = "question"

// maxCase is the most bytes of one case, and maxCases of how many a suite has.
const (
	maxCase  = 8 << 20
	maxCases = 100_000
)

// readCases reads cases, one in a line. defaults stands for what a case does not say. The error is a *fault.Error that
// names the file and the line.
func readCases(fsys fs.FS, file string, defaults *Suite) ([]Case, error) {
	f, err := fsys.Open(file)
	if err != nil {
		return nil, fault.Wrap(err, fault.NotFound, fault.ReasonBadRequest, "reading the cases of %s: the file cannot be opened", file)
	}
	defer f.Close() //nolint:errcheck // it was only read
	cases, err := parseCases(f, defaults)
	if err != nil {
		return nil, fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadRequest, "reading the cases of %s: %s", file, err.Error())
	}
	return cases, nil
}

func parseCases(r io.Reader, defaults *Suite) ([]Case, error) {
	var out []Case
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxCase)
	n := 0
	for lines.Scan() {
		n++
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		c, err := parseCase(text, defaults)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if len(out) == maxCases {
			return nil, fmt.Errorf("line %d: it is case %d, and a suite has %d at most", n, maxCases+1, maxCases)
		}
		out = append(out, c)
	}
	if lines.Err() != nil {
		return nil, fmt.Errorf("line %d is longer than %d bytes, or cannot be read", n+1, maxCase)
	}
	return out, nil
}

func parseCase(text []byte, defaults *Suite) (Case, error) {
	var l line
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return Case{}, fmt.Errorf("%s has the wrong type", wrong.Field)
		}
		return Case{}, fmt.Errorf("it is no case: want JSON with id, input, expected, tags, label, locale and tools: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Case{}, errors.New("there is more than one value in the line")
	}
	c := Case{Case: score.Case{ID: l.ID, Tags: l.Tags, Label: defaults.Label, Locale: l.Locale, Input: map[string]any{}}}
	if c.Locale == "" {
		c.Locale = defaults.Locale
	}
	if c.ID == "" || len(c.ID) > 200 || strings.ContainsFunc(c.ID, func(r rune) bool { return r < ' ' }) {
		return Case{}, errors.New("id is missing, longer than 200 bytes or has characters that nobody can type")
	}
	if l.Label != "" {
		var err error
		if c.Label, err = label.Parse(l.Label); err != nil {
			return Case{}, fmt.Errorf("label: %w", err)
		}
	}
	for name, v := range defaults.Input {
		c.Input[name] = v
	}
	if err := readInput(l.Input, c.Input); err != nil {
		return Case{}, err
	}
	if len(l.Expected) > 0 {
		e := json.NewDecoder(bytes.NewReader(l.Expected))
		e.UseNumber()
		if err := e.Decode(&c.Expected); err != nil {
			return Case{}, errors.New("expected is no JSON")
		}
	}
	for _, t := range l.Tools {
		c.Tools = append(c.Tools, toolOf(t))
	}
	whole, err := json.Marshal(map[string]any{"id": c.ID, "input": c.Input, "expected": c.Expected, "label": c.Label.String(), "locale": c.Locale, "tools": l.Tools})
	if err != nil {
		return Case{}, err
	}
	sum := sha256.Sum256(whole)
	c.Digest = hex.EncodeToString(sum[:6])
	return c, nil
}

func toolOf(t toolLine) providers.Tool {
	return providers.Tool{Name: t.Name, Description: t.Description, Parameters: t.Parameters}
}

// readInput reads an input into a map.
func readInput(raw json.RawMessage, into map[string]any) error {
	if len(raw) == 0 {
		return errors.New("input is missing")
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return errors.New("input is no JSON")
	}
	switch v := v.(type) {
	case string:
		into[question] = v
	case map[string]any:
		for name, value := range v {
			into[name] = value
		}
	default:
		return errors.New("input must be an object or a text")
	}
	return nil
}

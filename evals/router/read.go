package router

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"fairlead/orchestrator/routing/learned"
)

// What files may hold.
const (
	maxLine  = 4 << 20
	maxCases = 1 << 20
)

// Read reads outcomes from files and folders of a file system: *.csv and *.jsonl, below a folder all of them. A CSV file
// has a first line that names its columns, and is of one of two forms:
//
//	prompt,target,score[,group]       one outcome a line
//	prompt,TARGET,TARGET...[,group]   one prompt a line; RouteLLM's files are of this form
//
// A line of a JSONL file is {"prompt": "...", "target": "...", "score": 1, "group": "..."}, or has in place of the prompt its
// features as learned.Compact gives them: {"features": "BASE64", ...}. Scores are numbers in [0,1], or true and false; an
// empty one is unknown. The group of what names none is its file's name. A target's name may be
// given another by rename. Where a line is one outcome, scores of one prompt, target and group are averaged. Cases come in the
// order of their groups and prompts, whatever files they were in. Known contaminated prompts are left out; see
// Contaminated: of features that cannot be known.
func Read(fsys fs.FS, rename map[string]string, names ...string) (*Data, error) {
	r := &reader{rename: rename, cases: map[key]map[string][]float64{}, lines: map[key]int{}, left: map[string]bool{}}
	for _, name := range names {
		err := fs.WalkDir(fsys, name, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			if ext := path.Ext(p); ext != ".csv" && ext != ".jsonl" {
				if p == name {
					return fmt.Errorf("%s is neither .csv nor .jsonl", p)
				}
				return nil
			}
			return r.file(fsys, p)
		})
		if err != nil {
			return nil, fmt.Errorf("reading outcomes: %w", err)
		}
	}
	return r.data()
}

type reader struct {
	rename map[string]string
	cases  map[key]map[string][]float64
	// lines counts the lines of a group and prompt where each line is a case.
	lines map[key]int
	left  map[string]bool
}

// key is what tells cases apart: where a line is a case, two of one prompt are two.
type key struct {
	group, prompt string
	// features are those of learned.Compact, where there is no prompt.
	features string
	line     int
}

func (r *reader) file(fsys fs.FS, name string) error {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	group := strings.TrimSuffix(path.Base(name), path.Ext(name))
	if path.Ext(name) == ".csv" {
		err = r.csv(f, group)
	} else {
		err = r.jsonl(f, group)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (r *reader) csv(from io.Reader, group string) error {
	c := csv.NewReader(from)
	head, err := c.Read()
	if err != nil {
		return errors.New("it has no first line that names its columns")
	}
	head[0] = strings.TrimPrefix(head[0], "\ufeff")
	column := func(name string) int { return slices.Index(head, name) }
	prompt, target, score, grouped := column("prompt"), column("target"), column("score"), column("group")
	long := target >= 0 && score >= 0
	if prompt < 0 || !long && len(head) < 2 {
		return errors.New("its first line must name prompt, target and score, or prompt and the targets")
	}
	for {
		row, err := c.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		line, _ := c.FieldPos(0)
		if err != nil {
			return fmt.Errorf("near line %d: it is no CSV of %d columns", line, len(head))
		}
		in := group
		if grouped >= 0 && row[grouped] != "" {
			in = row[grouped]
		}
		at := key{group: in, prompt: row[prompt]}
		if !long {
			r.lines[at]++
			at.line = r.lines[at]
		}
		for i := range row {
			name, value := head[i], row[i]
			switch {
			case long && i == score:
				name = row[target]
			case long || i == prompt || i == grouped:
				continue
			}
			v, err := readScore(value)
			if err == nil {
				err = r.add(at, name, v)
			}
			if err != nil {
				return fmt.Errorf("line %d: %w", line, err)
			}
		}
	}
}

func (r *reader) jsonl(from io.Reader, group string) error {
	s := bufio.NewScanner(from)
	s.Buffer(nil, maxLine)
	for line := 1; s.Scan(); line++ {
		if strings.TrimSpace(s.Text()) == "" {
			continue
		}
		var row struct {
			Prompt   string          `json:"prompt"`
			Features []byte          `json:"features"`
			Target   string          `json:"target"`
			Score    json.RawMessage `json:"score"`
			Group    string          `json:"group"`
		}
		if err := json.Unmarshal(s.Bytes(), &row); err != nil {
			return fmt.Errorf("line %d: it is no JSON object with prompt or features, target and score", line)
		}
		if row.Group == "" {
			row.Group = group
		}
		v, err := readScore(strings.Trim(string(row.Score), `"`))
		if err == nil {
			err = r.add(key{group: row.Group, prompt: row.Prompt, features: string(row.Features)}, row.Target, v)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("a line is longer than %d bytes", maxLine)
	}
	return nil
}

func readScore(text string) (float64, error) {
	switch strings.ToLower(text) {
	case "", "null":
		return math.NaN(), nil
	case "true":
		return 1, nil
	case "false":
		return 0, nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= 0 && v <= 1) {
		return 0, fmt.Errorf("the score %.20q is no number from 0 to 1, and not true or false", text)
	}
	return v, nil
}

func (r *reader) add(at key, target string, score float64) error {
	if (at.prompt == "") == (at.features == "") || target == "" {
		return errors.New("the prompt or the target is empty, or there are both a prompt and features")
	}
	if at.features != "" {
		if _, err := learned.Expand([]byte(at.features)); err != nil {
			return err
		}
	}
	if Contaminated(at.prompt) {
		r.left[at.prompt] = true
		return nil
	}
	if to, ok := r.rename[target]; ok {
		target = to
	}
	if r.cases[at] == nil {
		if len(r.cases) == maxCases {
			return fmt.Errorf("there are more than %d prompts", maxCases)
		}
		r.cases[at] = map[string][]float64{}
	}
	if isKnown(score) {
		r.cases[at][target] = append(r.cases[at][target], score)
	}
	return nil
}

func (r *reader) data() (*Data, error) {
	targets := map[string]bool{}
	for _, scores := range r.cases {
		for name := range scores {
			targets[name] = true
		}
	}
	d := &Data{Targets: slices.Sorted(maps.Keys(targets)), LeftOut: len(r.left)}
	keys := slices.SortedFunc(maps.Keys(r.cases), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.prompt, b.prompt), cmp.Compare(a.features, b.features), cmp.Compare(a.line, b.line))
	})
	prompts := promptsOf(keys)
	for _, at := range keys {
		scores := r.cases[at]
		if len(scores) == 0 {
			continue
		}
		if prompt, ok := prompts[at.features]; ok {
			at.prompt, at.features = prompt, ""
		}
		c := Case{Group: at.group, Prompt: at.prompt, Scores: make([]float64, len(d.Targets))}
		if at.features != "" {
			c.Features = []byte(at.features)
		}
		for i, name := range d.Targets {
			c.Scores[i] = math.NaN()
			if len(scores[name]) > 0 {
				c.Scores[i] = known(scores[name])
			}
		}
		d.Cases = append(d.Cases, c)
	}
	if len(d.Cases) == 0 {
		return nil, errors.New("reading outcomes: there are none")
	}
	return d, nil
}

// promptsOf gives, for features, the prompt that has them where it is among the cases too: the two are one prompt, and a
// router that was trained on one has seen the other. Nil: there are no features.
func promptsOf(keys []key) map[string]string {
	if !slices.ContainsFunc(keys, func(at key) bool { return at.features != "" }) {
		return nil
	}
	prompts := map[string]string{}
	for _, at := range keys {
		if at.prompt != "" {
			if features := string(learned.Compact(at.prompt)); features != "" {
				prompts[features] = at.prompt
			}
		}
	}
	return prompts
}

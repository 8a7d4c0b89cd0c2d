package evals

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"fairlead/evals/score"
	"fairlead/evals/stat"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/yamldepth"
	"fairlead/providers"
)

// Suite is a set of cases with what judges them.
type Suite struct {
	Name, Description string
	// File is where it was read from.
	File  string
	Under Under
	Cases []Case
	// Input stands for what a case's input does not say.
	Input  map[string]any
	Label  label.Label
	Locale string
	// Documents are stored before the run, for suites that need some.
	Documents []Documents
	// Cassette and Baseline are files, beside the suite's, and Config is that of the configuration that it runs on. Empty:
	// there is none.
	Cassette, Baseline, Config string
	// Whole says that the answerers inside the process are on the cassette too.
	Whole bool

	Repeat      int
	Seed        uint64
	Concurrency int
	// Timeout is the most time for one run.
	Timeout time.Duration
	// Budget is the most money for the whole suite. It counts when Limited.
	Budget  providers.Money
	Limited bool

	Scorers []Scorer
	// Digest is the SHA-256 of the file and the cases, in hex.
	Digest string
}

// Documents is what a collection holds before a run.
type Documents struct {
	Collection string `yaml:"collection"`
	// Path is a file or folder, from the suite's folder.
	Path string `yaml:"path"`
	// Embedder is the target that embeds. Empty: the server's default.
	Embedder string `yaml:"embedder"`
	// Language is that of the documents. Empty: it is guessed.
	Language string `yaml:"language"`
}

// Scorer judges the outcomes of a suite.
type Scorer struct {
	Name string
	score.Scorer
	// Spec is what it is made of.
	Spec score.Spec
	// Gate is what its mean must hold to. Nil: nothing.
	Gate *stat.Gate
}

// suiteFile is the form of a suite's file.
type suiteFile struct {
	Suite       string         `yaml:"suite"`
	Description string         `yaml:"description"`
	Under       Under          `yaml:"under"`
	Cases       stringList     `yaml:"cases"`
	Input       map[string]any `yaml:"input"`
	Label       string         `yaml:"label"`
	Locale      string         `yaml:"locale"`
	Documents   []Documents    `yaml:"documents"`
	Config      string         `yaml:"config"`
	Cassette    string         `yaml:"cassette"`
	Record      string         `yaml:"record"`
	Baseline    string         `yaml:"baseline"`
	Repeat      int            `yaml:"repeat"`
	Seed        uint64         `yaml:"seed"`
	Concurrency int            `yaml:"concurrency"`
	Timeout     string         `yaml:"timeout"`
	BudgetUSD   *float64       `yaml:"budget_usd"`
	Scorers     []scorerFile   `yaml:"scorers"`
}

type scorerFile struct {
	Name  string     `yaml:"name"`
	Score score.Spec `yaml:"score"`
	Gate  *stat.Gate `yaml:"gate"`
}

// stringList is one text or several.
type stringList []string

// UnmarshalYAML reads either.
func (l *stringList) UnmarshalYAML(read func(any) error) error {
	var one string
	if err := read(&one); err == nil {
		*l = stringList{one}
		return nil
	}
	var many []string
	if err := read(&many); err != nil {
		return err
	}
	*l = many
	return nil
}

// Defaults of a suite.
const (
	defaultConcurrency = 4
	defaultTimeout     = time.Minute
	maxSuite           = 1 << 20
	maxNesting         = 200
)

// Load reads a suite's file and its cases. Paths within it are from its folder, and lead nowhere above fsys. The error
// is a *fault.Error that names the file and the line. Its scorers are not ready: see Prepare.
func Load(fsys fs.FS, file string) (*Suite, error) {
	f, err := fsys.Open(file)
	if err != nil {
		return nil, fault.Wrap(err, fault.NotFound, fault.ReasonBadRequest, "reading the suite %s: the file cannot be opened", file)
	}
	defer f.Close() //nolint:errcheck // it was only read
	data, err := io.ReadAll(io.LimitReader(f, maxSuite+1))
	if err != nil || len(data) > maxSuite {
		return nil, fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadRequest, "reading the suite %s: it cannot be read, or is longer than %d bytes", file, maxSuite)
	}
	s, form, err := parse(data)
	if err != nil {
		return nil, fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadRequest, "reading the suite %s: %s", file, err.Error())
	}
	s.File = file
	sum := sha256.New()
	sum.Write(data)
	ids := map[string]bool{}
	for _, name := range form.Cases {
		cases, err := readCases(fsys, path.Join(path.Dir(file), name), s)
		if err != nil {
			return nil, err
		}
		for _, c := range cases {
			if ids[c.ID] {
				return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "reading the suite %s: two cases have the id %q", file, c.ID)
			}
			ids[c.ID] = true
			sum.Write([]byte(c.Digest))
		}
		s.Cases = append(s.Cases, cases...)
	}
	s.Digest = hex.EncodeToString(sum.Sum(nil))
	return s, nil
}

// parse reads a suite's file. Its errors name the line and the column, or the key.
func parse(data []byte) (*Suite, *suiteFile, error) {
	if yamldepth.Of(data) > maxNesting {
		return nil, nil, errors.New("it is nested too deep")
	}
	var form suiteFile
	if err := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict()).Decode(&form); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("it is empty")
		}
		return nil, nil, errors.New(strings.TrimSpace(yaml.FormatError(err, false, false)))
	}
	s := &Suite{Name: form.Suite, Description: form.Description, Under: form.Under, Input: form.Input, Label: label.Internal, Locale: form.Locale,
		Documents: form.Documents, Cassette: form.Cassette, Baseline: form.Baseline, Config: form.Config, Repeat: form.Repeat, Seed: form.Seed,
		Concurrency: form.Concurrency, Timeout: defaultTimeout}
	var wrong []error
	fail := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if s.Name == "" || strings.ContainsAny(s.Name, "/\\ \t\n") {
		fail("suite: want a name without spaces and slashes")
	}
	if err := s.Under.check(); err != nil {
		wrong = append(wrong, err)
	}
	if len(form.Cases) == 0 {
		fail("cases: want a file of cases, or a list of files")
	}
	for _, name := range append(append([]string{}, form.Cases...), form.Cassette, form.Baseline, form.Config) {
		if name != "" && (path.IsAbs(name) || strings.HasPrefix(path.Clean(name), "..") || strings.Contains(name, "\\")) {
			fail("%q leads out of the suite's folder: cases, cassette, baseline and configuration are kept beside it", name)
		}
	}
	switch form.Record {
	case "", "calls":
	case "all":
		s.Whole = true
	default:
		fail("record: want calls (of what runs outside the process) or all")
	}
	if form.Label != "" {
		var err error
		if s.Label, err = label.Parse(form.Label); err != nil {
			fail("label: %w", err)
		}
	}
	if s.Repeat == 0 {
		s.Repeat = 1
	}
	if s.Concurrency == 0 {
		s.Concurrency = defaultConcurrency
	}
	if s.Repeat < 1 || s.Repeat > 1000 {
		fail("repeat: want 1 to 1000")
	}
	if s.Concurrency < 1 || s.Concurrency > 1000 {
		fail("concurrency: want 1 to 1000")
	}
	if form.Timeout != "" {
		var err error
		if s.Timeout, err = time.ParseDuration(form.Timeout); err != nil || s.Timeout <= 0 || s.Timeout > time.Hour {
			fail("timeout: want a time such as 30s, up to 1h")
		}
	}
	if form.BudgetUSD != nil {
		if *form.BudgetUSD < 0 || *form.BudgetUSD > 1e6 {
			fail("budget_usd: want an amount from 0 to 1000000")
		}
		s.Budget, s.Limited = providers.USD(*form.BudgetUSD), true
	}
	wrong = append(wrong, s.readScorers(form.Scorers)...)
	for i, d := range form.Documents {
		if d.Collection == "" || d.Path == "" {
			fail("documents.%d: want a collection and a path", i)
		}
	}
	return s, &form, errors.Join(wrong...)
}

func (s *Suite) readScorers(list []scorerFile) (wrong []error) {
	if len(list) == 0 {
		wrong = append(wrong, errors.New("scorers: want one at least"))
	}
	names := map[string]bool{}
	for i, f := range list {
		name := f.Name
		if name == "" {
			name = f.Score.Kind
		}
		if names[name] {
			wrong = append(wrong, fmt.Errorf("scorers.%d: there are two of the name %q: give them names", i, name))
		}
		names[name] = true
		if f.Gate != nil {
			if err := f.Gate.Check(); err != nil {
				wrong = append(wrong, fmt.Errorf("scorers.%d.gate: %w", i, err))
			} else if f.Gate.NeedsBaseline() && s.Baseline == "" {
				wrong = append(wrong, fmt.Errorf("scorers.%d.gate: it speaks of a baseline, and the suite names none", i))
			}
		}
		if f.Score.Kind == "" {
			wrong = append(wrong, fmt.Errorf("scorers.%d: want score, with a kind of scorer", i))
		}
		s.Scorers = append(s.Scorers, Scorer{Name: name, Spec: f.Score, Gate: f.Gate})
	}
	return wrong
}

// Prepare makes the suite's scorers. end ends what they run.
func (s *Suite) Prepare(d score.Deps) (end func() error, err error) {
	made := make([]score.Scorer, 0, len(s.Scorers))
	end = func() error {
		var errs []error
		for _, one := range made {
			errs = append(errs, score.Close(one))
		}
		return errors.Join(errs...)
	}
	for i := range s.Scorers {
		one, err := score.New(s.Scorers[i].Spec, d)
		if err != nil {
			return nil, errors.Join(fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadRequest, "reading the suite %s: scorer %s: %s", s.File, s.Scorers[i].Name, err.Error()), end())
		}
		s.Scorers[i].Scorer = one
		made = append(made, one)
	}
	return end, nil
}

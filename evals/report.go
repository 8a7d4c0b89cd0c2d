package evals

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"fairlead/evals/stat"
	"fairlead/internal/fault"
	"fairlead/internal/wholefile"
)

// reportFormat is the version of a report's form.
const reportFormat = 1

// Report is what a run of a suite gave. Its JSON holds no clock and no name of a machine: the same run on the same
// cassette gives the same bytes.
type Report struct {
	Format int    `json:"report"`
	Suite  string `json:"suite"`
	// Digest is the SHA-256 of the suite and its cases, in hex: reports of two digests are compared case by case, and a
	// case that has changed counts as another.
	Digest string `json:"digest"`
	// Under says what was tested, such as "chain/answer".
	Under string `json:"under"`
	// Played says that the answers came from a cassette, so that times are those of the recording.
	Played bool   `json:"played"`
	Repeat int    `json:"repeat"`
	Seed   uint64 `json:"seed"`

	Scorers []ScorerReport `json:"scorers"`
	Totals  Totals         `json:"totals"`
	Cases   []CaseReport   `json:"cases"`
	// Notes are for whoever reads the report: tests that were many, a budget that ended the run.
	Notes []string `json:"notes,omitempty"`
}

// ScorerReport sums one scorer up.
type ScorerReport struct {
	Name string `json:"name"`
	// Estimate is the mean over cases. It counts when Cases is not 0.
	Estimate stat.Estimate `json:"estimate"`
	// Cases is how many have a score; Failed how many have none because it could not be measured, and Skipped how many
	// it is not about.
	Cases   int `json:"cases"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
	// Steady says how cases fare that ran several times. Nil: each ran once, or the scorer does not pass or fail.
	Steady *stat.Steadiness `json:"steady,omitempty"`
	// Against is the comparison with the baseline. Nil: there is none.
	Against *stat.Comparison `json:"against,omitempty"`
	// Verdict is what its gate found. Nil: it has none.
	Verdict *stat.Verdict `json:"verdict,omitempty"`
}

// Totals are those of a whole run.
type Totals struct {
	Runs int `json:"runs"`
	// Failed runs are outcomes, and bad ones; of Missing ones there is none.
	Failed  int `json:"failed"`
	Missing int `json:"missing"`
	// CostNano is in billionths of a US dollar, and counts what is known; Unpriced is how many runs have no known cost.
	CostNano int64 `json:"cost_nano_usd"`
	Unpriced int   `json:"unpriced"`
	// JudgedNano is what scorers spent on judges and embedders, as far as it is known; it is not in CostNano.
	JudgedNano int64 `json:"judged_nano_usd,omitempty"`
	Input      int64 `json:"input_tokens"`
	Output     int64 `json:"output_tokens"`
	// P50 and P95 are of the runs' times in milliseconds, where they are known.
	P50 float64 `json:"latency_p50_ms,omitempty"`
	P95 float64 `json:"latency_p95_ms,omitempty"`
}

// CaseReport is what became of a case.
type CaseReport struct {
	ID     string   `json:"id"`
	Tags   []string `json:"tags,omitempty"`
	Digest string   `json:"digest"`
	// Question is the input as one line, for people.
	Question string      `json:"question,omitempty"`
	Expected any         `json:"expected,omitempty"`
	Runs     []RunReport `json:"runs"`
}

// RunReport is one repetition of a case.
type RunReport struct {
	// Error is why there is no outcome to judge. Empty: there is one.
	Error string `json:"error,omitempty"`
	// Failed is why the run failed: an outcome too, and a bad one.
	Failed string `json:"failed,omitempty"`
	Output string `json:"output,omitempty"`
	// Targets are those that answered, in their order.
	Targets  []string `json:"targets,omitempty"`
	CostNano int64    `json:"cost_nano_usd,omitempty"`
	// JudgedNano is what its scorers spent.
	JudgedNano int64 `json:"judged_nano_usd,omitempty"`
	// Priced says that the cost is known.
	Priced  bool    `json:"priced"`
	Input   int64   `json:"input_tokens,omitempty"`
	Written int64   `json:"output_tokens,omitempty"`
	TTFT    float64 `json:"ttft_ms,omitempty"`
	Latency float64 `json:"latency_ms,omitempty"`
	// Scores are in the order of the report's scorers.
	Scores []ScoreReport `json:"scores"`
}

// ScoreReport is one score of one run.
type ScoreReport struct {
	// Value counts when neither Error nor Skipped says why there is none.
	Value   float64 `json:"value"`
	Pass    *bool   `json:"pass,omitempty"`
	Detail  string  `json:"detail,omitempty"`
	Skipped string  `json:"skipped,omitempty"`
	Error   string  `json:"error,omitempty"`
}

// Counts says whether there is a score.
func (s *ScoreReport) Counts() bool { return s.Error == "" && s.Skipped == "" }

// Green says whether no gate is red.
func (r *Report) Green() bool {
	for i := range r.Scorers {
		if v := r.Scorers[i].Verdict; v != nil && !v.Green {
			return false
		}
	}
	return true
}

// Answers gives the outputs by case: of several repetitions that of the first which has one.
func (r *Report) Answers() map[string]string {
	out := map[string]string{}
	for i := range r.Cases {
		for j := range r.Cases[i].Runs {
			if text := r.Cases[i].Runs[j].Output; text != "" {
				out[r.Cases[i].ID] = text
				break
			}
		}
	}
	return out
}

// Marshal gives the report's JSON.
func (r *Report) Marshal() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(r); err != nil {
		return nil, fault.Wrap(err, fault.Internal, fault.ReasonInternal, "writing the report of suite %s", r.Suite)
	}
	return b.Bytes(), nil
}

// LoadReport reads a report's file. The error is a *fault.Error.
func LoadReport(file string) (*Report, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.Wrap(err, fault.NotFound, fault.ReasonBadRequest, "reading the report %s: it cannot be read", file)
	}
	r := &Report{}
	if err := json.Unmarshal(data, r); err != nil || r.Format == 0 {
		return nil, fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadRequest, "reading the report %s: it is none: `fairlead eval run --json FILE` writes one", file)
	}
	if r.Format != reportFormat {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "reading the report %s: its form is version %d, and this program reads version %d", file, r.Format, reportFormat)
	}
	for i := range r.Cases {
		for j := range r.Cases[i].Runs {
			if len(r.Cases[i].Runs[j].Scores) != len(r.Scorers) {
				return nil, fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "reading the report %s: case %s has not a score for each scorer", file, r.Cases[i].ID)
			}
		}
	}
	return r, nil
}

// WriteFile writes a file, all or nothing.
func WriteFile(file string, data []byte) (err error) {
	defer func() {
		if err != nil {
			err = fault.Wrap(err, fault.FailedPrecondition, fault.ReasonBadRequest, "writing %s: the file cannot be written", file)
		}
	}()
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return err
	}
	return wholefile.Write(file, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

package score

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"slices"
	"strconv"

	"fairlead/internal/fault"
)

// Graded is an answer with the grade that people gave it.
type Graded struct {
	Case    *Case
	Outcome *Outcome
	// Grade is from 0 to 1.
	Grade float64
}

// maxGraded bounds a file of graded answers, in bytes.
const maxGraded = 64 << 20

// ReadGraded reads graded answers as autoevals publishes them: a JSON list of {"input": {"input", "output", "expected"},
// "expected": grade, "metadata": {"source"}}. The question becomes the input "question", the source a tag. The error is a
// *fault.Error (fault.InvalidArgument).
func ReadGraded(file string) ([]Graded, error) {
	wrong := func(cause error, what string) error {
		return fault.Wrap(cause, fault.InvalidArgument, fault.ReasonBadRequest, "reading graded answers from %s: %s", file, what)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, wrong(err, "the file cannot be read")
	}
	if len(content) > maxGraded {
		return nil, wrong(nil, "the file is too large")
	}
	var list []struct {
		Input struct {
			Input    string  `json:"input"`
			Output   *string `json:"output"`
			Expected string  `json:"expected"`
		} `json:"input"`
		Expected *float64 `json:"expected"`
		Metadata struct {
			Source string `json:"source"`
		} `json:"metadata"`
	}
	if err := json.NewDecoder(bytes.NewReader(content)).Decode(&list); err != nil {
		return nil, wrong(err, "it is no list of graded answers")
	}
	if len(list) == 0 {
		return nil, wrong(nil, "it holds none")
	}
	out := make([]Graded, len(list))
	for i, g := range list {
		if g.Input.Output == nil || g.Expected == nil || !(*g.Expected >= 0 && *g.Expected <= 1) {
			return nil, wrong(nil, "answer "+strconv.Itoa(i+1)+" has no text, or no grade from 0 to 1")
		}
		c := &Case{ID: strconv.Itoa(i + 1), Input: map[string]any{"question": g.Input.Input}, Expected: map[string]any{"text": g.Input.Expected}}
		if g.Metadata.Source != "" {
			c.Tags = []string{g.Metadata.Source}
		}
		out[i] = Graded{Case: c, Outcome: &Outcome{Text: *g.Input.Output}, Grade: *g.Expected}
	}
	return out, nil
}

// Calibration is how a judge's grades agree with those of people.
type Calibration struct {
	// Answers were graded by both. Failed had no grade of the judge, and Skipped none to give: neither is in the figures,
	// so a calibration with many of them is worth little.
	Answers int `json:"answers"`
	Failed  int `json:"failed"`
	Skipped int `json:"skipped"`
	// Agreement is the share of equal grades.
	Agreement float64 `json:"agreement"`
	// Kappa is Cohen's (Cohen, "A Coefficient of Agreement for Nominal Scales", 1960): agreement beyond chance, 1 at most,
	// 0 where it is that of chance. It is NaN where both gave one and the same grade to all, so that there is no chance to
	// be beyond; as JSON it is left out then.
	Kappa float64 `json:"-"`
	// Balanced is the mean, over the people's grades, of how much of each the judge found, so that a grade that is rare
	// counts as much as one that is not.
	Balanced float64 `json:"balanced_accuracy"`
	// Grades are those of the people, ascending, and of the judge. Confusion counts answers by the people's grade (row)
	// and the judge's (column).
	Grades    []float64 `json:"grades"`
	Confusion [][]int   `json:"confusion"`
}

// MarshalJSON leaves a kappa out that is not a number.
func (k Calibration) MarshalJSON() ([]byte, error) {
	type plain Calibration
	out := struct {
		plain
		Kappa *float64 `json:"kappa,omitempty"`
	}{plain: plain(k)}
	if !math.IsNaN(k.Kappa) {
		out.Kappa = &k.Kappa
	}
	return json.Marshal(out)
}

// Agree compares the grades of people and a judge, which must be as many. Grades are classes here: 0.6 and 1 are as
// different as 0 and 1.
func Agree(people, judge []float64) Calibration {
	if len(people) != len(judge) {
		panic("score: grades of different answers")
	}
	k := Calibration{Answers: len(people), Kappa: math.NaN()}
	k.Grades = append(append(k.Grades, people...), judge...)
	slices.Sort(k.Grades)
	k.Grades = slices.Compact(k.Grades)
	k.Confusion = make([][]int, len(k.Grades))
	for i := range k.Confusion {
		k.Confusion[i] = make([]int, len(k.Grades))
	}
	for i := range people {
		k.Confusion[slices.Index(k.Grades, people[i])][slices.Index(k.Grades, judge[i])]++
	}
	if k.Answers == 0 {
		return k
	}
	n := float64(k.Answers)
	var equal, chance, found float64
	classes := 0
	for i, row := range k.Confusion {
		mine, theirs := 0, 0
		for j := range row {
			mine += row[j]
			theirs += k.Confusion[j][i]
		}
		equal += float64(row[i])
		chance += float64(mine) * float64(theirs) / (n * n)
		if mine > 0 {
			classes++
			found += float64(row[i]) / float64(mine)
		}
	}
	k.Agreement, k.Balanced = equal/n, found/float64(classes)
	if chance < 1 {
		k.Kappa = (k.Agreement - chance) / (1 - chance)
	}
	return k
}

// Calibrate has a scorer grade answers and compares its grades with those of people. A value counts as the nearest of the
// people's grades. What it fails to grade is counted, unless ctx is over.
func Calibrate(ctx context.Context, s Scorer, answers []Graded) (Calibration, error) {
	var grades []float64
	for _, g := range answers {
		grades = append(grades, g.Grade)
	}
	var people, judge []float64
	failed, left := 0, 0
	for _, g := range answers {
		got, err := s.Score(ctx, g.Case, g.Outcome)
		if ctx.Err() != nil {
			return Calibration{}, fault.Wrap(ctx.Err(), fault.Canceled, fault.ReasonCanceled, "calibrating: it was broken off")
		}
		switch {
		case err != nil:
			failed++
			continue
		case got.Skipped != "":
			left++
			continue
		}
		nearest := grades[0]
		for _, v := range grades {
			if math.Abs(v-got.Value) < math.Abs(nearest-got.Value) {
				nearest = v
			}
		}
		people, judge = append(people, g.Grade), append(judge, nearest)
	}
	k := Agree(people, judge)
	k.Failed, k.Skipped = failed, left
	return k, nil
}

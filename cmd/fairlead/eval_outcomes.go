package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"fairlead/evals"
)

// evalOutcomes are what suites made of prompts, as router train reads it.
type evalOutcomes struct {
	lines []outcomeLine
	// left is how many runs are left out.
	left int
}

// add adds what a suite's run gave: the text of each case, the one target that answered it, and the value of the first
// scorer. Left out is what has no text, no score from 0 to 1, or was answered by several targets, of which none is known to
// have made the answer what it is.
func (o *evalOutcomes) add(s *evals.Suite, r *evals.Report) {
	texts := make(map[string]string, len(s.Cases))
	for i := range s.Cases {
		texts[s.Cases[i].ID] = promptOf(&s.Cases[i])
	}
	for i := range r.Cases {
		text := texts[r.Cases[i].ID]
		for j := range r.Cases[i].Runs {
			run := &r.Cases[i].Runs[j]
			targets := slices.Compact(slices.Sorted(slices.Values(run.Targets)))
			if text == "" || run.Error != "" || len(targets) != 1 || len(run.Scores) == 0 || !run.Scores[0].Counts() ||
				!(run.Scores[0].Value >= 0 && run.Scores[0].Value <= 1) {
				o.left++
				continue
			}
			o.lines = append(o.lines, outcomeLine{Prompt: text, Target: targets[0], Score: run.Scores[0].Value, Group: s.Name})
		}
	}
}

// promptOf gives the text that routing judges a case by: its question, or what the user said last.
func promptOf(c *evals.Case) string {
	if text, ok := c.Input["question"].(string); ok {
		return text
	}
	list, _ := c.Input["messages"].([]any)
	for i := len(list) - 1; i >= 0; i-- {
		if m, ok := list[i].(map[string]any); ok && m["role"] == "user" {
			text, _ := m["content"].(string)
			return text
		}
	}
	return ""
}

// write writes the outcomes as JSON Lines.
func (o *evalOutcomes) write(p *program, file string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	for i := range o.lines {
		if err := e.Encode(&o.lines[i]); err != nil {
			return fmt.Errorf("writing %s: %w", file, err)
		}
	}
	if o.left > 0 {
		fmt.Fprintf(p.err, "%d runs are no outcomes of one target: %s is without them\n", o.left, visible(file))
	}
	return evals.WriteFile(file, b.Bytes())
}

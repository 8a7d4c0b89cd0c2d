package router

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"fairlead/orchestrator/routing/learned"
)

// Case is a prompt and what came of it.
type Case struct {
	Prompt string
	// Features are those of the prompt as learned.Compact gives them, where the prompt itself is not known.
	Features []byte
	// Group is what prompts have in common, such as their subject. Empty: nothing is known of it.
	Group string
	// Scores has one for each target, in [0,1]. NaN: it was not asked.
	Scores []float64
}

// text tells prompts apart: the prompt, or its features.
func (c *Case) text() string {
	if c.Prompt == "" {
		return string(c.Features)
	}
	return c.Prompt
}

// read gives the features of the prompt, and how many characters it has.
func (c *Case) read(scratch *learned.Scratch) (learned.Row, int) {
	if c.Prompt == "" {
		if row, err := learned.Expand(c.Features); err == nil { // Read has looked
			return row, row.Chars()
		}
	}
	return scratch.Read(c.Prompt), utf8.RuneCountInString(c.Prompt)
}

// Data is cases of some targets.
type Data struct {
	Targets []string
	Cases   []Case
	// LeftOut is how many prompts were left out because they are known to be contaminated.
	LeftOut int
}

// Groups counts the groups.
func (d *Data) Groups() int {
	groups := map[string]bool{}
	for i := range d.Cases {
		groups[d.Cases[i].Group] = true
	}
	return len(groups)
}

// mean is a target's mean score.
func (d *Data) mean(t int) float64 { return known(d.scores(t)) }

func (d *Data) scores(t int) []float64 {
	out := make([]float64, len(d.Cases))
	for i := range d.Cases {
		out[i] = d.Cases[i].Scores[t]
	}
	return out
}

// Sum is the SHA-256 of the data, in hex.
func (d *Data) Sum() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", d.Targets)
	for i := range d.Cases {
		c := &d.Cases[i]
		fmt.Fprintf(h, "%q %q %v\n", c.Group, c.text(), c.Scores)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Pair names the target that is asked when it need not be the better one, and the other.
type Pair struct{ Weak, Strong string }

// pair finds the two targets that a router is judged by: those named, or the one with the lowest mean and the one with
// the highest.
func (d *Data) pair(p Pair) (weak, strong int, err error) {
	if len(d.Targets) < 2 {
		return 0, 0, fmt.Errorf("judging a router: the data has outcomes of %d target: a choice needs two", len(d.Targets))
	}
	find := func(name string, other bool) int {
		if name != "" {
			return slices.Index(d.Targets, name)
		}
		best := -1
		for t := range d.Targets {
			if best < 0 || other == (d.mean(t) > d.mean(best)) {
				best = t
			}
		}
		return best
	}
	weak, strong = find(p.Weak, false), find(p.Strong, true)
	switch {
	case weak < 0 || strong < 0:
		return 0, 0, fmt.Errorf("judging a router: the data has outcomes of %q, and weak=%s, strong=%s was asked for", d.Targets, p.Weak, p.Strong)
	case weak == strong:
		return 0, 0, fmt.Errorf("judging a router: both targets are %q: name a weak and a strong one", d.Targets[weak])
	}
	return weak, strong, nil
}

func isKnown(v float64) bool { return !math.IsNaN(v) }

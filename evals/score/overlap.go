package score

import (
	"context"
	"errors"
)

// F1 is the overlap of the answer's words with those of the expected text ("text"): the harmonic mean of precision and
// recall over words, each as often as it is there (Rajpurkar et al., SQuAD, 2016). Of several expected texts the best
// counts. What a word is, in English and elsewhere, is said at tokens: articles are left out in English only. Where one
// of the two has no words, it is 1 if the other has none either, and 0 if it has.
type F1 struct {
	Source `yaml:",inline"`
	Bar    `yaml:",inline"`
}

var _ Scorer = (*F1)(nil)

func (s *F1) check() error { return errors.Join(s.Source.check(), s.Bar.check()) }

// Score compares words.
func (s *F1) Score(_ context.Context, c *Case, o *Outcome) (Score, error) {
	return overlap(c, o, s.Source, s.Bar, func(got, want string) float64 {
		return TokenF1(tokens(got, c.Locale), tokens(want, c.Locale))
	})
}

// Rouge is ROUGE-L: the F-measure of the longest common subsequence of words (Lin, "ROUGE: A Package for Automatic
// Evaluation of Summaries", 2004, section 3.1), over the answer as one sentence, without stemming and stop words. Words
// are runs of letters and digits in lower case. Of several expected texts ("text") the best counts.
type Rouge struct {
	Source `yaml:",inline"`
	Bar    `yaml:",inline"`
	// Beta weighs recall over precision: F = (1+β²)·R·P / (R + β²·P). Default 1, as today's implementations have it; the
	// paper itself used a very large one for DUC, which is recall alone.
	Beta float64 `yaml:"beta" json:"beta,omitempty"`
}

var _ Scorer = (*Rouge)(nil)

func (s *Rouge) check() error {
	if !(s.Beta >= 0 && s.Beta <= 1000) {
		return errors.New("beta must be from 0 to 1000; 0 is the default, 1")
	}
	return errors.Join(s.Source.check(), s.Bar.check())
}

// Score compares.
func (s *Rouge) Score(_ context.Context, c *Case, o *Outcome) (Score, error) {
	beta := s.Beta
	if beta == 0 {
		beta = 1
	}
	return overlap(c, o, s.Source, s.Bar, func(got, want string) float64 { return RougeL(runs(got), runs(want), beta) })
}

func overlap(c *Case, o *Outcome, src Source, bar Bar, of func(got, want string) float64) (Score, error) {
	want, ok := c.texts("text", src.Expected)
	if !ok {
		return skipped("the case expects no text"), nil
	}
	if l, ok := lost(o); ok {
		return l, nil
	}
	got, why := o.text(src.Of)
	if why != "" {
		return bar.graded(0, "%s", why), nil
	}
	best := 0.0
	for _, w := range want {
		best = max(best, of(got, w))
	}
	return bar.graded(best, ""), nil
}

// TokenF1 is the F1 of two lists of words: see F1.
func TokenF1(got, want []string) float64 {
	if len(got) == 0 || len(want) == 0 {
		if len(got) == len(want) {
			return 1
		}
		return 0
	}
	left := make(map[string]int, len(want))
	for _, w := range want {
		left[w]++
	}
	common := 0
	for _, w := range got {
		if left[w] > 0 {
			left[w]--
			common++
		}
	}
	return 2 * float64(common) / float64(len(got)+len(want))
}

// maxWords bounds what RougeL compares, since its time is the product of the two lengths: of longer texts the beginning
// counts.
const maxWords = 8192

// RougeL is the F-measure of the longest common subsequence of two lists of words: see Rouge. It is 0 where one is empty.
func RougeL(got, want []string, beta float64) float64 {
	got, want = got[:min(len(got), maxWords)], want[:min(len(want), maxWords)]
	common := float64(subsequence(got, want))
	if common == 0 {
		return 0
	}
	precision, recall := common/float64(len(got)), common/float64(len(want))
	b := beta * beta
	return (1 + b) * recall * precision / (recall + b*precision)
}

// subsequence is the length of the longest common subsequence (Wagner and Fischer 1974, one row at a time). Words become
// numbers first, so that comparing them is cheap.
func subsequence(a, b []string) int {
	ids := make(map[string]int32, len(a))
	number := func(words []string) []int32 {
		out := make([]int32, len(words))
		for i, w := range words {
			id, ok := ids[w]
			if !ok {
				id = int32(len(ids))
				ids[w] = id
			}
			out[i] = id
		}
		return out
	}
	x, y := number(a), number(b)
	row := make([]int32, len(y)+1)
	for _, v := range x {
		diagonal := int32(0)
		for j, w := range y {
			above := row[j+1]
			if v == w {
				row[j+1] = diagonal + 1
			} else if row[j] > above {
				row[j+1] = row[j]
			}
			diagonal = above
		}
	}
	return int(row[len(y)])
}

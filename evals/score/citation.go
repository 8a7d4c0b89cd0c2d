package score

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"fairlead/internal/fault"
)

// Citations measures whether the citations of an answer hold what they are cited for (Gao et al., "Enabling Large
// Language Models to Generate Text with Citations", 2023: ALCE).
//
//   - Recall is the share of the sentences that cite something which, all together, supports them.
//   - Precision is the share of the citations that are needed: the sentence is supported, and either this citation alone
//     supports it or the others without it do not.
//
// A citation's text is its quote where the provider told one, else its passage; a number without a passage supports
// nothing. An answer without sentences, or without citations where none are needed (see Abstains and "unanswerable"),
// has nothing to measure.
type Citations struct {
	Bar `yaml:",inline"`
	// Of is f1 (the harmonic mean, default), recall or precision.
	Of string `yaml:"of" json:"of,omitempty"`
	// Support tells whether a text holds a sentence. Nil: Lexical.
	Support Support `yaml:"-" json:"-"`
}

var _ Scorer = (*Citations)(nil)

func (s *Citations) check() error {
	if !slices.Contains([]string{"", "f1", "recall", "precision"}, s.Of) {
		return errors.New("of must be f1, recall or precision")
	}
	return s.Bar.check()
}

// Score checks each sentence.
func (s *Citations) Score(ctx context.Context, c *Case, o *Outcome) (Score, error) {
	if l, ok := lost(o); ok {
		return l, nil
	}
	sentences := Sentences(o.Text)
	if len(sentences) == 0 || Abstains(o.Text) && c.unanswerable() {
		return skipped("the answer claims nothing"), nil
	}
	k := checking{ctx: ctx, case_: c, outcome: o, support: s.Support}
	recalled, cited, needed := 0, 0, 0
	for _, sentence := range sentences {
		cited += len(sentence.Cites)
		if len(sentence.Cites) == 0 || !k.supported(sentence.Text, sentence.Cites) {
			continue
		}
		recalled++
		for i, number := range sentence.Cites {
			rest := slices.Delete(slices.Clone(sentence.Cites), i, i+1)
			if len(rest) == 0 || k.supported(sentence.Text, []int{number}) || !k.supported(sentence.Text, rest) {
				needed++
			}
		}
	}
	if k.err != nil {
		return Score{}, k.err
	}
	recall := float64(recalled) / float64(len(sentences))
	precision := float64(needed) / float64(max(cited, 1))
	value := 0.0
	switch {
	case s.Of == "recall":
		value = recall
	case s.Of == "precision":
		value = precision
	case recall+precision > 0:
		value = 2 * recall * precision / (recall + precision)
	}
	return s.graded(value, "%d of %d sentences are supported by what they cite; %d of %d citations are needed", recalled, len(sentences), needed, cited), nil
}

// checking asks for support, and keeps the first failure.
type checking struct {
	ctx     context.Context
	case_   *Case
	outcome *Outcome
	support Support
	err     error
}

// supported says whether the passages of numbers support a sentence.
func (k *checking) supported(sentence string, numbers []int) bool {
	var evidence []string
	for _, n := range numbers {
		if n < 1 || n > len(k.outcome.Passages) {
			continue
		}
		text := k.outcome.Passages[n-1].Text
		quotes := ""
		for _, cited := range k.outcome.Citations {
			if cited.Number == n && cited.Quote != "" {
				quotes += cited.Quote + "\n"
			}
		}
		if quotes != "" {
			text = quotes
		}
		evidence = append(evidence, text)
	}
	return k.holds(sentence, evidence)
}

func (k *checking) holds(sentence string, evidence []string) bool {
	if len(evidence) == 0 || k.err != nil {
		return false
	}
	support := k.support
	if support == nil {
		support = Lexical{}
	}
	ok, err := support.Supports(k.ctx, sentence, evidence, language(k.case_.Locale))
	if err != nil {
		k.err = failed(err, fault.Unavailable, k.case_, "whether its sentences are supported could not be told")
	}
	return ok
}

// unanswerable says whether the case expects no answer: "unanswerable: true" in its expectation.
func (c *Case) unanswerable() bool {
	m, ok := c.Expected.(map[string]any)
	return ok && m["unanswerable"] == true
}

// Grounded is the share of an answer's sentences that the passages shown to the model support, whether they cite them or
// not. A case that is "unanswerable" has another score: 1 where the answer says so in one sentence without a mark (see
// Abstains), 0 where it answers. Where the case has an answer, saying that there is none is a sentence like others, and
// as a rule no passage supports it. An answer of what looks for no passages, such as a chat, is skipped.
type Grounded struct {
	Bar `yaml:",inline"`
	// Support tells whether the passages hold a sentence. Nil: Lexical.
	Support Support `yaml:"-" json:"-"`
}

var _ Scorer = (*Grounded)(nil)

func (s *Grounded) check() error { return s.Bar.check() }

// Score checks each sentence.
func (s *Grounded) Score(ctx context.Context, c *Case, o *Outcome) (Score, error) {
	if l, ok := lost(o); ok {
		return l, nil
	}
	if c.unanswerable() {
		if Abstains(o.Text) {
			return s.graded(1, "it says that there is no answer"), nil
		}
		return s.graded(0, "it answers what the documents do not"), nil
	}
	if o.Passages == nil {
		return skipped("no passages were looked for"), nil
	}
	sentences := Sentences(o.Text)
	if len(sentences) == 0 {
		return s.graded(0, "there is no answer"), nil
	}
	var evidence []string
	for _, p := range o.Passages {
		evidence = append(evidence, p.Text)
	}
	k := checking{ctx: ctx, case_: c, outcome: o, support: s.Support}
	held, first := 0, ""
	for _, sentence := range sentences {
		if k.holds(sentence.Text, evidence) {
			held++
		} else if first == "" {
			first = "; not supported: " + quote(sentence.Text)
		}
	}
	if k.err != nil {
		return Score{}, k.err
	}
	return s.graded(float64(held)/float64(len(sentences)), "%s", fmt.Sprintf("%d of %d sentences are supported%s", held, len(sentences), first)), nil
}

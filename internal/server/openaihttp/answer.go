package openaihttp

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"fairlead/orchestrator"
	"fairlead/providers"
)

// answer gathers from a run's events what the dialect tells, for plain answers and streams alike.
type answer struct {
	run   string
	chain string
	// attempts has every call, in the order in which they started.
	attempts  []attempt
	speaker   string
	citations []citation
	// collected joins tool calls and reasoning for plain answers.
	collected providers.Collector
	finished  *orchestrator.RunFinished
}

type attempt struct {
	step, target string
	number       int
	failed       bool
	reported     string
}

type citation struct {
	step string
	*orchestrator.Citation
}

// note takes the next event.
func (a *answer) note(e *orchestrator.Event) {
	if a.run == "" {
		a.run = e.RunID
	}
	switch b := e.Body.(type) {
	case *orchestrator.RunStarted:
		a.chain = b.Chain
	case *orchestrator.AttemptStarted:
		// What makes vectors and classes does not answer.
		if b.Target != nil && (b.Target.Does&(providers.Embed|providers.Classify) == 0 || b.Target.Does&(providers.Chat|providers.Extract) != 0) {
			a.attempts = append(a.attempts, attempt{step: e.Step, target: b.Target.Name, number: b.Attempt})
		}
	case *orchestrator.AttemptFailed:
		if at := a.attempt(e.Step, b.Attempt); at != nil {
			at.failed = true
		}
	case *orchestrator.AttemptUsage:
		if at := a.attempt(e.Step, b.Attempt); at != nil {
			at.reported = b.Reported
		}
	case *orchestrator.TextDelta:
		if b.Output && a.speaker == "" {
			a.speaker = e.Step
		}
	case *orchestrator.Citation:
		a.citations = append(a.citations, citation{e.Step, b})
	case *orchestrator.Retracted:
		a.citations = slices.DeleteFunc(a.citations, func(c citation) bool { return c.step == e.Step })
		a.collected = providers.Collector{}
	case *orchestrator.RunFinished:
		a.finished = b
	}
}

// collect keeps what a plain answer shows beside its text. A chain's tool calls and reasoning are those of
// its inner steps and stay there.
func (a *answer) collect(e *orchestrator.Event) {
	if a.chain != "" {
		return
	}
	switch b := e.Body.(type) {
	case *orchestrator.ReasoningDelta:
		a.collected.Add(providers.Chunk{Reasoning: b.Text})
	case *orchestrator.ToolCallDelta:
		a.collected.Add(providers.Chunk{ToolCalls: []providers.ToolCallDelta{b.ToolCallDelta}})
	}
}

func (a *answer) attempt(step string, number int) *attempt {
	for i := len(a.attempts) - 1; i >= 0; i-- {
		if at := &a.attempts[i]; at.step == step && at.number == number {
			return at
		}
	}
	return nil
}

// answering gives the attempt that the answer comes from: of the step that speaks, or else the last one that
// did not fail. Nil when there is none.
func (a *answer) answering() *attempt {
	var last *attempt
	for i := len(a.attempts) - 1; i >= 0; i-- {
		at := &a.attempts[i]
		if at.failed {
			continue
		}
		if a.speaker == "" || at.step == a.speaker {
			return at
		}
		if last == nil {
			last = at
		}
	}
	return last
}

// target gives the name of the target that answered, or "".
func (a *answer) target() string {
	if at := a.answering(); at != nil {
		return at.target
	}
	return ""
}

// model gives the answer's model: the target that answered, or the chain.
func (a *answer) model() string {
	if a.chain != "" {
		return "chain/" + a.chain
	}
	return a.target()
}

// wireFairlead is the field "fairlead".
type wireFairlead struct {
	Run            string         `json:"run"`
	Target         string         `json:"target,omitempty"`
	ReportedModel  string         `json:"reported_model,omitempty"`
	CostUSD        rawNumber      `json:"cost_usd"`
	CostIncomplete bool           `json:"cost_incomplete,omitempty"`
	UsageEstimated bool           `json:"usage_estimated,omitempty"`
	Label          string         `json:"label,omitempty"`
	Citations      []wireCitation `json:"citations,omitempty"`
}

type wireCitation struct {
	// Number is the mark in the text: 1 for "[1]".
	Number     int      `json:"number"`
	URI        string   `json:"uri"`
	Title      string   `json:"title,omitempty"`
	Heading    []string `json:"heading,omitempty"`
	DocumentID string   `json:"document_id,omitempty"`
	PassageID  string   `json:"passage_id,omitempty"`
	LineStart  int      `json:"line_start,omitempty"`
	LineEnd    int      `json:"line_end,omitempty"`
	Page       int      `json:"page,omitempty"`
	Quote      string   `json:"quote,omitempty"`
}

// rawNumber is a JSON number as it is to be written.
type rawNumber string

func (n rawNumber) MarshalJSON() ([]byte, error) { return []byte(n), nil }

// dollars writes an amount in US dollars, exactly, without an exponent.
func dollars(m providers.Money) string {
	sign := ""
	if m < 0 {
		sign, m = "-", -m
	}
	nanos := strconv.FormatInt(int64(m%1e9)+1e9, 10)[1:]
	s := sign + strconv.FormatInt(int64(m/1e9), 10) + "." + nanos
	s = strings.TrimRight(s, "0")
	return strings.TrimSuffix(s, ".")
}

// facts gives the field "fairlead" of a run that went well.
func (a *answer) facts() *wireFairlead {
	f := &wireFairlead{
		Run: a.run, CostUSD: rawNumber(dollars(a.finished.Cost)), CostIncomplete: a.finished.CostIncomplete,
		UsageEstimated: a.finished.Usage.Estimated,
	}
	if at := a.answering(); at != nil {
		f.Target, f.ReportedModel = at.target, at.reported
	}
	if a.finished.Label.Valid() {
		f.Label = a.finished.Label.String()
	}
	for _, c := range a.cited() {
		f.Citations = append(f.Citations, wireCitation{
			Number: c.Number, URI: c.Passage.URI, Title: c.Passage.Title, Heading: c.Passage.Heading,
			DocumentID: c.Passage.DocumentID, PassageID: c.Passage.ID,
			LineStart: c.Span.LineStart, LineEnd: c.Span.LineEnd, Page: c.Span.Page, Quote: c.Quote,
		})
	}
	return f
}

// wireAnnotation is OpenAI's annotation of a place in the answer's text.
type wireAnnotation struct {
	Type        string          `json:"type"`
	URLCitation wireURLCitation `json:"url_citation"`
}

type wireURLCitation struct {
	EndIndex   int    `json:"end_index"`
	StartIndex int    `json:"start_index"`
	Title      string `json:"title"`
	URL        string `json:"url"`
}

// cited gives the citations of the answer: those of the step that speaks, or all where none does.
func (a *answer) cited() []citation {
	if a.speaker == "" {
		return a.citations
	}
	return slices.DeleteFunc(slices.Clone(a.citations), func(c citation) bool { return c.step != a.speaker })
}

// annotations finds the marks of the citations in the answer's text, each where it stands: "[1]", and "[1, 2]"
// for both.
func (a *answer) annotations() []wireAnnotation {
	byNumber := make(map[int]*orchestrator.Citation)
	for _, c := range a.cited() {
		if byNumber[c.Number] == nil {
			byNumber[c.Number] = c.Citation
		}
	}
	if len(byNumber) == 0 {
		return nil
	}
	var found []wireAnnotation
	text, at := a.finished.Output, 0 // at counts characters
	for {
		before, _, ok := strings.Cut(text, "[")
		if !ok {
			return found
		}
		at += utf8.RuneCountInString(before)
		text = text[len(before):]
		numbers, length := marks(text)
		for _, n := range numbers {
			c := byNumber[n]
			if c == nil {
				continue
			}
			title := c.Passage.Title
			if title == "" {
				title = c.Passage.URI
			}
			found = append(found, wireAnnotation{"url_citation", wireURLCitation{
				StartIndex: at, EndIndex: at + length, Title: title, URL: c.Passage.URI,
			}})
		}
		at++
		text = text[1:]
	}
}

// marks reads "[1]" or "[1, 2]" at the front of a text: the numbers, and the length of it all.
func marks(text string) (numbers []int, length int) {
	const most = 64 // of a mark: the look ahead must not make a text of brackets slow
	inner, _, ok := strings.Cut(text[1:min(len(text), most)], "]")
	if !ok {
		return nil, 0
	}
	for part := range strings.SplitSeq(inner, ",") {
		n, err := strconv.ParseUint(strings.TrimLeft(part, " "), 10, 16)
		if err != nil {
			return nil, 0
		}
		numbers = append(numbers, int(n))
	}
	return numbers, len(inner) + 2
}

// wireUsage is the dialect's count of tokens.
type wireUsage struct {
	PromptTokens     int64 `json:"prompt_tokens"`
	CompletionTokens int64 `json:"completion_tokens"`
	TotalTokens      int64 `json:"total_tokens"`
	PromptDetails    struct {
		CachedTokens int64 `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionDetails struct {
		ReasoningTokens int64 `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

func usageOf(u providers.Usage) *wireUsage {
	w := &wireUsage{PromptTokens: u.Input, CompletionTokens: u.Output, TotalTokens: u.Input + u.Output}
	w.PromptDetails.CachedTokens = u.CachedInput
	w.CompletionDetails.ReasoningTokens = u.Reasoning
	return w
}

// finishOf gives the dialect's finish reason: the same words, and "stop" where nothing was said.
func finishOf(f providers.FinishReason) string {
	if f == providers.FinishUnset {
		return string(providers.FinishStop)
	}
	return string(f)
}

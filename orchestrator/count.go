package orchestrator

import (
	"fairlead/orchestrator/routing"
	"fairlead/providers"
	"fairlead/providers/tokens"
)

// counted is the length of a call's prompt in tokens, by the encodings of the targets that may answer it. It
// is made before the call's attempts and does not change.
type counted struct {
	estimate int
	by       map[tokens.Encoding]int
}

// of gives the length for an encoding; the empty one has the estimate.
func (c *counted) of(e tokens.Encoding) int {
	if n, ok := c.by[e]; ok {
		return n
	}
	return c.estimate
}

// count counts a prompt for the targets that may answer.
func (st *state) count(req *providers.Request) *counted {
	c := &counted{estimate: req.EstimatePromptTokens()}
	for _, e := range st.encodings {
		if c.by == nil {
			c.by = map[tokens.Encoding]int{}
		}
		c.by[e] = e.Prompt(req)
	}
	return c
}

// general is the length that stands for all targets: where nothing counts exactly, the estimate.
func (c *counted) general(st *state) int {
	if len(st.encodings) == 0 {
		return c.estimate
	}
	return c.of(st.encodings[0])
}

// expectTokens tells the candidates how long the prompt is expected to be on each.
func (r *run) expectTokens(candidates []routing.Candidate, c *counted) {
	for i := range candidates {
		t := r.st.every[candidates[i].Target.Name]
		candidates[i].State.PromptTokens = r.engine.corrections.apply(t.Name, c.of(t.Encoding))
	}
}

// countTexts gives the number of tokens of texts, as well as it is known for the target, uncorrected.
func (t *target) countTexts(texts []string) int {
	if t.Encoding != "" {
		return t.Encoding.CountAll(texts)
	}
	size := 0
	for _, text := range texts {
		size += len(text)
	}
	return providers.EstimateTokens(size)
}

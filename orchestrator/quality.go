package orchestrator

import (
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// Qualities expects how well targets would answer a prompt. It is asked once for each step, on the way to a decision, so it
// answers in microseconds and calls nothing. It is safe for concurrent use.
type Qualities interface {
	// Estimate fills in, for each of the named targets, what is expected of its answer to a prompt, and leaves those alone
	// that it does not know or of which it would rather not say: their Source stays empty. The two lists are of one length.
	Estimate(prompt string, targets []string, into []routing.QualityEstimate)
}

// expectQuality tells the candidates how well they are expected to answer. What is expected of a target goes for its
// variants too: they are there to be compared with it, and not to be chosen instead.
func (r *run) expectQuality(candidates []routing.Candidate, c *call) {
	if r.st.qualities == nil {
		return
	}
	if c.qualities == nil {
		c.qualities = make([]routing.QualityEstimate, len(r.st.names))
		if prompt := asked(c.req); prompt != "" {
			r.st.qualities.Estimate(prompt, r.st.names, c.qualities)
		}
	}
	for i := range candidates {
		// Candidates are in the order of the targets, each as itself or one of its variants.
		if q := &c.qualities[i]; q.Source != "" {
			candidates[i].State.Quality = q
		}
	}
}

// features gives what is kept of a call's prompt in the place of its text, made once for a step. Nil: nothing is, for it is not asked
// for or the prompt is too sensitive.
func (r *run) features(c *call) []byte {
	if r.st.features == nil || c.label > r.st.featuresLabel {
		return nil
	}
	if !c.featured {
		c.featured = true
		if prompt := asked(c.req); prompt != "" {
			c.features = r.st.features(prompt)
		}
	}
	return c.features
}

// asked is the text that a request is judged by: the question in the caller's own words, without documents, where it
// is known, or else what the user said last.
func asked(req *providers.Request) string {
	if req.Query != "" {
		return req.Query
	}
	for i := len(req.Messages) - 1; i >= 0; i-- {
		if m := &req.Messages[i]; m.Role == providers.User {
			return m.TextContent()
		}
	}
	return ""
}

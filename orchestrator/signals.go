package orchestrator

import (
	"maps"
	"sync"

	"fairlead/internal/locale"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/routing"
)

// localeInput is the input of a chain that states the caller's language.
const localeInput = "locale"

// localeOf tells a caller's language: what was stated, or else what the text seems to be written in.
func (st *state) localeOf(stated, text string) func() string {
	return sync.OnceValue(func() string {
		if tag := locale.Clean(stated); tag != "" {
			return tag
		}
		return st.languages.Detect(text)
	})
}

// spoken gives the text of a chain's input that shows the caller's language: the question, or the longest.
func spoken(ch *chain.Chain, values map[string]any) string {
	text, _ := values[questionInput(ch)].(string)
	if text != "" {
		return text
	}
	for _, in := range ch.Inputs {
		if s, ok := values[in.Name].(string); ok && len(s) > len(text) {
			text = s
		}
	}
	return text
}

// classes is what classifiers found so far, by the id of the step. It is not changed but copied.
type classes map[string]routing.Class

// with gives the classes with one more.
func (c classes) with(step string, found routing.Class) classes {
	more := maps.Clone(c)
	if more == nil {
		more = classes{}
	}
	more[step] = found
	return more
}

// signal puts what a run knows about itself into a request that is decided about under a policy.
func (r *run) signal(req *routing.Request, p *routing.Policy, found classes) {
	req.Classes = found
	if r.locale != nil && routing.UsesLocale(p.When) {
		req.Locale = r.locale()
	}
}

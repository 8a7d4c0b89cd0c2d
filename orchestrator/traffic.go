package orchestrator

import "slices"

// SetTraffic says of which targets every caller gets the stable version, whatever canary the configuration has. It
// counts at once: also for the next attempt of runs in progress.
func (e *Engine) SetTraffic(rolledBack []string) {
	set := make(map[string]bool, len(rolledBack))
	for _, name := range rolledBack {
		set[name] = true
	}
	e.rolled.Store(&set)
}

// rolledBack says whether every caller of a target gets its stable version.
func (e *Engine) rolledBack(name string) bool {
	set := e.rolled.Load()
	return set != nil && (*set)[name]
}

// Traffic says which callers get which version of a target.
type Traffic struct {
	// Canary is the target of the callers who get the new version, and Percent how many of 100 they are. Empty: there
	// is none.
	Canary  string
	Percent float64
	// RolledBack says that nobody gets it all the same.
	RolledBack bool
	// Shadow is the target that is asked beside, and ShadowPercent of how many calls of 100. Empty: there is none.
	Shadow        string
	ShadowPercent float64
	// Compared sums what the shadow's answers gave beside those of the target, on this server.
	Compared Compared
}

// Traffic gives the traffic of a target that callers may name; false where there is none of that name.
func (e *Engine) Traffic(name string) (Traffic, bool) {
	t := e.state.Load().byName[name]
	if t == nil {
		return Traffic{}, false
	}
	out := Traffic{RolledBack: e.rolledBack(name)}
	if t.canary != nil {
		out.Canary, out.Percent = t.canary.Name, t.Canary.Percent
	}
	if t.shadow != nil {
		out.Shadow, out.ShadowPercent, out.Compared = t.shadow.Name, t.Shadow.Percent, t.shadow.compared.sum()
	}
	return out, true
}

// Canaries gives the names of the targets that have a canary.
func (e *Engine) Canaries() []string {
	var names []string
	for _, t := range e.state.Load().targets {
		if t.canary != nil {
			names = append(names, t.Name)
		}
	}
	return slices.Clip(names)
}

// HasTarget says whether there is a target of a name that callers may use.
func (e *Engine) HasTarget(name string) bool { return e.state.Load().byName[name] != nil }

// Package traffic keeps which targets were rolled back to their stable version, and tells every server of it. It owns
// Decision, what a store promises about decisions, and Switch, which brings an engine in step with the store. It refuses
// to know which callers get a canary: that is the engine's.
//
// A decision is never changed and never deleted: the newest of a target is in force, and the others say what was in
// force before, on whose word and why.
package traffic

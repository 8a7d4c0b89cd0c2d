package health

import (
	"time"

	"fairlead/providers"
)

// Backend is a server to ask.
type Backend struct {
	Name string
	// Every is the period of the rounds. 0: it is not asked.
	Every time.Duration
	// Timeout is how long each answer is waited for. 0: 2 s.
	Timeout time.Duration
	// Prober says whether the backend is there, and LoadReporter how busy it is. What is nil is not asked.
	Prober       providers.Prober
	LoadReporter providers.LoadReporter
	Targets      []Target
}

// Target is a model of a backend.
type Target struct {
	// Name is what the Consumer knows it by.
	Name string
	// Model and Version are as the backend calls them. The empty version is the backend's choice.
	Model, Version string
	// Lifecycle tells how the model stands. Nil: what the backend's Prober says holds for the target.
	Lifecycle providers.Lifecycle
	// Lazy says that the backend loads models with the first call: one that is not in memory answers all the same, only
	// later.
	Lazy bool
}

// Answer is what a backend said about a target.
type Answer struct {
	// Err is why it gave no answer: a *providers.Error, or nil where it did.
	Err error
	// State is how the target's model stands. Empty: nobody told.
	State providers.ModelState
	// Detail is why, in the adapter's words.
	Detail string
	// Lazy is that of the Target.
	Lazy bool
	// Every is the period: the next answer is due then.
	Every time.Duration
}

// Ready says whether the target would take a call now, as far as its backend tells.
func (a *Answer) Ready() bool {
	if a.Err != nil {
		return false
	}
	switch a.State {
	case "", providers.ModelReady:
		return true
	case providers.ModelAbsent, providers.ModelUnloading:
		return a.Lazy
	default:
		return false
	}
}

// Lasting gives how long an answer counts that comes at every period, unless another one does.
func Lasting(every time.Duration) time.Duration { return 3 * every }

// Consumer is told what was answered. It is called from several goroutines, and should be quick.
type Consumer interface {
	// Probed tells what a backend answered about a target.
	Probed(target string, a Answer)
	// Loaded tells how busy a backend is.
	Loaded(backend string, l providers.Load, every time.Duration)
	// Resolved tells which version stands behind the one that a target names.
	Resolved(target, version string)
}

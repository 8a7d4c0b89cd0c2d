package orchestrator

import (
	"maps"

	"fairlead/orchestrator/routing"
)

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

// signals is what a run has found out about itself and conditions may ask for.
type signals struct {
	classes classes
}

func (b *branch) signals() *signals { return &signals{classes: b.classes} }

// signal puts a run's signals into a request that is decided about. s may be nil.
func (r *run) signal(req *routing.Request, p *routing.Policy, s *signals) {
	if s != nil {
		req.Classes = s.classes
	}
}

package orchestrator_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/auth"
	"fairlead/orchestrator"
)

// listener is an observer that writes down what it hears.
type listener struct {
	name string
	log  *[]string
}

type listenerKey struct{ name string }

func (l listener) RunStarts(ctx context.Context, _, _ string, _ auth.Principal) (context.Context, func(*orchestrator.Event), func(error)) {
	*l.log = append(*l.log, l.name+" starts")
	return context.WithValue(ctx, listenerKey{l.name}, true), func(e *orchestrator.Event) {
		*l.log = append(*l.log, l.name+" hears")
	}, func(error) { *l.log = append(*l.log, l.name+" ends") }
}

func TestObserversAllHear(t *testing.T) {
	var log []string
	all := orchestrator.Observers{listener{"a", &log}, nil, listener{"b", &log}}
	ctx, event, end := all.RunStarts(t.Context(), "run", "", auth.Local())
	event(&orchestrator.Event{})
	end(nil)
	if diff := cmp.Diff([]string{"a starts", "b starts", "a hears", "b hears", "a ends", "b ends"}, log); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, name := range []string{"a", "b"} {
		if ctx.Value(listenerKey{name}) == nil {
			t.Errorf("what %s put into the context is lost", name)
		}
	}
	if _, event, end := (orchestrator.Observers{}).RunStarts(t.Context(), "run", "", auth.Local()); event == nil || end == nil {
		t.Error("without observers there is nothing to call")
	}
}

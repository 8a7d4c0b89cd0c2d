package orchestrator

import (
	"context"

	"fairlead/internal/auth"
)

// Observers is several observers as one. Each gets the context that the one before it gave. Those that are
// nil are left out.
type Observers []Observer

var _ Observer = Observers(nil)

// RunStarts tells all of them.
func (o Observers) RunStarts(ctx context.Context, runID, chain string, p auth.Principal) (context.Context, func(*Event), func(error)) {
	return o.start(ctx, func(ctx context.Context, one Observer) (context.Context, func(*Event), func(error)) {
		return one.RunStarts(ctx, runID, chain, p)
	})
}

// start starts each, and makes one of what they give.
func (o Observers) start(ctx context.Context, begin func(context.Context, Observer) (context.Context, func(*Event), func(error))) (context.Context, func(*Event), func(error)) {
	events, ends := make([]func(*Event), 0, len(o)), make([]func(error), 0, len(o))
	for _, one := range o {
		if one == nil {
			continue
		}
		var event func(*Event)
		var end func(error)
		ctx, event, end = begin(ctx, one)
		events, ends = append(events, event), append(ends, end)
	}
	return ctx, func(e *Event) {
			for _, event := range events {
				event(e)
			}
		}, func(err error) {
			for _, end := range ends {
				end(err)
			}
		}
}

package rpc

import (
	"context"
	"errors"
	"iter"

	"connectrpc.com/connect"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/internal/fault"
	"fairlead/orchestrator"
)

// headerRun tells the run's id before the first event, for those who log headers.
const headerRun = "Fairlead-Run"

// send sends a run's events as they come. wrap puts an event into the response; both are used again.
func send[Response any](
	ctx context.Context,
	events iter.Seq2[orchestrator.Event, error],
	stream *connect.ServerStream[Response],
	wrap func(*pb.Event) *Response,
) error {
	var (
		t        translator
		begun    bool
		finished bool
	)
	for ev, err := range events {
		if err != nil {
			return late(ctx, err)
		}
		if !begun {
			begun = true
			stream.ResponseHeader().Set(headerRun, ev.RunID)
		}
		message, err := t.translate(&ev)
		if err != nil {
			return err
		}
		if err := stream.Send(wrap(message)); err != nil {
			return fault.Wrap(err, fault.Canceled, fault.ReasonCanceled, "sending to the caller failed: it left, or it stopped reading")
		}
		_, finished = ev.Body.(*orchestrator.RunFinished)
	}
	if !finished {
		return fault.From(errors.New("rpc: the events ended without an error and without RunFinished"))
	}
	return nil
}

// late gives the caller's deadline its name where the error only says that the call was canceled.
func late(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && fault.CodeOf(err) == fault.Canceled {
		return fault.Wrap(err, fault.DeadlineExceeded, fault.ReasonDeadline, "the call's deadline passed before the run was done")
	}
	return err
}

package rpc

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"connectrpc.com/connect"

	"fairlead/internal/fault"
	"fairlead/internal/server"
)

// errorsInterceptor is the outermost: what leaves it is an error in its form, told to the server and, where it
// is our fault, to the log.
type errorsInterceptor struct {
	logger *slog.Logger
}

var _ connect.Interceptor = (*errorsInterceptor)(nil)

// WrapUnary implements connect.Interceptor.
func (i *errorsInterceptor) WrapUnary(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, req connect.AnyRequest) (res connect.AnyResponse, err error) {
		defer func() {
			if value := recover(); value != nil {
				res, err = nil, i.panicked(ctx, req.Spec().Procedure, value)
			}
			if err = i.translate(ctx, req.Spec().Procedure, err); err != nil {
				res = nil
			}
		}()
		if verdict := takeVerdict(req.Any()); verdict != nil {
			return nil, verdict
		}
		return next(ctx, req)
	}
}

// WrapStreamingClient implements connect.Interceptor; there are no clients here.
func (i *errorsInterceptor) WrapStreamingClient(next connect.StreamingClientFunc) connect.StreamingClientFunc {
	return next
}

// WrapStreamingHandler implements connect.Interceptor.
func (i *errorsInterceptor) WrapStreamingHandler(next connect.StreamingHandlerFunc) connect.StreamingHandlerFunc {
	return func(ctx context.Context, conn connect.StreamingHandlerConn) (err error) {
		defer func() {
			if value := recover(); value != nil {
				err = i.panicked(ctx, conn.Spec().Procedure, value)
			}
			err = i.translate(ctx, conn.Spec().Procedure, err)
		}()
		return next(ctx, verdictConn{conn})
	}
}

// translate gives the error its form. A nil *connect.Error must not become an error.
func (i *errorsInterceptor) translate(ctx context.Context, procedure string, err error) error {
	if err == nil {
		server.SetOutcome(ctx, "ok", "")
		return nil
	}
	f := faultOf(ctx, err)
	server.SetOutcome(ctx, f.Code.String(), string(f.Reason))
	if f.Code == fault.Internal {
		i.logger.LogAttrs(ctx, slog.LevelError, "call failed",
			slog.String("request_id", server.RequestID(ctx)),
			slog.String("procedure", procedure),
			slog.String("cause", fault.Cause(f)),
		)
	}
	return newConnectError(f, server.RequestID(ctx), detailsOf(err)...)
}

func (i *errorsInterceptor) panicked(ctx context.Context, procedure string, value any) error {
	if value == http.ErrAbortHandler {
		panic(value)
	}
	server.LogPanic(ctx, i.logger, procedure, value)
	return fault.From(fmt.Errorf("panic: %T", value))
}

// verdictConn gives the codec's verdict as the error of Receive.
type verdictConn struct{ connect.StreamingHandlerConn }

func (c verdictConn) Receive(message any) error {
	if err := c.StreamingHandlerConn.Receive(message); err != nil {
		return err
	}
	if verdict := takeVerdict(message); verdict != nil {
		return verdict
	}
	return nil
}

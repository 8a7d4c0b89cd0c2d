package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"time"

	"fairlead/internal/fault"
)

// log writes one line for each request. It holds no content: no query string, no header, and of the path
// only the pattern that it matched.
func (s *Server) log(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := callOf(r.Context())
		defer func() {
			level := slog.LevelInfo
			switch {
			case call.Status >= 500 || call.Code == fault.Internal.String():
				level = slog.LevelError
			case call.Route == routeLive || call.Route == routeReady:
				level = slog.LevelDebug
			}
			s.config.Logger.LogAttrs(r.Context(), level, "request",
				slog.String("request_id", call.ID),
				slog.String("method", safeMethod(call.Method)),
				slog.String("route", call.Route),
				slog.Int("status", call.Status),
				slog.String("code", call.Code),
				slog.String("reason", call.Reason),
				slog.Int64("bytes", call.Bytes),
				slog.Duration("duration", time.Since(call.start)),
				slog.String("protocol", r.Proto),
			)
		}()
		next.ServeHTTP(w, r)
	})
}

// logUnproved says why a caller was not let in. What callers do wrong themselves is for those who look for it.
func (s *Server) logUnproved(r *http.Request, f *fault.Error) {
	level := slog.LevelError
	if f.Code == fault.Unauthenticated || f.Code == fault.Canceled {
		level = slog.LevelDebug
	}
	s.config.Logger.LogAttrs(r.Context(), level, "caller not let in",
		slog.String("request_id", RequestID(r.Context())),
		slog.String("code", f.Code.String()),
		slog.String("cause", fault.Cause(f)),
	)
}

// safeMethod gives the method when it is a known one: callers can send any token.
func safeMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodPost, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "OTHER"
}

// recover turns a panic into an internal error. Where the response has begun the connection is cut
// instead: the caller must not take what it got for all there is.
func (s *Server) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			value := recover()
			if value == nil {
				return
			}
			if value == http.ErrAbortHandler {
				panic(value)
			}
			call := callOf(r.Context())
			LogPanic(r.Context(), s.config.Logger, call.Route, value)
			if call.Status != 0 {
				call.Code, call.Reason = fault.Internal.String(), string(fault.ReasonInternal)
				panic(http.ErrAbortHandler)
			}
			(&Mount{}).refuse(w, r, fault.From(fmt.Errorf("panic: %T", value)))
		}()
		next.ServeHTTP(w, r)
	})
}

// LogPanic logs a panic with its stack. The value itself is logged only when it is the runtime's own error, else
// its type: a text that some code panicked with may hold content.
func LogPanic(ctx context.Context, logger *slog.Logger, route string, value any) {
	what := fmt.Sprintf("%T", value)
	if err, ok := value.(runtime.Error); ok {
		what = err.Error()
	}
	logger.LogAttrs(ctx, slog.LevelError, "panic",
		slog.String("request_id", RequestID(ctx)),
		slog.String("route", route),
		slog.String("panic", what),
		slog.String("stack", string(debug.Stack())),
	)
}

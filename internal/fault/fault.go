// Package fault is the one vocabulary of errors. It owns the closed lists of codes and reasons, and the
// split between what a caller may read and what stays in the process. It refuses to know transports:
// internal/server turns a Code into a Connect code or an HTTP status in one table each.
//
// An error that is not a *fault.Error is internal: its text never leaves the process.
package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Code says what kind of failure it was, for programs. Codes map one to one to Connect codes.
type Code uint8

// The codes. Their meanings are those of gRPC and Connect.
const (
	Internal Code = iota // also what any unknown error is
	Canceled
	InvalidArgument
	DeadlineExceeded
	NotFound
	AlreadyExists
	PermissionDenied
	ResourceExhausted
	FailedPrecondition
	Aborted
	Unimplemented
	Unavailable
	DataLoss
	Unauthenticated
)

var codeNames = [...]string{
	"internal", "canceled", "invalid_argument", "deadline_exceeded", "not_found", "already_exists",
	"permission_denied", "resource_exhausted", "failed_precondition", "aborted", "unimplemented",
	"unavailable", "data_loss", "unauthenticated",
}

// String gives the code's name in snake case.
func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return "internal"
}

// Reason says more than the code, in a stable word that programs can compare.
type Reason string

// The reasons that callers see. docs/api.md lists them with what to do.
const (
	ReasonNone             Reason = ""
	ReasonBadRequest       Reason = "bad_request"
	ReasonBadChain         Reason = "bad_chain"
	ReasonBadConfig        Reason = "bad_config"
	ReasonBadPrompt        Reason = "bad_prompt"
	ReasonUnknownChain     Reason = "unknown_chain"
	ReasonUnknownModel     Reason = "unknown_model"
	ReasonUnknownTarget    Reason = "unknown_target"
	ReasonUnknownPolicy    Reason = "unknown_policy"
	ReasonUnknownPrompt    Reason = "unknown_prompt"
	ReasonUnknownDocument  Reason = "unknown_document"
	ReasonUnknownColl      Reason = "unknown_collection"
	ReasonUnknownKey       Reason = "unknown_key"
	ReasonUnknownTenant    Reason = "unknown_tenant"
	ReasonUnknownRun       Reason = "unknown_run"
	ReasonNotAllowed       Reason = "not_allowed"
	ReasonUnauthenticated  Reason = "unauthenticated"
	ReasonSchemaBehind     Reason = "schema_behind"
	ReasonReindexing       Reason = "reindexing"
	ReasonTooLarge         Reason = "too_large"
	ReasonUnreadable       Reason = "unreadable_document"
	ReasonUnsupported      Reason = "unsupported"
	ReasonNoTarget         Reason = "no_target"
	ReasonBudgetExceeded   Reason = "budget_exceeded"
	ReasonDeadline         Reason = "deadline_exceeded"
	ReasonCanceled         Reason = "canceled"
	ReasonStreamTruncated  Reason = "stream_truncated"
	ReasonUpstreamProtocol Reason = "upstream_protocol"
	ReasonUpstreamDown     Reason = "upstream_unavailable"
	ReasonUpstreamTimeout  Reason = "upstream_timeout"
	ReasonUpstreamRefused  Reason = "upstream_refused"
	ReasonUpstreamOverrun  Reason = "upstream_overrun"
	ReasonRateLimited      Reason = "rate_limited"
	ReasonContextTooLong   Reason = "context_too_long"
	ReasonContentFiltered  Reason = "content_filtered"
	ReasonDraining         Reason = "draining"
	ReasonInternal         Reason = "internal"
)

// Error is a failure with a public face and a private cause.
type Error struct {
	// Code is the kind of failure.
	Code Code
	// Reason says more than the code. Empty: nothing more to say.
	Reason Reason
	// Text is for the caller: what was being done, on what, and what to do. It holds no content of
	// requests or documents, no secret, and no text of a backend.
	Text string
	// RetryAfter is how long to wait before trying again. 0: not known.
	RetryAfter time.Duration
	// Path is the path of steps to the failure, outermost first.
	Path []string
	// Detail is a value that the server may attach to the error, such as a routing plan.
	Detail any

	cause error
}

// New makes an error with a public text.
func New(code Code, reason Reason, format string, args ...any) *Error {
	return &Error{Code: code, Reason: reason, Text: fmt.Sprintf(format, args...)}
}

// Wrap makes an error with a public text and a private cause: errors.Is and errors.As see the cause,
// the caller of the API never does.
func Wrap(cause error, code Code, reason Reason, format string, args ...any) *Error {
	e := New(code, reason, format, args...)
	e.cause = cause
	return e
}

// Error gives the public face: the path and the text.
func (e *Error) Error() string {
	if len(e.Path) == 0 {
		return e.Text
	}
	return strings.Join(e.Path, "/") + ": " + e.Text
}

// Unwrap gives the private cause.
func (e *Error) Unwrap() error { return e.cause }

// Is makes errors of one code and reason equal for errors.Is, whatever their texts.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Reason == e.Reason && (t.Text == "" || t.Text == e.Text)
}

// From turns any error into an *Error. Ended contexts keep their meaning; an unknown error becomes
// internal, with the error as its private cause.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return Wrap(err, DeadlineExceeded, ReasonDeadline, "the deadline passed before the work was done")
	case errors.Is(err, context.Canceled):
		return Wrap(err, Canceled, ReasonCanceled, "the caller left before the work was done")
	default:
		return Wrap(err, Internal, ReasonInternal, "internal error: see the server's log with the request's id")
	}
}

// CodeOf gives the code of any error; that of nil is not defined.
func CodeOf(err error) Code { return From(err).Code }

// ReasonOf gives the reason of any error.
func ReasonOf(err error) Reason { return From(err).Reason }

// At puts a segment before the error's path, without changing the error given: the engine calls it as
// an error rises through steps, so that the text reads "answer/draft: …".
func At(segment string, err error) error {
	if err == nil {
		return nil
	}
	e := *From(err)
	e.Path = slices.Insert(slices.Clone(e.Path), 0, segment)
	return &e
}

// Cause gives what a log may say about an error: the public text, and the chain of private causes. It
// is for operators. Adapters keep content and secrets out of causes.
func Cause(err error) string {
	e := From(err)
	if e == nil {
		return ""
	}
	if e.cause == nil || strings.Contains(e.Error(), e.cause.Error()) {
		return e.Error() // the public text says it all
	}
	return e.Error() + ": " + e.cause.Error()
}

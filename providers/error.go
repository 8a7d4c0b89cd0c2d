package providers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fairlead/internal/fault"
)

// Kind says what went wrong in a call, in the vocabulary that all backends share.
type Kind uint8

// The kinds.
const (
	// KindUnknown is a failure that fits no other kind. It is not retried.
	KindUnknown Kind = iota
	// KindCanceled: our side left.
	KindCanceled
	// KindTimeout: the time for the call, or for its next piece, ran out.
	KindTimeout
	// KindUnavailable: no connection, or a 5xx status.
	KindUnavailable
	// KindRateLimited: the backend wants us to slow down.
	KindRateLimited
	// KindTruncated: the stream ended without the mark of its end, or was reset.
	KindTruncated
	// KindProtocol: the backend sent what its protocol does not allow.
	KindProtocol
	// KindOverrun: the answer was larger than any answer may be.
	KindOverrun
	// KindInvalid: the backend refused the request as wrong.
	KindInvalid
	// KindContextLength: the prompt does not fit the model.
	KindContextLength
	// KindAuth: the backend refused our credentials.
	KindAuth
	// KindNotFound: the backend has no such model.
	KindNotFound
	// KindContentFilter: the backend refused the content.
	KindContentFilter
	// KindUnsupported: the adapter or the model cannot do what the request asks.
	KindUnsupported
	// KindQuota: the account has no money or quota left; waiting does not help soon.
	KindQuota
)

// Error is a failed call. Its text is ours: a backend's own text never enters it.
type Error struct {
	Kind Kind
	// Backend and Model say where.
	Backend, Model string
	// Status is the HTTP status, or 0.
	Status int
	// Code is the backend's own short code, such as "invalid_value", where it has one made of letters,
	// digits and "_.-" only.
	Code string
	// Param is the request's field that the backend complains about, under the same rule.
	Param string
	// Detail says more, in our words.
	Detail string
	// RetryAfter is how long the backend asks us to wait. 0: it does not say.
	RetryAfter time.Duration
	// MayBill is true when the backend may charge for the failed call: it had begun to answer.
	MayBill bool
	// Err is the private cause.
	Err error
}

var kinds = [...]struct {
	text      string
	retryable bool
	code      fault.Code
	reason    fault.Reason
}{
	KindUnknown:       {"failed", false, fault.Unavailable, fault.ReasonUpstreamDown},
	KindCanceled:      {"canceled", false, fault.Canceled, fault.ReasonCanceled},
	KindTimeout:       {"timed out", true, fault.DeadlineExceeded, fault.ReasonUpstreamTimeout},
	KindUnavailable:   {"unavailable", true, fault.Unavailable, fault.ReasonUpstreamDown},
	KindRateLimited:   {"rate limited", true, fault.ResourceExhausted, fault.ReasonRateLimited},
	KindTruncated:     {"stream truncated: it ended without the mark of its end", true, fault.Unavailable, fault.ReasonStreamTruncated},
	KindProtocol:      {"sent what its protocol does not allow", true, fault.Unavailable, fault.ReasonUpstreamProtocol},
	KindOverrun:       {"sent more than an answer may hold", false, fault.Unavailable, fault.ReasonUpstreamOverrun},
	KindInvalid:       {"refused the request", false, fault.InvalidArgument, fault.ReasonUpstreamRefused},
	KindContextLength: {"refused the prompt as too long", false, fault.InvalidArgument, fault.ReasonContextTooLong},
	KindAuth:          {"refused our credentials", false, fault.FailedPrecondition, fault.ReasonUpstreamRefused},
	KindNotFound:      {"has no such model", false, fault.FailedPrecondition, fault.ReasonUpstreamRefused},
	KindContentFilter: {"withheld the answer", false, fault.FailedPrecondition, fault.ReasonContentFiltered},
	KindUnsupported:   {"cannot do what was asked", false, fault.InvalidArgument, fault.ReasonUnsupported},
	KindQuota:         {"has no quota left", false, fault.ResourceExhausted, fault.ReasonRateLimited},
}

// Error gives our text: where, what, and what the backend's codes were.
func (e *Error) Error() string {
	s := "backend"
	if e.Backend != "" {
		s += " " + e.Backend
	}
	if e.Model != "" {
		s += fmt.Sprintf(" (model %s)", e.Model)
	}
	s += " " + e.kind().text
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Status != 0 {
		s += fmt.Sprintf(" [status %d]", e.Status)
	}
	if e.Code != "" {
		s += " [code " + e.Code + "]"
	}
	if e.Param != "" {
		s += " [field " + e.Param + "]"
	}
	if e.RetryAfter > 0 {
		s += fmt.Sprintf(" (retry in %s)", e.RetryAfter.Round(time.Millisecond))
	}
	return s
}

// Unwrap gives the private cause.
func (e *Error) Unwrap() error { return e.Err }

func (e *Error) kind() *struct {
	text      string
	retryable bool
	code      fault.Code
	reason    fault.Reason
} {
	if int(e.Kind) < len(kinds) {
		return &kinds[e.Kind]
	}
	return &kinds[KindUnknown]
}

// Reason gives the stable word for the failure.
func (e *Error) Reason() fault.Reason { return e.kind().reason }

// Fault gives the failure as callers see it.
func (e *Error) Fault() *fault.Error {
	k := e.kind()
	f := fault.Wrap(e, k.code, k.reason, "%s", e.Error())
	f.RetryAfter = e.RetryAfter
	return f
}

// Retryable says whether the same call, to the same or another target, may succeed.
func Retryable(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.kind().retryable
}

// RetryAfter says how long the backend asked us to wait. 0: it did not.
func RetryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// Billed says whether the backend may charge for the failed call.
func Billed(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.MayBill
}

// KindOf gives the kind of a failed call; ended contexts are canceled or timed out.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.DeadlineExceeded):
		return KindTimeout
	case errors.Is(err, context.Canceled):
		return KindCanceled
	default:
		return KindUnknown
	}
}

// AsError gives err as an *Error about this backend and model. The context decides where an error is
// only the echo of its end: a call that failed because our deadline passed has timed out, whatever the
// transport said.
func AsError(ctx context.Context, backend, model string, err error) *Error {
	var e *Error
	if errors.As(err, &e) && ctx.Err() == nil {
		return e
	}
	kind := KindOf(err)
	switch ended := ctx.Err(); {
	case errors.Is(ended, context.DeadlineExceeded):
		kind = KindTimeout
	case errors.Is(ended, context.Canceled):
		kind = KindCanceled
	}
	return &Error{Kind: kind, Backend: backend, Model: model, Err: err}
}

// SafeCode gives s when it is a short code made of letters, digits and "_.-[]" only, and nothing
// otherwise: so no text of a backend, which might echo content, is passed on.
func SafeCode(s string) string {
	if len(s) > 64 {
		return ""
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		case r == '_' || r == '.' || r == '-' || r == '[' || r == ']':
		default:
			return ""
		}
	}
	return s
}

package openaihttp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"fairlead/internal/fault"
	"fairlead/providers"
)

// The dialect's types of errors.
const (
	typeInvalid    = "invalid_request_error"
	typePermission = "permission_error"
	typeRate       = "rate_limit_error"
	typeQuota      = "insufficient_quota"
	typeServer     = "server_error"
)

const codeUnsupported = "unsupported_value"

// statusClientGone is what logs show for a caller that left; nobody reads it.
const statusClientGone = 499

// wireError is an error as the dialect has it. It never holds content of a request.
type wireError struct {
	Message string
	Type    string
	// Param is the field at fault, such as "messages[0].content". Empty: null on the wire.
	Param string
	// Code is for programs. Empty: null on the wire.
	Code string

	status     int
	retryAfter time.Duration
	// final: the same request would fail again, so official clients are told not to retry by themselves.
	final bool
	// cause is the failure as the engine told it, for the log.
	cause error
}

func (e *wireError) Error() string { return e.Message }

// outcome gives the code and the reason of the fault behind the error; for what the dialect itself refused, those
// that its status stands for.
func (e *wireError) outcome() (fault.Code, fault.Reason) {
	switch {
	case e.cause != nil:
		f := fault.From(e.cause)
		return f.Code, f.Reason
	case e.Code == "model_not_found":
		return fault.NotFound, fault.ReasonUnknownModel
	case e.status == http.StatusNotFound:
		return fault.NotFound, fault.ReasonNone
	case e.status == http.StatusRequestEntityTooLarge:
		return fault.ResourceExhausted, fault.ReasonTooLarge
	}
	return fault.InvalidArgument, fault.ReasonBadRequest
}

// badRequest is an error in what the caller sent.
func badRequest(param, message string) *wireError {
	return &wireError{status: http.StatusBadRequest, Type: typeInvalid, Param: param, Message: message, Code: "invalid_value"}
}

// tooLarge is the error for a body over the limit.
func tooLarge(limit int64) *wireError {
	return &wireError{
		status: http.StatusRequestEntityTooLarge, Type: typeInvalid, Code: "request_too_large",
		Message: fmt.Sprintf("the request body is larger than the %d bytes that this server reads", limit),
	}
}

// face is how a failure is shown.
type face struct {
	status int
	kind   string
	// code is empty when the reason itself is the code.
	code  string
	final bool
}

// reasons goes before codes: the dialect knows some failures more closely than their code does.
var reasons = map[fault.Reason]face{
	fault.ReasonUnknownModel:    {http.StatusNotFound, typeInvalid, "model_not_found", true},
	fault.ReasonUnknownTarget:   {http.StatusNotFound, typeInvalid, "model_not_found", true},
	fault.ReasonUnknownPolicy:   {http.StatusNotFound, typeInvalid, "model_not_found", true},
	fault.ReasonUnknownChain:    {http.StatusNotFound, typeInvalid, "model_not_found", true},
	fault.ReasonTooLarge:        {http.StatusRequestEntityTooLarge, typeInvalid, "request_too_large", true},
	fault.ReasonContextTooLong:  {http.StatusBadRequest, typeInvalid, "context_length_exceeded", true},
	fault.ReasonContentFiltered: {http.StatusBadRequest, typeInvalid, "content_filter", true},
	fault.ReasonBudgetExceeded:  {http.StatusTooManyRequests, typeQuota, "insufficient_quota", true},
	fault.ReasonRateLimited:     {http.StatusTooManyRequests, typeRate, "rate_limit_exceeded", false},
	// What went wrong between us and a backend is a bad gateway, not an outage of ours.
	fault.ReasonStreamTruncated:  {http.StatusBadGateway, typeServer, "", false},
	fault.ReasonUpstreamProtocol: {http.StatusBadGateway, typeServer, "", false},
	fault.ReasonUpstreamOverrun:  {http.StatusBadGateway, typeServer, "", true},
}

var codes = map[fault.Code]face{
	fault.Internal:           {http.StatusInternalServerError, typeServer, "", false},
	fault.Canceled:           {statusClientGone, typeServer, "", false},
	fault.InvalidArgument:    {http.StatusBadRequest, typeInvalid, "", true},
	fault.DeadlineExceeded:   {http.StatusGatewayTimeout, typeServer, "", false},
	fault.NotFound:           {http.StatusNotFound, typeInvalid, "", true},
	fault.AlreadyExists:      {http.StatusConflict, typeInvalid, "", true},
	fault.PermissionDenied:   {http.StatusForbidden, typePermission, "", true},
	fault.ResourceExhausted:  {http.StatusTooManyRequests, typeRate, "", false},
	fault.FailedPrecondition: {http.StatusUnprocessableEntity, typeInvalid, "", true},
	fault.Aborted:            {http.StatusConflict, typeServer, "", false},
	fault.Unimplemented:      {http.StatusNotImplemented, typeInvalid, "", true},
	fault.Unavailable:        {http.StatusServiceUnavailable, typeServer, "", false},
	fault.DataLoss:           {http.StatusInternalServerError, typeServer, "", true},
	fault.Unauthenticated:    {http.StatusUnauthorized, typeInvalid, "invalid_api_key", true},
}

// fromError gives any failure in the dialect. A fault's public text is its message; an unknown error is
// internal and keeps its text inside.
func fromError(err error) *wireError {
	if w, ok := errors.AsType[*wireError](err); ok {
		return w
	}
	f := fault.From(err)
	face, ok := reasons[f.Reason]
	if !ok {
		face = codes[f.Code] // the zero code is Internal, and every code is in the table
	}
	e := &wireError{
		Message: f.Error(), Type: face.kind, Code: face.code, status: face.status,
		retryAfter: f.RetryAfter, final: face.final, cause: err,
	}
	if e.Code == "" {
		if e.Code = string(f.Reason); e.Code == "" {
			e.Code = f.Code.String()
		}
	}
	if f.Code == fault.FailedPrecondition && f.Reason == fault.ReasonUpstreamRefused {
		// A backend refused our credentials or does not have the model: nothing that the caller sent.
		e.status, e.Type = http.StatusBadGateway, typeServer
	}
	if p, ok := errors.AsType[*providers.Error](err); ok {
		e.Param = p.Param
	}
	return e
}

// ended gives the error of a call whose context is over the reason that was given for its end, such as a
// server that stops.
func ended(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	if f, ok := errors.AsType[*fault.Error](context.Cause(ctx)); ok {
		return f
	}
	return err
}

// body gives the error object, {"error": …}.
func (e *wireError) body() []byte {
	null := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	var wire struct {
		Error struct {
			Message string  `json:"message"`
			Type    string  `json:"type"`
			Param   *string `json:"param"`
			Code    *string `json:"code"`
		} `json:"error"`
	}
	wire.Error.Message, wire.Error.Type = e.Message, e.Type
	wire.Error.Param, wire.Error.Code = null(e.Param), null(e.Code)
	b, _ := json.Marshal(wire) // strings only: it cannot fail
	return b
}

// write sends the error as a whole response.
func (e *wireError) write(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	if e.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.retryAfter.Seconds()))))
		h.Set("Retry-After-Ms", strconv.FormatInt(e.retryAfter.Milliseconds(), 10))
	}
	if e.final {
		h.Set("X-Should-Retry", "false")
	}
	w.WriteHeader(e.status)
	_, _ = w.Write(e.body()) // the caller may be gone, and there is nobody else to tell
}

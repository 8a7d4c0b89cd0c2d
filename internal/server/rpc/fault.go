package rpc

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/internal/fault"
	"fairlead/internal/server"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// codes is the one table of codes.
var codes = [...]connect.Code{
	fault.Internal:           connect.CodeInternal,
	fault.Canceled:           connect.CodeCanceled,
	fault.InvalidArgument:    connect.CodeInvalidArgument,
	fault.DeadlineExceeded:   connect.CodeDeadlineExceeded,
	fault.NotFound:           connect.CodeNotFound,
	fault.AlreadyExists:      connect.CodeAlreadyExists,
	fault.PermissionDenied:   connect.CodePermissionDenied,
	fault.ResourceExhausted:  connect.CodeResourceExhausted,
	fault.FailedPrecondition: connect.CodeFailedPrecondition,
	fault.Aborted:            connect.CodeAborted,
	fault.Unimplemented:      connect.CodeUnimplemented,
	fault.Unavailable:        connect.CodeUnavailable,
	fault.DataLoss:           connect.CodeDataLoss,
	fault.Unauthenticated:    connect.CodeUnauthenticated,
}

const (
	// maxViolations and maxErrorCandidates bound an error's details: over gRPC they travel in a trailer, and
	// proxies allow few kilobytes there.
	maxViolations      = 16
	maxErrorCandidates = 32
)

// errorWriter writes errors in the form of the request's protocol.
var errorWriter = connect.NewErrorWriter()

// Refuse answers a request that does not reach its handler. It is a server.Mount's Refuse.
func Refuse(w http.ResponseWriter, r *http.Request, err *fault.Error) {
	_ = errorWriter.Write(w, r, connectError(r.Context(), err)) // the caller may have left
}

// connectError gives any error in the form that goes to the caller.
func connectError(ctx context.Context, err error) *connect.Error {
	return newConnectError(faultOf(ctx, err), server.RequestID(ctx), detailsOf(err)...)
}

// faultOf finds the fault in any error. Where the server ended the call, its reason is the call's.
func faultOf(ctx context.Context, err error) *fault.Error {
	var ended *fault.Error
	if errors.Is(ctx.Err(), context.Canceled) && errors.As(context.Cause(ctx), &ended) {
		return ended
	}
	var (
		known   *fault.Error
		call    *providers.Error
		invalid *protovalidate.ValidationError
		outer   *connect.Error
	)
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &call):
		return call.Fault()
	case errors.As(err, &invalid):
		return fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "checking the request: %s", violationsText(invalid))
	case errors.As(err, &outer):
		return connectFault(outer)
	}
	return fault.From(err)
}

// connectFault gives an error of connect itself, about its protocols, as a fault. Its text quotes at most
// a header.
func connectFault(err *connect.Error) *fault.Error {
	if err.Code() == connect.CodeUnknown || err.Code() == connect.CodeInternal {
		return fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadRequest,
			"reading the request: it breaks off, or is not of the protocol that its content type names")
	}
	reasons := map[connect.Code]fault.Reason{
		connect.CodeInvalidArgument:   fault.ReasonBadRequest,
		connect.CodeUnimplemented:     fault.ReasonUnsupported,
		connect.CodeResourceExhausted: fault.ReasonTooLarge,
		connect.CodeCanceled:          fault.ReasonCanceled,
		connect.CodeDeadlineExceeded:  fault.ReasonDeadline,
	}
	for code, c := range codes {
		if c == err.Code() {
			return fault.Wrap(err, fault.Code(code), reasons[c], "%s", err.Message())
		}
	}
	return fault.From(err)
}

// detailsOf gives the details that an error has besides the ErrorInfo.
func detailsOf(err error) []proto.Message {
	var invalid *protovalidate.ValidationError
	if !errors.As(err, &invalid) {
		return nil
	}
	list := make([]*validate.Violation, 0, min(len(invalid.Violations), maxViolations))
	for _, v := range invalid.Violations[:cap(list)] {
		list = append(list, v.Proto)
	}
	return []proto.Message{validate.Violations_builder{Violations: list}.Build()}
}

func violationsText(err *protovalidate.ValidationError) string {
	shown := err.Violations[:min(len(err.Violations), maxViolations)]
	texts := make([]string, 0, len(shown)+1)
	for _, v := range shown {
		texts = append(texts, v.String())
	}
	if len(shown) < len(err.Violations) {
		texts = append(texts, "and more of the kind")
	}
	return strings.Join(texts, "; ")
}

// newConnectError puts a fault into its form for the wire.
func newConnectError(f *fault.Error, requestID string, details ...proto.Message) *connect.Error {
	code := connect.CodeInternal
	if int(f.Code) < len(codes) {
		code = codes[f.Code]
	}
	info := &pb.ErrorInfo{
		Reason:    string(f.Reason),
		Path:      validTexts(f.Path),
		Retryable: retryable(f),
		RequestId: requestID,
	}
	if plan, ok := f.Detail.(*routing.Plan); ok && plan != nil {
		info.Plan = planMessage(plan)
		if len(info.Plan.Candidates) > maxErrorCandidates {
			info.Plan.Candidates = info.Plan.Candidates[:maxErrorCandidates]
		}
	}
	e := connect.NewError(code, errors.New(validText(f.Error())))
	for _, m := range append([]proto.Message{info}, details...) {
		if detail, err := connect.NewErrorDetail(m); err == nil {
			e.AddDetail(detail)
		}
	}
	if after := server.RetryAfter(f); after != "" {
		e.Meta().Set("Retry-After", after)
	}
	return e
}

// retryable says whether the same request may succeed later.
func retryable(f *fault.Error) bool {
	var call *providers.Error
	if errors.As(f, &call) {
		return providers.Retryable(call)
	}
	switch f.Code {
	case fault.Unavailable, fault.Aborted, fault.DeadlineExceeded:
		return true
	case fault.ResourceExhausted:
		return f.Reason == fault.ReasonRateLimited
	default:
		return false
	}
}

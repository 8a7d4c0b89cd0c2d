package openinference

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"fairlead/providers"
	"fairlead/providers/internal/wire"
)

// codeKinds are the kinds of gRPC's codes. Unknown is what servers in Python give for their own failures.
var codeKinds = map[codes.Code]providers.Kind{
	codes.Canceled:           providers.KindUnavailable, // by the server: when it is our side that left, the context says so
	codes.Unknown:            providers.KindUnavailable,
	codes.InvalidArgument:    providers.KindInvalid,
	codes.DeadlineExceeded:   providers.KindTimeout,
	codes.NotFound:           providers.KindNotFound,
	codes.AlreadyExists:      providers.KindInvalid,
	codes.PermissionDenied:   providers.KindAuth,
	codes.ResourceExhausted:  providers.KindRateLimited,
	codes.FailedPrecondition: providers.KindUnavailable, // such as a model that is not ready
	codes.Aborted:            providers.KindUnavailable,
	codes.OutOfRange:         providers.KindInvalid,
	codes.Unimplemented:      providers.KindUnsupported,
	codes.Internal:           providers.KindUnavailable,
	codes.Unavailable:        providers.KindUnavailable,
	codes.DataLoss:           providers.KindUnavailable,
	codes.Unauthenticated:    providers.KindAuth,
}

// failed makes the error of a call over gRPC. The text of a status is looked at, and never repeated.
func (g *grpcProtocol) failed(ctx context.Context, model string, err error, trailer metadata.MD) error {
	if ctx.Err() != nil {
		return providers.AsError(ctx, g.cfg.Name, model, ctx.Err())
	}
	s, ok := status.FromError(err)
	if !ok {
		return fail(g.cfg.Name, providers.KindUnknown, model, "")
	}
	e := fail(g.cfg.Name, codeKinds[s.Code()], model, "")
	e.Code, e.Err = s.Code().String(), fmt.Errorf("the call ended with the code %s of gRPC", s.Code())
	text := s.Message()
	switch { // the words of grpc-go, for what failed on our side
	case s.Code() == codes.ResourceExhausted && strings.Contains(text, "received message") && strings.Contains(text, "larger than max"):
		e.Kind, e.Detail = providers.KindOverrun, "the limit on the bytes of one message was reached"
	case s.Code() == codes.ResourceExhausted && strings.Contains(text, "message larger than max"):
		e.Kind, e.Detail = providers.KindInvalid, "the request has more bytes than the limit on one message, ours or the server's"
	case s.Code() == codes.Internal && strings.Contains(text, "failed to unmarshal the received message"):
		e.Kind, e.Detail = providers.KindProtocol, "its message is cut or is none"
	case s.Code() == codes.Unavailable && strings.Contains(text, "authentication handshake failed"):
		e.Detail = "its TLS certificate is not trusted, or it does not speak TLS"
	case s.Code() == codes.Unavailable && strings.Contains(text, "rror while dialing"), s.Code() == codes.Unavailable && strings.Contains(text, "name resolver error"):
		e.Detail = "no connection"
	case s.Code() == codes.Unimplemented:
		e.Detail = "its server does not know this call: is the backend's kind right?"
	default:
		applyWords(e, text)
	}
	if e.Kind == providers.KindRateLimited || e.Kind == providers.KindUnavailable {
		e.RetryAfter = retryAfter(s, trailer)
	}
	return e
}

// longestWait bounds what a server may ask for: beyond it the number is more likely wrong.
const longestWait = 24 * time.Hour

// retryAfter reads how long a server asks us to wait: in the details of the status, or as gRPC's pushback.
func retryAfter(s *status.Status, trailer metadata.MD) time.Duration {
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return min(max(info.GetRetryDelay().AsDuration(), 0), longestWait)
		}
	}
	for _, v := range trailer.Get("grpc-retry-pushback-ms") {
		if ms, err := strconv.ParseUint(v, 10, 32); err == nil {
			return min(time.Duration(ms)*time.Millisecond, longestWait)
		}
	}
	return 0
}

// applyWords makes e say what servers say in words alone.
func applyWords(e *providers.Error, text string) {
	text = strings.ToLower(text)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("explicit model load / unload is not allowed"):
		e.Kind, e.Detail = providers.KindUnsupported, "it does not let models be loaded and unloaded by its clients"
	case has("unknown model"), e.Code == codes.Unknown.String() && has("modelnotfound"): // the name of an exception in Python
		e.Kind = providers.KindNotFound
	case e.Kind == providers.KindInvalid && has("model") && has("not found", "is not loaded"):
		e.Kind = providers.KindNotFound
	case e.Kind == providers.KindInvalid && has("not ready"), e.Kind == providers.KindUnavailable && has("not ready"):
		e.Kind, e.Detail = providers.KindUnavailable, "the model is not ready"
	case has("out of memory"):
		e.Kind, e.Detail = providers.KindUnavailable, "it has too little memory for the call"
	}
}

// said reads what a server of REST says of a failure, and whether it says it as the protocol does. The text never leaves this file.
func said(body []byte) (text string, ok bool) {
	var fields struct {
		Error   json.RawMessage `json:"error"`
		Message json.RawMessage `json:"message"`
	}
	if json.Unmarshal(body, &fields) != nil {
		return "", false
	}
	for _, raw := range []json.RawMessage{fields.Error, fields.Message} {
		if json.Unmarshal(raw, &text) == nil && text != "" {
			return text, true
		}
	}
	return "", false
}

// refused makes the error of a response of REST that is no success. Where what was called is no part of the required
// protocol, and optional is true, a server that does not know the address is one that cannot do it.
func refused(call *wire.Call, optional bool) error {
	e := call.Refused()
	if e.Status >= 400 {
		text, ok := said(call.ErrorBody())
		applyWords(e, text)
		switch {
		case e.Status == 413:
			e.Kind, e.Detail = providers.KindInvalid, "it takes no request of this size"
		case e.Status == 405, e.Status == 501, e.Status == 404 && !ok && optional:
			e.Kind, e.Detail = providers.KindUnsupported, "it does not offer this call"
		}
	}
	if ended := call.Frame(); ended != nil {
		return ended
	}
	return e
}

// unreadable makes the error of an answer that is not what the protocol allows.
func unreadable(backend, model string, err error) error {
	var m *malformed
	if !errors.As(err, &m) {
		return fail(backend, providers.KindProtocol, model, "")
	}
	return fail(backend, m.kind, model, "%s", m.text)
}

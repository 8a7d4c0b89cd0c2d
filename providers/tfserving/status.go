package tfserving

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"fairlead/providers"
)

var codeKinds = map[codes.Code]providers.Kind{
	codes.Canceled:           providers.KindUnavailable, // the server's side: ours is told by the context
	codes.Unknown:            providers.KindUnknown,
	codes.InvalidArgument:    providers.KindInvalid,
	codes.DeadlineExceeded:   providers.KindTimeout,
	codes.NotFound:           providers.KindNotFound,
	codes.AlreadyExists:      providers.KindInvalid,
	codes.PermissionDenied:   providers.KindAuth,
	codes.ResourceExhausted:  providers.KindRateLimited,
	codes.FailedPrecondition: providers.KindInvalid,
	codes.Aborted:            providers.KindUnavailable,
	codes.OutOfRange:         providers.KindInvalid,
	codes.Unimplemented:      providers.KindUnsupported,
	codes.Internal:           providers.KindUnavailable,
	codes.Unavailable:        providers.KindUnavailable,
	codes.DataLoss:           providers.KindProtocol,
	codes.Unauthenticated:    providers.KindAuth,
}

// maxPushback bounds what a server may ask for.
const maxPushback = 24 * time.Hour

// translate turns a failed call into our error. The status' text is only looked at for the words of the gRPC library itself, and is
// not kept.
func (r *rpc) translate(ctx context.Context, model string, limit int, err error, trailer metadata.MD) *providers.Error {
	if ctx.Err() != nil {
		return providers.AsError(ctx, r.cfg.Name, model, ctx.Err())
	}
	s := status.Convert(err)
	e := r.fail(codeKinds[s.Code()], model, "")
	e.Code = s.Code().String()
	switch message := strings.ToLower(s.Message()); {
	case s.Code() == codes.ResourceExhausted && tooLarge(message, limit):
		// A server in Go says the same of our request, with its own limit.
		e.Kind, e.Code = providers.KindOverrun, ""
	case s.Code() == codes.ResourceExhausted && strings.Contains(message, "message larger than max"):
		e.Kind, e.Detail = providers.KindInvalid, "the request has more bytes than the server takes"
	case s.Code() == codes.Unavailable && strings.Contains(message, "authentication handshake failed"):
		e.Detail = "no TLS connection: is its certificate trusted, and does it speak TLS?"
	case s.Code() == codes.Unavailable && strings.Contains(message, "connection error"):
		e.Detail = "no connection"
	case s.Code() == codes.Unimplemented:
		e.Detail = "its server does not know this call: is the backend's kind right?"
	case s.Code() == codes.FailedPrecondition:
		e.Detail = "the model or its version is not in a state to answer"
	}
	if list := trailer.Get("grpc-retry-pushback-ms"); len(list) == 1 {
		if ms, err := strconv.ParseInt(list[0], 10, 64); err == nil && ms > 0 {
			e.RetryAfter = time.Duration(min(ms, maxPushback.Milliseconds())) * time.Millisecond
		}
	}
	return e
}

// tooLarge finds the gRPC library's own refusal of an answer beyond our limit.
func tooLarge(message string, limit int) bool {
	return strings.HasPrefix(message, "grpc: ") && strings.Contains(message, "message") &&
		(strings.HasSuffix(message, fmt.Sprintf("larger than max %d", limit)) || strings.HasSuffix(message, fmt.Sprintf("vs. %d)", limit)))
}

// modelVersion makes a version of a model from what the server calls its state. failed says that it ended with an error.
func modelVersion(model, version, state string, failed bool) providers.ModelVersion {
	v := providers.ModelVersion{Model: model, Version: version, State: providers.ModelLoading}
	switch state {
	case "AVAILABLE":
		v.State = providers.ModelReady
	case "UNLOADING":
		v.State = providers.ModelUnloading
	case "END":
		v.State = providers.ModelAbsent
		if failed {
			v.State, v.Detail = providers.ModelBroken, "loading it failed: the server's own log says why"
		}
	}
	return v
}

// sortVersions puts the newest version first.
func sortVersions(list []providers.ModelVersion) []providers.ModelVersion {
	slices.SortFunc(list, func(a, b providers.ModelVersion) int {
		x, _ := strconv.ParseInt(a.Version, 10, 64)
		y, _ := strconv.ParseInt(b.Version, 10, 64)
		return cmp.Compare(y, x)
	})
	return list
}

package server

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"

	"fairlead/internal/fault"
)

// statuses is the HTTP status of each code, for handlers that speak plain HTTP.
var statuses = [...]int{
	fault.Internal:           http.StatusInternalServerError,
	fault.Canceled:           499, // nginx's "client closed request": nobody reads it, but logs do
	fault.InvalidArgument:    http.StatusBadRequest,
	fault.DeadlineExceeded:   http.StatusGatewayTimeout,
	fault.NotFound:           http.StatusNotFound,
	fault.AlreadyExists:      http.StatusConflict,
	fault.PermissionDenied:   http.StatusForbidden,
	fault.ResourceExhausted:  http.StatusTooManyRequests,
	fault.FailedPrecondition: http.StatusConflict,
	fault.Aborted:            http.StatusConflict,
	fault.Unimplemented:      http.StatusNotImplemented,
	fault.Unavailable:        http.StatusServiceUnavailable,
	fault.DataLoss:           http.StatusInternalServerError,
	fault.Unauthenticated:    http.StatusUnauthorized,
}

// Status gives the HTTP status of a fault.
func Status(err *fault.Error) int {
	if err.Reason == fault.ReasonTooLarge {
		return http.StatusRequestEntityTooLarge
	}
	if int(err.Code) < len(statuses) {
		return statuses[err.Code]
	}
	return http.StatusInternalServerError
}

// RetryAfter gives the value of the header Retry-After, in whole seconds and at least one, or "" when the
// fault does not say.
func RetryAfter(err *fault.Error) string {
	if err.RetryAfter <= 0 {
		return ""
	}
	return strconv.FormatInt(int64(math.Ceil(float64(err.RetryAfter)/float64(time.Second))), 10)
}

// refuse answers in the mount's form.
func (m *Mount) refuse(w http.ResponseWriter, r *http.Request, err *fault.Error) {
	SetOutcome(r.Context(), err.Code.String(), string(err.Reason))
	if m.Refuse != nil {
		m.Refuse(w, r, err)
		return
	}
	if after := RetryAfter(err); after != "" {
		w.Header().Set("Retry-After", after)
	}
	writeJSON(w, Status(err), map[string]any{"error": map[string]string{
		"code":       err.Code.String(),
		"reason":     string(err.Reason),
		"message":    err.Error(),
		"request_id": RequestID(r.Context()),
	}})
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // the reader may have left; there is nobody to tell
}

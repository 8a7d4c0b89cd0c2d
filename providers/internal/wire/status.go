package wire

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"fairlead/providers"
)

// StatusKind gives the kind of a refusal of which only the HTTP status is known.
func StatusKind(status int) providers.Kind {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		return providers.KindAuth
	case status == http.StatusPaymentRequired:
		return providers.KindQuota
	case status == http.StatusNotFound, status == http.StatusGone:
		return providers.KindNotFound
	case status == http.StatusRequestTimeout:
		return providers.KindTimeout
	case status == http.StatusConflict, status == http.StatusLocked, status == http.StatusTooEarly:
		return providers.KindUnavailable
	case status == http.StatusRequestEntityTooLarge:
		return providers.KindContextLength
	case status == http.StatusTooManyRequests:
		return providers.KindRateLimited
	case status >= 500:
		return providers.KindUnavailable
	case status >= 400:
		return providers.KindInvalid
	default:
		return providers.KindProtocol
	}
}

// Refused makes the error of a response that is no success, as far as its headers tell.
func (call *Call) Refused() *providers.Error {
	status := call.Response.StatusCode
	e := call.Fail(StatusKind(status), "")
	e.Status = status
	e.RetryAfter = RetryAfter(call.Response.Header, time.Now())
	if status >= 300 && status < 400 {
		e.Detail = "it redirects, which is not followed: set the base URL to the final address"
	}
	return e
}

// maxRetryAfter bounds what a server may ask for: beyond it the number is more likely wrong.
const maxRetryAfter = 24 * time.Hour

// RetryAfter reads how long a server asks us to wait: "retry-after-ms", or "Retry-After" in seconds or
// as a date, which is read against the server's own clock where it tells it. 0: it does not say.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(strings.TrimSpace(h.Get("Retry-After-Ms")), 64); err == nil && ms >= 0 {
		return clampWait(ms / 1e3)
	}
	value := strings.TrimSpace(h.Get("Retry-After"))
	if value == "" {
		return 0
	}
	if s, err := strconv.ParseFloat(value, 64); err == nil {
		return clampWait(s)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if server, err := http.ParseTime(h.Get("Date")); err == nil {
		now = server
	}
	return clampWait(at.Sub(now).Seconds())
}

// clampWait turns seconds, which may be any number, into a wait.
func clampWait(seconds float64) time.Duration {
	if !(seconds > 0) { // NaN too
		return 0
	}
	return time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
}

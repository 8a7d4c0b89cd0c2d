package server

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
)

const (
	// keyPrefix begins every key, and no token.
	keyPrefix = "fl_"
	// maxCredential is the most bytes of a key or a token. Tokens that list many groups come to some kilobytes.
	maxCredential = 16 << 10
)

// Verifier proves who presents a credential. Its error is a *fault.Error: Unauthenticated where the credential is
// no good; anything else says that this cannot be found out now.
type Verifier interface {
	Verify(ctx context.Context, presented string) (auth.Principal, error)
}

// Authenticator says who calls from the header Authorization, and from nothing else: no other header, no
// parameter and no certificate means anything to it. Its method Authenticate is for Config.Authenticate.
type Authenticator struct {
	// Keys proves what begins with "fl_". Nil: no keys are taken.
	Keys Verifier
	// Tokens proves the rest. Nil: no tokens are taken.
	Tokens Verifier
}

// errUnauthenticated is all that a caller learns who does not prove who it is: not whether a key is unknown,
// expired or revoked.
var errUnauthenticated = &fault.Error{
	Code: fault.Unauthenticated, Reason: fault.ReasonUnauthenticated,
	Text: "authenticating the call: send a valid key or token as Authorization: Bearer KEY",
}

// Authenticate proves who sends the request. The error is Unauthenticated, always with the same text, or
// Unavailable when nobody can say now; its cause is for the log.
func (a *Authenticator) Authenticate(r *http.Request) (auth.Principal, error) {
	presented, ok := bearer(r.Header)
	if !ok {
		return auth.Principal{}, errUnauthenticated
	}
	v := a.Tokens
	if strings.HasPrefix(presented, keyPrefix) {
		v = a.Keys
	}
	if v == nil {
		return auth.Principal{}, errUnauthenticated
	}
	p, err := v.Verify(r.Context(), presented)
	switch {
	case err == nil && p.Tenant != "":
		return p, nil
	case err == nil:
		return auth.Principal{}, fault.New(fault.Internal, fault.ReasonInternal, "authenticating the call: the caller has no tenant")
	case r.Context().Err() != nil:
		return auth.Principal{}, fault.From(r.Context().Err())
	case fault.CodeOf(err) == fault.Unauthenticated:
		return auth.Principal{}, withCause(errUnauthenticated, err)
	}
	return auth.Principal{}, withCause(&fault.Error{
		Code: fault.Unavailable, Reason: fault.ReasonInternal, RetryAfter: time.Second,
		Text: "authenticating the call: who calls cannot be found out now: send the request again in a moment",
	}, err)
}

// withCause gives a fault with all that is behind it, for the log.
func withCause(f *fault.Error, cause error) *fault.Error {
	w := fault.Wrap(errors.New(fault.Cause(cause)), f.Code, f.Reason, "%s", f.Text)
	w.RetryAfter = f.RetryAfter
	return w
}

// bearer gives the credential of the only Authorization header (RFC 6750, section 2.1). False: there is none, or
// something that is none.
func bearer(h http.Header) (string, bool) {
	values := h["Authorization"]
	if len(values) != 1 || len(values[0]) > maxCredential+len("Bearer ") {
		return "", false
	}
	scheme, credential, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || credential == "" {
		return "", false
	}
	body := strings.TrimRight(credential, "=")
	for i := range len(body) {
		switch c := body[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~+/", c) >= 0:
		default:
			return "", false
		}
	}
	return credential, body != ""
}

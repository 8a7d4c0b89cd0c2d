package openaihttp

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"fairlead/internal/auth"
	"fairlead/internal/label"
	"fairlead/orchestrator"
	"fairlead/providers"
)

// The headers for what the dialect has no field for.
const (
	headerLabel   = "Fairlead-Label"
	headerSession = "Fairlead-Session"
	headerTimeout = "Fairlead-Timeout"
	headerBudget  = "Fairlead-Budget-Usd"

	headerRun    = "Fairlead-Run"
	headerTarget = "Fairlead-Target"
	headerCost   = "Fairlead-Cost-Usd"
)

// maxSession is the longest name of a session, in bytes.
const maxSession = 200

// validSession says whether a session may be named so: a store must be able to keep it.
func validSession(s string) bool {
	return len(s) <= maxSession && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// limits adds what the headers say to what the body said, and holds the label to the caller's ceiling.
func limits(h http.Header, p auth.Principal, l *orchestrator.Limits) error {
	for _, value := range h.Values(headerLabel) {
		parsed, err := label.Parse(value)
		if err != nil {
			return badRequest(headerLabel, headerLabel+": expected one of "+strings.Join(label.Names(), ", "))
		}
		l.Label = label.Join(l.Label, parsed)
	}
	if l.Label > p.Ceiling {
		return &wireError{
			status: http.StatusForbidden, Type: typePermission, Code: "permission_denied", final: true,
			Message: "the request's label is " + l.Label.String() + ", above what this caller may send (" + p.Ceiling.String() + ")",
		}
	}
	if s := h.Get(headerSession); s != "" {
		switch {
		case !validSession(s):
			return badRequest(headerSession, headerSession+": expected "+strconv.Itoa(maxSession)+" bytes at most, without control characters")
		case l.Session != "" && l.Session != s:
			return badRequest(headerSession, headerSession+" and metadata.session name different sessions: give one of them")
		}
		l.Session = s
	}
	if s := h.Get(headerTimeout); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 {
			return badRequest(headerTimeout, headerTimeout+": expected a time such as 5s or 800ms")
		}
		l.Timeout = d
	}
	if s := h.Get(headerBudget); s != "" {
		usd, err := strconv.ParseFloat(s, 64)
		if err != nil || math.IsNaN(usd) || usd < 0 || usd > 1e9 {
			return badRequest(headerBudget, headerBudget+": expected US dollars such as 0.01")
		}
		l.Budget, l.Limited = providers.USD(usd), true
	}
	return nil
}

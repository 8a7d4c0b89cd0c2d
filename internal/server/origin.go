package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"connectrpc.com/cors"

	"fairlead/internal/fault"
)

// guardHost refuses requests for a name that is not ours. On loopback that keeps out web pages that point
// a name of their own at 127.0.0.1 (DNS rebinding).
func (s *Server) guardHost(m *Mount, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.knownHost(r.Host) {
			m.refuse(w, r, fault.New(fault.PermissionDenied, fault.ReasonBadRequest,
				"checking the request: the server is not known by the host name it was called by: add the name to the server's hosts"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) knownHost(host string) bool {
	loopback := s.loopback.Load()
	if !loopback && len(s.config.Hosts) == 0 {
		return true
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if slices.ContainsFunc(s.config.Hosts, func(known string) bool { return strings.EqualFold(known, host) }) {
		return true
	}
	if !loopback {
		return false
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsLoopback()
}

// newCrossOrigin makes the check that keeps pages of other origins from making a browser call us with the
// rights of where it runs.
func newCrossOrigin(origins []string) (*http.CrossOriginProtection, error) {
	protection := http.NewCrossOriginProtection()
	for _, origin := range origins {
		if origin == "*" {
			continue
		}
		if err := protection.AddTrustedOrigin(origin); err != nil {
			return nil, fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadConfig,
				"server: origin %q is not of the form https://host[:port]", origin)
		}
	}
	return protection, nil
}

// guardOrigin refuses requests of pages of other origins.
func (s *Server) guardOrigin(m *Mount, next http.Handler) http.Handler {
	if slices.Contains(s.config.Origins, "*") {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.crossOrigin.Check(r); err != nil {
			m.refuse(w, r, fault.Wrap(err, fault.PermissionDenied, fault.ReasonBadRequest,
				"checking the request: the page's origin may not call this server: add it to the server's origins"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

var (
	corsMethods = strings.Join(append(cors.AllowedMethods(), http.MethodDelete), ", ")
	corsHeaders = strings.Join(append(cors.AllowedHeaders(),
		"Authorization", "Fairlead-Label", "Fairlead-Session", "Fairlead-Timeout", "Fairlead-Budget-Usd",
		"Idempotency-Key", "Traceparent", "Tracestate", headerRequestID,
		// What OpenAI's own client sends from a browser.
		"OpenAI-Organization", "OpenAI-Project", "OpenAI-Beta", "X-Stainless-Arch", "X-Stainless-Helper-Method",
		"X-Stainless-Lang", "X-Stainless-OS", "X-Stainless-Package-Version", "X-Stainless-Retry-Count",
		"X-Stainless-Runtime", "X-Stainless-Runtime-Version", "X-Stainless-Timeout"), ", ")
	corsExposed = strings.Join(append(cors.ExposedHeaders(),
		"Fairlead-Run", "Fairlead-Target", "Fairlead-Cost-Usd", "Retry-After", "Retry-After-Ms", "X-Should-Retry", headerRequestID), ", ")
)

// cors lets pages of the configured origins call. Without origins it does nothing.
func (s *Server) cors(next http.Handler) http.Handler {
	if len(s.config.Origins) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		h := w.Header()
		h.Add("Vary", "Origin")
		allowed := origin != "" && (slices.Contains(s.config.Origins, origin) || slices.Contains(s.config.Origins, "*"))
		preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
		if allowed {
			// No credentials: keys travel in Authorization, never in cookies.
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", corsExposed)
		}
		if preflight {
			if allowed {
				h.Set("Access-Control-Allow-Methods", corsMethods)
				h.Set("Access-Control-Allow-Headers", corsHeaders)
				h.Set("Access-Control-Max-Age", "7200")
			}
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

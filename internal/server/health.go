package server

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"connectrpc.com/connect"
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"

	"fairlead/internal/fault"
)

const (
	routeLive    = "/healthz"
	routeReady   = "/readyz"
	routeMetrics = "/metrics"

	// checkTimeout is the most time for a readiness check.
	checkTimeout = 2 * time.Second
	// opsMaxBody bounds requests to health and reflection.
	opsMaxBody = 64 << 10
)

// live says that the process runs. It is deliberately shallow: a restart helps no broken database.
func (s *Server) live(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// ready says whether requests should be sent here, and why not.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	reasons := s.notReady(r.Context())
	if len(reasons) == 0 {
		writeJSON(w, http.StatusOK, map[string]any{"status": "ready"})
		return
	}
	writeJSON(w, http.StatusServiceUnavailable, map[string]any{"status": "not_ready", "reasons": reasons})
}

// notReady gives the reasons, by the name of what is not ready. The checks run side by side.
func (s *Server) notReady(ctx context.Context) map[string]string {
	if s.draining.Load() {
		return map[string]string{"server": errDraining.Text}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var (
		mu      sync.Mutex
		reasons map[string]string
		wait    sync.WaitGroup
	)
	for _, check := range s.config.Checks {
		wait.Go(func() {
			if err := check.Ready(ctx); err != nil {
				mu.Lock()
				defer mu.Unlock()
				if reasons == nil {
					reasons = map[string]string{}
				}
				reasons[check.Name] = fault.From(err).Error()
			}
		})
	}
	wait.Wait()
	return reasons
}

// Check answers gRPC's health protocol.
func (s *Server) Check(ctx context.Context, req *grpchealth.CheckRequest) (*grpchealth.CheckResponse, error) {
	if req.Service != "" && !slices.Contains(s.services(), req.Service) {
		return nil, connect.NewError(connect.CodeNotFound, fault.New(fault.NotFound, fault.ReasonNone, "health: no such service here"))
	}
	if len(s.notReady(ctx)) > 0 {
		return &grpchealth.CheckResponse{Status: grpchealth.StatusNotServing}, nil
	}
	return &grpchealth.CheckResponse{Status: grpchealth.StatusServing}, nil
}

var _ grpchealth.Checker = (*Server)(nil)

// services gives the names of the gRPC services that are mounted, sorted.
func (s *Server) services() []string {
	var names []string
	for _, m := range s.config.Mounts {
		names = append(names, m.Serves...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// open are the server's own handlers that answer anybody. Reflection is not among them: what there is to call is
// told to callers who could.
var open = map[string]bool{routeLive: true, routeReady: true, "/" + grpchealth.HealthV1ServiceName + "/": true}

// ops gives the handlers of the server itself. They answer also while it drains.
func (s *Server) ops() map[string]http.Handler {
	options := connect.WithReadMaxBytes(opsMaxBody)
	handlers := map[string]http.Handler{
		routeLive:  http.HandlerFunc(s.live),
		routeReady: http.HandlerFunc(s.ready),
	}
	pattern, handler := grpchealth.NewHandler(s, options)
	handlers[pattern] = handler
	reflector := grpcreflect.NewReflector(grpcreflect.NamerFunc(func() []string {
		return append(s.services(), grpchealth.HealthV1ServiceName)
	}))
	pattern, handler = grpcreflect.NewHandlerV1(reflector, options)
	handlers[pattern] = handler
	pattern, handler = grpcreflect.NewHandlerV1Alpha(reflector, options)
	handlers[pattern] = handler
	return handlers
}

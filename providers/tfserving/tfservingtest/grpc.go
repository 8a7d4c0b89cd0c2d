package tfservingtest

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/anypb"

	serving "fairlead/gen/thirdparty/tensorflow/serving"
)

// unary makes a method of a gRPC service.
func unary[Req, Resp any](name string, f func(s *Server, req *Req) (*Resp, error)) grpc.MethodDesc {
	return grpc.MethodDesc{MethodName: name, Handler: func(s any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		req := new(Req)
		if err := decode(req); err != nil {
			return nil, err
		}
		out, err := f(s.(*Server), req)
		if err != nil {
			return nil, err
		}
		return out, nil
	}}
}

var services = []grpc.ServiceDesc{
	{ServiceName: "tensorflow.serving.PredictionService", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{
		unary("Predict", (*Server).predict),
		unary("Classify", (*Server).classify),
		unary("Regress", (*Server).regress),
		unary("GetModelMetadata", func(s *Server, req *serving.GetModelMetadataRequest) (*serving.GetModelMetadataResponse, error) {
			signatures, spec, err := s.metadata(req.GetModelSpec())
			if err != nil {
				return nil, err
			}
			held, err := anypb.New(signatures)
			return &serving.GetModelMetadataResponse{ModelSpec: spec, Metadata: map[string]*anypb.Any{"signature_def": held}}, err
		}),
	}},
	{ServiceName: "tensorflow.serving.ModelService", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{
		unary("GetModelStatus", func(s *Server, req *serving.GetModelStatusRequest) (*serving.GetModelStatusResponse, error) {
			return s.status(req.GetModelSpec())
		}),
	}},
}

// GRPC serves over gRPC at an address of its own until the test ends, or until stop is called; address is host:port.
func (s *Server) GRPC(t testing.TB, options ...grpc.ServerOption) (address string, stop func()) {
	t.Helper()
	return s.GRPCAt(t, "127.0.0.1:0", options...)
}

// GRPCAt is GRPC at a given address.
func (s *Server) GRPCAt(t testing.TB, address string, options ...grpc.ServerOption) (bound string, stop func()) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(options...)
	for i := range services {
		server.RegisterService(&services[i], s)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(l)
	}()
	stop = func() {
		server.Stop()
		<-done
	}
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

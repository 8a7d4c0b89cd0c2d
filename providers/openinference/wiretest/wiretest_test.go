package wiretest

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	foreign "github.com/kserve/modelmesh-serving/fvt/generated"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestMain serves calls, where it is told to, until its input ends: so the adapter's tests call a server of this program.
func TestMain(m *testing.M) {
	if os.Getenv("FAIRLEAD_WIRETEST_SERVE") == "" {
		os.Exit(m.Run())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s := grpc.NewServer()
	foreign.RegisterGRPCInferenceServiceServer(s, &server{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		s.Stop()
	}()
	fmt.Println(l.Addr())
	_ = s.Serve(l)
}

// server gives back what it gets: "typed" as typed contents of a few types, every other model as raw contents.
type server struct {
	foreign.UnimplementedGRPCInferenceServiceServer
}

func (server) ServerLive(context.Context, *foreign.ServerLiveRequest) (*foreign.ServerLiveResponse, error) {
	return &foreign.ServerLiveResponse{Live: true}, nil
}

func (server) ServerReady(context.Context, *foreign.ServerReadyRequest) (*foreign.ServerReadyResponse, error) {
	return &foreign.ServerReadyResponse{Ready: true}, nil
}

func (server) ModelReady(_ context.Context, q *foreign.ModelReadyRequest) (*foreign.ModelReadyResponse, error) {
	return &foreign.ModelReadyResponse{Ready: q.GetName() != "cold"}, nil
}

func (server) ModelMetadata(_ context.Context, q *foreign.ModelMetadataRequest) (*foreign.ModelMetadataResponse, error) {
	if q.GetName() == "nobody" {
		return nil, status.Error(codes.NotFound, "")
	}
	m := &foreign.ModelMetadataResponse{Name: q.GetName(), Versions: []string{"3"}, Platform: "foreign"}
	if q.GetName() == "typed" {
		m.Inputs = []*foreign.ModelMetadataResponse_TensorMetadata{{Name: "x", Datatype: "INT8", Shape: []int64{-1, 2}}}
	}
	return m, nil
}

func (server) ModelInfer(_ context.Context, q *foreign.ModelInferRequest) (*foreign.ModelInferResponse, error) {
	a := &foreign.ModelInferResponse{ModelName: q.GetModelName(), ModelVersion: "3"}
	for i, in := range q.GetInputs() {
		o := &foreign.ModelInferResponse_InferOutputTensor{Name: in.GetName(), Datatype: in.GetDatatype(), Shape: in.GetShape()}
		if raw := q.GetRawInputContents()[i]; q.GetModelName() != "typed" {
			a.RawOutputContents = append(a.RawOutputContents, raw)
		} else {
			o.Contents = &foreign.InferTensorContents{}
			for _, b := range raw {
				o.Contents.IntContents = append(o.Contents.IntContents, int32(int8(b)))
			}
		}
		a.Outputs = append(a.Outputs, o)
	}
	return a, nil
}

// TestForeignMessages: the messages that others generated are those of the captures.
func TestForeignMessages(t *testing.T) { Check(t, "../testdata/wire") }

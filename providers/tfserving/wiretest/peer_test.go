package wiretest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	framework "github.com/kserve/modelmesh-serving/fvt/generated/tensorflow/core/framework"
	apis "github.com/kserve/modelmesh-serving/fvt/generated/tensorflow_serving/apis"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The environment of a peer: that it is one, and the answer to GetModelMetadata in base 64, which the stubs do not have.
const (
	peerVariable     = "FAIRLEAD_TFSERVING_PEER"
	metadataVariable = "FAIRLEAD_TFSERVING_METADATA"
)

func TestMain(m *testing.M) {
	if os.Getenv(peerVariable) == "" {
		os.Exit(m.Run())
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// peer answers each prediction with the tensors of the request.
type peer struct {
	apis.UnimplementedPredictionServiceServer
}

var errUnknown = errors.New("the request has fields that the stubs do not know")

// Predict answers with the inputs, once they have been through the stubs' memory and back.
func (peer) Predict(_ context.Context, req *apis.PredictRequest) (*apis.PredictResponse, error) {
	if len(req.ProtoReflect().GetUnknown())+len(req.GetModelSpec().ProtoReflect().GetUnknown()) > 0 {
		return nil, errUnknown
	}
	out := &apis.PredictResponse{ModelSpec: req.GetModelSpec(), Outputs: map[string]*framework.TensorProto{}}
	for name, t := range req.GetInputs() {
		if len(t.ProtoReflect().GetUnknown())+len(t.GetTensorShape().ProtoReflect().GetUnknown()) > 0 {
			return nil, errUnknown
		}
		out.Outputs[name] = proto.CloneOf(t)
	}
	if out.ModelSpec.GetVersion() == nil {
		out.ModelSpec.VersionChoice = &apis.ModelSpec_Version{Version: wrapperspb.Int64(7)}
	}
	return out, nil
}

// serve answers until its input ends.
func serve() error {
	metadata, err := base64.StdEncoding.DecodeString(os.Getenv(metadataVariable))
	if err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		answer := &emptypb.Empty{} // unknown fields are bytes that pass through
		answer.ProtoReflect().SetUnknown(metadata)
		return stream.SendMsg(answer)
	}))
	apis.RegisterPredictionServiceServer(server, peer{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		server.Stop()
	}()
	fmt.Println(l.Addr())
	return server.Serve(l)
}

// TestKeptRequest: the request that is kept of our adapter is one for the stubs.
func TestKeptRequest(t *testing.T) {
	b, err := os.ReadFile("../testdata/requests/tensorflow.serving.PredictionService.Predict.bin")
	if err != nil {
		t.Fatal(err)
	}
	var req apis.PredictRequest
	if err := proto.Unmarshal(b, &req); err != nil {
		t.Fatal(err)
	}
	in := req.GetInputs()["text"]
	if req.GetModelSpec().GetName() != "intent" || req.GetModelSpec().GetVersionLabel() != "stable" || req.GetModelSpec().GetSignatureName() != "serving_default" ||
		in.GetDtype() != framework.DataType_DT_STRING || len(in.GetStringVal()) != 2 || string(in.GetStringVal()[0]) != "the bus" ||
		len(in.GetTensorShape().GetDim()) != 1 || in.GetTensorShape().GetDim()[0].GetSize() != 2 || len(req.GetOutputFilter()) != 1 {
		t.Errorf("the request is read as %v", &req)
	}
	again, err := proto.MarshalOptions{Deterministic: true}.Marshal(&req)
	if err != nil || len(again) != len(b) {
		t.Errorf("the stubs write it with %d bytes, we with %d: %v", len(again), len(b), err)
	}
}

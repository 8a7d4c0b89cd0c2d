package rpc_test

import (
	"bytes"
	"context"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/server"
	"fairlead/internal/server/rpc"
	"fairlead/orchestrator"
	"fairlead/providers"
	"fairlead/providers/tensor"
)

// inference answers with what it was asked.
type inference struct {
	classify orchestrator.ClassifyRequest
	embed    orchestrator.EmbedRequest
	predict  orchestrator.PredictRequest
	fails    error
}

func (i *inference) Classify(_ context.Context, _ auth.Principal, req orchestrator.ClassifyRequest) (*orchestrator.Classified, error) {
	i.classify = req
	out := &orchestrator.Classified{Target: req.Target, Cost: 7, CostKnown: true, Cached: 1}
	for range len(req.Texts) + len(req.Images) {
		out.Classes = append(out.Classes, []providers.Class{{Name: "a", Probability: 0.75}, {Name: "b\xff", Probability: 0.25}})
	}
	out.Model, out.Usage = "m", providers.Usage{Input: 3}
	return out, i.fails
}

func (i *inference) Embed(_ context.Context, _ auth.Principal, req orchestrator.EmbedRequest) (*orchestrator.Embedded, error) {
	i.embed = req
	return &orchestrator.Embedded{Embeddings: &providers.Embeddings{Vectors: [][]float32{{1, 2}, {3, 4}}}, Target: "default"}, i.fails
}

func (i *inference) Predict(_ context.Context, _ auth.Principal, req orchestrator.PredictRequest) (*orchestrator.Predicted, error) {
	i.predict = req
	return &orchestrator.Predicted{Prediction: providers.Prediction{Outputs: req.Inputs, Version: "3"}, Target: req.Target}, i.fails
}

func inferring(t *testing.T, i *inference, change ...func(*server.Config)) (*fixture, fairleadv1connect.InferenceServiceClient) {
	f := startWith(t, rpc.Config{Runner: &runner{}, Router: &runner{}, Inference: i}, change...)
	return f, fairleadv1connect.NewInferenceServiceClient(client(t, false), f.url)
}

func TestInferenceIsTranslated(t *testing.T) {
	i := &inference{}
	_, c := inferring(t, i)
	limits := &pb.InferenceLimits{Label: pb.Label_LABEL_CONFIDENTIAL, Timeout: durationpb.New(2e9), Budget: &pb.Money{NanoUsd: 5}, NoCache: true}
	got, err := c.Classify(t.Context(), &pb.ClassifyRequest{Target: "topics", Texts: []string{"x", "y"}, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	if r := got.GetResults(); len(r) != 2 || r[1].GetClasses()[0].GetName() != "a" || r[1].GetClasses()[1].GetName() != "b\uFFFD" || r[0].GetClasses()[0].GetProbability() != 0.75 {
		t.Errorf("%v", got)
	}
	if a := got.GetAnswered(); a.GetTarget() != "topics" || a.GetModel() != "m" || a.GetCost().GetNanoUsd() != 7 || a.GetCached() != 1 || a.GetUsage().GetInputTokens() != 3 {
		t.Errorf("%v", a)
	}
	if q := i.classify; q.Label != label.Confidential || q.Timeout != 2e9 || !q.Limited || q.Budget != 5 || !q.NoCache || len(q.Texts) != 2 {
		t.Errorf("%+v", q)
	}
	if _, err := c.Classify(t.Context(), &pb.ClassifyRequest{Target: "photos", Images: [][]byte{make([]byte, 10<<20)}}); err != nil || len(i.classify.Images[0]) != 10<<20 {
		t.Errorf("a picture of 10 MiB: %v", err)
	}
	vectors, err := c.Embed(t.Context(), &pb.EmbedRequest{Texts: []string{"a", "b"}, Dimensions: 2})
	if err != nil || len(vectors.GetVectors()) != 2 || vectors.GetVectors()[1].GetValues()[0] != 3 || i.embed.Dimensions != 2 || vectors.GetAnswered().Cost != nil {
		t.Errorf("%v, %v", vectors, err)
	}
	out, err := c.Predict(t.Context(), &pb.PredictRequest{Target: "net", Signature: "s", Outputs: []string{"y"}, Inputs: []*pb.Tensor{
		{Name: "x", Type: "FP32", Shape: []int64{1, 2}, Numbers: []float64{1, math.NaN()}}, {Name: "t", Type: "BYTES", Shape: []int64{1}, Texts: [][]byte{{0xff}}}}})
	if err != nil || out.GetVersion() != "3" || out.GetOutputs()[0].GetNumbers()[0] != 1 || !math.IsNaN(out.GetOutputs()[0].GetNumbers()[1]) || out.GetOutputs()[1].GetTexts()[0][0] != 0xff {
		t.Errorf("%v, %v", out, err)
	}
	if q := i.predict; q.Signature != "s" || q.Inputs[0].Type != tensor.Float32 || q.Outputs[0] != "y" {
		t.Errorf("%+v", q)
	}
}

func TestInferenceRefuses(t *testing.T) {
	i := &inference{}
	f, c := inferring(t, i)
	code := func(err error) connect.Code { return connect.CodeOf(err) }
	for name, req := range map[string]*pb.ClassifyRequest{
		"no target": {Texts: []string{"x"}}, "nothing": {Target: "t"}, "both": {Target: "t", Texts: []string{"x"}, Images: [][]byte{{1}}},
		"empty image": {Target: "t", Images: [][]byte{{}}}, "no time": {Target: "t", Texts: []string{"x"}, Limits: &pb.InferenceLimits{Timeout: durationpb.New(0)}},
		"many": {Target: "t", Texts: make([]string, 1025)},
	} {
		if _, err := c.Classify(t.Context(), req); code(err) != connect.CodeInvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, req := range map[string]*pb.PredictRequest{
		"no inputs": {Target: "t"}, "bomb": {Target: "t", Inputs: []*pb.Tensor{{Type: "FP32", Shape: []int64{1 << 31, 1 << 31}}}},
		"negative": {Target: "t", Inputs: []*pb.Tensor{{Type: "FP32", Shape: []int64{-1}}}}, "no type": {Target: "t", Inputs: []*pb.Tensor{{Shape: []int64{0}}}},
	} {
		if _, err := c.Predict(t.Context(), req); code(err) != connect.CodeInvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := c.Embed(t.Context(), &pb.EmbedRequest{}); code(err) != connect.CodeInvalidArgument {
		t.Errorf("no texts: %v", err)
	}
	if _, err := c.Embed(t.Context(), &pb.EmbedRequest{Texts: slicesOf("x", 5<<20)}); code(err) != connect.CodeInvalidArgument && code(err) != connect.CodeResourceExhausted {
		t.Errorf("more than a body holds: %v", err)
	}
	i.fails = fault.New(fault.NotFound, fault.ReasonUnknownTarget, "there is no target %q that this caller may use", "t")
	if _, err := c.Classify(t.Context(), &pb.ClassifyRequest{Target: "t", Texts: []string{"x"}}); code(err) != connect.CodeNotFound || !strings.Contains(err.Error(), "no target") {
		t.Errorf("%v", err)
	}
	// The JSON of a bomb is refused as its binary form is.
	resp, err := client(t, false).Post(f.url+fairleadv1connect.InferenceServicePredictProcedure, "application/json",
		strings.NewReader(`{"target":"t","inputs":[{"type":"FP32","shape":["2147483648","2147483648"],"numbers":[1]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusBadRequest || !bytes.Contains(body, []byte("checking a tensor")) {
		t.Errorf("status %d: %s %v", resp.StatusCode, body, err)
	}
}

func slicesOf(s string, size int) []string {
	const each = 1 << 20
	out := make([]string, 0, size/each)
	for range size / each {
		out = append(out, strings.Repeat(s, each))
	}
	return out
}

func TestInferenceNeedsTheScopeToChat(t *testing.T) {
	_, c := inferring(t, &inference{}, func(s *server.Config) {
		s.Authenticate = func(*http.Request) (auth.Principal, error) {
			return auth.Principal{Tenant: "a", Name: "b", Ceiling: label.Internal, Scopes: auth.Search | auth.Ingest}, nil
		}
	})
	if _, err := c.Classify(t.Context(), &pb.ClassifyRequest{Target: "t", Texts: []string{"x"}}); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Errorf("%v", err)
	}
	// Without anything behind it, it is not there.
	f := start(t, &runner{})
	c = fairleadv1connect.NewInferenceServiceClient(client(t, false), f.url)
	if _, err := c.Embed(t.Context(), &pb.EmbedRequest{Texts: []string{"x"}}); connect.CodeOf(err) != connect.CodeUnimplemented {
		t.Errorf("%v", err)
	}
}

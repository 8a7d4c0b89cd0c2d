package tfserving_test

import (
	"bytes"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	tensorflow "fairlead/gen/thirdparty/tensorflow"
	serving "fairlead/gen/thirdparty/tensorflow/serving"
	"fairlead/providers"
	"fairlead/providers/tensor"
	"fairlead/providers/tfserving"
	"fairlead/providers/tfserving/tfservingtest"
)

var update = flag.Bool("update", false, "rewrite the goldens in testdata/requests")

// golden compares a request with the one that was kept.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "requests", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s: the request is no longer what it was: %q, it was %q", name, got, want)
	}
}

// kept reads an answer that was written by TensorFlow Serving's own Python API, 2.19.1.
func kept(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "tensorflow", name+".bin"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// replay answers gRPC with what was kept, and hands on each request.
func replay(t testing.TB, metadata []byte, requests func(method string, body []byte)) string {
	answers := map[string]string{"Predict": "predict_response", "Classify": "classification_response", "Regress": "regression_response",
		"GetModelMetadata": "metadata_response", "GetModelStatus": "status_response"}
	return listen(t, grpc.NewServer(grpc.ForceServerCodec(recordingCodec{}), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(stream)
		var body []byte
		if err := stream.RecvMsg(&body); err != nil {
			return err
		}
		requests(method, body)
		name := method[strings.LastIndexByte(method, '/')+1:]
		out := kept(t, answers[name])
		if name == "GetModelMetadata" && metadata != nil {
			out = metadata
		}
		return stream.SendMsg(&out)
	})))
}

type recordingCodec struct{ plainCodec }

func (recordingCodec) Unmarshal(b []byte, v any) error {
	*v.(*[]byte) = bytes.Clone(b)
	return nil
}

// TestCaptures: the requests are byte for byte what they were, and answers that TensorFlow wrote are read.
func TestCaptures(t *testing.T) {
	seen := map[string]bool{} // an answer that does not fit is followed by a second question about the signatures
	address := replay(t, nil, func(method string, body []byte) {
		if seen[method] {
			return
		}
		seen[method] = true
		golden(t, strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", ".")+".bin", body)
	})
	c := client(t, tfserving.Config{URL: "grpc://" + address})
	d, err := c.Describe(t.Context(), "intent", "stable")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]providers.Signature{"serving_default": {Method: "predict",
		Inputs:  []providers.Spec{{Name: "temperature", Type: tensor.Float32, Shape: []int64{}}, {Name: "text", Type: tensor.String, Shape: []int64{-1}}},
		Outputs: []providers.Spec{{Name: "any", Type: tensor.Int64}, {Name: "scores", Type: tensor.Float32, Shape: []int64{-1, 3}}}}}
	if diff := cmp.Diff(want, d.Signatures); diff != "" || d.Version != "7" {
		t.Error(d.Version, diff)
	}
	// The outputs kept are not those of the signature, and so they are refused, after they were read.
	_, err = c.Predict(t.Context(), &providers.PredictRequest{Model: "intent", Version: "stable", Outputs: []string{"scores"},
		Inputs: []tensor.Tensor{texts("text", "the bus", "\xff")}})
	quiet(t, err, providers.KindProtocol)
	versions, err := c.Versions(t.Context(), "intent")
	if err != nil || len(versions) != 3 || versions[0].State != providers.ModelLoading || versions[1].State != providers.ModelReady || versions[2].State != providers.ModelBroken {
		t.Errorf("%v, %v", versions, err)
	}
}

// TestExampleCaptures: the same for examples, by a signature for each method.
func TestExampleCaptures(t *testing.T) {
	held, err := anypb.New(&serving.SignatureDefMap{SignatureDef: map[string]*tensorflow.SignatureDef{
		"c": {MethodName: "tensorflow/serving/classify"}, "r": {MethodName: "tensorflow/serving/regress"}}})
	if err != nil {
		t.Fatal(err)
	}
	metadata, err := proto.Marshal(&serving.GetModelMetadataResponse{Metadata: map[string]*anypb.Any{"signature_def": held}})
	if err != nil {
		t.Fatal(err)
	}
	address := replay(t, metadata, func(method string, body []byte) {
		if !strings.HasSuffix(method, "Metadata") {
			golden(t, strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", ".")+".bin", body)
		}
	})
	c := client(t, tfserving.Config{URL: "grpc://" + address})
	classes, err := (&tfserving.TextClassifier{Client: c, Feature: "query", Signature: "c"}).Classify(t.Context(),
		&providers.ClassifyRequest{Model: "intent", Version: "7", Texts: []string{"the bus", "\xff"}})
	if err != nil || classes.Classes[1][0] != (providers.Class{Name: "b", Probability: 0.875}) {
		t.Errorf("%v, %v", classes, err)
	}
	values, err := c.Regress(t.Context(), &tfserving.ExampleRequest{Model: "intent", Signature: "r",
		Examples: []tfserving.Example{{"x": {Floats: []float32{1, 2}}}, {"n": {Ints: []int64{-1}}}}})
	if err != nil || values.Values[0] != 1.5 || values.Version != "7" {
		t.Errorf("%v, %v", values, err)
	}
}

// TestCapturesREST: what is sent over REST, in both forms.
func TestCapturesREST(t *testing.T) {
	office := office()
	for name, rows := range map[string]bool{"columns": false, "rows": true} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if len(body) > 0 {
				golden(t, name+strings.NewReplacer("/", ".", ":", ".").Replace(r.URL.Path)+".json", append([]byte(r.Method+" "+r.URL.Path+"\n"), body...))
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			office.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		c := client(t, tfserving.Config{URL: server.URL, Rows: rows})
		if _, err := c.Predict(t.Context(), &providers.PredictRequest{Model: "intent", Version: "stable", Inputs: []tensor.Tensor{texts("text", "the <bus>", "\xff")}}); err != nil {
			t.Error(err)
		}
		if _, err := (&tfserving.TextClassifier{Client: c, Signature: tfservingtest.Classify}).Classify(t.Context(),
			&providers.ClassifyRequest{Model: "intent", Version: "2", Texts: []string{"the bus"}}); err != nil {
			t.Error(err)
		}
	}
}

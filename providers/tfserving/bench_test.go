package tfserving_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"fairlead/gen/thirdparty/tensorflow"
	"fairlead/gen/thirdparty/tensorflow/serving"
	"fairlead/providers"
	"fairlead/providers/tensor"
	"fairlead/providers/tfserving"
)

// BenchmarkOverhead is what the adapter adds to a call of a text classifier on the same server: "raw" is the generated messages
// on a connection of the gRPC library, and net/http alone.
func BenchmarkOverhead(b *testing.B) {
	const text = "the ferry leaves at nine"
	req := &providers.PredictRequest{Model: "intent", Inputs: []tensor.Tensor{texts("text", text)}}
	adapter := func(b *testing.B, address string) {
		c := client(b, tfserving.Config{URL: address})
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Predict(b.Context(), req); err != nil {
				b.Fatal(err)
			}
		}
	}
	address, _ := office().GRPC(b)
	b.Run("grpc/raw", func(b *testing.B) {
		conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		b.ReportAllocs()
		for b.Loop() {
			in := &serving.PredictRequest{ModelSpec: &serving.ModelSpec{Name: "intent"}, Inputs: map[string]*tensorflow.TensorProto{"text": {
				Dtype: tensorflow.DataType_DT_STRING, StringVal: [][]byte{[]byte(text)},
				TensorShape: &tensorflow.TensorShapeProto{Dim: []*tensorflow.TensorShapeProto_Dim{{Size: 1}}}}}}
			if err := conn.Invoke(b.Context(), "/tensorflow.serving.PredictionService/Predict", in, &serving.PredictResponse{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("grpc/adapter", func(b *testing.B) { adapter(b, "grpc://"+address) })
	url := office().REST(b).URL
	b.Run("rest/raw", func(b *testing.B) {
		defer http.DefaultClient.CloseIdleConnections()
		b.ReportAllocs()
		for b.Loop() {
			answer, err := http.Post(url+"/v1/models/intent:predict", "application/json", strings.NewReader(`{"inputs":{"text":["`+text+`"]}}`))
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.ReadAll(answer.Body)
			_ = answer.Body.Close()
		}
	})
	b.Run("rest/adapter", func(b *testing.B) { adapter(b, url) })
}

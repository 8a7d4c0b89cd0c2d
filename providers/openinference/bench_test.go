package openinference

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"fairlead/gen/thirdparty/inference"
	"fairlead/providers"
	"fairlead/providers/tensor"
)

// BenchmarkRead is the time for an answer of 100,000 FP32, in each form.
func BenchmarkRead(b *testing.B) {
	const n = 100_000
	one := tensor.Tensor{Name: "a", Type: tensor.Float32, Shape: []int64{n}, Data: make([]byte, 4*n)}
	for i := range one.Data {
		one.Data[i] = byte(i * 7 & 0x3f)
	}
	header := fmt.Sprintf(`{"outputs":[{"name":"a","datatype":"FP32","shape":[%d],"parameters":{"binary_data_size":%d}}]}`, n, len(one.Data))
	for name, read := range map[string]func() error{
		"grpc": func() func() error {
			m := response([][]byte{output("a", "FP32", nil, n)}, one.Data)
			return func() error { _, err := readInfer(m, tensor.Limits{}); return err }
		}(),
		"rest binary": func() func() error {
			body := append([]byte(header), one.Data...)
			return func() error { _, err := readREST(body, int64(len(header)), tensor.Limits{}); return err }
		}(),
		"rest json": func() func() error {
			body := fmt.Appendf(nil, `{"outputs":[{"name":"a","datatype":"FP32","shape":[%d],"data":%s}]}`, n, elementsJSON(one, false))
			return func() error { _, err := readREST(body, -1, tensor.Limits{}); return err }
		}(),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := read(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOverhead is what the adapter adds to a call of a text classifier on the same server: "raw" is the generated messages
// on a connection of the gRPC library, and net/http alone.
func BenchmarkOverhead(b *testing.B) {
	const text = "the ferry leaves at nine"
	req := &providers.PredictRequest{Model: "lang", Inputs: []tensor.Tensor{{Name: "text", Type: tensor.String, Shape: []int64{1}, Strings: [][]byte{[]byte(text)}}}}
	adapter := func(b *testing.B, address string) {
		c, err := New(Config{URL: address, Binary: BinaryNever})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Predict(b.Context(), req); err != nil {
				b.Fatal(err)
			}
		}
	}
	address := startGRPC(b, newServer(), nil)
	b.Run("grpc/raw", func(b *testing.B) {
		conn, err := grpc.NewClient(strings.TrimPrefix(address, "grpc://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		b.ReportAllocs()
		for b.Loop() {
			in := &inference.ModelInferRequest{ModelName: "lang", RawInputContents: [][]byte{append([]byte{byte(len(text)), 0, 0, 0}, text...)},
				Inputs: []*inference.ModelInferRequest_InferInputTensor{{Name: "text", Datatype: "BYTES", Shape: []int64{1}}}}
			if err := conn.Invoke(b.Context(), service+"ModelInfer", in, &inference.ModelInferResponse{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("grpc/adapter", func(b *testing.B) { adapter(b, address) })
	url := startREST(b, newServer())
	b.Run("rest/raw", func(b *testing.B) {
		defer http.DefaultClient.CloseIdleConnections()
		b.ReportAllocs()
		for b.Loop() {
			answer, err := http.Post(url+"/v2/models/lang/infer", "application/json",
				bytes.NewReader([]byte(`{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":["`+text+`"]}]}`)))
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.ReadAll(answer.Body)
			_ = answer.Body.Close()
		}
	})
	b.Run("rest/adapter", func(b *testing.B) { adapter(b, url) })
}

package openinference

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/providers"
	"fairlead/providers/tensor"
)

// TestBodiesWrittenByHand: the requests and answers in testdata/rest were written by hand from the text of the protocol and of its
// binary tensor data extension; the first pair is the extension's own example.
func TestBodiesWrittenByHand(t *testing.T) {
	fp32 := []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0, 0x3f, 0, 0, 0, 0, 0, 0, 0xc0, 0x7f, 0, 0, 0x80, 0x7f} // 1, -2, 0.5, 0, NaN, +Inf
	for name, c := range map[string]struct {
		binary  string
		header  int // of the request
		answers int // of the answer; -1: none
		req     providers.PredictRequest
		want    providers.Prediction
	}{
		"binary": {BinaryAlways, 250, 179,
			providers.PredictRequest{Model: "mymodel", Outputs: []string{"output0"}, Inputs: []tensor.Tensor{
				{Name: "input0", Type: tensor.Uint32, Shape: []int64{2, 2}, Data: []byte{1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}},
				{Name: "input1", Type: tensor.Bool, Shape: []int64{3}, Data: []byte{1, 0, 1}},
			}},
			providers.Prediction{Outputs: []tensor.Tensor{{Name: "output0", Type: tensor.Float32, Shape: []int64{3, 2}, Data: fp32}}}},
		"text": {BinaryAlways, 137, 349,
			providers.PredictRequest{Model: "mymodel", Version: "2", Inputs: []tensor.Tensor{texts("text", []int64{2}, "é", "")}},
			providers.Prediction{Model: "mymodel", Version: "2", Outputs: []tensor.Tensor{
				texts("label", []int64{2, 1}, "ja", "nein\x00"),
				{Name: "p", Type: tensor.Float32, Shape: []int64{2}, Data: []byte{0, 0, 0, 0x3f, 0, 0, 0x80, 0x3e}},
				{Name: "half", Type: tensor.Float16, Shape: []int64{1}, Data: []byte{0, 0x3c}},
			}}},
		"json": {BinaryNever, 0, -1,
			providers.PredictRequest{Model: "mymodel", Outputs: []string{"output0", "b"}, Inputs: []tensor.Tensor{
				{Name: "input0", Type: tensor.Uint32, Shape: []int64{2, 2}, Data: []byte{1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0}},
				texts("input1", []int64{2}, "a\"b", "é\n"),
			}},
			providers.Prediction{Model: "mymodel", Version: "1", Outputs: []tensor.Tensor{
				{Name: "output0", Type: tensor.Float32, Shape: []int64{3, 2}, Data: []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0, 0x3f, 0, 0, 0, 0, 0, 0, 0x20, 0x41, 0, 0, 0x80, 0x3f}},
				{Name: "b", Type: tensor.Bool, Shape: []int64{2}, Data: []byte{1, 0}},
			}}},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := os.ReadFile("testdata/rest/" + name + ".request")
			if err != nil {
				t.Fatal(err)
			}
			answer, err := os.ReadFile("testdata/rest/" + name + ".answer")
			if err != nil {
				t.Fatal(err)
			}
			url := startREST(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if !bytes.Equal(body, request) {
					t.Errorf("sent:\n%q, want\n%q", body, request)
				}
				header, contentType := "", "application/json"
				if c.header > 0 {
					header, contentType = strconv.Itoa(c.header), "application/octet-stream"
				}
				if got := r.Header.Get(headerLength); got != header || r.Header.Get("Content-Type") != contentType {
					t.Errorf("sent %q of %q, want %q of %q", got, r.Header.Get("Content-Type"), header, contentType)
				}
				if c.answers >= 0 {
					w.Header().Set(headerLength, strconv.Itoa(c.answers))
				}
				_, _ = w.Write(answer)
			}))
			p, err := newClient(t, Config{URL: url, Binary: c.binary, Check: CheckNone}).Predict(t.Context(), &c.req)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(&c.want, p); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestAnswersOfRESTOnTheWire that are cut, too long, or not what their headers say.
func TestAnswersOfRESTOnTheWire(t *testing.T) {
	answer, err := os.ReadFile("testdata/rest/binary.answer")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		write func(http.ResponseWriter)
		kind  providers.Kind
	}{
		"cut": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
			w.Header().Set(headerLength, "179")
			_, _ = w.Write(answer[:len(answer)-3])
		}, providers.KindTruncated},
		"cut, without a length": {func(w http.ResponseWriter) {
			conn, b, _ := w.(http.Hijacker).Hijack()
			defer conn.Close()
			_, _ = b.WriteString("HTTP/1.0 200 OK\r\n" + headerLength + ": 179\r\n\r\n" + string(answer[:len(answer)-3]))
			b.Flush()
		}, providers.KindTruncated},
		"a wrong length of JSON": {func(w http.ResponseWriter) { w.Header().Set(headerLength, "178"); _, _ = w.Write(answer) }, providers.KindProtocol},
		"one beyond the body":    {func(w http.ResponseWriter) { w.Header().Set(headerLength, "1790"); _, _ = w.Write(answer) }, providers.KindProtocol},
		"one that is none":       {func(w http.ResponseWriter) { w.Header().Set(headerLength, "-1"); _, _ = w.Write(answer) }, providers.KindProtocol},
		"two": {func(w http.ResponseWriter) {
			w.Header()[headerLength] = []string{"179", "178"}
			_, _ = w.Write(answer)
		}, providers.KindProtocol},
		"none":     {func(w http.ResponseWriter) { _, _ = w.Write(answer) }, providers.KindProtocol},
		"too long": {func(w http.ResponseWriter) { _, _ = w.Write(make([]byte, 3<<20)) }, providers.KindOverrun},
		"said to be too long": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "99999999")
			_, _ = w.Write(answer)
		}, providers.KindOverrun},
		"compressed": {func(w http.ResponseWriter) { w.Header().Set("Content-Encoding", "br"); _, _ = w.Write(answer) }, providers.KindProtocol},
	} {
		url := startREST(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { c.write(w) }))
		client := newClient(t, Config{URL: url, Binary: BinaryAlways, Check: CheckNone, Limits: tensor.Limits{Bytes: 1 << 20}})
		_, err := client.Predict(t.Context(), &providers.PredictRequest{Model: "m", Inputs: []tensor.Tensor{texts("a", []int64{1}, "x")}})
		if providers.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
}

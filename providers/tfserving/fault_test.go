package tfserving_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	tensorflow "fairlead/gen/thirdparty/tensorflow"
	serving "fairlead/gen/thirdparty/tensorflow/serving"
	"fairlead/providers"
	"fairlead/providers/tensor"
	"fairlead/providers/tfserving"
)

// secret is what servers of these tests say, and what nobody above may hear.
const secret = "the patient's name is Kowalski"

func question() *providers.PredictRequest {
	return &providers.PredictRequest{Model: "intent", Version: "stable", Inputs: []tensor.Tensor{texts("text", "when does the bus leave")}}
}

// quiet says that an error has this kind and nothing of what the server said.
func quiet(t *testing.T, err error, want providers.Kind) {
	t.Helper()
	if providers.KindOf(err) != want || want == providers.KindUnknown && err == nil {
		t.Errorf("the error is %v, of kind %d, not %d", err, providers.KindOf(err), want)
	}
	for e := err; e != nil; {
		if strings.Contains(e.Error(), "Kowalski") {
			t.Errorf("the server's words are in %v", e)
		}
		u, ok := e.(interface{ Unwrap() error })
		if !ok {
			return
		}
		e = u.Unwrap()
	}
}

func TestStatus(t *testing.T) {
	for code, want := range map[codes.Code]struct {
		kind      providers.Kind
		retryable bool
	}{
		codes.Unavailable:        {providers.KindUnavailable, true},
		codes.ResourceExhausted:  {providers.KindRateLimited, true},
		codes.DeadlineExceeded:   {providers.KindTimeout, true},
		codes.NotFound:           {providers.KindNotFound, false},
		codes.InvalidArgument:    {providers.KindInvalid, false},
		codes.FailedPrecondition: {providers.KindInvalid, false},
		codes.Unauthenticated:    {providers.KindAuth, false},
		codes.PermissionDenied:   {providers.KindAuth, false},
		codes.Unimplemented:      {providers.KindUnsupported, false},
		codes.Internal:           {providers.KindUnavailable, true},
		codes.Aborted:            {providers.KindUnavailable, true},
		codes.Canceled:           {providers.KindUnavailable, true},
		codes.DataLoss:           {providers.KindProtocol, true},
		codes.Unknown:            {providers.KindUnknown, false},
	} {
		s := office()
		s.Fault = func(method string) error {
			if method == "Predict" {
				return status.Error(code, secret)
			}
			return nil
		}
		_, err := serve(t, "grpc", s, nil).Predict(t.Context(), question())
		quiet(t, err, want.kind)
		if hint := strings.Contains(err.Error(), "is the backend's kind right?"); hint != (code == codes.Unimplemented) {
			t.Errorf("%s: %v", code, err)
		}
		if providers.Retryable(err) != want.retryable {
			t.Errorf("%s: retryable %v", code, !want.retryable)
		}
	}
	for code, want := range map[codes.Code]providers.Kind{
		codes.Unavailable: providers.KindUnavailable, codes.ResourceExhausted: providers.KindRateLimited, codes.NotFound: providers.KindNotFound,
		codes.InvalidArgument: providers.KindInvalid, codes.FailedPrecondition: providers.KindInvalid, codes.Unimplemented: providers.KindUnsupported,
	} {
		s := office()
		s.Fault = func(method string) error { return status.Error(code, secret) }
		_, err := serve(t, "rest", s, nil).Describe(t.Context(), "intent", "")
		quiet(t, err, want)
	}
}

// TestRefusalIsForgotten: after a refusal the model is asked again what it takes.
func TestRefusalIsForgotten(t *testing.T) {
	for _, way := range ways {
		for _, code := range []codes.Code{codes.NotFound, codes.InvalidArgument, codes.Unavailable} {
			s := office()
			s.Fault = func(method string) error {
				if method == "Predict" {
					return status.Error(code, secret)
				}
				return nil
			}
			c := serve(t, way, s, nil)
			for range 3 {
				_, _ = c.Predict(t.Context(), question())
			}
			want := 3
			if code == codes.Unavailable {
				want = 1
			}
			if n := s.Calls("GetModelMetadata"); n != want {
				t.Errorf("%s, %s: asked %d times", way, code, n)
			}
		}
	}
}

// TestContext: a call ends with its context, and always has a deadline.
func TestContext(t *testing.T) {
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			s := office()
			entered, release := make(chan struct{}, 8), make(chan struct{})
			s.Fault = func(method string) error {
				if method == "Predict" {
					entered <- struct{}{}
					<-release
				}
				return nil
			}
			c := serve(t, way, s, nil)
			defer close(release)
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-entered; cancel() }()
			_, err := c.Predict(ctx, question())
			quiet(t, err, providers.KindCanceled)
			_, err = c.Predict(ctx, question())
			quiet(t, err, providers.KindCanceled)

			ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err = c.Predict(ctx, question())
			quiet(t, err, providers.KindTimeout)

			short := serve(t, way, s, func(cfg *tfserving.Config) { cfg.Timeout = 50 * time.Millisecond })
			_, err = short.Predict(context.WithoutCancel(t.Context()), question())
			quiet(t, err, providers.KindTimeout)
		})
	}
}

// TestServerSeesTheEnd: a canceled call is canceled at the server too.
func TestServerSeesTheEnd(t *testing.T) {
	entered, ended := make(chan struct{}), make(chan bool, 1)
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		if _, has := stream.Context().Deadline(); !has {
			t.Error("the call has no deadline")
		}
		if got := metadata.ValueFromIncomingContext(stream.Context(), "authorization"); len(got) != 1 || got[0] != "Bearer key" {
			t.Errorf("the key came as %q", got)
		}
		if got := metadata.ValueFromIncomingContext(stream.Context(), "x-team"); len(got) != 1 || got[0] != "a" {
			t.Errorf("the header came as %q", got)
		}
		if got := metadata.ValueFromIncomingContext(stream.Context(), "traceparent"); len(got) != 1 {
			t.Errorf("the trace came as %q", got)
		}
		close(entered)
		<-stream.Context().Done()
		ended <- true
		return nil
	}))
	c := client(t, tfserving.Config{URL: "grpc://" + listen(t, server), APIKey: "key", Header: http.Header{"X-Team": {"a"}},
		Inject: func(_ context.Context, h http.Header) { h.Set("traceparent", "00-1-2-01") }})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-entered; cancel() }()
	_, err := c.Describe(ctx, "intent", "")
	quiet(t, err, providers.KindCanceled)
	<-ended
}

// listen serves until the test ends.
func listen(t testing.TB, server *grpc.Server) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return l.Addr().String()
}

// TestWrongAnswers: what the server answers is held to what the model says of itself.
func TestWrongAnswers(t *testing.T) {
	dims := func(sizes ...int64) *tensorflow.TensorShapeProto {
		out := &tensorflow.TensorShapeProto{}
		for _, n := range sizes {
			out.Dim = append(out.Dim, &tensorflow.TensorShapeProto_Dim{Size: n})
		}
		return out
	}
	for name, alter := range map[string]func(*serving.PredictResponse){
		"wrong type": func(r *serving.PredictResponse) {
			r.Outputs["scores"] = &tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_DOUBLE, TensorShape: dims(1, 3), DoubleVal: []float64{1, 0, 0}}
		},
		"wrong shape": func(r *serving.PredictResponse) {
			r.Outputs["scores"] = &tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_FLOAT, TensorShape: dims(1, 4), FloatVal: []float32{1, 0, 0, 0}}
		},
		"wrong rank":   func(r *serving.PredictResponse) { r.Outputs["scores"].TensorShape = dims(3) },
		"unknown rank": func(r *serving.PredictResponse) { r.Outputs["scores"].TensorShape.UnknownRank = true },
		"too many": func(r *serving.PredictResponse) {
			r.Outputs["scores"].FloatVal = append(r.Outputs["scores"].FloatVal, 1)
		},
		"bomb":          func(r *serving.PredictResponse) { r.Outputs["scores"].TensorShape = dims(1<<31, 1<<31) },
		"negative":      func(r *serving.PredictResponse) { r.Outputs["scores"].TensorShape = dims(-1, 3) },
		"lacks one":     func(r *serving.PredictResponse) { delete(r.Outputs, "scores") },
		"another one":   func(r *serving.PredictResponse) { r.Outputs["more"] = r.Outputs["scores"] },
		"unknown dtype": func(r *serving.PredictResponse) { r.Outputs["scores"].Dtype = 8 },
	} {
		t.Run(name, func(t *testing.T) {
			s := office()
			s.Alter = alter
			_, err := serve(t, "grpc", s, nil).Predict(t.Context(), question())
			quiet(t, err, providers.KindProtocol)
		})
	}
	t.Run("huge", func(t *testing.T) {
		s := office()
		s.Alter = func(r *serving.PredictResponse) { r.Outputs["classes"].StringVal[0] = make([]byte, 3<<20) }
		_, err := serve(t, "grpc", s, func(cfg *tfserving.Config) { cfg.MaxMessage = 1 << 20 }).Predict(t.Context(), question())
		quiet(t, err, providers.KindOverrun)
		_, err = serve(t, "rest", s, func(cfg *tfserving.Config) { cfg.MaxMessage = 1 << 20 }).Predict(t.Context(), question())
		quiet(t, err, providers.KindOverrun)
		big := question()
		big.Inputs[0].Strings[0] = make([]byte, 2<<20)
		for _, way := range ways {
			c := serve(t, way, s, func(cfg *tfserving.Config) { cfg.MaxMessage, cfg.Limits.Text = 1<<20, 4<<20 })
			_, err = c.Predict(t.Context(), big)
			quiet(t, err, providers.KindInvalid)
		}
		c := serve(t, "grpc", s, func(cfg *tfserving.Config) { cfg.Limits.Text = 8 << 20 })
		big.Inputs[0].Strings[0] = make([]byte, 6<<20) // the fake server takes 4 MiB
		_, err = c.Predict(t.Context(), big)
		quiet(t, err, providers.KindInvalid)
	})
}

// TestGarbage: answers that are not the messages of the protocol.
func TestGarbage(t *testing.T) {
	answer := func(b []byte) func(any, grpc.ServerStream) error {
		return func(_ any, stream grpc.ServerStream) error { return stream.SendMsg(&b) }
	}
	for _, garbage := range [][]byte{{}, []byte(secret), {0x0a, 0xff}, bytes.Repeat([]byte{0x12, 0}, 1000), {0x0b, 0x0c}} {
		address := listen(t, grpc.NewServer(grpc.UnknownServiceHandler(answer(garbage)), grpc.ForceServerCodec(plainCodec{})))
		c := client(t, tfserving.Config{URL: "grpc://" + address})
		_, err := c.Predict(t.Context(), question())
		quiet(t, err, providers.KindProtocol)
	}
	// Not HTTP/2 at all.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, secret) }))
	t.Cleanup(server.Close)
	_, err := client(t, tfserving.Config{URL: "grpc" + strings.TrimPrefix(server.URL, "http")}).Describe(t.Context(), "m", "")
	quiet(t, err, providers.KindUnavailable)
}

// plainCodec sends bytes as they are.
type plainCodec struct{}

func (plainCodec) Name() string                  { return "proto" }
func (plainCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (plainCodec) Unmarshal([]byte, any) error   { return nil }

func TestGarbageREST(t *testing.T) {
	office := office()
	for name, test := range map[string]struct {
		handle http.HandlerFunc
		want   providers.Kind
	}{
		"not JSON": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, secret) }, providers.KindProtocol},
		"HTML": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "{}")
		}, providers.KindProtocol},
		"another": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"error": "`+secret+`"}`) }, providers.KindProtocol},
		"half":    {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"outputs": {"scores": [[1.0, `) }, providers.KindProtocol},
		"ragged": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"outputs": {"scores": [[1.0, 2.0, 3.0], [1.0]], "classes": []}}`)
		}, providers.KindProtocol},
		"wrong type": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"outputs": {"scores": [["a", "b", "c"]], "classes": [["a", "b", "c"]]}}`)
		}, providers.KindProtocol},
		"null": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"outputs": {"scores": [[1, 2, null]], "classes": [["a", "b", "c"]]}}`)
		}, providers.KindProtocol},
		"wrong shape": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"outputs": {"scores": [[1, 2]], "classes": [["a", "b", "c"]]}}`)
		}, providers.KindProtocol},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
		}, providers.KindProtocol},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"outputs": {"scores": [[1.0, `)
		}, providers.KindTruncated},
		"closed": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			fmt.Fprint(conn, "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{\"outputs\": {\"scores\": [[1.0, ")
			conn.Close()
		}, providers.KindTruncated},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, ":predict") {
					_, _ = io.Copy(io.Discard, r.Body)
					w.Header().Set("Content-Type", "application/json")
					test.handle(w, r)
					return
				}
				office.ServeHTTP(w, r)
			}))
			t.Cleanup(server.Close)
			_, err := client(t, tfserving.Config{URL: server.URL}).Predict(t.Context(), question())
			quiet(t, err, test.want)
		})
	}
}

// TestRestart: a server that goes away is unavailable at once, and used again when it is back.
func TestRestart(t *testing.T) {
	s := office()
	address, stop := s.GRPC(t)
	c := client(t, tfserving.Config{URL: "grpc://" + address})
	if _, err := c.Predict(t.Context(), question()); err != nil {
		t.Fatal(err)
	}
	stop()
	_, err := c.Predict(t.Context(), question())
	quiet(t, err, providers.KindUnavailable)
	if !providers.Retryable(err) {
		t.Error("a server that is away may come back")
	}
	s.GRPCAt(t, address)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		_, err := c.Predict(ctx, question())
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	c.CloseIdle()
	if _, err := c.Predict(t.Context(), question()); err != nil {
		t.Errorf("after its connections were closed: %v", err)
	}
}

// TestCloseIdleWaits: a connection that a call uses is closed when the call has ended.
func TestCloseIdleWaits(t *testing.T) {
	s := office()
	entered, release := make(chan struct{}), make(chan struct{})
	s.Fault = func(method string) error {
		if method == "Predict" {
			close(entered)
			<-release
		}
		return nil
	}
	c := serve(t, "grpc", s, nil)
	go func() {
		<-entered
		c.CloseIdle()
		close(release)
	}()
	if _, err := c.Predict(t.Context(), question()); err != nil {
		t.Error(err)
	}
}

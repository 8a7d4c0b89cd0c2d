package openinference

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"fairlead/providers"
	"fairlead/providers/tensor"
)

// newClient makes a client that is closed with the test.
func newClient(t *testing.T, cfg Config) *Client {
	t.Helper()
	cfg.Name = "test"
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// both runs a test over gRPC, raw and typed, and over REST, binary and JSON.
func both(t *testing.T, run func(t *testing.T, s *server, c *Client)) { bothWith(t, Config{}, run) }

func bothWith(t *testing.T, cfg Config, run func(t *testing.T, s *server, c *Client)) {
	for _, form := range []string{"grpc", "grpc typed", "rest binary", "rest json"} {
		t.Run(form, func(t *testing.T) {
			s, cfg := newServer(), cfg
			s.typed, s.noBinary = form == "grpc typed", form == "rest json"
			if strings.HasPrefix(form, "grpc") {
				cfg.URL = startGRPC(t, s, nil)
			} else {
				cfg.URL = startREST(t, s)
			}
			run(t, s, newClient(t, cfg))
		})
	}
}

func texts(name string, shape []int64, texts ...string) tensor.Tensor {
	out := tensor.Tensor{Name: name, Type: tensor.String, Shape: shape, Strings: [][]byte{}}
	for _, s := range texts {
		out.Strings = append(out.Strings, []byte(s))
	}
	return out
}

// want holds an error to a kind, and to silence about what the server said.
func want(t *testing.T, err error, kind providers.Kind) {
	t.Helper()
	e, ok := err.(*providers.Error)
	if !ok || e.Kind != kind {
		t.Errorf("%T of kind %d: %v, want kind %d", err, providers.KindOf(err), err, kind)
		return
	}
	if e.Backend != "test" {
		t.Errorf("it names the backend %q", e.Backend)
	}
	for u := error(e); u != nil; {
		if strings.Contains(fmt.Sprintf("%v %+v", u, u), secret) {
			t.Errorf("it says what the server said: %v", u)
		}
		next, _ := u.(interface{ Unwrap() error })
		if u = nil; next != nil {
			u = next.Unwrap()
		}
	}
}

func TestATrainedModelAnswers(t *testing.T) {
	both(t, func(t *testing.T, s *server, c *Client) {
		right, all := 0, 0
		for class, examples := range languages {
			p, err := c.Predict(t.Context(), &providers.PredictRequest{Model: "lang", Version: "2", Inputs: []tensor.Tensor{texts("text", []int64{4}, examples[1]...)}})
			if err != nil {
				t.Fatal(err)
			}
			numbers := p.Output("probabilities")
			if !slices.Equal(numbers.Shape, []int64{4, 3}) || p.Version != "2" || p.Model != "lang" {
				t.Fatalf("%v of %s, %s", numbers.Shape, p.Model, p.Version)
			}
			for i, got := range p.Output("class").Strings {
				all++
				if string(got) == class {
					right++
				}
				exact := trained().probabilities(hashed(examples[1][i]))
				for k := range exact {
					if v := math.Float32frombits(binary.LittleEndian.Uint32(numbers.Data[4*(3*i+k):])); v != float32(exact[k]) {
						t.Errorf("text %d, class %d: %v, want %v", i, k, v, exact[k])
					}
				}
			}
		}
		if right < all-1 {
			t.Errorf("%d of %d right", right, all)
		}
		if n := s.called("ModelMetadata"); n != 1 {
			t.Errorf("the model was described %d times", n)
		}
	})
}

// everyType has a tensor of each type, with the ends of its range.
func everyType(raw bool) []tensor.Tensor {
	var out []tensor.Tensor
	for ty := tensor.Bool; ty <= tensor.Float64; ty++ {
		one := tensor.Tensor{Name: "t" + ty.String(), Type: ty, Shape: []int64{2, 3}}
		half := ty == tensor.Float16 || ty == tensor.BFloat16
		for i := range 6 {
			element := make([]byte, ty.Size())
			for j := range element {
				element[j] = byte(0xff * (i & 1))
			}
			element[len(element)-1] ^= byte(0x80 * (i >> 1 & 1))
			switch {
			case ty == tensor.Bool:
				element[0] = byte(i & 1)
			case ty == tensor.Float32:
				binary.LittleEndian.PutUint32(element, math.Float32bits([]float32{0, 1.5, -math.MaxFloat32, math.SmallestNonzeroFloat32, 1e-7, 123456792}[i]))
			case ty == tensor.Float64:
				binary.LittleEndian.PutUint64(element, math.Float64bits([]float64{0, 0.1, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1e21, -3}[i]))
			}
			one.Data = append(one.Data, element...)
		}
		if !half || raw {
			out = append(out, one)
		}
	}
	out = append(out, texts("tBYTES", []int64{2, 2}, "", "a\"b\\\n\u2028é", "\x00🙂", strings.Repeat("x", 300)))
	out = append(out, texts("none", []int64{0, 4}), tensor.Tensor{Name: "nought", Type: tensor.Int16, Shape: []int64{3, 0}, Data: []byte{}},
		tensor.Tensor{Name: "scalar", Type: tensor.Uint64, Shape: []int64{}, Data: []byte{255, 255, 255, 255, 255, 255, 255, 255}})
	return out
}

func TestEveryTypeThereAndBack(t *testing.T) {
	both(t, func(t *testing.T, s *server, c *Client) {
		in := everyType(!s.typed && !s.noBinary)
		if !s.noBinary {
			in = append(in, tensor.Tensor{Name: "bytes", Type: tensor.String, Shape: []int64{1}, Strings: [][]byte{{0xff, 0xfe, 0}}})
		}
		p, err := c.Predict(t.Context(), &providers.PredictRequest{Model: "echo", Inputs: in})
		if err != nil {
			t.Fatal(err)
		}
		empty := cmp.Transformer("empty", func(b []byte) string { return string(b) })
		for i := range in {
			got := p.Output(in[i].Name)
			if got == nil {
				t.Errorf("%s is missing", in[i].Name)
				continue
			}
			if len(got.Strings) == 0 {
				got.Strings = in[i].Strings
			}
			if d := cmp.Diff(in[i], *got, empty); d != "" {
				t.Error(d)
			}
			if err := got.Check(tensor.Limits{}); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestOnlyWhatIsAskedFor(t *testing.T) {
	both(t, func(t *testing.T, s *server, c *Client) {
		req := &providers.PredictRequest{Model: "lang", Inputs: []tensor.Tensor{texts("text", []int64{1}, "the dog")}, Outputs: []string{"probabilities"}}
		p, err := c.Predict(t.Context(), req)
		if err != nil || len(p.Outputs) != 1 || p.Outputs[0].Name != "probabilities" {
			t.Errorf("%v, %v", p, err)
		}
		s.mangle = func(out []tensor.Tensor) []tensor.Tensor { return out[:1] } // without the probabilities
		_, err = c.Predict(t.Context(), req)
		want(t, err, providers.KindProtocol)
	})
}

// TestNothingWrongIsSent: what the description of a model does not allow does not reach the model.
func TestNothingWrongIsSent(t *testing.T) {
	both(t, func(t *testing.T, s *server, c *Client) {
		floats := func(name string, shape ...int64) tensor.Tensor {
			n, _ := tensor.Elements(shape)
			return tensor.Tensor{Name: name, Type: tensor.Float32, Shape: shape, Data: make([]byte, 4*n)}
		}
		good := texts("text", []int64{1}, "x")
		for name, req := range map[string]*providers.PredictRequest{
			"name":      {Model: "lang", Inputs: []tensor.Tensor{texts("words", []int64{1}, "x")}},
			"type":      {Model: "lang", Inputs: []tensor.Tensor{floats("text", 1)}},
			"rank":      {Model: "lang", Inputs: []tensor.Tensor{texts("text", []int64{1, 1}, "x")}},
			"size":      {Model: "linear", Inputs: []tensor.Tensor{floats("features", 2, features-1)}},
			"missing":   {Model: "linear"},
			"twice":     {Model: "lang", Inputs: []tensor.Tensor{good, good}},
			"output":    {Model: "lang", Inputs: []tensor.Tensor{good}, Outputs: []string{"other"}},
			"outputs":   {Model: "lang", Inputs: []tensor.Tensor{good}, Outputs: []string{"class", "class"}},
			"data":      {Model: "lang", Inputs: []tensor.Tensor{{Name: "text", Type: tensor.String, Shape: []int64{2}, Strings: [][]byte{{}}}}},
			"no model":  {Inputs: []tensor.Tensor{good}},
			"the path":  {Model: "..", Inputs: []tensor.Tensor{good}},
			"a newline": {Model: "lang", Version: "1\n2", Inputs: []tensor.Tensor{good}},
			"too many":  {Model: "echo", Inputs: slices.Repeat([]tensor.Tensor{good}, 65)},
			"bomb":      {Model: "echo", Inputs: []tensor.Tensor{{Name: "a", Type: tensor.Float32, Shape: []int64{1 << 31, 1 << 31}}}},
		} {
			_, err := c.Predict(t.Context(), req)
			if providers.KindOf(err) != providers.KindInvalid {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, err := c.Predict(t.Context(), &providers.PredictRequest{Model: "lang", Signature: "x", Inputs: []tensor.Tensor{good}})
		want(t, err, providers.KindUnsupported)
		if n := s.called("ModelInfer"); n != 0 {
			t.Errorf("%d calls reached the model", n)
		}
		if _, err := c.Predict(t.Context(), &providers.PredictRequest{Model: "lang", Inputs: []tensor.Tensor{good}}); err != nil {
			t.Error(err)
		}
	})
}

func TestAnAnswerThatIsNotAsDescribed(t *testing.T) {
	both(t, func(t *testing.T, s *server, c *Client) {
		req := &providers.PredictRequest{Model: "lang", Inputs: []tensor.Tensor{texts("text", []int64{1}, "x")}}
		for name, mangle := range map[string]func([]tensor.Tensor) []tensor.Tensor{
			"type":  func(o []tensor.Tensor) []tensor.Tensor { o[1].Type = tensor.Int32; return o },
			"shape": func(o []tensor.Tensor) []tensor.Tensor { o[1].Shape = []int64{3}; return o },
			"name":  func(o []tensor.Tensor) []tensor.Tensor { o[1].Name = "q"; return o },
			"twice": func(o []tensor.Tensor) []tensor.Tensor { return append(o, o[0]) },
			"size":  func(o []tensor.Tensor) []tensor.Tensor { o[1].Shape = []int64{2, 3}; return o },
			"texts": func(o []tensor.Tensor) []tensor.Tensor { o[0].Shape = []int64{2}; return o },
		} {
			s.mangle = mangle
			_, err := c.Predict(t.Context(), req)
			if providers.KindOf(err) != providers.KindProtocol {
				t.Errorf("%s: %v", name, err)
			}
		}
		for i, kind := range []providers.Kind{providers.KindOverrun, providers.KindOverrun, map[bool]providers.Kind{true: providers.KindOverrun, false: providers.KindProtocol}[s.typed]} {
			s.mangle = func(o []tensor.Tensor) []tensor.Tensor {
				switch i {
				case 0:
					o[1].Shape = []int64{1 << 31, 1 << 31}
				case 1:
					o = slices.Repeat(o, 33)
				case 2:
					o[0].Strings, o[0].Shape = [][]byte{make([]byte, 1<<20+1)}, []int64{1}
				}
				return o
			}
			_, err := c.Predict(t.Context(), req)
			want(t, err, kind)
		}
	})
}

// TestWhatIsRememberedOfAModelIsForgotten when the server refuses a request as wrong.
func TestWhatIsRememberedOfAModelIsForgotten(t *testing.T) {
	both(t, func(t *testing.T, s *server, c *Client) {
		req := &providers.PredictRequest{Model: "lang", Inputs: []tensor.Tensor{texts("text", []int64{1}, "x")}}
		for range 3 {
			if _, err := c.Predict(t.Context(), req); err != nil {
				t.Fatal(err)
			}
		}
		s.mu.Lock()
		s.fail = func(method string) error {
			if method == "ModelInfer" {
				return &failure{http: 400, code: codes.InvalidArgument, text: "unexpected shape"}
			}
			return nil
		}
		s.mu.Unlock()
		_, err := c.Predict(t.Context(), req)
		want(t, err, providers.KindInvalid)
		s.mu.Lock()
		s.fail = nil
		s.mu.Unlock()
		if _, err := c.Predict(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		if n := s.called("ModelMetadata"); n != 2 {
			t.Errorf("the model was described %d times", n)
		}
	})
}

func TestFailuresOfTheServer(t *testing.T) {
	wait := http.Header{"Retry-After": {"7"}, "grpc-retry-pushback-ms": {"7000"}}
	wait.Set("grpc-retry-pushback-ms", "7000")
	both(t, func(t *testing.T, s *server, c *Client) {
		for _, f := range []struct {
			failure
			kind providers.Kind
			wait time.Duration
		}{
			{failure{429, codes.ResourceExhausted, "", wait}, providers.KindRateLimited, 7 * time.Second},
			{failure{503, codes.Unavailable, "", wait}, providers.KindUnavailable, 7 * time.Second},
			{failure{500, codes.Internal, "", nil}, providers.KindUnavailable, 0},
			{failure{500, codes.Unknown, "", nil}, providers.KindUnavailable, 0},
			{failure{400, codes.InvalidArgument, "", nil}, providers.KindInvalid, 0},
			{failure{400, codes.InvalidArgument, "the model 'x' is not found", nil}, providers.KindNotFound, 0},
			{failure{400, codes.Unavailable, "Request for unknown model: 'x' has no available versions", nil}, providers.KindNotFound, 0},
			{failure{404, codes.Unknown, "Unexpected <class 'mlserver.errors.ModelNotFound'>: Model x with version  not found", nil}, providers.KindNotFound, 0},
			{failure{400, codes.FailedPrecondition, "Model x is not ready", nil}, providers.KindUnavailable, 0},
			{failure{401, codes.Unauthenticated, "", nil}, providers.KindAuth, 0},
			{failure{403, codes.PermissionDenied, "", nil}, providers.KindAuth, 0},
			{failure{404, codes.NotFound, "", nil}, providers.KindNotFound, 0},
			{failure{405, codes.Unimplemented, "", nil}, providers.KindUnsupported, 0},
			{failure{408, codes.DeadlineExceeded, "", nil}, providers.KindTimeout, 0},
			{failure{302, codes.Code(99), "", http.Header{"Location": {"http://127.0.0.1:1/" + secret}}}, map[bool]providers.Kind{true: providers.KindUnknown, false: providers.KindProtocol}[strings.HasPrefix(c.cfg.URL, "grpc")], 0},
		} {
			s.mu.Lock()
			s.fail = func(method string) error {
				if method == "ModelInfer" {
					return &f.failure
				}
				return nil
			}
			s.mu.Unlock()
			_, err := c.Predict(t.Context(), &providers.PredictRequest{Model: "echo", Inputs: []tensor.Tensor{texts("a", []int64{1}, "x")}})
			want(t, err, f.kind)
			if got := providers.RetryAfter(err); got != f.wait {
				t.Errorf("%v: wait %v, want %v", err, got, f.wait)
			}
		}
	})
}

func TestDeadlinesAndCancellation(t *testing.T) {
	both(t, func(t *testing.T, s *server, c *Client) {
		began := make(chan struct{}, 2)
		ended := make(chan struct{}, 2)
		s.wait = func(ctx context.Context) { began <- struct{}{}; <-ctx.Done(); ended <- struct{}{} }
		req := &providers.PredictRequest{Model: "echo", Inputs: []tensor.Tensor{texts("a", []int64{1}, "x")}}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-began; cancel() }()
		_, err := c.Predict(ctx, req)
		want(t, err, providers.KindCanceled)
		<-ended // the server was told
		ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err = c.Predict(ctx, req)
		want(t, err, providers.KindTimeout)
		<-ended
		_, err = c.Predict(ctx, req)
		want(t, err, providers.KindTimeout)
	})
	bothWith(t, Config{Timeout: 50 * time.Millisecond}, func(t *testing.T, s *server, c *Client) {
		s.wait = func(ctx context.Context) { <-ctx.Done() }
		_, err := c.Predict(t.Context(), &providers.PredictRequest{Model: "echo", Inputs: []tensor.Tensor{texts("a", []int64{1}, "x")}})
		want(t, err, providers.KindTimeout)
	})
}

func TestLifecycle(t *testing.T) {
	both(t, func(t *testing.T, s *server, c *Client) {
		ctx := t.Context()
		if err := c.Live(ctx); err != nil {
			t.Error(err)
		}
		if err := c.ServerReady(ctx); err != nil {
			t.Error(err)
		}
		if err := c.Ready(ctx, "lang", "2"); err != nil {
			t.Error(err)
		}
		want(t, c.Ready(ctx, "cold", ""), providers.KindUnavailable)
		want(t, c.Ready(ctx, "nobody", ""), providers.KindNotFound)
		all, err := c.Versions(ctx, "")
		if err != nil {
			t.Fatal(err)
		}
		states := map[string]providers.ModelState{}
		for _, v := range all {
			states[v.Model] = v.State
			if strings.Contains(v.Detail, secret) {
				t.Errorf("%s: %s", v.Model, v.Detail)
			}
		}
		if d := cmp.Diff(map[string]providers.ModelState{"lang": "ready", "linear": "ready", "echo": "ready", "cold": "absent", "ruin": "broken", "shelf": "absent"}, states); d != "" {
			t.Error(d)
		}
		if models, err := c.Models(ctx); err != nil || len(models) != 6 {
			t.Errorf("%v, %v", models, err)
		}
		_, err = c.Versions(ctx, "nobody")
		want(t, err, providers.KindNotFound)
		if err := c.Warm(ctx, "lang", ""); err != nil || s.called("RepositoryModelLoad") != 0 {
			t.Errorf("a model that is ready was loaded: %v", err)
		}
		if err := c.Warm(ctx, "cold", ""); err != nil {
			t.Error(err)
		}
		if err := c.Ready(ctx, "cold", ""); err != nil {
			t.Error(err)
		}
		if err := c.Unload(ctx, "cold"); err != nil {
			t.Error(err)
		}
		want(t, c.Ready(ctx, "cold", ""), providers.KindUnavailable)
		want(t, c.Warm(ctx, "nobody", ""), providers.KindNotFound)

		s.noIndex = true
		versions, err := c.Versions(ctx, "lang")
		if d := cmp.Diff([]providers.ModelVersion{{Model: "lang", Version: "1", State: "ready"}, {Model: "lang", Version: "2", State: "ready"}}, versions); d != "" || err != nil {
			t.Errorf("%s, %v", d, err)
		}
		_, err = c.Versions(ctx, "")
		want(t, err, providers.KindUnsupported)
		if _, ok := c.proto.(*restProtocol); ok {
			s.names = []string{"lang", "cold", "gone"}
			versions, err = c.Versions(ctx, "")
			if d := cmp.Diff([]providers.ModelVersion{{Model: "lang", State: "ready"}, {Model: "cold", State: "absent", Detail: unready},
				{Model: "gone", State: "absent", Detail: unready}}, versions); d != "" || err != nil {
				t.Errorf("a list of names alone: %s, %v", d, err)
			}
			s.names = []string{""}
			_, err = c.Versions(ctx, "")
			want(t, err, providers.KindProtocol)
		}

		s.fail = func(method string) error {
			if method == "RepositoryModelLoad" {
				return &failure{http: 400, code: codes.Unavailable, text: "explicit model load / unload is not allowed if polling is enabled"}
			}
			return nil
		}
		want(t, c.Warm(ctx, "cold", ""), providers.KindUnsupported)
	})
}

// The index of MLServer on Python 3.11 and later has the names of its states as Python writes them.
func TestStatesOfAnIndex(t *testing.T) {
	got, err := index(Config{Name: "b"}, []indexEntry{{"a", "", "State.READY", ""}, {"b", "1", "State.UNAVAILABLE", ""}, {"c", "", "READY", ""}, {"d", "", "State.", ""}, {"e", "", "new", ""}})
	if err != nil {
		t.Fatal(err)
	}
	states := map[string]providers.ModelState{}
	for _, v := range got {
		states[v.Model] = v.State
	}
	if d := cmp.Diff(map[string]providers.ModelState{"a": "ready", "b": "absent", "c": "ready", "d": "absent", "e": "broken"}, states); d != "" {
		t.Error(d)
	}
}

func TestDescribe(t *testing.T) {
	both(t, func(t *testing.T, _ *server, c *Client) {
		about, err := c.Describe(t.Context(), "linear", "1")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(&providers.ModelDescription{Model: "linear", Version: "1", Signatures: map[string]providers.Signature{"": {
			Inputs:  []providers.Spec{{Name: "features", Type: tensor.Float32, Shape: []int64{-1, features}}},
			Outputs: []providers.Spec{{Name: "probabilities", Type: tensor.Float32, Shape: []int64{-1, 3}}},
		}}}, about); d != "" {
			t.Error(d)
		}
		_, err = c.Describe(t.Context(), "nobody", "")
		want(t, err, providers.KindNotFound)
	})
}

// certificate is the one of httptest, which is for 127.0.0.1.
func certificate(t *testing.T) (*tls.Certificate, *tls.Config) {
	t.Helper()
	h := httptest.NewTLSServer(nil)
	t.Cleanup(h.Close)
	return &h.TLS.Certificates[0], h.Client().Transport.(*http.Transport).TLSClientConfig
}

func TestTLS(t *testing.T) {
	cert, trusting := certificate(t)
	s := newServer()
	secure := httptest.NewUnstartedServer(s)
	secure.TLS = &tls.Config{Certificates: []tls.Certificate{*cert}}
	secure.StartTLS()
	defer secure.Close()
	for _, url := range []string{startGRPC(t, s, cert), secure.URL} {
		c := newClient(t, Config{URL: url, TLS: trusting, APIKey: "key", Header: http.Header{"X-Team": {"a"}}})
		if err := c.Ready(t.Context(), "lang", ""); err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		last := s.headers[len(s.headers)-1]
		s.mu.Unlock()
		for name, value := range map[string]string{"authorization": "Bearer key", "x-team": "a"} {
			if got := append(last[name], last.Values(name)...); !slices.Contains(got, value) {
				t.Errorf("%s: %s is %q", url, name, got)
			}
		}
		err := newClient(t, Config{URL: url}).Ready(t.Context(), "lang", "") // it does not know who signed the certificate
		want(t, err, providers.KindUnavailable)
		if !strings.Contains(err.Error(), "TLS") {
			t.Error(err)
		}
	}
}

func TestNoServer(t *testing.T) {
	for _, url := range []string{"grpc://127.0.0.1:1", "http://127.0.0.1:1"} {
		err := newClient(t, Config{URL: url}).Live(t.Context())
		want(t, err, providers.KindUnavailable)
		if !strings.Contains(err.Error(), "no connection") {
			t.Error(err)
		}
	}
}

func TestConfig(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no address": {}, "a scheme": {URL: "ftp://h"}, "a path": {URL: "grpc://h:1/v2"}, "credentials": {URL: "grpc://user:" + secret + "@h:1"},
		"more credentials": {URL: "http://user:" + secret + "@h"}, "no host": {URL: "grpc://:8001"}, "a variant": {URL: "http://h", Variant: "v3"},
		"gRPC of TorchServe": {URL: "grpc://h", Variant: TorchServe}, "management": {URL: "http://h", ManagementURL: "http://h"},
		"binary": {URL: "http://h", Binary: "maybe"}, "check": {URL: "http://h", Check: "all inputs"}, "time": {URL: "http://h", Timeout: -1},
		"limits": {URL: "http://h", Limits: tensor.Limits{Bytes: 2 << 30}}, "a key": {URL: "grpc://h", APIKey: secret + "\n"},
		"a header": {URL: "grpc://h", Header: http.Header{"Grpc-Timeout": {"1"}}}, "no URL": {URL: "grpc://h\x7f" + secret},
	} {
		_, err := New(cfg)
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for address, hostPort := range map[string]string{"grpc://h": "h:8001", "grpcs://h": "h:443", "grpc://[::1]:5/": "[::1]:5"} {
		if got, _, ok, err := grpcAddress(address); got != hostPort || !ok || err != nil {
			t.Errorf("%s: %s, %v, %v", address, got, ok, err)
		}
	}
	if s := (Config{Name: "n", URL: "http://h", APIKey: secret, ManagementKey: secret}).String(); strings.Contains(s, secret) {
		t.Error(s)
	}
}

package openinference

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/providers"
	"fairlead/providers/tensor"
)

// torch answers as TorchServe does, over the trained model.
type torch struct {
	answer      func(body []byte) (int, string)
	most, now   atomic.Int32
	gate        chan struct{} // not nil: a call waits for it
	contentType atomic.Value
	unhealthy   bool
}

func (s *torch) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case parts[0] == "ping" && s.unhealthy:
		w.WriteHeader(500)
		fmt.Fprint(w, `{"status":"Unhealthy"}`)
	case parts[0] == "ping":
		fmt.Fprint(w, `{"status":"Healthy"}`)
	case parts[0] == "predictions" && (parts[1] != "lang" || len(parts) > 2 && parts[2] != "1.0"):
		w.WriteHeader(404)
		fmt.Fprintf(w, `{"code":404,"type":"ModelNotFoundException","message":"Model not found: %s"}`, secret)
	case parts[0] == "predictions" && r.Method == http.MethodPost:
		now := s.now.Add(1)
		defer s.now.Add(-1)
		for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
		}
		if s.gate != nil {
			select {
			case <-s.gate:
			case <-r.Context().Done():
				return
			}
		}
		s.contentType.Store(r.Header.Get("Content-Type"))
		status, text := s.answer(body)
		w.WriteHeader(status)
		fmt.Fprint(w, text)
	default:
		http.NotFound(w, r)
	}
}

// classified answers as the text classifier of TorchServe does.
func classified(body []byte) (int, string) {
	out := map[string]float64{}
	for i, p := range trained().probabilities(hashed(string(body))) {
		out[trained().classes[i]] = p
	}
	text, _ := json.Marshal(out)
	return 200, string(text)
}

func bodies(all ...string) []tensor.Tensor {
	return []tensor.Tensor{texts("body", []int64{int64(len(all))}, all...)}
}

func TestTorchServeClassifies(t *testing.T) {
	s := &torch{answer: classified}
	c := newClient(t, Config{URL: startREST(t, s), Variant: TorchServe, Parallel: 3})
	for class, examples := range languages {
		p, err := c.Predict(t.Context(), &providers.PredictRequest{Model: "lang", Version: "1.0", Inputs: bodies(slices.Repeat(examples[1], 3)...)})
		if err != nil {
			t.Fatal(err)
		}
		classes, numbers := p.Output(OutputClasses), p.Output(OutputProbabilities)
		if !slices.Equal(classes.Shape, []int64{12, 3}) || !slices.Equal(numbers.Shape, []int64{12, 3}) || len(p.Output(OutputBody).Strings) != 12 {
			t.Fatalf("%v", p)
		}
		right := 0
		for i := range 12 {
			if string(classes.Strings[3*i]) == class {
				right++
			}
			exact := trained().probabilities(hashed(examples[1][i%4]))
			if got := math.Float64frombits(binary.LittleEndian.Uint64(numbers.Data[24*i:])); got != slices.Max(exact) {
				t.Errorf("%v, want %v", got, slices.Max(exact))
			}
		}
		if right < 9 {
			t.Errorf("%s: %d of 12", class, right)
		}
	}
	if s.most.Load() > 3 {
		t.Errorf("%d calls at once", s.most.Load())
	}
	if got := s.contentType.Load(); got != "application/octet-stream" {
		t.Errorf("sent as %v", got)
	}
}

func TestTorchServeAnswers(t *testing.T) {
	row := func(values ...float64) (data []byte) {
		for _, v := range values {
			data = binary.LittleEndian.AppendUint64(data, math.Float64bits(v))
		}
		return data
	}
	classes := func(n, k int64, names ...string) tensor.Tensor { return texts(OutputClasses, []int64{n, k}, names...) }
	numbers := func(name string, data []byte, shape ...int64) tensor.Tensor {
		return tensor.Tensor{Name: name, Type: tensor.Float64, Shape: shape, Data: data}
	}
	for name, c := range map[string]struct {
		answers []string
		want    []tensor.Tensor
	}{
		"classes":          {[]string{`{"cat":0.1,"d\u00f6g":0.9}`, `{"b":1,"a":1}`}, []tensor.Tensor{classes(2, 2, "dög", "cat", "a", "b"), numbers(OutputProbabilities, row(0.9, 0.1, 1, 1), 2, 2)}},
		"a list":           {[]string{`[{"label":"a","score":0.25},{"label":"b","score":0.75}]`}, []tensor.Tensor{classes(1, 2, "b", "a"), numbers(OutputProbabilities, row(0.75, 0.25), 1, 2)}},
		"the other list":   {[]string{`[{"class":"a","probability":1,"id":[1]}]`}, []tensor.Tensor{classes(1, 1, "a"), numbers(OutputProbabilities, row(1), 1, 1)}},
		"vectors":          {[]string{"[0.5, -1]", "[1e3,2]"}, []tensor.Tensor{numbers(OutputValues, row(0.5, -1, 1000, 2), 2, 2)}},
		"a number":         {[]string{"7"}, []tensor.Tensor{numbers(OutputValues, row(7), 1)}},
		"text":             {[]string{"Accepted", "{"}, nil},
		"other objects":    {[]string{`{"a":"b"}`}, nil},
		"other lists":      {[]string{`[]`}, nil},
		"unlike classes":   {[]string{`{"a":1}`, `{"a":1,"b":2}`}, nil},
		"a class twice":    {[]string{`{"a":1,"a":2}`}, nil},
		"unlike vectors":   {[]string{"[1]", "[1,2]"}, nil},
		"beyond a float64": {[]string{`{"a":1e999}`}, nil},
		"nothing":          {[]string{""}, nil},
	} {
		s := &torch{answer: func(body []byte) (int, string) { return 200, c.answers[body[0]-'0'] }}
		client := newClient(t, Config{URL: startREST(t, s), Variant: TorchServe})
		p, err := client.Predict(t.Context(), &providers.PredictRequest{Model: "lang", Inputs: bodies([]string{"0", "1"}[:len(c.answers)]...)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := append([]tensor.Tensor{texts(OutputBody, []int64{int64(len(c.answers))}, c.answers...)}, c.want...)
		if d := cmp.Diff(want, p.Outputs); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		for i := range p.Outputs {
			if err := p.Outputs[i].Check(tensor.Limits{}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestTorchServeRefusals(t *testing.T) {
	s := &torch{answer: classified}
	c := newClient(t, Config{URL: startREST(t, s), Variant: TorchServe, Limits: tensor.Limits{Text: 1000}})
	for name, tc := range map[string]struct {
		req  *providers.PredictRequest
		kind providers.Kind
	}{
		"numbers":        {&providers.PredictRequest{Model: "lang", Inputs: []tensor.Tensor{{Name: "a", Type: tensor.Uint8, Shape: []int64{1}, Data: []byte{1}}}}, providers.KindUnsupported},
		"two inputs":     {&providers.PredictRequest{Model: "lang", Inputs: []tensor.Tensor{texts("a", []int64{1}, "x"), texts("b", []int64{1}, "x")}}, providers.KindUnsupported},
		"a form":         {&providers.PredictRequest{Model: "lang", Signature: "xml", Inputs: bodies("x")}, providers.KindUnsupported},
		"no JSON":        {&providers.PredictRequest{Model: "lang", Signature: BodyJSON, Inputs: bodies("{")}, providers.KindInvalid},
		"no bodies":      {&providers.PredictRequest{Model: "lang", Inputs: bodies()}, providers.KindInvalid},
		"too many":       {&providers.PredictRequest{Model: "lang", Inputs: bodies(make([]string, maxBodies+1)...)}, providers.KindInvalid},
		"a model":        {&providers.PredictRequest{Model: "nobody", Inputs: bodies("x")}, providers.KindNotFound},
		"a version":      {&providers.PredictRequest{Model: "lang", Version: "9", Inputs: bodies("x", "y", "z")}, providers.KindNotFound},
		"another output": {&providers.PredictRequest{Model: "lang", Inputs: bodies("x"), Outputs: []string{OutputValues}}, providers.KindProtocol},
	} {
		_, err := c.Predict(t.Context(), tc.req)
		if providers.KindOf(err) != tc.kind {
			t.Errorf("%s: %v", name, err)
		}
		want(t, err, tc.kind)
	}
	s.answer = func([]byte) (int, string) { return 200, strings.Repeat("x", 1001) }
	_, err := c.Predict(t.Context(), &providers.PredictRequest{Model: "lang", Inputs: bodies("x")})
	want(t, err, providers.KindOverrun)
	s.answer = func(b []byte) (int, string) {
		return 503, `{"code":503,"type":"ServiceUnavailableException","message":"` + secret + `"}`
	}
	_, err = c.Predict(t.Context(), &providers.PredictRequest{Model: "lang", Inputs: bodies("x", "y", "z", "a", "b", "c")})
	want(t, err, providers.KindUnavailable)
	s.unhealthy = true
	want(t, c.Warm(t.Context(), "lang", ""), providers.KindUnsupported)
	want(t, c.Unload(t.Context(), "lang"), providers.KindUnsupported)
}

func TestTorchServeEndsWithItsCaller(t *testing.T) {
	s := &torch{answer: classified, gate: make(chan struct{})}
	c := newClient(t, Config{URL: startREST(t, s), Variant: TorchServe, Parallel: 2})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		s.gate <- struct{}{} // one call has come through
		cancel()
	}()
	_, err := c.Predict(ctx, &providers.PredictRequest{Model: "lang", Inputs: bodies("a", "b", "c", "d", "e")})
	want(t, err, providers.KindCanceled)
}

func TestTorchServeManagement(t *testing.T) {
	model := func(name, version string, min int, states ...string) string {
		var workers []string
		for _, s := range states {
			workers = append(workers, fmt.Sprintf(`{"id":"9000","status":%q,"gpu":false}`, s))
		}
		return fmt.Sprintf(`{"modelName":%q,"modelVersion":%q,"minWorkers":%d,"workers":[%s]}`, name, version, min, strings.Join(workers, ","))
	}
	management := http.NewServeMux()
	management.HandleFunc("GET /models", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer m" {
			w.WriteHeader(401)
		} else if r.URL.Query().Get("next_page_token") == "" {
			fmt.Fprint(w, `{"nextPageToken":"2","models":[{"modelName":"lang","modelUrl":"lang.mar"}]}`)
		} else {
			fmt.Fprint(w, `{"models":[{"modelName":"gone"},{"modelName":"idle"}]}`)
		}
	})
	one := model("lang", "1.0", 1, "UNLOADING", "READY")
	two := model("lang", "2.0", 1, "LOADING")
	management.HandleFunc("GET /models/lang", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "["+one+"]") })
	management.HandleFunc("GET /models/lang/all", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "["+one+","+two+"]") })
	management.HandleFunc("GET /models/lang/2.0", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "["+two+"]") })
	management.HandleFunc("GET /models/idle", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "["+model("idle", "1.0", 0)+"]") })

	s := &torch{answer: classified}
	c := newClient(t, Config{URL: startREST(t, s), Variant: TorchServe, ManagementURL: startREST(t, management), ManagementKey: "m"})
	ctx := t.Context()
	all, err := c.Versions(ctx, "")
	if d := cmp.Diff([]providers.ModelVersion{{Model: "lang", Version: "1.0", State: "ready"}, {Model: "idle", Version: "1.0", State: "absent", Detail: "it has no workers"}}, all); d != "" || err != nil {
		t.Errorf("%s, %v", d, err)
	}
	versions, err := c.Versions(ctx, "lang")
	if d := cmp.Diff([]providers.ModelVersion{{Model: "lang", Version: "1.0", State: "ready"}, {Model: "lang", Version: "2.0", State: "loading", Detail: "its workers are starting"}}, versions); d != "" || err != nil {
		t.Errorf("%s, %v", d, err)
	}
	if err := c.Ready(ctx, "lang", ""); err != nil {
		t.Error(err)
	}
	if err := c.Warm(ctx, "lang", ""); err != nil {
		t.Error(err)
	}
	want(t, c.Ready(ctx, "lang", "2.0"), providers.KindUnavailable)
	want(t, c.Warm(ctx, "idle", ""), providers.KindUnsupported)
	want(t, c.Ready(ctx, "nobody", ""), providers.KindNotFound)
	about, err := c.Describe(ctx, "lang", "")
	if err != nil || about.Version != "1.0" || about.Signatures[BodyJSON].Inputs[0].Type != tensor.String {
		t.Errorf("%v, %v", about, err)
	}
	if err := c.Live(ctx); err != nil {
		t.Error(err)
	}
	s.unhealthy = true
	if err := c.Live(ctx); err != nil {
		t.Error(err)
	}
	want(t, c.ServerReady(ctx), providers.KindUnavailable)
	bare := newClient(t, Config{URL: c.cfg.URL, Variant: TorchServe})
	_, err = bare.Versions(ctx, "")
	want(t, err, providers.KindUnsupported)
	want(t, bare.Ready(ctx, "lang", ""), providers.KindUnavailable)
}

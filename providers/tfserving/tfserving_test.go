package tfserving_test

import (
	"context"
	"encoding/binary"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"fairlead/providers"
	"fairlead/providers/tensor"
	"fairlead/providers/tfserving"
	"fairlead/providers/tfserving/tfservingtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// trained is the model of all tests: training it takes a while.
var trained = sync.OnceValue(func() *tfservingtest.Regressor { return tfservingtest.Train(tfservingtest.Corpus()) })

// ways are the ways to a server.
var ways = []string{"grpc", "rest columns", "rest rows"}

// serve starts a server and a client of it.
func serve(t testing.TB, way string, s *tfservingtest.Server, change func(*tfserving.Config)) *tfserving.Client {
	t.Helper()
	cfg := tfserving.Config{Name: "served", Labels: []string{"stable", "canary", "nobody"}}
	if way == "grpc" {
		address, _ := s.GRPC(t)
		cfg.URL = "grpc://" + address
	} else {
		cfg.URL, cfg.Rows = s.REST(t).URL, way == "rest rows"
	}
	if change != nil {
		change(&cfg)
	}
	return client(t, cfg)
}

func client(t testing.TB, cfg tfserving.Config) *tfserving.Client {
	t.Helper()
	c, err := tfserving.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c
}

// office is a server with the trained model as versions 1 and 2, stable being 1.
func office() *tfservingtest.Server {
	s := &tfservingtest.Server{}
	s.Put("intent", 1, &tfservingtest.Version{Regressor: trained()})
	s.Put("intent", 2, &tfservingtest.Version{Regressor: trained()})
	s.Label("intent", "stable", 1)
	s.Label("intent", "canary", 2)
	return s
}

func texts(name string, values ...string) tensor.Tensor {
	t := tensor.Tensor{Name: name, Type: tensor.String, Shape: []int64{int64(len(values))}}
	for _, v := range values {
		t.Strings = append(t.Strings, []byte(v))
	}
	return t
}

func floats(t *tensor.Tensor) []float32 {
	var out []float32
	for i := 0; i+4 <= len(t.Data); i += 4 {
		out = append(out, math.Float32frombits(binary.LittleEndian.Uint32(t.Data[i:])))
	}
	return out
}

func TestPredict(t *testing.T) {
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			s := office()
			c := serve(t, way, s, nil)
			questions := []string{"refund the invoice", "a ferry to Rome \"now\" \u2028 <b>", "the password \xff\xfe reset", ""}
			out, err := c.Predict(t.Context(), &providers.PredictRequest{Model: "intent", Version: "stable", Inputs: []tensor.Tensor{texts("text", questions...)}})
			if err != nil {
				t.Fatal(err)
			}
			if len(out.Outputs) != 2 || out.Outputs[0].Name != "classes" || out.Outputs[1].Name != "scores" {
				t.Fatalf("outputs %v", out.Outputs)
			}
			scores := out.Output("scores")
			if diff := cmp.Diff([]int64{4, 3}, scores.Shape); diff != "" {
				t.Fatal(diff)
			}
			var want []float32
			for _, q := range questions {
				want = append(want, trained().Probabilities(q)...)
			}
			if diff := cmp.Diff(want, floats(scores)); diff != "" {
				t.Error(diff)
			}
			if got := string(out.Output("classes").Strings[4]); got != "travel" {
				t.Errorf("class %q", got)
			}
			version := "1"
			if way != "grpc" {
				version = "" // REST does not say
			}
			if out.Model != "intent" || out.Version != version {
				t.Errorf("answered by %s %q", out.Model, out.Version)
			}
			out, err = c.Predict(t.Context(), &providers.PredictRequest{Model: "intent", Version: "2", Inputs: []tensor.Tensor{texts("text", "x")}, Outputs: []string{"scores"}})
			if err != nil || len(out.Outputs) != 1 || out.Version != "2" {
				t.Errorf("one output of version 2: %v, %v", out, err)
			}
			vector, err := c.Predict(t.Context(), &providers.PredictRequest{Model: "intent", Signature: "embed", Inputs: []tensor.Tensor{texts("text", "the ferry")}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tfservingtest.Features("the ferry"), floats(vector.Output("embedding"))); diff != "" {
				t.Error(diff)
			}
			if n := s.Calls("GetModelMetadata"); n != 3 {
				t.Errorf("asked for signatures %d times for stable, 2 and the default", n)
			}
		})
	}
}

func TestClassifyAndRegress(t *testing.T) {
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			c := serve(t, way, office(), nil)
			classifier := &tfserving.TextClassifier{Client: c, Signature: tfservingtest.Classify}
			questions := []string{"please cancel the invoice", "is there a train to Oslo", "the program crashes", "bad bytes \xff"}
			out, err := classifier.Classify(t.Context(), &providers.ClassifyRequest{Model: "intent", Version: "canary", Texts: questions})
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range []string{"billing", "travel", "technical"} {
				if got := out.Classes[i][0]; got.Name != want || got.Probability < out.Classes[i][1].Probability {
					t.Errorf("%q is %v", questions[i], out.Classes[i])
				}
			}
			values, err := c.Regress(t.Context(), &tfserving.ExampleRequest{Model: "intent", Signature: tfservingtest.Regress,
				Examples: []tfserving.Example{{"text": {Bytes: [][]byte{[]byte("my bill")}}}}})
			if err != nil || len(values.Values) != 1 || values.Values[0] != trained().Probabilities("my bill")[0] {
				t.Errorf("regressed to %v, %v", values, err)
			}
			none, err := classifier.Classify(t.Context(), &providers.ClassifyRequest{Model: "intent"})
			if err != nil || len(none.Classes) != 0 {
				t.Errorf("no texts: %v, %v", none, err)
			}
			_, err = c.Regress(t.Context(), &tfserving.ExampleRequest{Model: "intent", Signature: tfservingtest.Classify, Examples: []tfserving.Example{{}}})
			if providers.KindOf(err) != providers.KindInvalid {
				t.Errorf("a regression by a signature for classes: %v", err)
			}
			_, err = c.Regress(t.Context(), &tfserving.ExampleRequest{Model: "intent", Signature: tfservingtest.Regress, Examples: []tfserving.Example{{"other": {Floats: []float32{1}}}}})
			if providers.KindOf(err) != providers.KindInvalid {
				t.Errorf("an example without its feature: %v", err)
			}
		})
	}
}

func TestDescribe(t *testing.T) {
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			c := serve(t, way, office(), nil)
			d, err := c.Describe(t.Context(), "intent", "stable")
			if err != nil {
				t.Fatal(err)
			}
			judged := []providers.Spec{{Name: "classes", Type: tensor.String, Shape: []int64{-1, 3}}, {Name: "scores", Type: tensor.Float32, Shape: []int64{-1, 3}}}
			text := []providers.Spec{{Name: "text", Type: tensor.String, Shape: []int64{-1}}}
			inputs := []providers.Spec{{Name: "inputs", Type: tensor.String, Shape: []int64{-1}}}
			want := &providers.ModelDescription{Model: "intent", Version: "1", Signatures: map[string]providers.Signature{
				"serving_default": {Inputs: text, Outputs: judged, Method: "predict"},
				"embed":           {Inputs: text, Outputs: []providers.Spec{{Name: "embedding", Type: tensor.Float32, Shape: []int64{-1, 256}}}, Method: "predict"},
				"classify_text":   {Inputs: inputs, Outputs: judged, Method: "classify"},
				"regress_text":    {Inputs: inputs, Outputs: []providers.Spec{{Name: "outputs", Type: tensor.Float32, Shape: []int64{-1}}}, Method: "regress"},
			}}
			if diff := cmp.Diff(want, d); diff != "" {
				t.Error(diff)
			}
			d.Signatures["embed"].Inputs[0].Shape[0] = 7
			if again, err := c.Describe(t.Context(), "intent", "stable"); err != nil || again.Signatures["embed"].Inputs[0].Shape[0] != -1 {
				t.Errorf("what was given shares memory with what is kept: %v", err)
			}
			for _, version := range []string{"nobody", "9"} {
				if _, err := c.Describe(t.Context(), "intent", version); providers.KindOf(err) != providers.KindNotFound {
					t.Errorf("version %s: %v", version, err)
				}
			}
		})
	}
}

func TestVersions(t *testing.T) {
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			s := office()
			s.Put("intent", 3, &tfservingtest.Version{Regressor: trained(), State: 10})
			s.Put("intent", 4, &tfservingtest.Version{Regressor: trained(), State: 50})
			s.Put("intent", 5, &tfservingtest.Version{Regressor: trained(), State: 40})
			c := serve(t, way, s, nil)
			got, err := c.Versions(t.Context(), "intent")
			if err != nil {
				t.Fatal(err)
			}
			want := []providers.ModelVersion{
				{Model: "intent", Version: "5", State: providers.ModelUnloading},
				{Model: "intent", Version: "4", State: providers.ModelBroken, Detail: "loading it failed: the server's own log says why"},
				{Model: "intent", Version: "3", State: providers.ModelLoading},
				{Model: "intent", Version: "2", State: providers.ModelReady, Labels: []string{"canary"}},
				{Model: "intent", Version: "1", State: providers.ModelReady, Labels: []string{"stable"}},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			for version, kind := range map[string]providers.Kind{"": 0, "1": 0, "stable": 0, "3": providers.KindUnavailable, "9": providers.KindNotFound, "nobody": providers.KindNotFound} {
				err := c.Ready(t.Context(), "intent", version)
				if (err == nil) != (kind == 0) || providers.KindOf(err) != kind {
					t.Errorf("version %q: %v", version, err)
				}
			}
			if err := c.Ready(t.Context(), "other", ""); providers.KindOf(err) != providers.KindNotFound {
				t.Errorf("a model that is not there: %v", err)
			}
			if _, err := c.Versions(t.Context(), ""); providers.KindOf(err) != providers.KindUnsupported {
				t.Errorf("all models: %v", err)
			}
		})
	}
}

// TestUnfitIsNotSent: what does not fit the model's signature goes no further than its description.
func TestUnfitIsNotSent(t *testing.T) {
	long := tensor.Tensor{Name: "text", Type: tensor.String, Shape: []int64{1}, Strings: [][]byte{make([]byte, 2<<20)}}
	number := tensor.Tensor{Name: "text", Type: tensor.Float32, Shape: []int64{1}, Data: make([]byte, 4)}
	square := tensor.Tensor{Name: "text", Type: tensor.String, Shape: []int64{1, 1}, Strings: [][]byte{{}}}
	for _, way := range ways {
		s := office()
		c := serve(t, way, s, nil)
		for name, test := range map[string]struct {
			req  providers.PredictRequest
			want string
		}{
			"signature":   {providers.PredictRequest{Signature: "nope", Inputs: []tensor.Tensor{texts("text", "a")}}, `no signature "nope": it has classify_text, embed, regress_text, serving_default`},
			"input":       {providers.PredictRequest{Inputs: []tensor.Tensor{texts("txt", "a")}}, `there is no input "txt"; its inputs are text`},
			"missing":     {providers.PredictRequest{}, "an input is missing; its inputs are text"},
			"type":        {providers.PredictRequest{Inputs: []tensor.Tensor{number}}, `input "text" is BYTES and was given as FP32`},
			"shape":       {providers.PredictRequest{Inputs: []tensor.Tensor{square}}, `input "text" has the shape [-1] and was given [1 1]`},
			"output":      {providers.PredictRequest{Inputs: []tensor.Tensor{texts("text", "a")}, Outputs: []string{"logits"}}, `there is no output "logits"; its outputs are classes, scores`},
			"twice":       {providers.PredictRequest{Inputs: []tensor.Tensor{texts("text", "a"), texts("text", "a")}}, "twice"},
			"too long":    {providers.PredictRequest{Inputs: []tensor.Tensor{long}}, "the limit is"},
			"not whole":   {providers.PredictRequest{Inputs: []tensor.Tensor{{Name: "text", Type: tensor.String, Shape: []int64{2}}}}, "wants 2 texts"},
			"bad name":    {providers.PredictRequest{Model: "../intent", Inputs: []tensor.Tensor{texts("text", "a")}}, "a model's name"},
			"bad version": {providers.PredictRequest{Version: "1:predict", Inputs: []tensor.Tensor{texts("text", "a")}}, "a model's name and version"},
		} {
			if test.req.Model == "" {
				test.req.Model = "intent"
			}
			_, err := c.Predict(t.Context(), &test.req)
			if providers.KindOf(err) != providers.KindInvalid || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s, %s: %v", way, name, err)
			}
		}
		if n := s.Calls("Predict"); n != 0 {
			t.Errorf("%s: %d were sent", way, n)
		}
	}
}

// TestLabelMoves: a label that points to another version, with other inputs, is noticed by the next call, whichever way it fails.
func TestLabelMoves(t *testing.T) {
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			s := office()
			s.Put("intent", 2, &tfservingtest.Version{Regressor: trained(), Input: "query"})
			c := serve(t, way, s, nil)
			ask := func(input string) error {
				_, err := c.Predict(t.Context(), &providers.PredictRequest{Model: "intent", Version: "stable", Inputs: []tensor.Tensor{texts(input, "the bus")}})
				return err
			}
			if err := ask("text"); err != nil {
				t.Fatal(err)
			}
			s.Label("intent", "stable", 2)
			if err := ask("query"); err != nil { // it does not fit what is kept
				t.Fatal(err)
			}
			s.Label("intent", "stable", 1)
			if err := ask("query"); providers.KindOf(err) != providers.KindInvalid { // what is kept lets it pass; the server refuses
				t.Fatal(err)
			}
			if err := ask("text"); err != nil {
				t.Fatal(err)
			}
			s.Put("intent", 3, &tfservingtest.Version{Regressor: tfservingtest.Train([]tfservingtest.Sample{{Text: "a", Class: "x"}, {Text: "b", Class: "y"}})})
			s.Label("intent", "stable", 3)
			if err := ask("text"); err != nil { // it answers with two classes where three were told of
				t.Error(err)
			}
		})
	}
}

// TestDiscoveryIsShared: many calls at once ask for the signatures once, and a caller that leaves does not take the others along.
func TestDiscoveryIsShared(t *testing.T) {
	s := office()
	entered, release := make(chan struct{}, 100), make(chan struct{})
	s.Fault = func(method string) error {
		if method == "GetModelMetadata" {
			entered <- struct{}{}
			<-release
		}
		return nil
	}
	c := serve(t, "grpc", s, nil)
	first, leave := context.WithCancel(t.Context())
	req := &providers.PredictRequest{Model: "intent", Inputs: []tensor.Tensor{texts("text", "a")}}
	gone := make(chan error)
	go func() {
		_, err := c.Predict(first, req)
		gone <- err
	}()
	<-entered
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			if _, err := c.Predict(t.Context(), req); err != nil {
				t.Error(err)
			}
		})
	}
	leave()
	if err := <-gone; providers.KindOf(err) != providers.KindCanceled {
		t.Error(err)
	}
	<-entered // another one asks
	close(release)
	wg.Wait()
	if n := s.Calls("GetModelMetadata"); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

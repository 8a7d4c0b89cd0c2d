package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/structpb"

	fairleadv1 "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
)

// linear is a server of the Open Inference Protocol over REST with a model under two names: logits = weights · x, for
// inputs x of shape [n, numbers] or [n, 3, 4, 4].
type linear struct {
	weights [][]float64
	calls   atomic.Int64
	rows    atomic.Int64
}

func (l *linear) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := any(map[string]any{})
	switch path := r.URL.Path; {
	case path == "/v2":
		answer = map[string]any{"name": "linear", "version": "1", "extensions": []string{}}
	case path == "/v2/models/net", path == "/v2/models/vision":
		shape := []int{-1, len(l.weights[0])}
		if path == "/v2/models/vision" {
			shape = []int{-1, 3, 4, 4}
		}
		answer = map[string]any{"name": filepath.Base(path), "versions": []string{"7"}, "platform": "test",
			"inputs":  []any{map[string]any{"name": "x", "datatype": "FP32", "shape": shape}},
			"outputs": []any{map[string]any{"name": "logits", "datatype": "FP32", "shape": []int{-1, len(l.weights)}}}}
	case strings.HasSuffix(path, "/infer"):
		var req struct {
			Inputs []struct {
				Shape []int           `json:"shape"`
				Data  json.RawMessage `json:"data"`
			} `json:"inputs"`
		}
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil || len(req.Inputs) != 1 {
			http.Error(w, "{}", http.StatusBadRequest)
			return
		}
		var x []float64
		for _, field := range strings.FieldsFunc(string(req.Inputs[0].Data), func(r rune) bool { return strings.ContainsRune("[], \n", r) }) {
			var n float64
			_, _ = fmt.Sscan(field, &n)
			x = append(x, n)
		}
		rows := req.Inputs[0].Shape[0]
		l.calls.Add(1)
		l.rows.Add(int64(rows))
		var out []float64
		for row := range rows {
			out = append(out, l.logits(x[row*len(x)/rows:(row+1)*len(x)/rows])...)
		}
		answer = map[string]any{"model_name": strings.Split(r.URL.Path, "/")[3], "model_version": "7", "outputs": []any{map[string]any{
			"name": "logits", "datatype": "FP32", "shape": []int{rows, len(l.weights)}, "data": out}}}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

func (l *linear) logits(x []float64) []float64 {
	out := make([]float64, len(l.weights))
	for k, weights := range l.weights {
		for i := range x {
			out[k] += weights[i] * x[i]
		}
	}
	return out
}

func newLinear(t *testing.T, inputs int) (*linear, string) {
	rng := rand.New(rand.NewPCG(3, 4))
	l := &linear{}
	for range 3 {
		weights := make([]float64, inputs)
		for i := range weights {
			weights[i] = rng.NormFloat64()
		}
		l.weights = append(l.weights, weights)
	}
	server := httptest.NewServer(l)
	t.Cleanup(server.Close)
	return l, server.URL
}

// chance makes probabilities of logits, as the textbook has it.
func chance(logits []float64) (p []float64) {
	sum := 0.0
	for _, v := range logits {
		p = append(p, math.Exp(v))
		sum += math.Exp(v)
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

const pictures = `
backends:
  models: { kind: openinference, url: "URL", clearance: restricted }
  home: { kind: scripted, clearance: restricted }
targets:
  photos:
    backend: models
    model: vision
    input: { image: { tensor: x, size: [4, 4], mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } }
    output: { classes: { tensor: logits, activation: softmax, labels: [cat, dog, owl] } }
    batch: { max: 16, delay: 2ms }
  churn:
    backend: models
    model: net
    input: { features: { tensor: x, list: [{ name: age }, { name: income, default: 2 }, { name: member }] } }
    output: { classes: { tensor: logits, activation: softmax, labels: [stays, leaves, dies] } }
  net: { backend: models, model: net }
  words: { backend: home, model: embed, does: [embed] }
  local: { backend: home, model: echo, price: {} }
chains: { dir: chains }
discover: { ollama: false, openai: false }
`

// A picture goes from its file through the API, the pipeline and a server of the protocol, and its classes are those
// that the textbook gives.
func TestPicturesThroughTheAPI(t *testing.T) {
	l, url := newLinear(t, 3*4*4)
	t.Chdir(t.TempDir())
	config := write(t, "fairlead.yaml", strings.ReplaceAll(pictures, "URL", url))
	write(t, filepath.Join("chains", "none.txt"), "")
	s := serve(t, "--config", config)
	rng := rand.New(rand.NewPCG(1, 2))
	files := make([][]byte, 8)
	want := make([][]float64, len(files))
	for f := range files {
		img := image.NewRGBA(image.Rect(0, 0, 4, 4))
		x := make([]float64, 48)
		for y := range 4 {
			for k := range 4 {
				c := color.RGBA{uint8(rng.IntN(256)), uint8(rng.IntN(256)), uint8(rng.IntN(256)), 255}
				img.SetRGBA(k, y, c)
				for channel, v := range []uint8{c.R, c.G, c.B} {
					mean, std := []float64{0.485, 0.456, 0.406}[channel], []float64{0.229, 0.224, 0.225}[channel]
					x[channel*16+y*4+k] = (float64(v)/255 - mean) / std
				}
			}
		}
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		files[f], want[f] = b.Bytes(), chance(l.logits(x))
	}
	c := fairleadv1connect.NewInferenceServiceClient(httpClient(t), s.address)
	check := func(at int, classes []*fairleadv1.Class) {
		t.Helper()
		labels := map[string]float64{"cat": want[at][0], "dog": want[at][1], "owl": want[at][2]}
		for i, got := range classes {
			if p, ok := labels[got.GetName()]; len(classes) != 3 || !ok || math.Abs(got.GetProbability()-p) > 1e-5 || i > 0 && got.GetProbability() > classes[i-1].GetProbability() {
				t.Errorf("picture %d: %v, want %v", at, classes, labels)
			}
		}
	}
	var all sync.WaitGroup
	for i, file := range files {
		all.Go(func() {
			got, err := c.Classify(t.Context(), &fairleadv1.ClassifyRequest{Target: "photos", Images: [][]byte{file}})
			if err != nil {
				t.Error(err)
				return
			}
			check(i, got.GetResults()[0].GetClasses())
			if a := got.GetAnswered(); a.GetTarget() != "photos" || a.GetModel() != "vision" || a.GetCached() != 0 {
				t.Errorf("answered %v", a)
			}
		})
	}
	all.Wait()
	if l.rows.Load() != int64(len(files)) {
		t.Errorf("%d rows in %d calls", l.rows.Load(), l.calls.Load())
	}
	// Again: from the cache, and anew where that is asked for.
	before := l.calls.Load()
	for noCache, made := range map[bool]int64{false: 0, true: 1} {
		got, err := c.Classify(t.Context(), &fairleadv1.ClassifyRequest{Target: "photos", Images: files, Limits: &fairleadv1.InferenceLimits{NoCache: noCache}})
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range got.GetResults() {
			check(i, r.GetClasses())
		}
		if cached := got.GetAnswered().GetCached(); int(cached) != (1-int(made))*len(files) || l.calls.Load()-before > 1 {
			t.Errorf("no cache %v: %d from the cache, %d calls", noCache, cached, l.calls.Load()-before)
		}
	}
	if _, err := c.Classify(t.Context(), &fairleadv1.ClassifyRequest{Target: "photos", Images: [][]byte{[]byte("no picture")}}); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("%v", err)
	}
	// The same model over bare tensors, and the version that answered.
	numbers := make([]float64, 96)
	for i := range numbers {
		numbers[i] = rng.NormFloat64()
	}
	out, err := c.Predict(t.Context(), &fairleadv1.PredictRequest{Target: "net", Inputs: []*fairleadv1.Tensor{{Name: "x", Type: "FP32", Shape: []int64{2, 48}, Numbers: numbers}}})
	if err != nil || out.GetVersion() != "7" || len(out.GetOutputs()) != 1 || len(out.GetOutputs()[0].GetNumbers()) != 6 {
		t.Fatalf("%v, %v", out, err)
	}
	for row := range 2 {
		for k, v := range l.logits(numbers[row*48 : (row+1)*48]) {
			if got := out.GetOutputs()[0].GetNumbers()[row*3+k]; math.Abs(got-v) > 1e-4 {
				t.Errorf("row %d: %v, want %v", row, got, v)
			}
		}
	}
	if _, err := c.Predict(t.Context(), &fairleadv1.PredictRequest{Target: "local", Inputs: out.GetOutputs()}); connect.CodeOf(err) != connect.CodeInvalidArgument {
		t.Errorf("%v", err)
	}
	// And from the command line.
	file := write(t, "cat.png", string(files[0]))
	text := succeed(t, "classify", "photos", "--image", file, "--server", s.address)
	if !strings.Contains(text, fmt.Sprintf("%.4f  cat", want[0][0])) || !strings.Contains(text, "1 from the cache") {
		t.Errorf("%s", text)
	}
}

const modelSteps = `
chain: looks
version: 1
input: { photo: string, age: number, income: number?, row: list }
steps:
  - id: animal
    classify: { target: photos, image: "{{photo}}", labels: { cat: internal, dog: internal, owl: internal } }
  - id: raw
    predict: { target: net, inputs: { x: "{{row}}" } }
  - id: again
    predict: { target: net, inputs: { x: [ROW] }, types: { x: FP32 }, outputs: [logits] }
  - id: way
    choose:
      - { name: high, when: "steps.raw.outputs.logits[0][1] > -100.0", steps: [{ id: a, target: local, generate: { user: "{{steps.raw.outputs.logits.0.1}}" } }] }
output: "{{steps.animal.label}} {{steps.way.case}} {{steps.raw.version}} {{steps.raw.target}} {{steps.raw.outputs.logits}} {{steps.again.outputs.logits}}"
`

func TestChainsWithPicturesAndTensors(t *testing.T) {
	l, url := newLinear(t, 48)
	t.Chdir(t.TempDir())
	config := write(t, "fairlead.yaml", strings.ReplaceAll(pictures, "URL", url))
	write(t, filepath.Join("chains", "none.txt"), "")
	img := image.NewRGBA(image.Rect(0, 0, 4, 4))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	row := strings.TrimSuffix(strings.Repeat("1,", 48), ",")
	write(t, filepath.Join("chains", "looks.yaml"), strings.ReplaceAll(modelSteps, "ROW", row))
	s := serve(t, "--config", config)
	photo := "data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes())
	run := fairleadv1connect.NewRunServiceClient(httpClient(t), s.address)
	ones := make([]any, 48)
	for i := range ones {
		ones[i] = 1.0
	}
	ask := func(input map[string]any) (string, error) {
		stream, err := run.Run(t.Context(), &fairleadv1.RunRequest{Chain: "looks", Input: structured(t, input)})
		if err != nil {
			return "", err
		}
		defer stream.Close()
		output := ""
		for stream.Receive() {
			if f := stream.Msg().GetEvent().GetRunFinished(); f != nil {
				output = f.GetOutput()
			}
		}
		return output, stream.Err()
	}
	sum := l.logits(slices.Repeat([]float64{1}, 48))
	output, err := ask(map[string]any{"photo": photo, "age": 41, "row": []any{ones}})
	fields := strings.SplitN(output, " ", 5)
	if err != nil || len(fields) != 5 || fields[1] != "high" || fields[2] != "7" || fields[3] != "net" {
		t.Fatalf("%q, %v", output, err)
	}
	var raw, again [][]float64
	lists := strings.SplitN(fields[4], "]] ", 2)
	if json.Unmarshal([]byte(lists[0]+"]]"), &raw) != nil || json.Unmarshal([]byte(lists[1]), &again) != nil {
		t.Fatalf("%q", output)
	}
	for k, v := range sum {
		if math.Abs(raw[0][k]-v) > 1e-4 || raw[0][k] != again[0][k] {
			t.Errorf("logits %v and %v, want %v", raw, again, sum)
		}
	}
	for want, input := range map[string]map[string]any{
		"not base64":       {"photo": "%%%", "age": 1, "row": []any{ones}},
		"refused":          {"photo": base64.StdEncoding.EncodeToString([]byte("no picture")), "age": 1, "row": []any{ones}},
		"its shape is":     {"photo": photo, "age": 1, "row": []any{ones[:4]}},
		"nested different": {"photo": photo, "age": 1, "row": []any{ones, []any{1.0}}},
		"no FP32":          {"photo": photo, "age": 1, "row": []any{append([]any{"{}"}, ones[1:]...)}},
	} {
		if _, err := ask(input); err == nil || !strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "not of one kind") {
			t.Errorf("without %q: %v", want, err)
		}
	}
}

func TestRecordsAndVectorsFromTheCommandLine(t *testing.T) {
	l, url := newLinear(t, 3)
	t.Chdir(t.TempDir())
	config := write(t, "fairlead.yaml", strings.ReplaceAll(pictures, "URL", url))
	write(t, filepath.Join("chains", "none.txt"), "")
	p := chance(l.logits([]float64{0.41, 2, 1}))
	text := succeed(t, "classify", "churn", `{"age": 0.41, "member": true}`, "--config", config)
	if !strings.Contains(text, fmt.Sprintf("%.4f  leaves", p[1])) || !strings.Contains(text, "churn") {
		t.Errorf("%s; want %v", text, p)
	}
	var resp struct {
		Results  []struct{ Classes []struct{ Name string } }
		Answered struct{ Target string }
	}
	if err := json.Unmarshal([]byte(succeed(t, "classify", "churn", `{"age": 1, "member": 0}`, `{"age": 2, "member": 0}`, "--config", config, "--json")), &resp); err != nil || len(resp.Results) != 2 || resp.Answered.Target != "churn" {
		t.Errorf("%+v, %v", resp, err)
	}
	if text := succeed(t, "embed", "some words", "other words"); !strings.Contains(text, "other words\n  ") || !strings.Contains(text, "numbers: ") || !strings.Contains(text, "hashing") {
		t.Errorf("%s", text)
	}
	var vectors struct{ Vectors []struct{ Values []float64 } }
	if err := json.Unmarshal([]byte(succeed(t, "embed", "--target", "hashing", "--json", "some words")), &vectors); err != nil || len(vectors.Vectors) != 1 || len(vectors.Vectors[0].Values) < 10 {
		t.Errorf("%v, %v", vectors, err)
	}
	for want, args := range map[string][]string{
		"there is no target":  {"classify", "nobody", "text", "--config", config},
		"does not classify":   {"classify", "local", "text", "--config", config},
		"there is nothing":    {"classify", "churn", "--config", config},
		"give one of the two": {"classify", "churn", "x", "--image", config, "--config", config},
		"reading the image":   {"classify", "photos", "--image", "none.png", "--config", config},
		"refused the request": {"classify", "churn", `{"age": "old"}`, "--config", config},
		"less than nothing":   {"classify", "churn", "x", "--timeout", "-1s", "--config", config},
		"does not embed":      {"embed", "x", "--target", "churn", "--config", config},
	} {
		if e := command(t, "", args...); e.status == 0 || !strings.Contains(e.err, want) {
			t.Errorf("%v: status %d, without %q: %s", args, e.status, want, e.err)
		}
	}
}

func structured(t *testing.T, m map[string]any) *structpb.Struct {
	t.Helper()
	s, err := structpb.NewStruct(m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

package openinference

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"fairlead/gen/thirdparty/inference"
	"fairlead/providers/tensor"
)

// The form over REST.

type jsonTensor struct {
	Name       string          `json:"name"`
	Shape      []int64         `json:"shape"`
	Datatype   string          `json:"datatype"`
	Parameters map[string]any  `json:"parameters,omitempty"`
	Data       json.RawMessage `json:"data,omitempty"`
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.headers = append(s.headers, r.Header.Clone())
	s.mu.Unlock()
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	var method, model string
	last := parts[len(parts)-1]
	switch {
	case len(parts) > 1 && parts[1] == "repository" && last == "index":
		method = "RepositoryIndex"
	case len(parts) > 1 && parts[1] == "repository":
		method, model = map[string]string{"load": "RepositoryModelLoad", "unload": "RepositoryModelUnload"}[last], parts[3]
	case len(parts) == 1:
		method = "ServerMetadata"
	case len(parts) == 2 && parts[1] == "models":
		if s.names == nil {
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"models": s.names})
		return
	case parts[1] == "health":
		method = map[string]string{"live": "ServerLive", "ready": "ServerReady"}[last]
	case last == "infer":
		method, model = "ModelInfer", parts[2]
	case last == "ready":
		method, model = "ModelReady", parts[2]
	default:
		method, model = "ModelMetadata", parts[2]
	}
	err := s.begin(r.Context(), method, model)
	if method == "RepositoryIndex" && s.noIndex && err == nil {
		http.NotFound(w, r)
		return
	}
	var answer any = map[string]any{}
	switch method {
	case "ServerMetadata":
		extensions := []string{"model_repository"}
		if !s.noBinary {
			extensions = append(extensions, "binary_tensor_data")
		}
		answer = map[string]any{"name": "test", "version": "1", "extensions": extensions}
	case "ModelMetadata":
		answer = metaOf(model)
	case "ModelReady":
		if !s.isReady(model) && err == nil {
			err = &failure{http: 400, text: ""}
		}
	case "RepositoryIndex":
		answer = s.entries()
	case "RepositoryModelLoad", "RepositoryModelUnload":
		if err == nil {
			err = s.set(model, method == "RepositoryModelLoad")
		}
	case "ModelInfer":
		if err == nil {
			err = s.inferHTTP(w, r, model, body)
			if err == nil {
				return
			}
		}
	}
	if f, ok := err.(*failure); ok {
		for name, values := range f.header {
			w.Header()[name] = values
		}
		w.WriteHeader(f.http)
		answer = map[string]string{"error": f.Error()}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *server) inferHTTP(w http.ResponseWriter, r *http.Request, model string, body []byte) error {
	var q struct {
		Inputs     []jsonTensor   `json:"inputs"`
		Outputs    []jsonTensor   `json:"outputs"`
		Parameters map[string]any `json:"parameters"`
	}
	text, rest := body, []byte(nil)
	if n, err := strconv.Atoi(r.Header.Get(headerLength)); err == nil {
		text, rest = body[:n], body[n:]
	}
	if err := json.Unmarshal(text, &q); err != nil {
		return &failure{http: 400, text: err.Error()}
	}
	asBinary := q.Parameters["binary_data_output"] == true
	var inputs []tensor.Tensor
	for _, in := range q.Inputs {
		t := tensor.Tensor{Name: in.Name, Shape: in.Shape}
		t.Type, _ = tensor.ParseType(in.Datatype)
		if size, ok := in.Parameters["binary_data_size"].(float64); ok {
			raw := rest[:int(size)]
			rest = rest[int(size):]
			if t.Type != tensor.String {
				t.Data = raw
			}
			for t.Type == tensor.String && len(raw) > 0 {
				n := binary.LittleEndian.Uint32(raw)
				t.Strings, raw = append(t.Strings, raw[4:4+n]), raw[4+n:]
			}
		} else {
			jsonElements(&t, in.Data)
		}
		inputs = append(inputs, t)
	}
	var wanted []string
	for _, o := range q.Outputs {
		wanted = append(wanted, o.Name)
		asBinary = asBinary || o.Parameters["binary_data"] == true
	}
	out, err := s.infer(model, inputs, wanted)
	if err != nil {
		return err
	}
	answer := map[string]any{"model_name": model, "model_version": "2", "id": "x\"y"}
	var outputs []jsonTensor
	var tail []byte
	for i, t := range out {
		o := jsonTensor{Name: t.Name, Shape: t.Shape, Datatype: t.Type.String()}
		if raw := rawBytes(t); asBinary {
			o.Parameters = map[string]any{"binary_data_size": len(raw)}
			tail = append(tail, raw...)
		} else {
			o.Data = elementsJSON(t, i%2 == 1)
		}
		outputs = append(outputs, o)
	}
	answer["outputs"] = outputs
	text, _ = json.Marshal(answer)
	if asBinary {
		w.Header().Set(headerLength, strconv.Itoa(len(text)))
		w.Header().Set("Content-Type", "application/octet-stream")
	}
	text = append(text, tail...)
	if s.rewrite != nil {
		text = s.rewrite(w.Header(), text)
	}
	_, _ = w.Write(text)
	return nil
}

// jsonElements reads elements with encoding/json.
func jsonElements(t *tensor.Tensor, data json.RawMessage) {
	c := &inference.InferTensorContents{}
	var err error
	switch t.Type {
	case tensor.String:
		var texts []string
		err = json.Unmarshal(data, &texts)
		for _, s := range texts {
			t.Strings = append(t.Strings, []byte(s))
		}
	case tensor.Bool:
		err = json.Unmarshal(data, &c.BoolContents)
		for _, v := range c.BoolContents {
			t.Data = append(t.Data, map[bool]byte{true: 1}[v])
		}
	case tensor.Int64, tensor.Uint64:
		var numbers []json.Number
		err = json.Unmarshal(data, &numbers)
		for _, n := range numbers {
			v, _ := strconv.ParseUint(strings.TrimPrefix(n.String(), "-"), 10, 64)
			if strings.HasPrefix(n.String(), "-") {
				v = -v
			}
			t.Data = binary.LittleEndian.AppendUint64(t.Data, v)
		}
	default:
		var numbers []float64
		err = json.Unmarshal(data, &numbers)
		for _, v := range numbers {
			switch t.Type {
			case tensor.Float32:
				t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(float32(v)))
			case tensor.Float64:
				t.Data = binary.LittleEndian.AppendUint64(t.Data, math.Float64bits(v))
			default:
				t.Data = append(t.Data, binary.LittleEndian.AppendUint32(nil, uint32(int64(v)))[:t.Type.Size()]...)
			}
		}
	}
	if err != nil {
		panic(fmt.Sprintf("the server cannot read %s: %v", t.Type, err))
	}
}

// elementsJSON writes elements, flat or nested.
func elementsJSON(t tensor.Tensor, nested bool) json.RawMessage {
	var flat []any
	for _, s := range t.Strings {
		flat = append(flat, string(s))
	}
	c := typedContents(t)
	add := func(text any) { flat = append(flat, text) }
	for _, v := range c.BoolContents {
		add(v)
	}
	for _, v := range c.IntContents {
		add(v)
	}
	for _, v := range c.Int64Contents {
		add(v)
	}
	for _, v := range c.UintContents {
		add(v)
	}
	for _, v := range c.Uint64Contents {
		add(v)
	}
	for _, v := range c.Fp32Contents {
		add(v)
	}
	for _, v := range c.Fp64Contents {
		add(v)
	}
	if flat == nil {
		flat = []any{}
	}
	for d := len(t.Shape) - 1; nested && d > 0 && len(flat) > 0 && len(flat)%int(t.Shape[d]) == 0; d-- {
		var outer []any
		for n := int(t.Shape[d]); len(flat) > 0; flat = flat[n:] {
			outer = append(outer, flat[:n:n])
		}
		flat = outer
	}
	data, _ := json.Marshal(flat)
	return data
}

// startREST serves s and gives its address.
func startREST(t testing.TB, s http.Handler) string {
	t.Helper()
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return h.URL
}

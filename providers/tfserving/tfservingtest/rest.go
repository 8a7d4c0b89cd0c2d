package tfservingtest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/wrapperspb"

	tensorflow "fairlead/gen/thirdparty/tensorflow"
	serving "fairlead/gen/thirdparty/tensorflow/serving"
)

// route is the real server's.
var route = regexp.MustCompile(`^/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?(:predict|:classify|:regress|/metadata)?$`)

// REST serves over HTTP until the test ends.
func (s *Server) REST(t testing.TB) *httptest.Server {
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server
}

var _ http.Handler = (*Server)(nil)

// ServeHTTP answers a request of the REST API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := s.rest(r)
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(httpStatus(status.Code(err)))
		answer = map[string]any{"error": status.Convert(err).Message()}
	}
	if raw, ok := answer.(json.RawMessage); ok {
		_, _ = w.Write(raw)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func httpStatus(code codes.Code) int {
	switch code {
	case codes.InvalidArgument:
		return http.StatusBadRequest
	case codes.NotFound:
		return http.StatusNotFound
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	case codes.FailedPrecondition:
		return http.StatusPreconditionFailed
	case codes.Unimplemented:
		return http.StatusNotImplemented
	default:
		return http.StatusInternalServerError
	}
}

func (s *Server) rest(r *http.Request) (any, error) {
	m := route.FindStringSubmatch(r.URL.Path)
	if m == nil {
		return nil, status.Errorf(codes.InvalidArgument, "Malformed request: %s %s", r.Method, r.URL.Path)
	}
	spec := &serving.ModelSpec{Name: m[1]}
	if m[2] != "" {
		n, _ := strconv.ParseInt(m[2], 10, 64)
		spec.VersionChoice = &serving.ModelSpec_Version{Version: wrapperspb.Int64(n)}
	} else if m[3] != "" {
		spec.VersionChoice = &serving.ModelSpec_VersionLabel{VersionLabel: m[3]}
	}
	switch m[4] {
	case "":
		list, err := s.status(spec)
		if err != nil {
			return nil, err
		}
		var out []any
		for _, v := range list.GetModelVersionStatus() {
			out = append(out, map[string]any{"version": strconv.FormatInt(v.GetVersion(), 10), "state": v.GetState().String(),
				"status": map[string]string{"error_code": map[bool]string{true: "OK", false: "INTERNAL"}[v.GetStatus().GetErrorCode() == 0],
					"error_message": v.GetStatus().GetErrorMessage()}})
		}
		return map[string]any{"model_version_status": out}, nil
	case "/metadata":
		signatures, used, err := s.metadata(spec)
		if err != nil {
			return nil, err
		}
		held, err := protojson.MarshalOptions{EmitUnpopulated: true, UseProtoNames: true}.Marshal(signatures)
		return map[string]any{
			"model_spec": map[string]string{"name": used.GetName(), "signature_name": "", "version": strconv.FormatInt(used.GetVersion().GetValue(), 10)},
			"metadata":   map[string]any{"signature_def": json.RawMessage(held)},
		}, err
	}
	var body restRequest
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "JSON Parse error: %v", err)
	}
	spec.SignatureName = body.Signature
	switch m[4] {
	case ":predict":
		return s.restPredict(spec, &body)
	case ":classify":
		out, err := s.classify(&serving.ClassificationRequest{ModelSpec: spec, Input: body.input()})
		if err != nil {
			return nil, err
		}
		results := [][][]any{}
		for _, row := range out.GetResult().GetClassifications() {
			classes := [][]any{}
			for _, c := range row.GetClasses() {
				classes = append(classes, []any{c.GetLabel(), c.GetScore()})
			}
			results = append(results, classes)
		}
		return map[string]any{"results": results}, nil
	default:
		out, err := s.regress(&serving.RegressionRequest{ModelSpec: spec, Input: body.input()})
		if err != nil {
			return nil, err
		}
		results := []float32{}
		for _, v := range out.GetResult().GetRegressions() {
			results = append(results, v.GetValue())
		}
		return map[string]any{"results": results}, nil
	}
}

// restRequest is a request of any method.
type restRequest struct {
	Signature string                  `json:"signature_name"`
	Rows      []map[string]restText   `json:"instances"`
	Columns   map[string][]restText   `json:"inputs"`
	Examples  []map[string]restString `json:"examples"`
}

type (
	restText   = restString
	restString []byte
)

// UnmarshalJSON reads a text or {"b64": …}.
func (s *restString) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*s = []byte(text)
		return nil
	}
	var held struct {
		B64 string `json:"b64"`
	}
	if err := json.Unmarshal(b, &held); err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(held.B64)
	*s = raw
	return err
}

func (b *restRequest) input() *serving.Input {
	list := &serving.ExampleList{}
	for _, example := range b.Examples {
		features := map[string]*tensorflow.Feature{}
		for name, text := range example {
			features[name] = &tensorflow.Feature{Kind: &tensorflow.Feature_BytesList{BytesList: &tensorflow.BytesList{Value: [][]byte{text}}}}
		}
		list.Examples = append(list.Examples, &tensorflow.Example{Features: &tensorflow.Features{Feature: features}})
	}
	return &serving.Input{Kind: &serving.Input_ExampleList{ExampleList: list}}
}

func (s *Server) restPredict(spec *serving.ModelSpec, body *restRequest) (any, error) {
	req := &serving.PredictRequest{ModelSpec: spec, Inputs: map[string]*tensorflow.TensorProto{}}
	add := func(name string, text []byte) {
		if req.Inputs[name] == nil {
			req.Inputs[name] = &tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_STRING}
		}
		t := req.Inputs[name]
		t.StringVal = append(t.StringVal, text)
		t.TensorShape = info(0, int64(len(t.StringVal))).TensorShape
	}
	for _, row := range body.Rows {
		for name, text := range row {
			add(name, text)
		}
	}
	for name, list := range body.Columns {
		for _, text := range list {
			add(name, text)
		}
	}
	out, err := s.predict(req)
	if err != nil {
		return nil, err
	}
	columns := map[string][]any{}
	for name, t := range out.GetOutputs() {
		columns[name] = nested(t)
	}
	if body.Rows == nil {
		if len(columns) == 1 {
			for _, column := range columns {
				return map[string]any{"outputs": column}, nil
			}
		}
		return map[string]any{"outputs": columns}, nil
	}
	rows := make([]any, len(body.Rows))
	for i := range rows {
		row := map[string]any{}
		for name, column := range columns {
			if rows[i] = column[i]; len(columns) > 1 {
				row[name] = column[i]
				rows[i] = row
			}
		}
	}
	return map[string]any{"predictions": rows}, nil
}

// nested gives a tensor of two dimensions as arrays.
func nested(t *tensorflow.TensorProto) []any {
	width := int(t.GetTensorShape().GetDim()[1].GetSize())
	var all, out []any
	for _, x := range t.GetFloatVal() {
		all = append(all, x)
	}
	for _, x := range t.GetStringVal() {
		all = append(all, string(x))
	}
	for len(all) > 0 {
		out, all = append(out, all[:width]), all[width:]
	}
	return out
}

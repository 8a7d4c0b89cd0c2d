package tfservingtest

import (
	"maps"
	"slices"
	"strconv"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	tensorflow "fairlead/gen/thirdparty/tensorflow"
	serving "fairlead/gen/thirdparty/tensorflow/serving"
)

// Version is one version of a model.
type Version struct {
	Regressor *Regressor
	// Input is what the input with the texts is called. Empty: "text".
	Input string
	// State is how it stands. 0: AVAILABLE.
	State serving.ModelVersionStatus_State
}

// The signatures of a model: predictions of classes, vectors, and judgements of examples whose feature is the Input.
const (
	Default  = "serving_default"
	Embed    = "embed"
	Classify = "classify_text"
	Regress  = "regress_text"
)

// Server holds models and answers for them. Its zero value has none. It may be used by several goroutines at once.
type Server struct {
	mu     sync.Mutex
	models map[string]map[int64]*Version
	labels map[string]map[string]int64
	calls  map[string]int

	// Fault, when set, may fail a call before it is answered, or hold it. method is such as "Predict". Set it before the first call.
	Fault func(method string) error
	// Alter, when set, changes the answers to Predict. Set it before the first call.
	Alter func(*serving.PredictResponse)
}

// Put adds a version of a model or replaces it; nil takes it away.
func (s *Server) Put(model string, number int64, v *Version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.models == nil {
		s.models = map[string]map[int64]*Version{}
	}
	if s.models[model] == nil {
		s.models[model] = map[int64]*Version{}
	}
	if v == nil {
		delete(s.models[model], number)
		return
	}
	c := *v
	if c.Input == "" {
		c.Input = "text"
	}
	if c.State == 0 {
		c.State = serving.ModelVersionStatus_AVAILABLE
	}
	s.models[model][number] = &c
}

// Label lets a label point to a version.
func (s *Server) Label(model, label string, number int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.labels == nil {
		s.labels = map[string]map[string]int64{}
	}
	if s.labels[model] == nil {
		s.labels[model] = map[string]int64{}
	}
	s.labels[model][label] = number
}

// Calls says how often a method was called.
func (s *Server) Calls(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[method]
}

// begin counts a call and lets it fail.
func (s *Server) begin(method string) error {
	s.mu.Lock()
	if s.calls == nil {
		s.calls = map[string]int{}
	}
	s.calls[method]++
	fault := s.Fault
	s.mu.Unlock()
	if fault != nil {
		return fault(method)
	}
	return nil
}

// find gives the version that a spec means, as the real server does, with its words.
func (s *Server) find(spec *serving.ModelSpec) (*Version, *serving.ModelSpec, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	versions := s.models[spec.GetName()]
	var number int64
	switch choice := spec.GetVersionChoice().(type) {
	case *serving.ModelSpec_Version:
		number = choice.Version.GetValue()
	case *serving.ModelSpec_VersionLabel:
		at, ok := s.labels[spec.GetName()][choice.VersionLabel]
		if !ok {
			return nil, nil, status.Errorf(codes.InvalidArgument, "Unrecognized servable version label: %s", choice.VersionLabel)
		}
		number = at
	default:
		for _, n := range slices.Sorted(maps.Keys(versions)) {
			if versions[n].State == serving.ModelVersionStatus_AVAILABLE {
				number = n
			}
		}
	}
	v := versions[number]
	if v == nil || v.State != serving.ModelVersionStatus_AVAILABLE {
		return nil, nil, status.Errorf(codes.NotFound, "Servable not found for request: Specific(%s, %d)", spec.GetName(), number)
	}
	return v, &serving.ModelSpec{Name: spec.GetName(), SignatureName: spec.GetSignatureName(),
		VersionChoice: &serving.ModelSpec_Version{Version: wrapperspb.Int64(number)}}, nil
}

func info(t tensorflow.DataType, dims ...int64) *tensorflow.TensorInfo {
	shape := &tensorflow.TensorShapeProto{}
	for _, d := range dims {
		shape.Dim = append(shape.Dim, &tensorflow.TensorShapeProto_Dim{Size: d})
	}
	return &tensorflow.TensorInfo{Name: "tensor:0", Dtype: t, TensorShape: shape}
}

// signatures describes a version.
func (v *Version) signatures() *serving.SignatureDefMap {
	classes := int64(len(v.Regressor.Classes))
	texts := map[string]*tensorflow.TensorInfo{v.Input: info(tensorflow.DataType_DT_STRING, -1)}
	examples := map[string]*tensorflow.TensorInfo{"inputs": info(tensorflow.DataType_DT_STRING, -1)}
	judged := map[string]*tensorflow.TensorInfo{
		"scores": info(tensorflow.DataType_DT_FLOAT, -1, classes), "classes": info(tensorflow.DataType_DT_STRING, -1, classes),
	}
	return &serving.SignatureDefMap{SignatureDef: map[string]*tensorflow.SignatureDef{
		Default: {Inputs: texts, Outputs: judged, MethodName: "tensorflow/serving/predict"},
		Embed: {Inputs: texts, MethodName: "tensorflow/serving/predict",
			Outputs: map[string]*tensorflow.TensorInfo{"embedding": info(tensorflow.DataType_DT_FLOAT, -1, Buckets)}},
		Classify: {Inputs: examples, Outputs: judged, MethodName: "tensorflow/serving/classify"},
		Regress: {Inputs: examples, MethodName: "tensorflow/serving/regress",
			Outputs: map[string]*tensorflow.TensorInfo{"outputs": info(tensorflow.DataType_DT_FLOAT, -1)}},
		"__saved_model_init_op": {Outputs: map[string]*tensorflow.TensorInfo{
			"__saved_model_init_op": {Name: "NoOp", TensorShape: &tensorflow.TensorShapeProto{UnknownRank: true}}}},
	}}
}

// predict answers Predict.
func (s *Server) predict(req *serving.PredictRequest) (*serving.PredictResponse, error) {
	if err := s.begin("Predict"); err != nil {
		return nil, err
	}
	v, spec, err := s.find(req.GetModelSpec())
	if err != nil {
		return nil, err
	}
	name := req.GetModelSpec().GetSignatureName()
	if name == "" {
		name = Default
	}
	input := req.GetInputs()[v.Input]
	if input.GetDtype() != tensorflow.DataType_DT_STRING || len(input.GetTensorShape().GetDim()) != 1 ||
		input.GetTensorShape().GetDim()[0].GetSize() != int64(len(input.GetStringVal())) {
		return nil, status.Errorf(codes.InvalidArgument, "input tensor alias not found in signature or wrong: %s", v.Input)
	}
	rows := int64(len(input.GetStringVal()))
	out := &serving.PredictResponse{ModelSpec: spec, Outputs: map[string]*tensorflow.TensorProto{}}
	switch name {
	case Default:
		width := int64(len(v.Regressor.Classes))
		scores := &tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_FLOAT, TensorShape: info(0, rows, width).TensorShape}
		classes := &tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_STRING, TensorShape: info(0, rows, width).TensorShape}
		for _, text := range input.GetStringVal() {
			scores.FloatVal = append(scores.FloatVal, v.Regressor.Probabilities(string(text))...)
			for _, c := range v.Regressor.Classes {
				classes.StringVal = append(classes.StringVal, []byte(c))
			}
		}
		out.Outputs["scores"], out.Outputs["classes"] = scores, classes
	case Embed:
		vectors := &tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_FLOAT, TensorShape: info(0, rows, Buckets).TensorShape}
		for _, text := range input.GetStringVal() {
			vectors.FloatVal = append(vectors.FloatVal, Features(string(text))...)
		}
		out.Outputs["embedding"] = vectors
	default:
		return nil, status.Errorf(codes.InvalidArgument, "Serving signature name: %q not found in signature def", name)
	}
	if filter := req.GetOutputFilter(); len(filter) > 0 {
		maps.DeleteFunc(out.Outputs, func(name string, _ *tensorflow.TensorProto) bool { return !slices.Contains(filter, name) })
	}
	if s.Alter != nil {
		s.Alter(out)
	}
	return out, nil
}

// texts gives the texts of examples.
func (v *Version) texts(in *serving.Input) ([]string, error) {
	var out []string
	for _, e := range in.GetExampleList().GetExamples() {
		list := e.GetFeatures().GetFeature()[v.Input].GetBytesList().GetValue()
		if len(list) != 1 {
			return nil, status.Errorf(codes.InvalidArgument, "Name: <unknown>, Feature: %s (data type: string) is required but could not be found", v.Input)
		}
		out = append(out, string(list[0]))
	}
	if len(out) == 0 {
		return nil, status.Error(codes.InvalidArgument, "Input is empty")
	}
	return out, nil
}

// judge answers Classify and Regress: for each text the probabilities.
func (s *Server) judge(method string, spec *serving.ModelSpec, in *serving.Input) (*Version, *serving.ModelSpec, [][]float32, error) {
	if err := s.begin(method); err != nil {
		return nil, nil, nil, err
	}
	v, spec, err := s.find(spec)
	if err != nil {
		return nil, nil, nil, err
	}
	texts, err := v.texts(in)
	if err != nil {
		return nil, nil, nil, err
	}
	out := make([][]float32, len(texts))
	for i, text := range texts {
		out[i] = v.Regressor.Probabilities(text)
	}
	return v, spec, out, nil
}

func (s *Server) classify(req *serving.ClassificationRequest) (*serving.ClassificationResponse, error) {
	v, spec, rows, err := s.judge("Classify", req.GetModelSpec(), req.GetInput())
	if err != nil {
		return nil, err
	}
	out := &serving.ClassificationResponse{ModelSpec: spec, Result: &serving.ClassificationResult{}}
	for _, row := range rows {
		c := &serving.Classifications{}
		for i, p := range row {
			c.Classes = append(c.Classes, &serving.Class{Label: v.Regressor.Classes[i], Score: p})
		}
		out.Result.Classifications = append(out.Result.Classifications, c)
	}
	return out, nil
}

// regress gives the probability of the first class.
func (s *Server) regress(req *serving.RegressionRequest) (*serving.RegressionResponse, error) {
	_, spec, rows, err := s.judge("Regress", req.GetModelSpec(), req.GetInput())
	if err != nil {
		return nil, err
	}
	out := &serving.RegressionResponse{ModelSpec: spec, Result: &serving.RegressionResult{}}
	for _, row := range rows {
		out.Result.Regressions = append(out.Result.Regressions, &serving.Regression{Value: row[0]})
	}
	return out, nil
}

func (s *Server) metadata(spec *serving.ModelSpec) (*serving.SignatureDefMap, *serving.ModelSpec, error) {
	if err := s.begin("GetModelMetadata"); err != nil {
		return nil, nil, err
	}
	v, spec, err := s.find(spec)
	if err != nil {
		return nil, nil, err
	}
	return v.signatures(), spec, nil
}

func (s *Server) status(spec *serving.ModelSpec) (*serving.GetModelStatusResponse, error) {
	if err := s.begin("GetModelStatus"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	versions := s.models[spec.GetName()]
	if len(versions) == 0 {
		return nil, status.Errorf(codes.NotFound, "Could not find any versions of model %s", spec.GetName())
	}
	out := &serving.GetModelStatusResponse{}
	for _, n := range slices.Sorted(maps.Keys(versions)) {
		if number := spec.GetVersion(); number != nil && number.GetValue() != n {
			continue
		}
		held := &serving.StatusProto{}
		if versions[n].State == serving.ModelVersionStatus_END {
			held.ErrorCode, held.ErrorMessage = int32(codes.Internal), "Loading servable failed: "+strconv.FormatInt(n, 10)
		}
		out.ModelVersionStatus = append(out.ModelVersionStatus, &serving.ModelVersionStatus{Version: n, State: versions[n].State, Status: held})
	}
	return out, nil
}

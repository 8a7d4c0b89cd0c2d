package tfserving

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	serving "fairlead/gen/thirdparty/tensorflow/serving"
	"fairlead/providers"
	"fairlead/providers/tensor"
)

func kept(t *testing.T, folder, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", folder, name+".bin"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestTensorFlowAnswers: what TensorFlow Serving's own Python API wrote, read by hand.
func TestTensorFlowAnswers(t *testing.T) {
	outputs, used, err := decodePredict(kept(t, "tensorflow", "predict_response"), tensor.Limits{})
	if err != nil || used != (spec{model: "intent", version: "7", signature: "serving_default"}) {
		t.Fatal(used, err)
	}
	want := map[string]tensor.Tensor{
		"f": {Type: tensor.Float32, Shape: []int64{2, 2}, Data: le[float32](1, 2, 3, 4)},
		"d": {Type: tensor.Float64, Shape: []int64{1}, Data: le(0.5)},
		"i": {Type: tensor.Int32, Shape: []int64{2}, Data: le[int32](-1, 5)},
		"l": {Type: tensor.Int64, Shape: []int64{2}, Data: le[int64](-1, 1<<40)},
		"s": {Type: tensor.String, Shape: []int64{2}, Strings: [][]byte{[]byte("a"), []byte("\xff")}},
		"h": {Type: tensor.Float16, Shape: []int64{1}, Data: le[uint16](0x3c00)},
		"b": {Type: tensor.Bool, Shape: []int64{2}, Data: []byte{1, 0}},
		"u": {Type: tensor.Uint64, Shape: []int64{1}, Data: le[uint64](math.MaxUint64)},
		"v": {Type: tensor.Uint32, Shape: []int64{1}, Data: le[uint32](math.MaxUint32)},
		"c": {Type: tensor.Float32, Shape: []int64{1}, Data: le[float32](1)},
		"z": {Type: tensor.BFloat16, Shape: []int64{3}, Data: le[uint16](0x3f80, 0x3f80, 0x3f80)},
	}
	got := map[string]tensor.Tensor{}
	for _, o := range outputs {
		name := o.Name
		o.Name = ""
		got[name] = o
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	classes, _, err := decodeClassification(kept(t, "tensorflow", "classification_response"), tensor.Limits{}, 2)
	if diff := cmp.Diff([][]providers.Class{{{Name: "a", Probability: .75}, {Name: "b", Probability: .25}}, {{Name: "a", Probability: .125}, {Name: "b", Probability: .875}}}, classes); diff != "" || err != nil {
		t.Error(diff, err)
	}
	values, _, err := decodeRegression(kept(t, "tensorflow", "regression_response"), 2)
	if diff := cmp.Diff([]float32{1.5, -2}, values); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for name, m := range map[string]proto.Message{
		"predict_response": &serving.PredictResponse{}, "classification_response": &serving.ClassificationResponse{}, "regression_response": &serving.RegressionResponse{},
		"metadata_response": &serving.GetModelMetadataResponse{}, "status_response": &serving.GetModelStatusResponse{},
	} {
		b := kept(t, "tensorflow", name)
		if err := proto.Unmarshal(b, m); err != nil {
			t.Fatal(err)
		}
		noUnknown(t, name, m.ProtoReflect())
		again, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil || len(b) != len(again) { // only the order of fields is free
			t.Errorf("%s: generated code writes it differently: %v", name, err)
		}
	}
}

// noUnknown holds that our description knows every field of a message.
func noUnknown(t *testing.T, name string, m protoreflect.Message) {
	if len(m.GetUnknown()) > 0 {
		t.Errorf("%s: %s has fields that are not described", name, m.Descriptor().FullName())
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap() && f.MapValue().Message() != nil:
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool { noUnknown(t, name, v.Message()); return true })
		case f.IsList() && f.Message() != nil:
			for i := range v.List().Len() {
				noUnknown(t, name, v.List().Get(i).Message())
			}
		case !f.IsMap() && f.Message() != nil:
			noUnknown(t, name, v.Message())
		}
		return true
	})
}

func TestJSON(t *testing.T) {
	one := func(typ tensor.Type, shape ...int64) []providers.Spec {
		return []providers.Spec{{Name: "y", Type: typ, Shape: shape}}
	}
	nan := float32(math.NaN())
	for text, test := range map[string]struct {
		specs []providers.Spec
		want  *tensor.Tensor
	}{
		`{"predictions": [[1.0, 2e0], [0.1, -0]]}`:              {one(tensor.Float32, -1, 2), &tensor.Tensor{Shape: []int64{2, 2}, Data: le[float32](1, 2, 0.1, float32(math.Copysign(0, -1)))}},
		`{"predictions":[1,2.5]}`:                               {one(tensor.Float64, -1), &tensor.Tensor{Shape: []int64{2}, Data: le(1, 2.5)}},
		` { "x" : {"y":[[[]]]} , "predictions" : [ {"y":7} ] }`: {one(tensor.Int8, -1), &tensor.Tensor{Shape: []int64{1}, Data: []byte{7}}},
		`{"outputs": 18446744073709551615}`:                     {one(tensor.Uint64), &tensor.Tensor{Shape: nil, Data: le[uint64](math.MaxUint64)}},
		`{"outputs": {"y": [-9223372036854775808]}}`:            {one(tensor.Int64, -1), &tensor.Tensor{Shape: []int64{1}, Data: le[int64](math.MinInt64)}},
		`{"outputs": [NaN, Infinity, -Infinity]}`:               {one(tensor.Float32, -1), &tensor.Tensor{Shape: []int64{3}, Data: le(nan, float32(math.Inf(1)), float32(math.Inf(-1)))}},
		`{"outputs": [true, false]}`:                            {one(tensor.Bool, -1), &tensor.Tensor{Shape: []int64{2}, Data: []byte{1, 0}}},
		`{"predictions": ["a", "\u00e9\n", {"b64":"/w=="}]}`:    {one(tensor.String, -1), &tensor.Tensor{Shape: []int64{3}, Strings: [][]byte{[]byte("a"), []byte("é\n"), {0xff}}}},
		`{"predictions": []}`:                                   {one(tensor.Float32, -1, 3), &tensor.Tensor{Shape: []int64{0, 3}, Data: []byte{}}},
		`{"outputs": [[], []]}`:                                 {one(tensor.Float32, -1, -1), &tensor.Tensor{Shape: []int64{2, 0}, Data: []byte{}}},
		`{"outputs": [[1], [2, 3]]}`:                            {one(tensor.Float32, -1, -1), nil},
		`{"outputs": [[1], 2]}`:                                 {one(tensor.Float32, -1, -1), nil},
		`{"outputs": [[1], []]}`:                                {one(tensor.Float32, -1, -1), nil},
		`{"outputs": [1e39]}`:                                   {one(tensor.Float32, -1), nil},
		`{"outputs": [1.5]}`:                                    {one(tensor.Int32, -1), nil},
		`{"outputs": [128]}`:                                    {one(tensor.Int8, -1), nil},
		`{"outputs": [01]}`:                                     {one(tensor.Float32, -1), nil},
		`{"outputs": ["1"]}`:                                    {one(tensor.Float32, -1), nil},
		`{"outputs": [1]}`:                                      {one(tensor.String, -1), nil},
		`{"outputs": [null]}`:                                   {one(tensor.String, -1), nil},
		`{"outputs": [{"b64":"?"}]}`:                            {one(tensor.String, -1), nil},
		`{"outputs": [1]} x`:                                    {one(tensor.Float32, -1), nil},
		`{"outputs": [1], "outputs": [2]}`:                      {one(tensor.Float32, -1), nil},
		`{"outputs": [1], "predictions": [2]}`:                  {one(tensor.Float32, -1), nil},
		`{"outputs": [1,]}`:                                     {one(tensor.Float32, -1), nil},
		`{"predictions": [{"y": 1, "y": 2}]}`:                   {one(tensor.Float32, -1), nil},
		`{"predictions": {"y": 1}}`:                             {one(tensor.Float32, -1), nil},
		`{"outputs": [0.5]}`:                                    {one(tensor.Float16, -1), nil},
		`{"outputs": [[[[[[[[[1]]]]]]]]]}`:                      {one(tensor.Float32), nil},
	} {
		got, err := decodeJSON([]byte(text), test.specs, tensor.Limits{})
		if test.want == nil {
			if err == nil {
				t.Errorf("%s: taken as %v", text, got)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		test.want.Name, test.want.Type = "y", test.specs[0].Type
		if diff := cmp.Diff(*test.want, got[0]); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	deep := make([]byte, 1<<20)
	for i := range deep {
		deep[i] = '['
	}
	if _, err := decodeJSON(append([]byte(`{"outputs": `), deep...), one(tensor.Float32), tensor.Limits{}); err == nil {
		t.Error("a million brackets are taken")
	}
}

func TestJSONWritten(t *testing.T) {
	inputs := []tensor.Tensor{
		{Name: "f", Type: tensor.Float32, Shape: []int64{2, 2}, Data: le(1, 0.1, float32(math.NaN()), float32(math.Inf(-1)))},
		{Name: "d", Type: tensor.Float64, Shape: []int64{2}, Data: le(1e300, 1)},
		{Name: "l", Type: tensor.Int64, Shape: []int64{2}, Data: le[int64](math.MinInt64, 5)},
		{Name: "u", Type: tensor.Uint8, Shape: []int64{2}, Data: []byte{255, 0}},
		{Name: "b", Type: tensor.Bool, Shape: []int64{2}, Data: []byte{1, 0}},
		{Name: "s", Type: tensor.String, Shape: []int64{2}, Strings: [][]byte{[]byte("a\"b"), {0xff}}},
		{Name: "image_bytes", Type: tensor.String, Shape: []int64{2}, Strings: [][]byte{[]byte("a"), {}}},
		{Name: "none", Type: tensor.Float32, Shape: []int64{2, 0}, Data: []byte{}},
	}
	columns, err := appendColumns(nil, "s", inputs)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"signature_name":"s","inputs":{"f":[[1.0,0.1],[NaN,-Infinity]],"d":[1e+300,1.0],"l":[-9223372036854775808,5],"u":[255,0],"b":[true,false],` +
		`"s":["a\"b",{"b64":"/w=="}],"image_bytes":[{"b64":"YQ=="},{"b64":""}],"none":[[],[]]}}`
	if string(columns) != want {
		t.Errorf("columns are %s", columns)
	}
	rows, err := appendRows(nil, "s", inputs)
	want = `{"signature_name":"s","instances":[{"f":[1.0,0.1],"d":1e+300,"l":-9223372036854775808,"u":255,"b":true,"s":"a\"b","image_bytes":{"b64":"YQ=="},"none":[]},` +
		`{"f":[NaN,-Infinity],"d":1.0,"l":5,"u":0,"b":false,"s":{"b64":"/w=="},"image_bytes":{"b64":""},"none":[]}]}`
	if string(rows) != want || err != nil {
		t.Errorf("rows are %s, %v", rows, err)
	}
	if _, err := appendRows(nil, "s", []tensor.Tensor{{Name: "x", Type: tensor.Float32, Data: make([]byte, 4)}}); err == nil {
		t.Error("a scalar has no rows")
	}
	if _, err := appendColumns(nil, "s", []tensor.Tensor{{Name: "x", Type: tensor.Float16, Data: make([]byte, 2)}}); err == nil {
		t.Error("REST has no half floats")
	}
	// The columns are read as they were written.
	var specs []providers.Spec
	for _, x := range inputs {
		specs = append(specs, providers.Spec{Name: x.Name, Type: x.Type, Shape: x.Shape})
	}
	body := append([]byte(`{"outputs":`), columns[len(`{"signature_name":"s","inputs":`):]...)
	got, err := decodeJSON(body, specs, tensor.Limits{})
	if diff := cmp.Diff(inputs, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

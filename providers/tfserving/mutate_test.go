package tfserving

import (
	"math/rand/v2"
	"runtime/debug"
	"testing"

	"google.golang.org/protobuf/proto"

	tensorflow "fairlead/gen/thirdparty/tensorflow"
	serving "fairlead/gen/thirdparty/tensorflow/serving"
	"fairlead/providers"
	"fairlead/providers/tensor"
)

// mutate breaks a message: bits, bytes, cuts, copies, and numbers that are large.
func mutate(r *rand.Rand, dst, seed []byte) []byte {
	dst = append(dst[:0], seed...)
	for range 1 + r.IntN(4) {
		if len(dst) == 0 {
			return dst
		}
		at := r.IntN(len(dst))
		switch r.IntN(6) {
		case 0:
			dst[at] ^= 1 << r.IntN(8)
		case 1:
			dst[at] = byte(r.Uint32())
		case 2:
			dst = dst[:at]
		case 3:
			n := min(len(dst)-at, r.IntN(16))
			dst = append(dst, dst[at:at+n]...)
		case 4:
			for i := at; i < min(at+5, len(dst)); i++ {
				dst[i] |= 0x80
			}
		case 5:
			dst[at] = "0123456789[]{}\",:.eE-+NI"[r.IntN(24)]
		}
	}
	return dst
}

// bound is the most bytes that may be made of an answer: twice its own and what is free, or eight times where it is varints; errors and
// what is found out on the way come on top.
func bound(wire []byte) int64 { return 8*int64(len(wire)) + free + 16<<10 }

// storm feeds broken answers to a decoder. Every so often it looks at what was made of a lot of them.
func storm(t *testing.T, seeds [][]byte, decode func(wire []byte)) {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	r := rand.New(rand.NewPCG(7, 11))
	const lot = 100
	batch := make([][]byte, lot)
	worst := 0.0
	for range mutations / lot {
		total := int64(0)
		for i := range batch {
			batch[i] = mutate(r, batch[i], seeds[r.IntN(len(seeds))])
			total += bound(batch[i])
		}
		n := made(func() {
			for _, wire := range batch {
				decode(wire)
			}
		})
		worst = max(worst, float64(n)/float64(total))
		if n > total {
			t.Fatalf("%d answers made %d bytes, more than %d", lot, n, total)
		}
	}
	t.Logf("%d broken answers; a lot of them made at most %.4f of the bound", mutations, worst)
}

func answers(t testing.TB) [][]byte {
	t.Helper()
	var out [][]byte
	for _, p := range []*tensorflow.TensorProto{
		{Dtype: tensorflow.DataType_DT_FLOAT, TensorShape: shape(2, 3), FloatVal: []float32{1, 2, 3, 4, 5, 6}},
		{Dtype: tensorflow.DataType_DT_FLOAT, TensorShape: shape(2, 2), TensorContent: make([]byte, 16)},
		{Dtype: tensorflow.DataType_DT_INT64, TensorShape: shape(4), Int64Val: []int64{1, -1, 300, 0}},
		{Dtype: tensorflow.DataType_DT_INT8, TensorShape: shape(4), IntVal: []int32{1, -1}},
		{Dtype: tensorflow.DataType_DT_HALF, TensorShape: shape(300), HalfVal: []int32{0x3c00}},
		{Dtype: tensorflow.DataType_DT_DOUBLE, TensorShape: shape(2), DoubleVal: []float64{1, 2}},
		{Dtype: tensorflow.DataType_DT_STRING, TensorShape: shape(2, 1), StringVal: [][]byte{[]byte("billing"), []byte("travel")}},
		{Dtype: tensorflow.DataType_DT_STRING, TensorShape: shape(3), TensorContent: []byte("\x02\x00\x01abc")},
		{Dtype: tensorflow.DataType_DT_BOOL, TensorShape: shape(3), BoolVal: []bool{true, false, true}},
	} {
		whole, err := proto.Marshal(&serving.PredictResponse{
			ModelSpec: &serving.ModelSpec{Name: "m", VersionChoice: &serving.ModelSpec_VersionLabel{VersionLabel: "stable"}},
			Outputs:   map[string]*tensorflow.TensorProto{"y": p},
		})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, whole)
	}
	return out
}

// checkDecoded holds that what is taken is whole.
func checkDecoded(t testing.TB, outputs []tensor.Tensor) {
	for i := range outputs {
		if err := outputs[i].Check(tensor.Limits{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMillionPredictions(t *testing.T) {
	storm(t, answers(t), func(wire []byte) {
		if outputs, _, err := decodePredict(wire, tensor.Limits{}); err == nil {
			checkDecoded(t, outputs)
		}
	})
}

func TestMillionTensors(t *testing.T) {
	var seeds [][]byte
	for _, a := range answers(t) {
		var read serving.PredictResponse
		if err := proto.Unmarshal(a, &read); err != nil {
			t.Fatal(err)
		}
		seed, _ := proto.Marshal(read.GetOutputs()["y"])
		seeds = append(seeds, seed)
	}
	storm(t, seeds, func(wire []byte) {
		if x, err := newDecoder(tensor.Limits{}, wire).tensor(wire); err == nil {
			checkDecoded(t, []tensor.Tensor{x})
		}
	})
}

func judgements(t testing.TB) [][]byte {
	t.Helper()
	c := &serving.Classifications{Classes: []*serving.Class{{Label: "a", Score: 0.75}, {Label: "b", Score: 0.25}}}
	classes, err := proto.Marshal(&serving.ClassificationResponse{Result: &serving.ClassificationResult{Classifications: []*serving.Classifications{c, c}}})
	if err != nil {
		t.Fatal(err)
	}
	values, _ := proto.Marshal(&serving.RegressionResponse{Result: &serving.RegressionResult{Regressions: []*serving.Regression{{Value: 1}, {Value: -2}}}})
	return [][]byte{classes, values}
}

func TestMillionJudgements(t *testing.T) {
	storm(t, judgements(t), func(wire []byte) {
		_, _, _ = decodeClassification(wire, tensor.Limits{}, 2)
		_, _, _ = decodeRegression(wire, 2)
	})
}

var jsonSpecs = []providers.Spec{{Name: "a", Type: tensor.Float32, Shape: []int64{-1, 2}}, {Name: "b", Type: tensor.String, Shape: []int64{-1}}}

var jsonAnswers = []string{
	`{"predictions": [{"a": [1.5, NaN], "b": "x"}, {"a": [-1e-3, Infinity], "b": {"b64": "eA=="}}]}`,
	`{"outputs": {"a": [[1, 2], [3, -Infinity]], "b": ["x\u00e9", "y"]}}`,
	`{"outputs": {"a": [], "b": []}, "more": {"x": [null, true, false]}}`,
}

func TestMillionPredictionsREST(t *testing.T) {
	var seeds [][]byte
	for _, a := range jsonAnswers {
		seeds = append(seeds, []byte(a))
	}
	storm(t, seeds, func(wire []byte) {
		if outputs, err := decodeJSON(wire, jsonSpecs, tensor.Limits{}); err == nil {
			checkDecoded(t, outputs)
		}
	})
}

func TestMillionJudgementsREST(t *testing.T) {
	seeds := [][]byte{[]byte(`{"results": [[["a", 0.75], ["b", 0.25]], [["c\n", 1.0], ["d", 0]]]}`), []byte(`{"results": [0.5, -1e3]}`)}
	storm(t, seeds, func(wire []byte) {
		_, _ = decodeClasses(wire, 2)
		_, _ = decodeValues(wire, 2)
	})
}

func FuzzDecodePredict(f *testing.F) {
	for _, a := range answers(f) {
		f.Add(a)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		outputs, _, err := decodePredict(wire, tensor.Limits{})
		if err != nil {
			return
		}
		checkDecoded(t, outputs)
		// What generated code makes of it is the same; it is stricter with names that we do not read.
		var read serving.PredictResponse
		if proto.Unmarshal(wire, &read) != nil {
			return
		}
		for _, o := range outputs {
			p := read.GetOutputs()[o.Name]
			if p == nil || typeOf(p.GetDtype()) != o.Type || len(p.GetTensorShape().GetDim()) != len(o.Shape) {
				t.Fatalf("generated code reads %v, we %v", p, o)
			}
		}
	})
}

func FuzzDecodeJudgement(f *testing.F) {
	for _, a := range judgements(f) {
		f.Add(a, 2)
	}
	f.Fuzz(func(t *testing.T, wire []byte, count int) {
		count = min(max(count, 0), 1000)
		if classes, _, err := decodeClassification(wire, tensor.Limits{}, count); err == nil && len(classes) != count {
			t.Fatal("another number of results is taken")
		}
		if values, _, err := decodeRegression(wire, count); err == nil && len(values) != count {
			t.Fatal("another number of results is taken")
		}
	})
}

func FuzzDecodeJSON(f *testing.F) {
	for _, a := range jsonAnswers {
		f.Add([]byte(a))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		outputs, err := decodeJSON(wire, jsonSpecs, tensor.Limits{})
		if err == nil {
			checkDecoded(t, outputs)
		}
		_, _ = decodeClasses(wire, 2)
		_, _ = decodeValues(wire, 2)
	})
}

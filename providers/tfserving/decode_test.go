package tfserving

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	tensorflow "fairlead/gen/thirdparty/tensorflow"
	serving "fairlead/gen/thirdparty/tensorflow/serving"
	"fairlead/providers"
	"fairlead/providers/tensor"
)

func shape(sizes ...int64) *tensorflow.TensorShapeProto {
	out := &tensorflow.TensorShapeProto{}
	for _, n := range sizes {
		out.Dim = append(out.Dim, &tensorflow.TensorShapeProto_Dim{Size: n, Name: "d"})
	}
	return out
}

// answered is the wire form of an answer with one output.
func answered(t testing.TB, p *tensorflow.TensorProto) []byte {
	t.Helper()
	b, err := proto.Marshal(&serving.PredictResponse{Outputs: map[string]*tensorflow.TensorProto{"y": p}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func le[T any](values ...T) []byte {
	var b bytes.Buffer
	for _, v := range values {
		_ = binary.Write(&b, binary.LittleEndian, v)
	}
	return b.Bytes()
}

func TestTensors(t *testing.T) {
	const (
		f32, f64, i32, i64 = tensorflow.DataType_DT_FLOAT, tensorflow.DataType_DT_DOUBLE, tensorflow.DataType_DT_INT32, tensorflow.DataType_DT_INT64
	)
	nan := math.Float32frombits(0x7fc00001)
	for name, test := range map[string]struct {
		p    *tensorflow.TensorProto
		want *tensor.Tensor // nil: refused
	}{
		"floats":         {&tensorflow.TensorProto{Dtype: f32, TensorShape: shape(3), FloatVal: []float32{1, nan, -0.5}}, &tensor.Tensor{Type: tensor.Float32, Shape: []int64{3}, Data: le[float32](1, nan, -0.5)}},
		"doubles":        {&tensorflow.TensorProto{Dtype: f64, TensorShape: shape(1, 2), DoubleVal: []float64{1, math.Inf(-1)}}, &tensor.Tensor{Type: tensor.Float64, Shape: []int64{1, 2}, Data: le(1, math.Inf(-1))}},
		"content":        {&tensorflow.TensorProto{Dtype: i32, TensorShape: shape(2), TensorContent: le[int32](-1, 7)}, &tensor.Tensor{Type: tensor.Int32, Shape: []int64{2}, Data: le[int32](-1, 7)}},
		"ints":           {&tensorflow.TensorProto{Dtype: i32, TensorShape: shape(2), IntVal: []int32{-1, 7}}, &tensor.Tensor{Type: tensor.Int32, Shape: []int64{2}, Data: le[int32](-1, 7)}},
		"int8":           {&tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_INT8, TensorShape: shape(2), IntVal: []int32{-128, 127}}, &tensor.Tensor{Type: tensor.Int8, Shape: []int64{2}, Data: le[int8](-128, 127)}},
		"uint16":         {&tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_UINT16, TensorShape: shape(1), IntVal: []int32{65535}}, &tensor.Tensor{Type: tensor.Uint16, Shape: []int64{1}, Data: le[uint16](65535)}},
		"longs":          {&tensorflow.TensorProto{Dtype: i64, TensorShape: shape(2), Int64Val: []int64{math.MinInt64, 1}}, &tensor.Tensor{Type: tensor.Int64, Shape: []int64{2}, Data: le[int64](math.MinInt64, 1)}},
		"uint32":         {&tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_UINT32, TensorShape: shape(1), Uint32Val: []uint32{math.MaxUint32}}, &tensor.Tensor{Type: tensor.Uint32, Shape: []int64{1}, Data: le[uint32](math.MaxUint32)}},
		"uint64":         {&tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_UINT64, TensorShape: shape(1), Uint64Val: []uint64{math.MaxUint64}}, &tensor.Tensor{Type: tensor.Uint64, Shape: []int64{1}, Data: le[uint64](math.MaxUint64)}},
		"bools":          {&tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_BOOL, TensorShape: shape(2), BoolVal: []bool{true, false}}, &tensor.Tensor{Type: tensor.Bool, Shape: []int64{2}, Data: []byte{1, 0}}},
		"half":           {&tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_HALF, TensorShape: shape(2), HalfVal: []int32{0x3c00, 0xfc00}}, &tensor.Tensor{Type: tensor.Float16, Shape: []int64{2}, Data: le[uint16](0x3c00, 0xfc00)}},
		"bfloat16":       {&tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_BFLOAT16, TensorShape: shape(1), HalfVal: []int32{0x3f80}}, &tensor.Tensor{Type: tensor.BFloat16, Shape: []int64{1}, Data: le[uint16](0x3f80)}},
		"texts":          {&tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_STRING, TensorShape: shape(2), StringVal: [][]byte{[]byte("a\xff"), {}}}, &tensor.Tensor{Type: tensor.String, Shape: []int64{2}, Strings: [][]byte{[]byte("a\xff"), {}}}},
		"packed texts":   {&tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_STRING, TensorShape: shape(3), TensorContent: []byte("\x02\x00\x01abc")}, &tensor.Tensor{Type: tensor.String, Shape: []int64{3}, Strings: [][]byte{[]byte("ab"), {}, []byte("c")}}},
		"scalar":         {&tensorflow.TensorProto{Dtype: f32, FloatVal: []float32{2}}, &tensor.Tensor{Type: tensor.Float32, Shape: []int64{}, Data: le[float32](2)}},
		"no elements":    {&tensorflow.TensorProto{Dtype: f32, TensorShape: shape(0, 3)}, &tensor.Tensor{Type: tensor.Float32, Shape: []int64{0, 3}, Data: []byte{}}},
		"one fills":      {&tensorflow.TensorProto{Dtype: i64, TensorShape: shape(2, 3), Int64Val: []int64{-3}}, &tensor.Tensor{Type: tensor.Int64, Shape: []int64{2, 3}, Data: le[int64](-3, -3, -3, -3, -3, -3)}},
		"last fills":     {&tensorflow.TensorProto{Dtype: f32, TensorShape: shape(5), FloatVal: []float32{1, 2}}, &tensor.Tensor{Type: tensor.Float32, Shape: []int64{5}, Data: le[float32](1, 2, 2, 2, 2)}},
		"none is zeros":  {&tensorflow.TensorProto{Dtype: i32, TensorShape: shape(2)}, &tensor.Tensor{Type: tensor.Int32, Shape: []int64{2}, Data: make([]byte, 8)}},
		"text fills":     {&tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_STRING, TensorShape: shape(2), StringVal: [][]byte{[]byte("a")}}, &tensor.Tensor{Type: tensor.String, Shape: []int64{2}, Strings: [][]byte{[]byte("a"), []byte("a")}}},
		"a long fill":    {&tensorflow.TensorProto{Dtype: f32, TensorShape: shape(1 << 17), FloatVal: []float32{1}}, nil},
		"many zeros":     {&tensorflow.TensorProto{Dtype: f32, TensorShape: shape(1 << 24)}, nil},
		"many texts":     {&tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_STRING, TensorShape: shape(1 << 20), StringVal: make([][]byte, 1<<20)}, nil},
		"fills of texts": {&tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_STRING, TensorShape: shape(1 << 20), StringVal: [][]byte{{1}}}, nil},
		"too many":       {&tensorflow.TensorProto{Dtype: f32, TensorShape: shape(1), FloatVal: []float32{1, 2}}, nil},
		"too little":     {&tensorflow.TensorProto{Dtype: f32, TensorShape: shape(2), TensorContent: make([]byte, 7)}, nil},
		"both":           {&tensorflow.TensorProto{Dtype: f32, TensorShape: shape(1), TensorContent: make([]byte, 4), FloatVal: []float32{1}}, nil},
		"other values":   {&tensorflow.TensorProto{Dtype: f32, TensorShape: shape(1), DoubleVal: []float64{1}}, nil},
		"complex":        {&tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_COMPLEX64, TensorShape: shape(1), ScomplexVal: []float32{1, 2}}, nil},
		"no type":        {&tensorflow.TensorProto{TensorShape: shape(1), FloatVal: []float32{1}}, nil},
		"reference type": {&tensorflow.TensorProto{Dtype: 101, TensorShape: shape(1), FloatVal: []float32{1}}, nil},
		"unknown rank":   {&tensorflow.TensorProto{Dtype: f32, TensorShape: &tensorflow.TensorShapeProto{UnknownRank: true}, FloatVal: []float32{1}}, nil},
		"negative":       {&tensorflow.TensorProto{Dtype: f32, TensorShape: shape(-1)}, nil},
		"high rank":      {&tensorflow.TensorProto{Dtype: f32, TensorShape: shape(1, 1, 1, 1, 1, 1, 1, 1, 1), FloatVal: []float32{1}}, nil},
		"higher rank":    {&tensorflow.TensorProto{Dtype: f32, TensorShape: shape(make([]int64, 5000)...)}, nil},
		"out of range":   {&tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_INT8, TensorShape: shape(1), IntVal: []int32{128}}, nil},
		"half too large": {&tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_HALF, TensorShape: shape(1), HalfVal: []int32{65536}}, nil},
		"neither 0 or 1": {&tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_BOOL, TensorShape: shape(1), TensorContent: []byte{2}}, nil},
		"cut texts":      {&tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_STRING, TensorShape: shape(2), TensorContent: []byte("\x02\x05ab")}, nil},
		"more texts":     {&tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_STRING, TensorShape: shape(1), TensorContent: []byte("\x01ab")}, nil},
	} {
		got, _, err := decodePredict(answered(t, test.p), tensor.Limits{})
		if test.want == nil {
			if err == nil {
				t.Errorf("%s: %v is taken", name, got)
			}
			continue
		}
		test.want.Name = "y"
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(*test.want, got[0]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if err := got[0].Check(tensor.Limits{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// What we write of it is read by generated code as what it was.
		request := encodePredict(spec{model: "m"}, &providers.PredictRequest{Inputs: got})
		var read serving.PredictRequest
		if err := proto.Unmarshal(request, &read); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again, _, err := decodePredict(answered(t, read.GetInputs()["y"]), tensor.Limits{})
		if err != nil {
			t.Errorf("%s: what we wrote cannot be read: %v", name, err)
		} else if diff := cmp.Diff(got, again); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestPieces: packed and single values, in pieces and in any order, are one tensor.
func TestPieces(t *testing.T) {
	var p []byte
	p = protowire.AppendTag(p, 5, protowire.Fixed32Type)
	p = protowire.AppendFixed32(p, math.Float32bits(1))
	p = appendField(p, 5, le[float32](2, 3))
	p = appendField(p, 5, nil)
	p = protowire.AppendTag(p, 5, protowire.Fixed32Type)
	p = protowire.AppendFixed32(p, math.Float32bits(4))
	dims, _ := proto.Marshal(shape(4))
	p = appendField(p, 2, dims)
	p = protowire.AppendTag(p, 1, protowire.VarintType)
	p = protowire.AppendVarint(p, 1)
	p = appendField(p, 99, []byte("what came later"))
	d := newDecoder(tensor.Limits{}, p)
	got, err := d.tensor(p)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(le[float32](1, 2, 3, 4), got.Data); diff != "" {
		t.Error(diff)
	}
	if _, err := newDecoder(tensor.Limits{}, p).tensor(appendField(p, 2, dims)); err == nil {
		t.Error("two shapes are taken")
	}
	entry := appendField(appendText(nil, 1, "y"), 2, p)
	if _, _, err := decodePredict(appendField(appendField(nil, 1, entry), 1, entry), tensor.Limits{}); err == nil {
		t.Error("an output that is given twice is taken")
	}
}

// TestBombIsQuick: a claim of 2^62 elements costs nothing.
func TestBombIsQuick(t *testing.T) {
	wire := answered(t, &tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_FLOAT, TensorShape: shape(1<<31, 1<<31), FloatVal: []float32{1}})
	begin := time.Now()
	_, _, err := decodePredict(wire, tensor.Limits{})
	took := time.Since(begin)
	if err == nil || took > time.Millisecond {
		t.Errorf("refused in %s with %v", took, err)
	}
	if n := testing.AllocsPerRun(100, func() { _, _, _ = decodePredict(wire, tensor.Limits{}) }); n > 16 {
		t.Errorf("%v allocations", n)
	}
}

// made says how many bytes f makes.
func made(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// TestMemory: what is made of an answer is bounded by its bytes.
func TestMemory(t *testing.T) {
	floats, doubles, longs, names := make([]float32, 1<<20), make([]float64, 1<<19), make([]int64, 1<<20), make([][]byte, 1<<18)
	for i := range names {
		names[i] = []byte("a class label")
	}
	var single []byte // floats one by one
	for range 1 << 20 {
		single = protowire.AppendTag(single, 5, protowire.Fixed32Type)
		single = protowire.AppendFixed32(single, 1)
	}
	var loose tensorflow.TensorProto
	if err := proto.Unmarshal(single, &loose); err != nil {
		t.Fatal(err)
	}
	head, _ := proto.Marshal(&tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_FLOAT, TensorShape: shape(1 << 20)})
	for name, test := range map[string]struct {
		wire []byte
		most float64
	}{
		"packed floats":  {answered(t, &tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_FLOAT, TensorShape: shape(1 << 20), FloatVal: floats}), 0.01},
		"packed doubles": {answered(t, &tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_DOUBLE, TensorShape: shape(1 << 19), DoubleVal: doubles}), 0.01},
		"content":        {answered(t, &tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_FLOAT, TensorShape: shape(1 << 20), TensorContent: make([]byte, 4<<20)}), 0.01},
		"single floats":  {appendField(nil, 1, appendField(appendText(nil, 1, "y"), 2, append(head, single...))), 1},
		"texts":          {answered(t, &tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_STRING, TensorShape: shape(1 << 18), StringVal: names}), 2},
		"longs of 0":     {answered(t, &tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_INT64, TensorShape: shape(1 << 20), Int64Val: longs}), 8.01},
	} {
		var err error
		got := made(func() { _, _, err = decodePredict(test.wire, tensor.Limits{}) })
		ratio := float64(got) / float64(len(test.wire))
		t.Logf("%s: %d bytes made %d, %.2f times", name, len(test.wire), got, ratio)
		if err != nil || ratio > test.most {
			t.Errorf("%s: %d bytes made %d: %v", name, len(test.wire), got, err)
		}
	}
}

// random makes a request with tensors of all types.
func random(r *rand.Rand) *providers.PredictRequest {
	req := &providers.PredictRequest{Model: "m", Version: []string{"", "7", "stable"}[r.IntN(3)]}
	for i := range r.IntN(5) {
		x := tensor.Tensor{Name: string(rune('a' + i)), Type: tensor.Type(1 + r.IntN(int(tensor.String)))}
		for range r.IntN(4) {
			x.Shape = append(x.Shape, int64(r.IntN(4)))
		}
		n, _ := tensor.Elements(x.Shape)
		if x.Type == tensor.String {
			for range n {
				x.Strings = append(x.Strings, bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(200)))
			}
		} else {
			x.Data = make([]byte, int(n)*x.Type.Size())
			for j := range x.Data {
				if x.Data[j] = byte(r.Uint32()); x.Type == tensor.Bool {
					x.Data[j] &= 1
				}
			}
		}
		req.Inputs = append(req.Inputs, x)
	}
	for range r.IntN(3) {
		req.Outputs = append(req.Outputs, "y")
	}
	return req
}

// TestRoundTrip: what we write is what generated code would write, whatever the tensors.
func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		req := random(r)
		wire := encodePredict(spec{model: req.Model, version: req.Version, signature: "s"}, req)
		var read serving.PredictRequest
		if err := proto.Unmarshal(wire, &read); err != nil {
			t.Fatal(err)
		}
		if len(read.ProtoReflect().GetUnknown()) > 0 {
			t.Fatal("it has fields that generated code does not know")
		}
		rewritten, err := proto.Marshal(&read)
		if err != nil || len(rewritten) != len(wire) {
			t.Fatalf("generated code writes %d bytes, we %d: %v", len(rewritten), len(wire), err)
		}
		// The outputs of an answer have the number of the field of inputs less one, and are the same otherwise.
		answer, _ := proto.Marshal(&serving.PredictResponse{Outputs: read.GetInputs(), ModelSpec: read.GetModelSpec()})
		outputs, used, err := decodePredict(answer, tensor.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if used.version != "" && used.version != req.Version || used.signature != "s" || used.model != "m" {
			t.Fatalf("the spec is %+v", used)
		}
		p := providers.Prediction{Outputs: outputs}
		for _, want := range req.Inputs {
			got := p.Output(want.Name)
			if got == nil || got.Type != want.Type || !bytes.Equal(got.Data, want.Data) || len(got.Strings) != len(want.Strings) {
				t.Fatalf("%+v became %+v", want, got)
			}
			for i := range want.Strings {
				if !bytes.Equal(got.Strings[i], want.Strings[i]) {
					t.Fatalf("%+v became %+v", want, got)
				}
			}
		}
		var whole serving.PredictRequest
		if err := proto.Unmarshal(rewritten, &whole); err != nil || cmp.Diff(&read, &whole, protocmp.Transform()) != "" {
			t.Fatal("it changes on the way")
		}
	}
}

func BenchmarkDecodeFloats(b *testing.B) {
	wire := answered(b, &tensorflow.TensorProto{Dtype: tensorflow.DataType_DT_FLOAT, TensorShape: shape(256, 1024), FloatVal: make([]float32, 256*1024)})
	b.SetBytes(int64(len(wire)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := decodePredict(wire, tensor.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

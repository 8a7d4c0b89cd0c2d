package rpc

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/providers/tensor"
)

func TestTensorsAreReadAndWritten(t *testing.T) {
	for name, c := range map[string]struct {
		in   *pb.Tensor
		want string // the elements, or what is wrong
	}{
		"raw":               {&pb.Tensor{Type: "INT16", Shape: []int64{2}, Raw: []byte{1, 0, 255, 255}}, "[1,-1]"},
		"numbers":           {&pb.Tensor{Type: "FP32", Shape: []int64{1, 2}, Numbers: []float64{0.5, -2}}, "[[0.5,-2.0]]"},
		"numbers for whole": {&pb.Tensor{Type: "UINT8", Shape: []int64{2}, Numbers: []float64{0, 255}}, "[0,255]"},
		"integers":          {&pb.Tensor{Type: "INT64", Shape: []int64{2}, Integers: []int64{math.MinInt64, math.MaxInt64}}, "[-9223372036854775808,9223372036854775807]"},
		"unsigned":          {&pb.Tensor{Type: "UINT32", Shape: []int64{1}, Integers: []int64{math.MaxUint32}}, "[4294967295]"},
		"signed":            {&pb.Tensor{Type: "INT8", Shape: []int64{2}, Integers: []int64{-128, 127}}, "[-128,127]"},
		"truths":            {&pb.Tensor{Type: "BOOL", Shape: []int64{2}, Integers: []int64{1, 0}}, "[true,false]"},
		"truths as numbers": {&pb.Tensor{Type: "BOOL", Shape: []int64{2}, Numbers: []float64{1, 0}}, "[true,false]"},
		"texts":             {&pb.Tensor{Type: "BYTES", Shape: []int64{2, 1}, Texts: [][]byte{[]byte("a"), nil}}, `[["a"],[""]]`},
		"scalar":            {&pb.Tensor{Type: "FP64", Numbers: []float64{3}}, "3.0"},
		"empty":             {&pb.Tensor{Type: "FP64", Shape: []int64{0, 3}}, "[]"},
		"empty texts":       {&pb.Tensor{Type: "BYTES", Shape: []int64{0}}, "[]"},

		"no type":            {&pb.Tensor{Shape: []int64{1}, Numbers: []float64{1}}, "its type is none of"},
		"two kinds":          {&pb.Tensor{Type: "FP32", Shape: []int64{1}, Numbers: []float64{1}, Raw: []byte{1, 2, 3, 4}}, "more than one of"},
		"too few":            {&pb.Tensor{Type: "FP32", Shape: []int64{2}, Numbers: []float64{1}}, "not as many elements"},
		"too many integers":  {&pb.Tensor{Type: "INT8", Shape: []int64{1}, Integers: []int64{1, 2}}, "not as many elements"},
		"nothing for much":   {&pb.Tensor{Type: "FP32", Shape: []int64{4}}, "wants 16 bytes"},
		"beyond its type":    {&pb.Tensor{Type: "UINT8", Shape: []int64{1}, Integers: []int64{256}}, "none of type UINT8"},
		"below its type":     {&pb.Tensor{Type: "UINT64", Shape: []int64{1}, Integers: []int64{-1}}, "none of type UINT64"},
		"a fraction":         {&pb.Tensor{Type: "INT32", Shape: []int64{1}, Numbers: []float64{1.5}}, "none of type INT32"},
		"integers for FP32":  {&pb.Tensor{Type: "FP32", Shape: []int64{1}, Integers: []int64{1}}, "for types of whole numbers"},
		"texts for numbers":  {&pb.Tensor{Type: "FP32", Shape: []int64{1}, Texts: [][]byte{nil}}, "for type BYTES"},
		"no truth":           {&pb.Tensor{Type: "BOOL", Shape: []int64{1}, Integers: []int64{2}}, "neither 0 nor 1"},
		"no truth as bytes":  {&pb.Tensor{Type: "BOOL", Shape: []int64{1}, Raw: []byte{2}}, "neither 0 nor 1"},
		"overflow":           {&pb.Tensor{Type: "FP32", Shape: []int64{1 << 31, 1 << 31}}, "checking a tensor"},
		"overflow of texts":  {&pb.Tensor{Type: "BYTES", Shape: []int64{1 << 31, 1 << 33}}, "more elements than can be counted"},
		"too many axes":      {&pb.Tensor{Type: "FP32", Shape: make([]int64, 9)}, "dimensions"},
		"negative":           {&pb.Tensor{Type: "FP32", Shape: []int64{-1}}, "a dimension is -1"},
		"a text that is big": {&pb.Tensor{Type: "BYTES", Shape: []int64{1}, Texts: [][]byte{make([]byte, 1<<20+1)}}, "the limit is"},
	} {
		got, err := tensorsOf("inputs", []*pb.Tensor{c.in})
		if err != nil {
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "inputs") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		text, err := got[0].AppendJSON(nil, tensor.JSON{})
		if err != nil || string(text) != c.want {
			t.Errorf("%s: %s %v, want %s", name, text, err, c.want)
		}
		for _, raw := range []bool{true, false} {
			back, err := tensorMessage(&got[0], raw)
			if err != nil {
				t.Fatal(err)
			}
			again, err := tensorsOf("inputs", []*pb.Tensor{back})
			if err != nil || !slices.Equal(again[0].Data, got[0].Data) || !slices.Equal(again[0].Shape, got[0].Shape) {
				t.Errorf("%s: raw %v: %v became %v: %v", name, raw, got[0], again, err)
			}
		}
	}
	big := &pb.Tensor{Type: "UINT8", Shape: []int64{40 << 20}, Raw: make([]byte, 40<<20)}
	if _, err := tensorsOf("inputs", []*pb.Tensor{big, big}); err == nil || !strings.Contains(err.Error(), "the limit") {
		t.Errorf("two large ones: %v", err)
	}
	// 64 bits without a sign do not fit into integers, and are given as they are stored.
	out, err := tensorMessage(&tensor.Tensor{Type: tensor.Uint64, Shape: []int64{1}, Data: slices.Repeat([]byte{255}, 8)}, false)
	if err != nil || len(out.GetRaw()) != 8 || out.GetIntegers() != nil {
		t.Errorf("%v, %v", out, err)
	}
}

// A shape that no memory holds costs nothing to refuse.
func TestABombIsRefusedAtOnce(t *testing.T) {
	bomb := []*pb.Tensor{{Type: "FP32", Shape: []int64{1 << 31, 1 << 31}}}
	began := time.Now()
	const n = 1000
	for range n {
		if _, err := tensorsOf("inputs", bomb); err == nil {
			t.Fatal("it is read")
		}
	}
	if each := time.Since(began) / n; each > time.Millisecond { // microseconds, but the machine may be busy
		t.Errorf("refusing it takes %s", each)
	}
}

// holds checks what the conversion gave.
func holds(t testing.TB, got []tensor.Tensor) {
	for i := range got {
		if err := got[i].Check(tensor.Limits{}); err != nil {
			t.Fatalf("what was read does not hold: %v", err)
		}
		for _, raw := range []bool{true, false} {
			if _, err := tensorMessage(&got[i], raw); err != nil {
				t.Fatalf("what was read is not written: %v", err)
			}
		}
	}
}

var seeds = []*pb.Tensor{
	{Name: "x", Type: "FP32", Shape: []int64{2, 2}, Numbers: []float64{1, 2, 3, 4}},
	{Type: "INT64", Shape: []int64{3}, Integers: []int64{1, -2, 3}},
	{Type: "BYTES", Shape: []int64{2}, Texts: [][]byte{[]byte("a"), []byte("bc")}},
	{Type: "FP16", Shape: []int64{2, 1}, Raw: []byte{1, 2, 3, 4}},
	{Type: "BOOL", Shape: []int64{2}, Integers: []int64{0, 1}},
	{Type: "FP32", Shape: []int64{1 << 31, 1 << 31}},
}

func seedBytes(t testing.TB) (all [][]byte) {
	for _, m := range seeds {
		data, err := proto.Marshal(&pb.PredictRequest{Target: "t", Inputs: []*pb.Tensor{m}})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data)
	}
	return all
}

func FuzzTensors(f *testing.F) {
	for _, data := range seedBytes(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var m pb.PredictRequest
		if proto.Unmarshal(data, &m) != nil {
			return
		}
		if got, err := tensorsOf("inputs", m.GetInputs()); err == nil {
			holds(t, got)
		}
	})
}

// A million broken tensors: none panics, and none takes much more memory than it has on the wire.
func TestAMillionBrokenTensors(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	n := 1_000_000
	if testing.Short() {
		n = 10_000
	}
	list := []*pb.Tensor{{}}
	types := []string{"BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT64", "FP16", "BF16", "FP32", "FP64", "BYTES", "", "fp32"}
	raw, numbers, integers, texts := make([]byte, 64), make([]float64, 16), make([]int64, 16), make([][]byte, 16)
	read := 0
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		m := list[0]
		m.Type, m.Raw, m.Numbers, m.Integers, m.Texts = types[rng.IntN(len(types))], nil, nil, nil, nil
		m.Shape = m.Shape[:0]
		for range rng.IntN(4) {
			d := int64(rng.IntN(5))
			switch rng.IntN(12) {
			case 0:
				d = 1 << (20 + rng.IntN(43))
			case 1:
				d = -d
			}
			m.Shape = append(m.Shape, d)
		}
		for range 1 + rng.IntN(20)/19 {
			switch k := rng.IntN(17); rng.IntN(4) {
			case 0:
				raw[rng.IntN(len(raw))] = byte(rng.Uint32())
				m.Raw = raw[:min(k*rng.IntN(9), len(raw))]
			case 1:
				if k > 0 {
					numbers[rng.IntN(k)] = math.Float64frombits(rng.Uint64())
				}
				m.Numbers = numbers[:min(k, 16)]
			case 2:
				integers[rng.IntN(16)] = int64(rng.Uint64()) >> rng.IntN(64)
				m.Integers = integers[:min(k, 16)]
			default:
				m.Texts = texts[:min(k, 16)]
			}
		}
		got, err := tensorsOf("inputs", list)
		if err == nil {
			read++
			if err := got[0].Check(tensor.Limits{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	runtime.ReadMemStats(&after)
	// The errors' own texts included.
	if each := (after.TotalAlloc - before.TotalAlloc) / uint64(n); read < n/100 || each > 4096 {
		t.Errorf("%d of %d were read, with %d bytes each", read, n, each)
	}
}

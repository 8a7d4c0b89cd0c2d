package tensor

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func must(t testing.TB) func(Tensor, error) Tensor {
	return func(v Tensor, err error) Tensor {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// bombs are shapes whose elements could not be held, some of them not even counted.
var bombs = [][]int64{
	{1 << 31, 1 << 31}, {math.MaxInt64}, {math.MaxInt64, math.MaxInt64}, {1 << 62, 4}, {3, 1 << 62}, {-1, 5}, {1 << 40},
	{1, 1, 1, 1, 1, 1, 1, 1, 1}, {1 << 31, 1 << 31, 0, -1},
}

func TestBombsAreRefusedWithoutAllocation(t *testing.T) {
	for _, shape := range bombs {
		for _, typ := range []Type{Bool, Float32, String} {
			if _, _, err := (Limits{}).Check(typ, shape); err == nil {
				t.Errorf("%v of %s is allowed", shape, typ)
			}
			if _, err := ParseRaw("x", typ, shape, []byte("1234"), Limits{}); err == nil {
				t.Errorf("raw %v of %s is read", shape, typ)
			}
			if _, err := ParseJSON("x", typ, shape, []byte("[1,2]"), JSON{}); err == nil {
				t.Errorf("JSON of %v of %s is read", shape, typ)
			}
		}
	}
	shape := []int64{1 << 31, 1 << 31}
	if n := testing.AllocsPerRun(100, func() {
		if n, err := Elements(shape); err != nil || n != 1<<62 {
			t.Fatal(n, err)
		}
	}); n != 0 {
		t.Errorf("counting allocates %v times", n)
	}
	// What a refusal allocates is its message, whatever the shape.
	if n := allocated(func() { _, _, _ = (Limits{}).Check(Float32, shape) }); n > 4<<10 {
		t.Errorf("a refusal allocates %d bytes", n)
	}
}

func BenchmarkRefuseBomb(b *testing.B) {
	shape := []int64{1 << 31, 1 << 31}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseRaw("x", Float32, shape, nil, Limits{}); err == nil {
			b.Fatal("allowed")
		}
	}
}

func TestTenMillionEmptyTextsAreRefused(t *testing.T) {
	const n = 10_000_000
	raw := make([]byte, 4*n)
	if n := allocated(func() {
		if _, err := ParseRaw("x", String, []int64{n}, raw, Limits{}); err == nil {
			t.Fatal("allowed")
		}
	}); n > 4<<10 {
		t.Errorf("the refusal allocates %d bytes", n)
	}
}

// All 65,536 numbers of each half type, against their definition.
func TestHalves(t *testing.T) {
	for h := range 1 << 16 {
		sign, e, f := 1.0, h>>10&0x1f, float64(h&0x3ff)
		if h>>15 == 1 {
			sign = -1
		}
		want := sign * math.Ldexp(1+f/1024, e-15)
		switch {
		case e == 0:
			want = sign * math.Ldexp(f/1024, -14)
		case e == 31 && f == 0:
			want = math.Inf(int(sign))
		case e == 31:
			want = math.NaN()
		}
		got := float64(float16(uint16(h)))
		if math.Float64bits(got) != math.Float64bits(want) && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Fatalf("%#04x is %v, want %v", h, got, want)
		}
		if back := toFloat16(float32(got)); back != uint16(h) && !math.IsNaN(want) {
			t.Fatalf("%#04x comes back as %#04x", h, back)
		}
		b := bfloat16(uint16(h))
		if back := toBFloat16(b); back != uint16(h) && b == b {
			t.Fatalf("bfloat16 %#04x comes back as %#04x", h, back)
		} else if b != b && bfloat16(back) == bfloat16(back) {
			t.Fatalf("bfloat16 %#04x becomes a number", h)
		}
	}
	// Rounding: the nearest of the two neighbours, by exhaustive comparison in float64.
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		f := float32(math.Ldexp(r.Float64()*2-1, r.IntN(40)-28))
		for name, at := range map[string][2]func(uint16) float64{
			"FP16": {func(h uint16) float64 { return float64(float16(h)) }}, "BF16": {func(h uint16) float64 { return float64(bfloat16(h)) }},
		} {
			h := toFloat16(f)
			if name == "BF16" {
				h = toBFloat16(f)
			}
			got := at[0](h)
			if math.IsInf(got, 0) {
				if name == "FP16" && math.Abs(float64(f)) < 65520 {
					t.Fatalf("%v becomes infinite", f)
				}
				continue
			}
			for _, other := range []uint16{h - 1, h + 1} {
				v := at[0](other)
				if h&0x7fff == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
					continue
				}
				d, e := math.Abs(got-float64(f)), math.Abs(v-float64(f))
				if e < d || e == d && h&1 == 1 {
					t.Fatalf("%s of %v is %v, and %v is nearer", name, f, got, v)
				}
			}
		}
	}
}

func TestNumbersOfEveryType(t *testing.T) {
	for typ := Int8; typ <= Float64; typ++ {
		want := []float64{0, 1, 100}
		made := must(t)(FromNumbers("x", typ, []int64{3, 1}, want))
		if err := made.Check(Limits{}); err != nil {
			t.Error(err)
		}
		if got, err := made.Floats(); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %v, %v", typ, got, err)
		}
		for _, o := range []JSON{{}, {Flat: true}} {
			text, err := made.AppendJSON(nil, o)
			if err != nil {
				t.Fatal(err)
			}
			back := must(t)(ParseJSON("x", typ, []int64{3, 1}, text, o))
			if d := cmp.Diff(made, back); d != "" {
				t.Errorf("%s: %s: %s", typ, text, d)
			}
		}
		raw, _ := made.AppendRaw(nil)
		if d := cmp.Diff(made, must(t)(ParseRaw("x", typ, []int64{3, 1}, raw, Limits{}))); d != "" {
			t.Errorf("%s: %s", typ, d)
		}
		for _, bad := range []float64{math.NaN(), math.Inf(1), 0.5, 1e300, -1e300} {
			_, err := FromNumbers("x", typ, []int64{1}, []float64{bad})
			fine := typ == Float64 || typ > Uint64 && math.Abs(bad) < 1e299 || typ > Uint64 && (math.IsNaN(bad) || math.IsInf(bad, 0))
			if (err == nil) != fine {
				t.Errorf("%s of %v: %v", typ, bad, err)
			}
		}
	}
	for _, k := range []struct {
		t  Type
		n  float64
		ok bool
	}{
		{Int8, 127, true}, {Int8, 128, false}, {Int8, -128, true}, {Int8, -129, false}, {Uint8, 255, true}, {Uint8, 256, false}, {Uint8, -1, false},
		{Int64, -1 << 63, true}, {Int64, 1 << 63, false}, {Uint64, 1 << 63, true}, {Uint64, 1 << 64, false}, {Int32, 1 << 31, false},
		{Float16, 65504, true}, {Float16, 65519, true}, {Float16, 65520, false}, {BFloat16, 3.4e38, false}, {Float32, 3.5e38, false}, {Bool, 1, false}, {String, 1, false},
	} {
		if _, err := FromNumbers("x", k.t, []int64{1}, []float64{k.n}); (err == nil) != k.ok {
			t.Errorf("%s of %v: %v", k.t, k.n, err)
		}
	}
}

func TestWholeNumbersAreExact(t *testing.T) {
	want := []int64{math.MaxInt64, math.MinInt64, 1<<53 + 1, -(1<<53 + 1), 0}
	made := must(t)(FromInt64s("ids", []int64{5}, want))
	text, err := made.AppendJSON(nil, JSON{})
	if err != nil || string(text) != "[9223372036854775807,-9223372036854775808,9007199254740993,-9007199254740993,0]" {
		t.Fatalf("%s, %v", text, err)
	}
	back := must(t)(ParseJSON("ids", Int64, nil, text, JSON{}))
	if got, err := back.Ints(); err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	big := must(t)(ParseJSON("x", Uint64, nil, []byte("[18446744073709551615]"), JSON{}))
	if binary.LittleEndian.Uint64(big.Data) != math.MaxUint64 {
		t.Error(big)
	}
	if _, err := big.Ints(); err == nil {
		t.Error("an int64 holds 2^64-1")
	}
	for _, bad := range []string{"[1.5]", "[1e2]", "[NaN]", "[9223372036854775808]", "[01]", "[-]", "[+1]", "[0x1]", "[1,]", "[1", "[1]]", "[1] 2", "[]1", "[1][2]", "nul", `["1"]`, ""} {
		if _, err := ParseJSON("x", Int64, nil, []byte(bad), JSON{}); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
}

func TestFloatsReadBackAsTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		f := math.Float32frombits(r.Uint32())
		made := must(t)(FromFloat32s("x", nil, []float32{f}))
		text, err := made.AppendJSON(nil, JSON{})
		if err != nil {
			t.Fatal(err)
		}
		back := must(t)(ParseJSON("x", Float32, []int64{}, text, JSON{}))
		got, _ := back.Floats()
		if float32(got[0]) != f && f == f {
			t.Fatalf("%v is written %s and read %v", f, text, got)
		}
		_, err = made.AppendJSON(nil, JSON{Finite: true})
		if finite := !math.IsNaN(float64(f)) && !math.IsInf(float64(f), 0); (err == nil) != finite || made.Finite() != finite {
			t.Fatalf("%v: %v, %v", f, made.Finite(), err)
		}
	}
	for _, typ := range []Type{Float16, BFloat16, Float32, Float64} {
		for _, bad := range []string{"NaN", "Infinity", "-Infinity"} {
			v := must(t)(ParseJSON("x", typ, nil, []byte(bad), JSON{}))
			if v.Finite() {
				t.Errorf("%s of %s is finite", typ, bad)
			}
			if _, err := ParseJSON("x", typ, nil, []byte(bad), JSON{Finite: true}); err == nil {
				t.Errorf("%s of %s is read where it must not", typ, bad)
			}
			if text, err := v.AppendJSON(nil, JSON{}); err != nil || string(text) != bad {
				t.Errorf("%s: %s, %v", bad, text, err)
			}
		}
	}
}

func TestJSONOfTexts(t *testing.T) {
	v := must(t)(FromStrings("x", []int64{2, 2}, []string{"ferry", "", `a "b"\`, "Fähre ⛴"}))
	text, err := v.AppendJSON(nil, JSON{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(v, must(t)(ParseJSON("x", Invalid, nil, text, JSON{}))); d != "" {
		t.Errorf("%s: %s", text, d)
	}
	v.Strings[1] = []byte{0xff, 0}
	if _, err := v.AppendJSON(nil, JSON{}); err == nil {
		t.Error("what is no UTF-8 is written as a text")
	}
	if text, err = v.AppendJSON(nil, JSON{Base64: true}); err != nil || !strings.Contains(string(text), `{"b64":"/wA="}`) {
		t.Fatalf("%s, %v", text, err)
	}
	if d := cmp.Diff(v, must(t)(ParseJSON("x", String, []int64{2, 2}, text, JSON{Base64: true}))); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{`[{"b64":"/wA="}]`, "[\"\xff\"]", "[\"a\nb\"]", `["a]`, `["\x"]`, `[1]`, `["` + strings.Repeat("x", 40) + `"]`} {
		if _, err := ParseJSON("x", String, nil, []byte(bad), JSON{Limits: Limits{Text: 32}}); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
	for _, bad := range []string{`[{"b64":"!"}]`, `[{"b65":"/wA="}]`, `[{"b64":"/wA=","x":1}]`, `[{"b64":{"b64":""}}]`, `[{]`} {
		if _, err := ParseJSON("x", String, nil, []byte(bad), JSON{Base64: true}); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
}

func TestJSONShapes(t *testing.T) {
	for text, want := range map[string][]int64{
		"1": {}, "[]": {0}, "[[],[]]": {2, 0}, "[1,2,3]": {3}, "[[1],[2]]": {2, 1}, " [ [ [1 , 2] ] ] \n": {1, 1, 2}, "[true,false]": {2}, "[1.5,2]": {2},
	} {
		got := must(t)(ParseJSON("x", Invalid, nil, []byte(text), JSON{}))
		if d := cmp.Diff(want, got.Shape); d != "" {
			t.Errorf("%s: %s", text, d)
		}
	}
	if v := must(t)(ParseJSON("x", Float32, []int64{2, 2}, []byte("[1,2,3,4]"), JSON{})); !cmp.Equal(v.Shape, []int64{2, 2}) {
		t.Error(v)
	}
	for _, bad := range []string{"[[1],2]", "[1,[2]]", "[1,[]]", "[[],1]", "[[],[1]]", "[[1,2],[3]]", "[[],[[]]]", "[[[[[[[[[1]]]]]]]]]", strings.Repeat("[", 100_000)} {
		if _, err := ParseJSON("x", Int64, nil, []byte(bad), JSON{}); err == nil {
			t.Errorf("%.40s is read", bad)
		}
	}
	for _, k := range []struct {
		text  string
		shape []int64
	}{{"[1,2,3]", []int64{2, 2}}, {"[[1,2,3,4]]", []int64{2, 2}}, {"[1,2,3,4,5]", []int64{2, 2}}, {"1", []int64{1}}, {"[1]", []int64{}}} {
		v, err := ParseJSON("x", Int64, k.shape, []byte(k.text), JSON{})
		if flat := k.text == "[1]"; (err == nil) != flat {
			t.Errorf("%s as %v: %v, %v", k.text, k.shape, v, err)
		}
	}
	if v := must(t)(ParseJSON("x", Invalid, nil, []byte("[1,2.5]"), JSON{})); v.Type != Float64 {
		t.Error(v.Type)
	}
	if v := must(t)(ParseJSON("x", Invalid, nil, []byte("[1,99999999999999999999]"), JSON{})); v.Type != Float64 {
		t.Error(v.Type)
	}
}

func TestEmptyTensorsOfManyLists(t *testing.T) {
	for _, shape := range [][]int64{{1 << 40, 0}, {2, 1 << 31, 0, 7}} {
		v := Tensor{Name: "x", Type: Float32, Shape: shape}
		if _, err := v.AppendJSON(nil, JSON{}); err == nil {
			t.Errorf("%v is written", shape)
		}
		if text, err := v.AppendJSON(nil, JSON{Flat: true}); err != nil || string(text) != "[]" {
			t.Errorf("%v: %s, %v", shape, text, err)
		}
	}
}

func TestRawTexts(t *testing.T) {
	v := must(t)(FromStrings("x", []int64{3}, []string{"ab", "", "\xff"}))
	raw, err := v.AppendRaw(nil)
	if err != nil || string(raw) != "\x02\x00\x00\x00ab\x00\x00\x00\x00\x01\x00\x00\x00\xff" {
		t.Fatalf("%q, %v", raw, err)
	}
	if d := cmp.Diff(v, must(t)(ParseRaw("x", String, []int64{3}, raw, Limits{}))); d != "" {
		t.Error(d)
	}
	for i := range raw {
		if _, err := ParseRaw("x", String, []int64{3}, raw[:i], Limits{}); err == nil {
			t.Errorf("the first %d bytes are read", i)
		}
	}
	for _, shape := range [][]int64{{2}, {4}, {0}} {
		if _, err := ParseRaw("x", String, shape, raw, Limits{}); err == nil {
			t.Errorf("as %v it is read", shape)
		}
	}
	if _, err := ParseRaw("x", Bool, []int64{1}, []byte{2}, Limits{}); err == nil {
		t.Error("2 is a truth")
	}
	if _, err := ParseRaw("x", String, []int64{1}, raw[:6], Limits{Text: 1}); err == nil {
		t.Error("a text beyond the limit is read")
	}
}

func TestRowsAreCutAndJoined(t *testing.T) {
	v := must(t)(FromInt64s("x", []int64{4, 2}, []int64{0, 1, 2, 3, 4, 5, 6, 7}))
	parts, err := v.Split(1, 0, 3)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := parts[2].Ints(); !cmp.Equal(got, []int64{2, 3, 4, 5, 6, 7}) || parts[1].Rows() != 0 {
		t.Error(parts)
	}
	if d := cmp.Diff(v, must(t)(Concat(parts...))); d != "" {
		t.Error(d)
	}
	texts := must(t)(FromStrings("t", []int64{3, 1}, []string{"a", "b", "c"}))
	halves, err := texts.Split(2, 1)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(texts, must(t)(Concat(halves...))); d != "" {
		t.Error(d)
	}
	for _, rows := range [][]int64{{4, 1}, {3}, {-1, 5}, {math.MaxInt64, 1}, {}} {
		if _, err := v.Split(rows...); err == nil {
			t.Errorf("%v rows are cut", rows)
		}
	}
	scalar := must(t)(FromInt64s("x", nil, []int64{1}))
	broken := Tensor{Type: Int64, Shape: []int64{4, 2}, Data: make([]byte, 9)}
	for _, list := range [][]Tensor{{}, {v, texts}, {scalar, scalar}, {v, parts[0], must(t)(FromInt64s("x", []int64{1, 3}, []int64{1, 2, 3}))}, {broken}} {
		if _, err := Concat(list...); err == nil {
			t.Errorf("%v are joined", list)
		}
	}
	if _, err := broken.Slice(0, 1); err == nil {
		t.Error("a broken tensor is cut")
	}
	if _, err := scalar.Slice(0, 1); err == nil {
		t.Error("a scalar is cut")
	}
	for _, bad := range []func() error{
		func() error { _, err := FromInt64s("x", []int64{2}, []int64{1}); return err },
		func() error { _, err := FromStrings("x", []int64{-1}, nil); return err },
		func() error { _, err := FromBools("x", []int64{}, nil); return err },
		func() error { _, err := broken.Floats(); return err },
		func() error { _, err := texts.Floats(); return err },
		func() error { _, err := v.Texts(); return err },
	} {
		if bad() == nil {
			t.Error("what does not fit passes")
		}
	}
}

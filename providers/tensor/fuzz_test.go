package tensor

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"testing"
)

// seeds are what both decoders are tried on, as raw bytes and as JSON.
var seeds = []string{
	"", "[]", "[1,2,3]", "[[1.5,-2e3],[NaN,Infinity]]", "[[true,false]]", `["a","\u00e4\n",{"b64":"/wA="}]`, "[[[]]]", "[1,[2]]",
	"\x02\x00\x00\x00ab\x00\x00\x00\x00", "\x01\x00\x00\x00a\xff\xff\xff\xff", "[9223372036854775807,-9223372036854775808]", "[-0,0.0,1e-999]",
}

// shapeOf makes a shape, nil included, out of a number.
func shapeOf(n uint32) []int64 {
	if n%5 == 0 {
		return nil
	}
	shape := make([]int64, n%4)
	for i := range shape {
		n /= 7
		shape[i] = int64(n % 6)
		if n%97 == 0 {
			shape[i] = int64(n) << 31
		}
	}
	return shape
}

// hold checks what a decoder gave: within the limits, and written and read back as it was.
func hold(t testing.TB, v Tensor, raw bool, l Limits) {
	t.Helper()
	if err := v.Check(l); err != nil {
		t.Fatalf("what was read is beyond its limits: %v", err)
	}
	if raw {
		out, err := v.AppendRaw(nil)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseRaw(v.Name, v.Type, v.Shape, out, l)
		if err != nil || !same(v, back) {
			t.Fatalf("%v becomes %v, %v", v, back, err)
		}
		return
	}
	out, err := v.AppendJSON(nil, JSON{Base64: true})
	if len(v.Data)+len(v.Strings) == 0 && err != nil {
		return // lists around nothing, too many to be written
	}
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseJSON(v.Name, v.Type, v.Shape, out, JSON{Base64: true, Limits: l})
	if err != nil || !same(v, back) {
		t.Fatalf("%v becomes %s and %v, %v", v, out, back, err)
	}
}

func same(a, b Tensor) bool {
	return a.Type == b.Type && bytes.Equal(a.Data, b.Data) && len(a.Strings) == len(b.Strings) && bytes.Equal(bytes.Join(a.Strings, []byte{0}), bytes.Join(b.Strings, []byte{0}))
}

var small = Limits{Bytes: 1 << 12, Text: 256, Texts: 64}

func decodeRaw(t testing.TB, typ uint8, shape uint32, data []byte) {
	if v, err := ParseRaw("x", Type(typ%17), shapeOf(shape), data, small); err == nil {
		hold(t, v, true, small)
	}
}

func decodeJSON(t testing.TB, typ uint8, shape uint32, data []byte) {
	if v, err := ParseJSON("x", Type(typ%17), shapeOf(shape), data, JSON{Limits: small, Base64: typ&32 != 0, Finite: typ&64 != 0}); err == nil {
		hold(t, v, false, small)
	}
}

func FuzzRaw(f *testing.F) {
	for i, s := range seeds {
		f.Add(uint8(String), uint32(i), []byte(s))
	}
	f.Fuzz(func(t *testing.T, typ uint8, shape uint32, data []byte) { decodeRaw(t, typ, shape, data) })
}

func FuzzJSON(f *testing.F) {
	for i, s := range seeds {
		f.Add(uint8(i), uint32(0), []byte(s))
	}
	f.Fuzz(func(t *testing.T, typ uint8, shape uint32, data []byte) { decodeJSON(t, typ, shape, data) })
}

// mutate changes a few bytes of a seed, in the buffer.
func mutate(r *rand.Rand, buffer []byte) []byte {
	data := append(buffer[:0], seeds[r.IntN(len(seeds))]...)
	for range r.IntN(4) {
		if len(data) == 0 {
			break
		}
		at := r.IntN(len(data))
		switch r.IntN(4) {
		case 0:
			data[at] = byte(r.Uint32())
		case 1:
			data[at] = "[],0-9.eE\"\\{}NIt\x00\xff "[r.IntN(19)]
		case 2:
			data = data[:at]
		default:
			data = append(data, data[at:]...)
		}
	}
	return data
}

// executions is how many inputs each decoder is given.
const executions = 1_000_000

func TestMillionsOfMutations(t *testing.T) {
	n := executions
	if testing.Short() {
		n /= 20
	}
	for name, decode := range map[string]func(testing.TB, uint8, uint32, []byte){"raw": decodeRaw, "json": decodeJSON} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, 11))
			buffer := make([]byte, 0, 1<<10)
			for range n {
				buffer = mutate(r, buffer)
				decode(t, uint8(r.Uint32()), r.Uint32(), buffer)
				if cap(buffer) > 1<<12 {
					buffer = make([]byte, 0, 1<<10)
				}
			}
		})
	}
}

// allocated gives the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// What decoding allocates is bounded by what came: nothing for raw numbers, which share the wire's memory, the list
// alone for texts, and for JSON the elements.
func TestWhatDecodingAllocates(t *testing.T) {
	const slack = 8 << 10
	raw := make([]byte, 1<<20)
	if n := allocated(func() { _, _ = ParseRaw("x", Float32, []int64{1 << 18}, raw, Limits{}) }); n > slack {
		t.Errorf("raw numbers: %d bytes", n)
	}
	if n := allocated(func() { _, _ = ParseRaw("x", String, []int64{1 << 18}, raw, Limits{}) }); n > 24<<18+slack {
		t.Errorf("raw texts: %d bytes", n)
	}
	text := append(append([]byte{'['}, bytes.Repeat([]byte("1.25,"), 1<<18-1)...), "1.25]"...)
	for _, shape := range [][]int64{nil, {1 << 18}} {
		if n := allocated(func() { _, _ = ParseJSON("x", Float64, shape, text, JSON{}) }); n > 2*uint64(len(text))+slack {
			t.Errorf("JSON as %v: %d bytes for %d", shape, n, len(text))
		}
	}
	// A promise of many elements that do not come allocates no more than what could have come.
	if n := allocated(func() { _, _ = ParseJSON("x", Float64, []int64{1 << 22}, text, JSON{}) }); n > slack {
		t.Errorf("a broken promise: %d bytes", n)
	}
}

func BenchmarkParseJSON(b *testing.B) {
	text := append(append([]byte{'['}, bytes.Repeat([]byte("0.12345,"), 1<<16-1)...), "0.5]"...)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseJSON("x", Float32, nil, text, JSON{}); err != nil {
			b.Fatal(err)
		}
	}
}

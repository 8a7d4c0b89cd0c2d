package pipeline

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"fairlead/providers/tensor"
)

func TestRecords(t *testing.T) {
	half := 0.5
	list := []Feature{{Name: "age"}, {Name: "income", Default: &half}, {Name: "member", Default: new(float64)}}
	read := func(f Features, texts ...string) ([]tensor.Tensor, error) {
		p := compile(t, Config{Input: Input{Features: &f}})
		e, err := p.in.encode(items{texts: texts})
		return e.inputs, err
	}
	got, err := read(Features{Tensor: "x", List: list}, `{"member": true, "age": 30}`, ` {"age":-1e2,"income":null,"member":false} `)
	if err != nil || len(got) != 1 || !slices.Equal(got[0].Shape, []int64{2, 3}) {
		t.Fatal(got, err)
	}
	if values, _ := got[0].Floats(); !slices.Equal(values, []float64{30, 0.5, 1, -100, 0.5, 0}) {
		t.Error(values)
	}
	list[0].Type = tensor.Int64
	got, err = read(Features{List: list}, `{"age": 30, "income": 2}`, `{"age": 31}`)
	if err != nil || len(got) != 3 || got[0].Type != tensor.Int64 || got[1].Type != tensor.Float32 || !slices.Equal(got[0].Shape, []int64{2, 1}) || got[1].Name != "income" {
		t.Fatal(got, err)
	}
	for _, bad := range []string{
		``, `[]`, `{}`, `{"age":1,"age":2}`, `{"age":"secret"}`, `{"age":[1]}`, `{"age":{}}`, `{"secret":1,"age":1}`, `{"age":1`, `{"age":1} x`, `{"age":1e999}`,
		`{"age":null}`, `{"age":1.5}`, `{"age":NaN}`, `{"age":1}{"age":1}`, `null`, `1`, `{"age":` + strings.Repeat("1", 2<<20) + `}`,
	} {
		if _, err := read(Features{List: list}, bad); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%.40s: %v", bad, err)
		}
	}
}

func FuzzRecord(f *testing.F) {
	for _, s := range []string{`{"a":1,"b":null}`, `{"a":true}`, `{}`, `{"a":1e400}`, `[1]`, `{"a":{}}`} {
		f.Add(s)
	}
	r, err := newRecords(Features{Tensor: "x", List: []Feature{{Name: "a", Default: new(float64)}, {Name: "b", Default: new(float64)}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) { checkRecord(t, r, text) })
}

func checkRecord(t testing.TB, r *records, text string) {
	e, err := r.encode(items{texts: []string{text}})
	if err == nil && (len(e.inputs) != 1 || !e.inputs[0].Finite() || e.inputs[0].Check(tensor.Limits{}) != nil) {
		t.Fatalf("%q becomes %v", text, e.inputs)
	}
}

func TestMillionsOfMutatedRecords(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n /= 20
	}
	rec, err := newRecords(Features{Tensor: "x", List: []Feature{{Name: "a", Default: new(float64)}, {Name: "b", Default: new(float64)}}})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	buffer := make([]byte, 0, 64)
	for range n {
		buffer = append(buffer[:0], []string{`{"a":1,"b":null}`, `{"a":true}`, `{"b":-1.5e3}`}[r.IntN(3)]...)
		for range r.IntN(3) {
			buffer[r.IntN(len(buffer))] = "{}[]\",:0-9.eEnulltruab\\\xff \x00"[r.IntN(26)]
		}
		checkRecord(t, rec, string(buffer))
	}
}

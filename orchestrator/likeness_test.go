package orchestrator

import (
	"math"
	"strings"
	"testing"

	"fairlead/providers"
	"fairlead/providers/tensor"
)

func near(t *testing.T, name string, got likeness, alike float64, same bool) {
	t.Helper()
	if math.Abs(got.alike-alike) > 1e-6 || got.same != same {
		t.Errorf("%s: %+v, want %g and %v", name, got, alike, same)
	}
}

func TestLikenessOfTexts(t *testing.T) {
	for _, c := range []struct {
		a, b  string
		alike float64
		same  bool
	}{
		{"", "", 1, true},
		{"the answer is 4", "the  answer\nis\t4 ", 1, true},
		{"the answer is 4", "the answer is 5", 0.75, false},
		{"a b", "b a", 1, false}, // the same words in another order
		{"a a a a", "a", 0.4, false},
		{"a", "", 0, false},
		{"Ja", "ja", 0, false},
	} {
		near(t, c.a+"|"+c.b, compareAnswers(&providers.Answer{Text: c.a}, &providers.Answer{Text: c.b}), c.alike, c.same)
	}
	call := func(name, arguments string) *providers.Answer {
		return &providers.Answer{ToolCalls: []providers.ToolCall{{ID: name + arguments, Name: name, Arguments: arguments}}}
	}
	near(t, "calls", compareAnswers(call("pay", `{"a":1,"b":[2]}`), call("pay", `{"b": [2], "a": 1}`)), 1, true)
	near(t, "another tool", compareAnswers(call("pay", `{}`), call("refund", `{}`)), 0.5, false)
	near(t, "no JSON", compareAnswers(call("pay", `{`), call("pay", `{`)), 1, true)
	near(t, "a call and none", compareAnswers(call("pay", `{}`), &providers.Answer{Text: "no"}), 0, false)
}

func TestLikenessOfClasses(t *testing.T) {
	classes := func(p ...any) (out []providers.Class) {
		for i := 0; i < len(p); i += 2 {
			out = append(out, providers.Class{Name: p[i].(string), Probability: p[i+1].(float64)})
		}
		return out
	}
	one := func(c []providers.Class) [][]providers.Class { return [][]providers.Class{c} }
	a := classes("x", 0.7, "y", 0.2, "z", 0.1)
	near(t, "itself", compareClasses(one(a), one(classes("z", 0.1, "x", 0.7, "y", 0.2))), 1, true)
	near(t, "shifted", compareClasses(one(a), one(classes("x", 0.5, "y", 0.4, "z", 0.1))), 0.8, true)
	near(t, "another top", compareClasses(one(a), one(classes("y", 0.6, "x", 0.4))), 0.6, false)
	near(t, "nothing in common", compareClasses(one(a), one(classes("q", 1.0))), 0, false)
	near(t, "each for itself", compareClasses(one(classes("x", 1.0, "y", 1.0, "z", 1.0)), one(classes("x", 0.0, "y", 0.0, "z", 0.0))), 0, true)
	near(t, "two of which one differs", compareClasses([][]providers.Class{a, a}, [][]providers.Class{a, classes("q", 1.0)}), 0.5, false)
	near(t, "fewer", compareClasses([][]providers.Class{a, a}, one(a)), 0, false)
	near(t, "NaN", compareClasses(one(a), one(classes("x", math.NaN()))), 0, false)
}

func TestLikenessOfVectors(t *testing.T) {
	for name, c := range map[string]struct {
		a, b  []float32
		alike float64
		same  bool
	}{
		"itself":      {[]float32{1, 2, 3}, []float32{1, 2, 3}, 1, true},
		"longer":      {[]float32{1, 2, 3}, []float32{2, 4, 6}, 1, true},
		"half a turn": {[]float32{1, 0}, []float32{-1, 0}, 0, false},
		"a quarter":   {[]float32{1, 0}, []float32{0, 1}, 0, false},
		"an eighth":   {[]float32{1, 0}, []float32{1, 1}, math.Sqrt2 / 2, false},
		"rounded":     {[]float32{1, 0}, []float32{1, 0.01}, 0.99995, true},
		"zero":        {[]float32{0, 0}, []float32{1, 0}, 0, false},
		"shorter":     {[]float32{1, 0}, []float32{1}, 0, false},
		"none":        {nil, nil, 0, false},
		"NaN":         {[]float32{1, 0}, []float32{float32(math.NaN()), 0}, 0, false},
	} {
		got := compareVectors([][]float32{c.a}, [][]float32{c.b})
		if math.Abs(got.alike-c.alike) > 1e-5 || got.same != c.same {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestLikenessOfTensors(t *testing.T) {
	floats := func(name string, shape []int64, x ...float32) tensor.Tensor {
		out, err := tensor.FromFloat32s(name, shape, x)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	texts := func(x ...string) tensor.Tensor {
		out, err := tensor.FromStrings("t", []int64{int64(len(x))}, x)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	wide, err := tensor.FromFloat64s("a", []int64{2}, []float64{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	list := func(x ...tensor.Tensor) []tensor.Tensor { return x }
	a := floats("a", []int64{2}, 1, 2)
	for name, c := range map[string]struct {
		a, b  []tensor.Tensor
		alike float64
		same  bool
	}{
		"itself":           {list(a, texts("x")), list(texts("x"), a), 1, true},
		"rounded":          {list(a), list(floats("a", []int64{2}, 1, 2.001)), 1 - 0.001/2.001, true},
		"a tenth":          {list(a), list(floats("a", []int64{2}, 0.9, 2)), 0.9, false},
		"another sign":     {list(a), list(floats("a", []int64{2}, -1, 2)), 0, false},
		"another name":     {list(a), list(floats("b", []int64{2}, 1, 2)), 0, false},
		"another shape":    {list(a), list(floats("a", []int64{1, 2}, 1, 2)), 0, false},
		"another type":     {list(a), list(wide), 0, false},
		"one more":         {list(a), list(a, texts("x")), 0, false},
		"another text":     {list(texts("x")), list(texts("y")), 0, false},
		"zeros":            {list(floats("a", []int64{1}, 0)), list(floats("a", []int64{1}, float32(math.Copysign(0, -1)))), 1, true},
		"nothing to a bit": {list(floats("a", []int64{1}, 0)), list(floats("a", []int64{1}, 1e-30)), 0, false},
		"infinite both":    {list(floats("a", []int64{2}, inf, 1)), list(floats("a", []int64{2}, inf, 1.0001)), 1 - 0.0001/1.0001, true},
		"infinite":         {list(floats("a", []int64{1}, inf)), list(floats("a", []int64{1}, 1)), 0, false},
		"NaN both":         {list(floats("a", []int64{2}, nan, 1)), list(floats("a", []int64{2}, nan, 1.0001)), 1 - 0.0001/1.0001, true},
		"NaN":              {list(floats("a", []int64{1}, nan)), list(floats("a", []int64{1}, 1)), 0, false},
	} {
		got := compareTensors(c.a, c.b)
		if math.Abs(got.alike-c.alike) > 1e-5 || got.same != c.same {
			t.Errorf("%s: %+v, want %g", name, got, c.alike)
		}
	}
}

func BenchmarkLikenessOfTexts(b *testing.B) {
	a := &providers.Answer{Text: strings.Repeat("some words of an answer ", 200)}
	other := &providers.Answer{Text: strings.Repeat("words of some other answer ", 200)}
	for b.Loop() {
		compareAnswers(a, other)
	}
}

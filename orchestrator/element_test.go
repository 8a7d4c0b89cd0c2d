package orchestrator

import (
	"math"
	"strings"
	"testing"

	"fairlead/providers"
	"fairlead/providers/tensor"
)

func TestValuesBecomeTensors(t *testing.T) {
	list := func(v ...any) []any { return v }
	for name, c := range map[string]struct {
		value any
		spec  providers.Spec
		want  string // type and elements, or what is wrong
	}{
		"numbers":             {list(list(1.0, 2.5), list(int64(3), 4)), providers.Spec{Type: tensor.Float32}, "FP32 [[1.0,2.5],[3.0,4.0]]"},
		"a row":               {list(1.0, 2.0), providers.Spec{Type: tensor.Int64, Shape: []int64{-1, 2}}, "INT64 [[1,2]]"},
		"a scalar":            {7.0, providers.Spec{Type: tensor.Int8, Shape: []int64{-1, 1}}, "INT8 [[7]]"},
		"exact":               {list(int64(math.MaxInt64)), providers.Spec{Type: tensor.Int64}, "INT64 [9223372036854775807]"},
		"a vector":            {[]float64{1, 2}, providers.Spec{Type: tensor.Float64}, "FP64 [1.0,2.0]"},
		"texts":               {list("a\"b", "ä"), providers.Spec{}, `BYTES ["a\"b","ä"]`},
		"truths":              {list(true, false), providers.Spec{}, "BOOL [true,false]"},
		"truths as numbers":   {list(true, 0.5), providers.Spec{Type: tensor.Float32}, "FP32 [1.0,0.5]"},
		"numbers as texts":    {list("1.5", " 2 "), providers.Spec{Type: tensor.Float32}, "FP32 [1.5,2.0]"},
		"texts of numbers":    {list(1.5, "x"), providers.Spec{Type: tensor.String}, `BYTES ["1.5","x"]`},
		"nothing":             {list(), providers.Spec{Type: tensor.Float32}, "FP32 []"},
		"no type":             {list(1.0), providers.Spec{}, "give it in types"},
		"no type for nothing": {list(), providers.Spec{}, "give it in types"},
		"ragged":              {list(list(1.0), list(1.0, 2.0)), providers.Spec{Type: tensor.Float32}, "not of one length"},
		"half a list":         {list(list(1.0), 2.0), providers.Spec{Type: tensor.Float32}, "not of one length"},
		"another shape":       {list(1.0, 2.0), providers.Spec{Type: tensor.Float32, Shape: []int64{-1, 3}}, "its shape is [1 2] and the model's [-1 3]"},
		"too many axes":       {list(list(1.0)), providers.Spec{Type: tensor.Float32, Shape: []int64{-1}}, "its shape is [1 1]"},
		"a fraction":          {list(1.5), providers.Spec{Type: tensor.Int32}, "no INT32"},
		"too large":           {list(300.0), providers.Spec{Type: tensor.Uint8}, "no UINT8"},
		"a word":              {list("secret"), providers.Spec{Type: tensor.Float32}, "not of one kind"},
		"an object":           {list(map[string]any{}), providers.Spec{Type: tensor.Float32}, "neither a number"},
		"JSON in text":        {list("1],[2"), providers.Spec{Type: tensor.Float32}, "not of one kind"},
		"null in text":        {list("null"), providers.Spec{Type: tensor.Float32}, "not of one kind"},
		"a gap":               {list(nil), providers.Spec{Type: tensor.Float32}, "neither a number"},
		"not finite":          {list(math.NaN()), providers.Spec{Type: tensor.Float32}, "not finite"},
	} {
		got, err := tensorOf(c.value, c.spec)
		text := ""
		if err == nil {
			data, failed := got.AppendJSON(nil, tensor.JSON{})
			text, err = got.Type.String()+" "+string(data), failed
		}
		if err != nil {
			text = err.Error()
		}
		if err == nil && text != c.want || err != nil && !strings.Contains(text, c.want) || strings.Contains(text, "secret") {
			t.Errorf("%s: %s, want %s", name, text, c.want)
		}
	}
	deep := any(1.0)
	for range 20 {
		deep = []any{deep}
	}
	if _, err := tensorOf(deep, providers.Spec{Type: tensor.Float32}); err == nil {
		t.Error("a deep one is read")
	}
}

func FuzzPicture(f *testing.F) {
	for _, s := range []string{"", "YWJj", "data:image/png;base64,YWJj", "data:,x", "data:;base64", "YW\nJj==", "%%%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if file, err := picture(text); err == nil && (len(file) == 0 || len(file) > len(text)) {
			t.Fatalf("%d bytes of %d", len(file), len(text))
		}
	})
}

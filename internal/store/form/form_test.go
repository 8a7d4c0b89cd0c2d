package form

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fairlead/internal/fault"
	"fairlead/providers"
)

func TestUnit(t *testing.T) {
	for _, v := range [][]float32{{3, 4}, {1e-30, 0}, {math.MaxFloat32, math.MaxFloat32}, {math.SmallestNonzeroFloat32, 0, 0}, {-2}} {
		u, ok := Unit(v)
		var sum float64
		for _, x := range u {
			sum += float64(x) * float64(x)
		}
		if !ok || math.Abs(sum-1) > 1e-6 {
			t.Errorf("Unit(%v) = %v, %v: its length is %v", v, u, ok, math.Sqrt(sum))
		}
	}
	if u, ok := Unit(make([]float32, 3)); !ok || !cmp.Equal(u, make([]float32, 3)) {
		t.Errorf("Unit of zero = %v, %v", u, ok)
	}
	for _, x := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if _, ok := Unit([]float32{1, float32(x)}); ok {
			t.Errorf("%v passes", x)
		}
	}
}

// FuzzMetadata holds that metadata comes back as it was, and that what is no text is refused whole.
func FuzzMetadata(f *testing.F) {
	f.Add("key", "value", 1.5, true)
	f.Add("", "", math.Inf(1), false)
	f.Add("a\x00b", "x", 0.0, false)
	f.Add("k", "\xff", -0.0, true)
	f.Add("<&>\u2028", `"\`, 1e300, true)
	f.Fuzz(func(t *testing.T, key, text string, number float64, yes bool) {
		m := map[string]any{"t" + key: text, "n": number, "b": yes, "l": []string{text, key}, "e": []string{}, "none": nil}
		body, fields, err := EncodeMetadata(m, "testing")
		if !Text(key) || !Text(text) || math.IsNaN(number) || math.IsInf(number, 0) {
			if fault.CodeOf(err) != fault.InvalidArgument {
				t.Fatalf("%q %q %v are taken: %v", key, text, number, err)
			}
			return
		}
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		got, err := DecodeMetadata(body)
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		delete(m, "none")
		if diff := cmp.Diff(m, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if want := len(m) + 1; len(fields) != want { // the list has two
			t.Errorf("%d fields, want %d: %+v", len(fields), want, fields)
		}
	})
}

// FuzzMessages holds that a message comes back as it was, and that nothing of what is stored panics.
func FuzzMessages(f *testing.F) {
	f.Add("user", "hello", []byte{0, 255}, `{"a":1`)
	f.Add("", "\u2028<script>\x00", []byte{}, "")
	f.Add("tool", `{"role":"user","parts":[{"text":1}]}`, []byte(`{"role":"user","parts":null,"tool_calls":[{}]}`), "x")
	f.Fuzz(func(t *testing.T, role, text string, data []byte, arguments string) {
		if m, err := DecodeMessage(data); err != nil && (fault.CodeOf(err) != fault.DataLoss || len(m.Parts) > 0) {
			t.Errorf("%q is read as %+v, %v", data, m, err)
		}
		in := []providers.Message{{Role: providers.Role(role), Name: text, Parts: []providers.Part{{Text: text}, {Image: &providers.Image{Data: data, URL: text}}},
			ToolCalls: []providers.ToolCall{{ID: role, Name: text, Arguments: arguments}}, ToolCallID: arguments}}
		bodies, err := EncodeMessages(in, "testing")
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		if !Text(bodies[0]) {
			t.Errorf("%q cannot be kept", bodies[0])
		}
		if strings.ContainsRune(role+text+arguments, '\uFFFD') || !Text(strings.ReplaceAll(role+text+arguments, "\x00", "")) {
			return // what is not UTF-8 comes back as U+FFFD, as in any JSON
		}
		got, err := DecodeMessage([]byte(bodies[0]))
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		if diff := cmp.Diff(in[0], got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

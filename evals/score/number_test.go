package score

import (
	"math"
	"strings"
	"testing"
)

func TestLastNumber(t *testing.T) {
	for _, test := range []struct {
		text, locale string
		want         float64
	}{
		{"It is 42.", "", 42},
		{"First 3, then 4.5 kg", "", 4.5},
		{"1,234", "", 1234},
		{"1,234.56 USD", "", 1234.56},
		{"1.234,56 €", "", 1234.56},
		{"1.234.567", "", 1234567},
		{"1,234,567.89", "", 1234567.89},
		{"0,5", "", 0.5},
		{"12,50", "", 12.5},
		{"0,125", "", 0.125},
		{"1.234", "", 1.234},
		{"1.234", "de", 1234},
		{"1.234", "de-CH", 1.234},
		{"1.234", "es_MX", 1.234},
		{"1,234", "de-DE", 1.234},
		{"1,234", "en-ZA", 1.234},
		{"1.5", "fr", 1.5},
		{"1\u00a0234\u00a0567", "", 1234567},
		{"1\u202f234,5", "fr", 1234.5},
		{"1'234'567.8", "", 1234567.8},
		{"in 2020 500 people", "", 500},
		{"-5", "", -5},
		{"−5 °C", "", -5},
		{"-$1,000", "", -1000},
		{"$-12.5", "", -12.5},
		{"3-5", "", 5},
		{"COVID-19", "", 19},
		{"between 3 - 5", "", 5}, // a sign touches its number
		{"(3)-5", "", 5},
		{"45 %", "", 45},
		{"1.5e3", "", 1500},
		{"2E-2 m", "", 0.02},
		{"3e", "", 3},
		{"5em", "", 5},
		{"GPT4 says 7, H2O", "", 7},
		{"is 12 (GPT4)", "", 12},
		{"٤٢", "ar", 42},
		{"١٬٢٣٤٫٥", "ar", 1234.5},
		{"答案是42", "zh", 42},
		{"१२३", "hi", 123},
		{"2024-05-01", "", 1},
		{"1.2.3", "", 3},
		{"1e999 and 7 and 1e999", "", 7},
		{"1/2", "", 2},
		{"007", "", 7},
		{"1,23,456", "", 456}, // groups by two and three are not read as one
	} {
		if got, ok := LastNumber(test.text, test.locale); !ok || got != test.want {
			t.Errorf("%q in %q: %v, %v, want %v", test.text, test.locale, got, ok, test.want)
		}
	}
	for _, text := range []string{"", "none", "GPT4", "-", ".", "v2", "1e999"} {
		if got, ok := LastNumber(text, ""); ok {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestNumberTolerance(t *testing.T) {
	c := func(v any) Case { return Case{Expected: map[string]any{"number": v}} }
	check(t, []scored{
		{"equal", "number: {}", c(0.3), Outcome{Text: "It is 0.3."}, 1, "+"},
		{"but for rounding", "number: {}", c(0.1 + 0.2), Outcome{Text: "0.3"}, 1, "+"},
		{"not equal", "number: {}", c(3), Outcome{Text: "3.0001"}, 0, "-"},
		{"absolutely near", "number: {absolute: 0.5}", c(10), Outcome{Text: "10.5"}, 1, "+"},
		{"not absolutely near", "number: {absolute: 0.5}", c(10), Outcome{Text: "10.51"}, 0, "-"},
		{"relatively near", "number: {relative: 0.1}", c(-100), Outcome{Text: "-91"}, 1, "+"},
		{"not relatively near", "number: {relative: 0.1}", c(-100), Outcome{Text: "-89"}, 0, "-"},
		{"the larger counts", "number: {relative: 0.1, absolute: 50}", c(100), Outcome{Text: "149"}, 1, "+"},
		{"none", "number: {}", c(1), Outcome{Text: "one"}, 0, "-"},
		{"expected as text", "number: {}", c("1,000 m"), Outcome{Text: "1000"}, 1, "+"},
		{"nothing expected", "number: {}", c("none"), Outcome{Text: "1"}, -1, ""},
		{"in JSON", "number: {of: total}", c(7), Outcome{Text: `{"total": 7.0, "n": 3}`}, 1, "+"},
	})
}

func FuzzLastNumber(f *testing.F) {
	for _, s := range []string{"1,234.5", "-$3", "1'234", "٤٢", "1e9", "9.9.9", "1\u202f000", "𝟜𝟚", "3e+", strings.Repeat("9,", 600)} {
		f.Add(s, "de")
	}
	f.Fuzz(func(t *testing.T, text, locale string) {
		v, ok := LastNumber(text, locale)
		if math.IsNaN(v) || math.IsInf(v, 0) || !ok && v != 0 {
			t.Errorf("%q: %v, %v", text, v, ok)
		}
		if again, same := LastNumber(text+" and so on", locale); same != ok || again != v {
			if !strings.ContainsAny(text, "eE") && !strings.HasSuffix(text, "_") {
				t.Errorf("%q: %v, %v; with more text %v, %v", text, v, ok, again, same)
			}
		}
	})
}

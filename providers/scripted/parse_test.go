package scripted

import (
	"strings"
	"testing"
)

func TestParseSaysWhatIsAllowed(t *testing.T) {
	for model, want := range map[string]string{
		"":                       `there is no kind "": use one of classify, cut, echo,`,
		"Echo":                   `there is no kind "Echo"`,
		"echo?tempo=1":           `echo: it has no parameter "tempo": use ttft, tps, in, out, report, text`,
		"echo?ttft=1&ttft=2":     "the parameter ttft is there twice",
		"echo?ttft=-1s":          "the parameter ttft must be a duration such as 200ms, or seconds, of at most 1h",
		"echo?ttft=2h":           "at most 1h",
		"echo?tps=0":             "the parameter tps must be a number from 0.001 to 1e+06",
		"echo?tps=NaN":           "must be a number",
		"echo?report=maybe":      "the parameter report must be true or false",
		"echo?in=1.5":            "the parameter in must be a whole number",
		"echo?text=%zz":          "URL-encoded",
		"echo?a;b":               "URL-encoded",
		"status?code=200":        "the parameter code must be a whole number from 400 to 599",
		"status?error=two words": `must be a short word`,
		"status?text=x":          `status: it has no parameter "text": use ttft, code, retry_after, error`,
		"flaky?p=1.1":            "the parameter p must be a number from 0 to 1",
		"flaky?seed=-1":          "the parameter seed must be a whole number",
		"cut?after=-1":           "the parameter after must be a whole number from 0 to 1000000",
		"tool?args={":            "the parameter args must be JSON",
		"tool?name=":             "the parameter name must be a tool's name",
		"tool?n=17":              "from 1 to 16",
		"json?value=nothing":     "the parameter value must be JSON",
		"embed?dims=0":           "from 1 to 8192",
		"embed?tps=3":            `embed: it has no parameter "tps"`,
		"classify?label=":        "the parameter label must be a name",
	} {
		if _, err := Parse(model); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", model, err, want)
		}
	}
}

// FuzzParse holds that a name is read or refused with a reason, and that what was read is within its
// limits.
func FuzzParse(f *testing.F) {
	for _, kind := range Kinds() {
		f.Add(kind)
	}
	f.Add("slow?ttft=200ms&tps=50&text=a+b")
	f.Add("status?code=429&retry_after=2&error=x")
	f.Add("tool?name=a&args={%22b%22:1}&n=2")
	f.Add("flaky?p=0.3&seed=18446744073709551615")
	f.Fuzz(func(t *testing.T, model string) {
		s, err := Parse(model)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "reading scripted model") {
				t.Fatalf("error %v", err)
			}
			return
		}
		if s.Does() == 0 || s.ttft < 0 || s.retryAfter < 0 || s.tps < 0 || s.p < 0 || s.p > 1 || s.after < 0 || s.calls < 1 || s.dims < 0 || s.dims > maxDimensions {
			t.Fatalf("%q: %+v", model, s)
		}
	})
}

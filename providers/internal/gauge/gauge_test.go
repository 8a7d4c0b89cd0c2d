package gauge

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

const page = `# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="qwen \"3\""} 2.0
vllm:num_requests_running{engine="1",model_name="qwen \"3\""} 1.0
# TYPE vllm:iteration_tokens_total histogram
vllm:iteration_tokens_total_bucket{le="1.0",model_name="qwen"} 3.0
vllm:num_requests_running_total{x="y"} 9
vllm:kv_cache_usage_perc{engine="0"} 2.5e-1 1700000000000
up 1`

var names = []string{"vllm:num_requests_running", "vllm:kv_cache_usage_perc", "up", "absent"}

func TestReadKeepsWhatWasAskedFor(t *testing.T) {
	want := &Page{Own: true, Gauges: map[string][]Sample{
		"vllm:num_requests_running": {
			{Labels: map[string]string{"engine": "0", "model_name": `qwen "3"`}, Value: 2},
			{Labels: map[string]string{"engine": "1", "model_name": `qwen "3"`}, Value: 1},
		},
		"vllm:kv_cache_usage_perc": {{Labels: map[string]string{"engine": "0"}, Value: 0.25}},
		"up":                       {{Labels: map[string]string{}, Value: 1}},
	}}
	for name, r := range map[string]io.Reader{
		"whole": strings.NewReader(page), "byte a time": iotest.OneByteReader(strings.NewReader(page)), "with EOF": iotest.DataErrReader(strings.NewReader(page)),
	} {
		got, err := Read(r, "vllm:", names...)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, d)
		}
	}
}

func TestReadOfOtherPages(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		own  bool
		err  error
	}{
		"empty":                     {text: ""},
		"of another":                {text: "sglang:token_usage 1\n"},
		"JSON":                      {text: `{"error":"Unexpected endpoint or method. (GET /metrics). Returning 200 anyway"}`},
		"a long line of another":    {text: "x{a=\"" + strings.Repeat("vllm:num_requests_running ", 4000) + "\"} 1\nvllm:other 1\n", own: true},
		"a number that is none":     {text: "up one\n", err: ErrFormat},
		"labels without an end":     {text: "up{a=\"b\" 1\n", err: ErrFormat},
		"a label twice":             {text: "up{a=\"b\",a=\"c\"} 1\n", err: ErrFormat},
		"a long line of a gauge":    {text: "up{a=\"" + strings.Repeat("x", maxLine) + "\"} 1\n", err: ErrTooMuch},
		"a million series":          {text: strings.Repeat("up{a=\"b\"} 1\n", 1_000_000), err: ErrTooMuch},
		"few series, many letters":  {text: strings.Repeat("up{a=\""+strings.Repeat("x", 4000)+"\"} 1\n", 20), err: ErrTooMuch},
		"series of another, others": {text: strings.Repeat("vllm:x{a=\"b\"} 1\n", 100_000), own: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Read(strings.NewReader(c.text), "vllm:", names...)
			if !errors.Is(err, c.err) {
				t.Fatalf("got %v", err)
			}
			if err == nil && (got.Own != c.own || len(got.Gauges) != 0) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestReadGivesAnyNumber(t *testing.T) {
	got, err := Read(strings.NewReader("up NaN\nup +Inf\nup -1\nup 1e308\n"), "up", "up")
	if err != nil || len(got.Gauges["up"]) != 4 || !math.IsNaN(got.Gauges["up"][0].Value) || got.Gauges["up"][2].Value != -1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestReadPassesOnTheReadersError(t *testing.T) {
	fail := errors.New("reset")
	if _, err := Read(io.MultiReader(strings.NewReader(page), iotest.ErrReader(fail)), "vllm:", names...); !errors.Is(err, fail) {
		t.Errorf("%v", err)
	}
}

// TestReadCostsLittle: what is allocated does not depend on the size of the page.
func TestReadCostsLittle(t *testing.T) {
	for name, text := range map[string]string{
		"8 MiB of other series": strings.Repeat("vllm:request_success_total{a=\"b\"} 1\n", 8<<20/36),
		"8 MiB of one line":     strings.Repeat("x", 8<<20),
		"as many gauges as go":  strings.Repeat("up{"+strings.Repeat("a=\"\",", 30)+"} 1\n", 400) + strings.Repeat("up 1\n", 100),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = Read(strings.NewReader(text), "vllm:", names...)
		runtime.ReadMemStats(&after)
		if spent := after.TotalAlloc - before.TotalAlloc; spent > 2<<20 {
			t.Errorf("%s: %d bytes were allocated for %d", name, spent, len(text))
		}
	}
}

var seeds = []string{page, "", "up 1", "up{a=\"\\n\\\\\\\"\"} +Inf 5\n", "up{} NaN\n", "up{a=\"b\",} 1\n", "up\t1\n", "# TYPE up histogram\nup 1\n", "up{\"x\"} 1\n", "up 0x1p-2\n", "up{le=\"a\"} 1"}

// check reads a page and says what no page may do.
func check(t testing.TB, text []byte) {
	got, err := Read(bytes.NewReader(text), "vllm:", names...)
	if err != nil {
		if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrTooMuch) {
			t.Fatalf("%q: %v", text, err)
		}
		return
	}
	series := 0
	for name, samples := range got.Gauges {
		if series += len(samples); !bytes.Contains(text, []byte(name)) || len(samples) == 0 {
			t.Fatalf("%q: %+v", text, got)
		}
	}
	if series > maxSeries {
		t.Fatalf("%d series", series)
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) { check(t, text) })
}

func TestAMillionMutations(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 22))
	small := []string{"up{a=\"b\"} 1\n", "vllm:num_requests_running{engine=\"0\"} 2.0\nup 1\n", "up NaN 17\n", "up{a=\"\\\\\",b=\"\\n\"} -1e3"}
	for range mutations {
		text := []byte(small[random.IntN(len(small))])
		for range 1 + random.IntN(3) {
			switch at := random.IntN(len(text)); random.IntN(4) {
			case 0:
				text[at] = byte(random.IntN(256))
			case 1:
				text[at] = "{}\"\\\n= ,#\t1eN"[random.IntN(13)]
			case 2:
				text = append(text[:at], text[min(at+1, len(text)-1):]...)
			default:
				text = append(text, text[at:]...)
			}
		}
		check(t, text)
	}
}

package observe

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fairlead/orchestrator/routing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const halfLife = 5 * time.Minute

func newRecorder(t testing.TB) *Recorder {
	t.Helper()
	r, err := NewRecorder(Config{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ok is a whole answer of 101 tokens: its time per token is a hundredth of what follows its TTFT.
func ok(target string, ttft, perToken time.Duration, now time.Time) Sample {
	return Sample{Target: target, Step: "s", PromptTokens: 100, TTFT: ttft, Duration: ttft + 100*perToken, OutputTokens: 101, Outcome: OK, Now: now}
}

// unknown is a target without any prior.
func unknown(name string) *routing.Target {
	return &routing.Target{Name: name, Kind: "scripted"}
}

// near fails where got is not within tolerance, relative, of want.
func near(t *testing.T, what string, got, want time.Duration, tolerance float64) {
	t.Helper()
	if math.Abs(float64(got-want)) > tolerance*float64(want) {
		t.Errorf("%s: %s, want %s ± %.1f %%", what, got, want, 100*tolerance)
	}
}

func lognormalTime(rng *rand.Rand, median time.Duration, sigma float64) time.Duration {
	return time.Duration(float64(median) * math.Exp(sigma*rng.NormFloat64()))
}

// weighted is a value with its weight.
type weighted struct {
	value  time.Duration
	weight float64
}

// exact gives the quantile of weighted values: the first at which q of the weight is reached.
func exact(values []weighted, q float64) time.Duration {
	values = slices.Clone(values)
	slices.SortFunc(values, func(a, b weighted) int { return int(a.value - b.value) })
	var total, sum float64
	for _, v := range values {
		total += v.weight
	}
	for _, v := range values {
		if sum += v.weight; sum >= q*total {
			return v.value
		}
	}
	return values[len(values)-1].value
}

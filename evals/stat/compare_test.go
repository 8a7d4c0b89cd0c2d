package stat

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

// What a comparison of few cases, or of none, cannot say is no number, and JSON holds it all the same.
func TestComparisonsAreJSON(t *testing.T) {
	for n, known := range []bool{false, false, true} {
		all := []Sample{{"a", 0.5}, {"b", 0.25}}[:n]
		data, err := json.Marshal(Compare(all, all, Bootstrap{Resamples: 10}))
		if err != nil {
			t.Fatalf("of %d cases: %v", n, err)
		}
		var back Comparison
		if err := json.Unmarshal(data, &back); err != nil || back.Cases != n || math.IsInf(back.Detectable, 1) == known || strings.Contains(string(data), "detectable") != known {
			t.Errorf("of %d cases: %v, %s", n, err, data)
		}
	}
}

package wire

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"
)

func TestListHasALimit(t *testing.T) {
	type item struct {
		A, B, C, D string
		N          [16]float64
	}
	var v struct {
		List List[item] `json:"list"`
	}
	for text, want := range map[string]int{`{}`: -1, `{"list":null}`: -1, `{"list":[]}`: 0, `{"list":[{"a":"x"},null]}`: 2,
		`{"list":[` + strings.Repeat("{},", MaxList-1) + `{}]}`: MaxList} {
		v.List = nil
		if err := json.Unmarshal([]byte(text), &v); err != nil || (v.List == nil) != (want < 0) || len(v.List) != max(want, 0) {
			t.Errorf("%.40s: %d items, %v", text, len(v.List), err)
		}
	}
	for _, text := range []string{`{"list":{}}`, `{"list":"x"}`, `{"list":5}`, `{"list":[5]}`, `{"list":[` + strings.Repeat("{},", MaxList) + `{}]}`} {
		if err := json.Unmarshal([]byte(text), &v); err == nil {
			t.Errorf("%.40s: no error", text)
		}
	}
	bomb := []byte(`{"list":[` + strings.Repeat("{},", 1<<20) + `{}]}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_ = json.Unmarshal(bomb, &v)
	runtime.ReadMemStats(&after)
	if spent := after.TotalAlloc - before.TotalAlloc; spent > 8<<20 {
		t.Errorf("%d bytes for a text of %d", spent, len(bomb))
	}
}

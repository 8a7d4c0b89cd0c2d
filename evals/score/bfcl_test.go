package score

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fairlead/providers"
)

// data gives a folder of public data, or skips the test and says so.
func data(t *testing.T, name string) string {
	t.Helper()
	root := os.Getenv("FAIRLEAD_DATA")
	if root == "" {
		t.Skip("FAIRLEAD_DATA is not set: it names the folder of public data")
	}
	return filepath.Join(root, name)
}

func jsonLines(t *testing.T, file string) []map[string]any {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]any
	lines := bufio.NewScanner(bytes.NewReader(content))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		v, err := decode(lines.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		out = append(out, v.(map[string]any))
	}
	return out
}

// functionCases reads one category of BFCL.
func functionCases(t *testing.T, folder, category string) []*Case {
	t.Helper()
	tools := map[string][]providers.Tool{}
	for _, q := range jsonLines(t, filepath.Join(folder, "BFCL_v4_"+category+".json")) {
		for _, f := range q["function"].([]any) {
			f := f.(map[string]any)
			schema, err := json.Marshal(f["parameters"])
			if err != nil {
				t.Fatal(err)
			}
			id := q["id"].(string)
			tools[id] = append(tools[id], providers.Tool{Name: f["name"].(string), Parameters: schema})
		}
	}
	var out []*Case
	for _, a := range jsonLines(t, filepath.Join(folder, "possible_answer", "BFCL_v4_"+category+".json")) {
		id := a["id"].(string)
		out = append(out, &Case{ID: id, Expected: map[string]any{"calls": a["ground_truth"]}, Tools: tools[id]})
	}
	return out
}

// plain is a call with values.
type plain struct {
	name      string
	arguments map[string]any
}

// gold gives the calls of a case with the first accepted value of each argument; what has none is left out.
func gold(c *Case) []plain {
	var out []plain
	for _, call := range c.Expected.(map[string]any)["calls"].([]any) {
		for name, arguments := range call.(map[string]any) {
			p := plain{name, map[string]any{}}
			for argument, accepted := range arguments.(map[string]any) {
				if v, ok := first(accepted.([]any)); ok {
					p.arguments[argument] = v
				}
			}
			out = append(out, p)
		}
	}
	return out
}

func first(accepted []any) (any, bool) {
	for _, v := range accepted {
		switch v := v.(type) {
		case string:
			if v == "" {
				continue
			}
		case map[string]any:
			return plainMap(v), true
		case []any:
			list := slices.Clone(v)
			for i, item := range list {
				if m, ok := item.(map[string]any); ok {
					list[i] = plainMap(m)
				}
			}
			return list, true
		}
		return v, true
	}
	return nil, false
}

func plainMap(m map[string]any) map[string]any {
	out := map[string]any{}
	for key, accepted := range m {
		if v, ok := first(accepted.([]any)); ok {
			out[key] = v
		}
	}
	return out
}

func outcomeOf(t *testing.T, calls []plain) *Outcome {
	t.Helper()
	o := &Outcome{}
	for i, c := range calls {
		arguments, err := json.Marshal(c.arguments)
		if err != nil {
			t.Fatal(err)
		}
		o.ToolCalls = append(o.ToolCalls, providers.ToolCall{ID: fmt.Sprint(i), Name: c.name, Arguments: string(arguments)})
	}
	return o
}

func copied(calls []plain) []plain {
	out := slices.Clone(calls)
	for i := range out {
		out[i].arguments = maps.Clone(out[i].arguments)
	}
	return out
}

// mutations are ways to spoil calls. Each gives false where it cannot.
var mutations = map[string]func(rng *rand.Rand, c *Case, calls []plain) ([]plain, bool){
	"wrong name": func(rng *rand.Rand, _ *Case, calls []plain) ([]plain, bool) {
		calls[rng.IntN(len(calls))].name += "x"
		return calls, true
	},
	"another tool": func(_ *rand.Rand, c *Case, calls []plain) ([]plain, bool) {
		for _, tool := range c.Tools {
			if tool.Name != calls[0].name {
				calls[0].name = tool.Name
				return calls, true
			}
		}
		return nil, false
	},
	"missing argument": func(rng *rand.Rand, c *Case, calls []plain) ([]plain, bool) {
		i := rng.IntN(len(calls))
		wanted := c.Expected.(map[string]any)["calls"].([]any)[i].(map[string]any)[calls[i].name].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(calls[i].arguments)) {
			if !optional(wanted[name].([]any)) {
				delete(calls[i].arguments, name)
				return calls, true
			}
		}
		return nil, false
	},
	"unknown argument": func(rng *rand.Rand, _ *Case, calls []plain) ([]plain, bool) {
		calls[rng.IntN(len(calls))].arguments["zzz_unknown"] = "x"
		return calls, true
	},
	"wrong value": func(rng *rand.Rand, _ *Case, calls []plain) ([]plain, bool) {
		return spoil(rng, calls, func(v any) (any, bool) {
			switch v := v.(type) {
			case string:
				return v + " and something else", true
			case json.Number:
				f, _ := v.Float64()
				if kindOf(v) == integerKind {
					return json.Number(fmt.Sprint(int64(f) + 987_654)), true
				}
				return f + 987_654.5, true
			case bool:
				return !v, false // the other is often accepted too
			case []any:
				return append(slices.Clone(v), "one more"), true
			case map[string]any:
				m := maps.Clone(v)
				m["zzz_unknown"] = 1
				return m, true
			}
			return nil, false
		})
	},
	"wrong type": func(rng *rand.Rand, _ *Case, calls []plain) ([]plain, bool) {
		return spoil(rng, calls, func(v any) (any, bool) {
			switch v.(type) {
			case json.Number, bool:
				return []any{v}, true
			case string:
				return map[string]any{"value": v}, true
			}
			return "text", true
		})
	},
	"extra call":    func(_ *rand.Rand, _ *Case, calls []plain) ([]plain, bool) { return append(calls, calls[0]), true },
	"one call less": func(_ *rand.Rand, _ *Case, calls []plain) ([]plain, bool) { return calls[1:], true },
	"one call twice, another not": func(_ *rand.Rand, _ *Case, calls []plain) ([]plain, bool) {
		for i := range calls[1:] {
			a, _ := json.Marshal(calls[0].arguments)
			if b, _ := json.Marshal(calls[i+1].arguments); standard(string(a)) != standard(string(b)) { // AA and aa are one to the check
				calls[i+1] = calls[0]
				return calls, true
			}
		}
		return nil, false
	},
}

func spoil(rng *rand.Rand, calls []plain, with func(any) (any, bool)) ([]plain, bool) {
	for _, i := range rng.Perm(len(calls)) {
		names := slices.Sorted(maps.Keys(calls[i].arguments))
		for _, n := range rng.Perm(len(names)) {
			if v, ok := with(calls[i].arguments[names[n]]); ok {
				calls[i].arguments[names[n]] = v
				return calls, true
			}
		}
	}
	return nil, false
}

// TestFunctionCallsOfBFCL: the accepted answers of every case score 1, in any order, and whatever spoils them 0.
func TestFunctionCallsOfBFCL(t *testing.T) {
	folder := data(t, "bfcl")
	rng := rand.New(rand.NewPCG(42, 42))
	var s Calls
	cases, spoiled := 0, map[string]int{}
	for _, category := range []string{"simple_python", "multiple", "parallel"} {
		for _, c := range functionCases(t, folder, category) {
			cases++
			right := gold(c)
			shuffled := copied(right)
			rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			for _, calls := range [][]plain{right, shuffled} {
				if got, err := s.Score(t.Context(), c, outcomeOf(t, calls)); err != nil || got.Value != 1 || !got.Passed() {
					t.Errorf("%s: the accepted answer scores %v (%s), %v", c.ID, got.Value, got.Detail, err)
				}
			}
			for _, name := range slices.Sorted(maps.Keys(mutations)) {
				calls, ok := mutations[name](rng, c, copied(right))
				if !ok {
					continue
				}
				spoiled[name]++
				if got, err := s.Score(t.Context(), c, outcomeOf(t, calls)); err != nil || got.Value != 0 || got.Passed() {
					t.Errorf("%s, %s: scores %v, %v: %v", c.ID, name, got.Value, err, calls)
				}
			}
		}
	}
	total := 0
	for _, name := range slices.Sorted(maps.Keys(mutations)) {
		total += spoiled[name]
		t.Logf("%-28s %d", name, spoiled[name])
	}
	t.Logf("%d cases score 1; %d mutations score 0", cases, total)
	if cases != 800 || total < 4000 {
		t.Errorf("%d cases, %d mutations", cases, total)
	}
}

// TestIrrelevanceOfBFCL: where no function fits, none may be called.
func TestIrrelevanceOfBFCL(t *testing.T) {
	lines := jsonLines(t, filepath.Join(data(t, "bfcl"), "BFCL_v4_irrelevance.json"))
	for _, q := range lines {
		c := &Case{ID: q["id"].(string), Expected: map[string]any{"calls": []any{}}}
		name := q["function"].([]any)[0].(map[string]any)["name"].(string)
		for _, test := range []struct {
			calls []plain
			want  float64
		}{{nil, 1}, {[]plain{{name, map[string]any{}}}, 0}} {
			if got, err := (&Calls{}).Score(t.Context(), c, outcomeOf(t, test.calls)); err != nil || got.Value != test.want {
				t.Errorf("%s: %d calls score %v, %v", c.ID, len(test.calls), got.Value, err)
			}
		}
	}
	if len(lines) != 240 {
		t.Errorf("%d cases", len(lines))
	}
}

func TestCallsByHand(t *testing.T) {
	weather := providers.Tool{Name: "weather.get", Parameters: json.RawMessage(`{"type": "object", "required": ["city"], "properties": {
		"city": {"type": "string"}, "days": {"type": "integer"}, "from": {"type": "number"},
		"at": {"type": "array", "items": {"type": "number"}}, "box": {"type": "object"}, "any": {}}}`)}
	for _, test := range []struct {
		name, expected, call string
		tools                []providers.Tool
		loose                bool
		want                 float64
	}{
		{"texts are compared loosely", `{"city": ["New York, N.Y."]}`, `{"city": "new-york NY"}`, nil, false, 1},
		{"but not too loosely", `{"city": ["New York"]}`, `{"city": "York"}`, nil, false, 0},
		{"one of several", `{"city": ["Bonn", "Bonn, Germany"]}`, `{"city": "bonn germany"}`, nil, false, 1},
		{"what may be left out", `{"city": ["Bonn"], "days": [3, ""]}`, `{"city": "Bonn"}`, nil, false, 1},
		{"what may not", `{"city": ["Bonn"], "days": [3]}`, `{"city": "Bonn"}`, nil, false, 0},
		{"left out, but required", `{"city": ["Bonn", ""]}`, `{}`, []providers.Tool{weather}, false, 0},
		{"an integer is a float", `{"city": ["B"], "from": [2.0]}`, `{"city": "B", "from": 2}`, []providers.Tool{weather}, false, 1},
		{"a float is no integer", `{"city": ["B"], "days": [2]}`, `{"city": "B", "days": 2.0}`, []providers.Tool{weather}, false, 0},
		{"unless it may be", `{"city": ["B"], "days": [2]}`, `{"city": "B", "days": 2.0}`, []providers.Tool{weather}, true, 1},
		{"within a list an integer is none", `{"city": ["B"], "at": [[1.0, 2.0]]}`, `{"city": "B", "at": [1, 2]}`, []providers.Tool{weather}, false, 0},
		{"unless it may be there too", `{"city": ["B"], "at": [[1.0, 2.0]]}`, `{"city": "B", "at": [1, 2]}`, []providers.Tool{weather}, true, 1},
		{"a list has an order", `{"city": ["B"], "at": [[1.0, 2.0]]}`, `{"city": "B", "at": [2.0, 1.0]}`, []providers.Tool{weather}, false, 0},
		{"a text for a number", `{"city": ["B"], "days": [2]}`, `{"city": "B", "days": "2"}`, []providers.Tool{weather}, false, 0},
		{"a name that stands for a value", `{"city": ["B"], "days": ["n"]}`, `{"city": "B", "days": "n"}`, []providers.Tool{weather}, false, 1},
		{"a mapping", `{"city": ["B"], "box": [{"w": [1, 2], "h": [3, ""]}]}`, `{"city": "B", "box": {"w": 2}}`, []providers.Tool{weather}, false, 1},
		{"a mapping without a key", `{"city": ["B"], "box": [{"w": [1], "h": [3]}]}`, `{"city": "B", "box": {"w": 1}}`, []providers.Tool{weather}, false, 0},
		{"a mapping with one more", `{"city": ["B"], "box": [{"w": [1]}]}`, `{"city": "B", "box": {"w": 1, "h": 2}}`, []providers.Tool{weather}, false, 0},
		{"a list of mappings", `{"l": [[{"a": ["x", "y"]}, {"a": ["z"]}]]}`, `{"l": [{"a": "Y"}, {"a": "z"}]}`, nil, false, 1},
		{"null", `{"mod": ["", null]}`, `{"mod": null}`, nil, false, 1},
		{"a truth is no number", `{"n": [1]}`, `{"n": true}`, nil, false, 0},
		{"an argument that the tool does not have", `{"city": ["B"], "zzz": [1]}`, `{"city": "B", "zzz": 1}`, []providers.Tool{weather}, false, 0},
		{"no JSON", `{"city": ["B"]}`, `{"city": `, nil, false, 0},
		{"no mapping", `{"city": ["B"]}`, `["B"]`, nil, false, 0},
		{"nothing for no arguments", `{}`, ``, nil, false, 1},
	} {
		expected, err := decode([]byte(`[{"weather.get": ` + test.expected + `}]`))
		if err != nil {
			t.Fatal(test.name, err)
		}
		c := &Case{ID: "x", Expected: expected, Tools: test.tools}
		for _, name := range []string{"weather.get", "weather_get"} {
			o := &Outcome{ToolCalls: []providers.ToolCall{{Name: name, Arguments: test.call}}}
			got, err := (&Calls{Loose: test.loose}).Score(t.Context(), c, o)
			if err != nil || got.Value != test.want {
				t.Errorf("%s: %v (%s), want %v; %v", test.name, got.Value, got.Detail, test.want, err)
			}
		}
	}
}

// TestCallsAreMatched: the first call fits both expectations, the second only the first, so the order must not decide.
func TestCallsAreMatched(t *testing.T) {
	expected, _ := decode([]byte(`[{"f": {"x": [1, 2]}}, {"f": {"x": [1]}}]`))
	c := &Case{Expected: expected}
	for _, values := range [][]string{{"1", "2"}, {"2", "1"}} {
		o := &Outcome{}
		for _, v := range values {
			o.ToolCalls = append(o.ToolCalls, providers.ToolCall{Name: "f", Arguments: `{"x": ` + v + `}`})
		}
		if got, err := (&Calls{}).Score(t.Context(), c, o); err != nil || got.Value != 1 {
			t.Errorf("%v: %+v, %v", values, got, err)
		}
	}
	for _, bad := range []string{`{"f": {}}`, `[1]`, `[{"f": {}, "g": {}}]`, `[{"f": {"x": 1}}]`, `[{"f": [1]}]`} {
		expected, _ := decode([]byte(bad))
		_, err := (&Calls{}).Score(t.Context(), &Case{ID: "c-7", Expected: map[string]any{"calls": expected}}, &Outcome{})
		if err == nil || !strings.Contains(err.Error(), "c-7") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

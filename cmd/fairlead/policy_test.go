package main

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/store/sqlite"
	"fairlead/orchestrator/record"
)

// pair is a configuration with a good, dear target and a cheap one that may see everything.
const pair = `
backends:
  near: { kind: scripted, clearance: restricted }
  far: { kind: scripted, clearance: internal }
targets:
  cheap: { backend: near, model: echo, quality: 0.4, price: { input: 1, output: 1 } }
  dear: { backend: far, model: echo, quality: 0.9, price: { input: 10, output: 10 } }
policies:
  default: { prefer: cheapest }
`

// recordedStore serves the configuration pair, has it answer some chats, and gives the configuration's path
// and the folder of the store with what was recorded.
func recordedStore(t *testing.T) (file, data string) {
	t.Helper()
	file, data = write(t, filepath.Join(t.TempDir(), "fairlead.yaml"), pair), t.TempDir()
	s := serve(t, "--config", file, "--data", data)
	c := httpClient(t)
	for _, l := range []string{"internal", "internal", "internal", "restricted"} {
		const body = `{"model":"auto","max_tokens":20,"messages":[{"role":"user","content":"a secret word and others"}],"metadata":{"label":"LABEL"}}`
		status, _, got := fetch(t, c, http.MethodPost, s.address+"/v1/chat/completions", "application/json", strings.ReplaceAll(body, "LABEL", l))
		if status != http.StatusOK {
			t.Fatalf("status %d: %s", status, got)
		}
	}
	if code := s.stop(); code != 0 {
		t.Fatalf("the server ended with %d:\n%s", code, s.log)
	}
	return file, data
}

func TestAServerRecordsDecisions(t *testing.T) {
	_, data := recordedStore(t)
	store, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(data, "fairlead.db")})
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	defer store.Close()
	labels := map[string]int{}
	if err := store.DecisionsSince(t.Context(), auth.LocalTenant, time.Time{}, 0, func(d *record.Decision) error {
		labels[d.Label.String()]++
		if d.Outcome != record.OK || d.Chosen != "cheap" || d.MaxOutput != 20 || d.Usage.Output == 0 || d.Cost == 0 || d.Duration == 0 || len(d.Candidates) < 2 {
			t.Errorf("%+v", d)
		}
		if text, err := json.Marshal(d); err != nil || strings.Contains(string(text), "secret") || strings.Contains(string(text), "others") {
			t.Errorf("content in the record: %s, %v", text, err)
		}
		return nil
	}); err != nil {
		t.Fatal(fault.Cause(err))
	}
	if labels["internal"] != 3 || labels["restricted"] != 1 {
		t.Errorf("%v", labels)
	}
}

func TestCommandsThatRunOnTheirOwnRecordNothing(t *testing.T) {
	file, data := write(t, filepath.Join(t.TempDir(), "fairlead.yaml"), pair), t.TempDir()
	if o := command(t, "hello there\n", "chat", "--config", file, "--data", data); o.status != 0 {
		t.Fatalf("status %d: %s", o.status, o.err)
	}
	o := command(t, "", "policy", "simulate", "--policy", file, "--config", file, "--data", data)
	if o.status != 1 || !strings.Contains(o.err, "there is no decision") {
		t.Errorf("status %d: %s", o.status, o.err)
	}
}

func TestPolicySimulate(t *testing.T) {
	file, data := recordedStore(t)
	best := write(t, filepath.Join(t.TempDir(), "best.yaml"), "policies:\n  default: { prefer: best }\n")
	simulate := func(args ...string) ending {
		return command(t, "", append([]string{"policy", "simulate", "--config", file, "--data", data}, args...)...)
	}
	report := func(o ending) (r struct {
		record.Report
		Increase float64  `json:"cost_increase"`
		Crossed  []string `json:"crossed"`
	}) {
		t.Helper()
		if err := json.Unmarshal([]byte(o.out), &r); err != nil {
			t.Fatalf("%v: %s%s", err, o.out, o.err)
		}
		return r
	}

	same := simulate("--policy", file, "--json")
	if r := report(same); same.status != 0 || r.Steps != 4 || r.Changed != 0 || r.Increase != 0 || len(r.Crossed) != 0 {
		t.Errorf("status %d: %+v", same.status, r)
	}

	// What is internal goes to the dear one, ten times as dear; what is restricted may not.
	dear := simulate("--policy", best, "--json")
	r := report(dear)
	if dear.status != 1 || r.Steps != 4 || r.Changed != 3 || r.Violations != 0 || len(r.Crossed) != 1 || r.Increase < 1 {
		t.Errorf("status %d: %+v", dear.status, r)
	}
	if len(r.Moves) != 2 || r.Moves[0] != (record.Move{From: "cheap", To: "dear", Steps: 3}) || r.Moves[1] != (record.Move{From: "cheap", To: "cheap", Steps: 1}) {
		t.Errorf("%+v", r.Moves)
	}
	if o := simulate("--policy", best, "--max-cost-increase", "9"); o.status != 0 || !strings.Contains(o.out, "4 steps decided anew: 3 (75.0%) would go elsewhere") ||
		!strings.Contains(o.out, "label violations   0") {
		t.Errorf("status %d: %s%s", o.status, o.out, o.err)
	}

	// Targets join those of the configuration, and a new one has no evidence.
	more := write(t, filepath.Join(t.TempDir(), "more.yaml"), "targets:\n  gift: { backend: near, model: echo, quality: 1, price: { input: 0.5, output: 0.5 } }\n")
	if r := report(simulate("--policy", more, "--json")); r.Changed != 4 || r.Unknown != 4 || r.Moves[0].To != "gift" || r.Increase > -0.4 {
		t.Errorf("%+v", r)
	}
	if o := simulate("--policy", best, "--chain", "answer"); o.status != 1 || !strings.Contains(o.err, "there is no decision") {
		t.Errorf("status %d: %s", o.status, o.err)
	}
}

func TestPolicySimulateIsToldWrong(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "fairlead.yaml"), pair)
	bad := write(t, filepath.Join(t.TempDir(), "bad.yaml"), "policies:\n  default: { prefer: dearest }\n")
	for want, c := range map[string]struct {
		status int
		args   []string
	}{
		"which policies?":         {2, nil},
		"reading --since":         {2, []string{"--policy", file, "--since", "-3d"}},
		"without --server":        {2, []string{"--policy", file, "--server", "http://127.0.0.1:1"}},
		"reading the limits":      {2, []string{"--policy", file, "--max-violations", "-1"}},
		"policies.default.prefer": {1, []string{"--policy", bad}},
		"there is none: name its": {1, []string{"--policy", file}},
		"no such file":            {1, []string{"--policy", file + "x"}},
	} {
		o := command(t, "", append([]string{"policy", "simulate", "--config", file, "--data", t.TempDir()}, c.args...)...)
		if o.status != c.status || !strings.Contains(o.err, want) {
			t.Errorf("%q: status %d: %s", want, o.status, o.err)
		}
	}
}

func TestReadAge(t *testing.T) {
	for text, hours := range map[string]float64{"7d": 168, "0.5d": 12, "36h": 36, "90m": 1.5, "": 0, "0d": 0, "-1h": 0, "d": 0, "NaNd": 0, "1e300d": 0, "seven": 0} {
		got, err := readAge(text)
		if got.Hours() != hours || (err == nil) != (hours > 0) {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
}

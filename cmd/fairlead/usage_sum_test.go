package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	fairleadv1 "fairlead/gen/fairlead/v1"

	"google.golang.org/protobuf/encoding/protojson"
)

// usageOf asks for sums, as JSON.
func usageOf(t *testing.T, args ...string) *fairleadv1.UsageResponse {
	t.Helper()
	got := &fairleadv1.UsageResponse{}
	if err := protojson.Unmarshal([]byte(succeed(t, append([]string{"usage", "--json"}, args...)...)), got); err != nil {
		t.Fatal(err)
	}
	return got
}

// What a server's calls cost is summed, by the server while it runs and by the command alone after it; what commands
// do on their own is not.
func TestUsageOfAServer(t *testing.T) {
	data, config := t.TempDir(), playground(t)
	s := serve(t, "--config", config, "--data", data)
	c := httpClient(t)
	for range 3 {
		if status, _, body := fetch(t, c, "POST", s.address+"/v1/chat/completions", "application/json",
			`{"model":"echo","messages":[{"role":"user","content":"one two three"}]}`); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
	}
	// Cut midway, and billed.
	if status, _, _ := fetch(t, c, "POST", s.address+"/v1/chat/completions", "application/json",
		`{"model":"cut","messages":[{"role":"user","content":"one two three four five six seven"}]}`); status == 200 {
		t.Fatal("the target is not cut")
	}
	if status, _, body := fetch(t, c, "POST", s.address+"/v1/embeddings", "application/json", `{"model":"hashing","input":["a b c"]}`); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	page := write(t, filepath.Join(t.TempDir(), "page.md"), "# Press\n\nSome words.\n")
	succeed(t, "ingest", page, "--server", s.address)

	find := func(r *fairleadv1.UsageResponse, target string) *fairleadv1.UsageSum {
		i := slices.IndexFunc(r.GetSums(), func(s *fairleadv1.UsageSum) bool { return s.GetTarget() == target })
		if i < 0 {
			return nil
		}
		return r.GetSums()[i]
	}
	eventually(t, "what the server has recorded", func() bool {
		r := usageOf(t, "--server", s.address)
		return find(r, "echo").GetAttempts() == 3 && find(r, "cut").GetAttempts() == 1 && find(r, "hashing").GetAttempts() >= 3
	})
	before := usageOf(t, "--server", s.address, "--by", "target")
	if code := s.stop(); code != 0 {
		t.Fatalf("status %d", code)
	}
	if e := command(t, "hello\n", "chat", "--model", "echo", "--config", config, "--data", data); e.status != 0 || !strings.Contains(e.out, "hello") { // on its own
		t.Fatalf("status %d\n%s%s", e.status, e.out, e.err)
	}
	after := usageOf(t, "--config", config, "--data", data, "--by", "target")
	if fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("the server says\n%v\nand the command alone\n%v", before, after)
	}
	echo, cut := find(after, "echo"), find(after, "cut")
	if echo.GetUsage().GetInputTokens() != 9 || echo.GetUsage().GetOutputTokens() != 9 || echo.GetCost().GetNanoUsd() != 9*1000+9*2000 || echo.GetFailed() != 0 {
		t.Errorf("echo %v", echo)
	}
	if cut.GetFailed() != 1 || cut.GetCost().GetNanoUsd() == 0 {
		t.Errorf("cut %v", cut)
	}
	today := time.Now().UTC().Format(time.DateOnly)
	for _, sum := range usageOf(t, "--config", config, "--data", data, "--by", "day,key,chain", "--from", today).GetSums() {
		if sum.GetDay() != today || sum.GetKey() != "local" || sum.GetChain() != "" {
			t.Errorf("sum %v", sum)
		}
	}

	out := succeed(t, "usage", "--config", config, "--data", data)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) < 5 || strings.Join(strings.Fields(lines[0]), " ") != "TARGET ATTEMPTS FAILED TOKENS IN CACHED OUT COST" ||
		!strings.Contains(out, "\necho     3         0       9          0       9") || !strings.Contains(out, "$0.000027") || !strings.Contains(out, "\ntotal    ") {
		t.Errorf("the table:\n%s", out)
	}
	if out := succeed(t, "usage", "--config", config, "--data", data, "--until", "2020-01-31"); !strings.Contains(out, "no call was recorded") {
		t.Errorf("of days without calls:\n%s", out)
	}
	for args, want := range map[string]string{
		"--by model": "--by", "--by key,key": "twice", "--from today": "--from", "--until 2026-02-30": "--until", "--from 2026-02-02 --until 2026-02-01": "after the last day",
	} {
		if e := command(t, "", append([]string{"usage", "--config", config, "--data", data}, strings.Fields(args)...)...); e.status == 0 || !strings.Contains(e.err, want) {
			t.Errorf("usage %s: status %d %s", args, e.status, e.err)
		}
	}
}

func TestUsageIsNotRecordedWhereItIsTurnedOff(t *testing.T) {
	data := t.TempDir()
	s := serve(t, "--config", playground(t), "--data", data, "--set", "record.usage=false")
	if status, _, body := fetch(t, httpClient(t), "POST", s.address+"/v1/chat/completions", "application/json",
		`{"model":"echo","messages":[{"role":"user","content":"one"}]}`); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	s.stop()
	if out := succeed(t, "usage", "--data", data); !strings.Contains(out, "no call was recorded") {
		t.Errorf("%s", out)
	}
}

// A file that an earlier server has left is read back at the next start.
func TestUsageThatWasLeftIsReadBack(t *testing.T) {
	data, folder := t.TempDir(), filepath.Join(t.TempDir(), "left")
	line, err := json.Marshal(map[string]any{"Tenant": "default", "Key": "k", "RunID": "r", "Step": "chat", "Attempt": 1, "Time": time.Now(), "Target": "big",
		"Cost": 1_500_000_000, "CostKnown": true, "Usage": map[string]any{"Input": 7}})
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, filepath.Join(folder, "usage-spill-1.jsonl"), string(line)+"\n")
	s := serve(t, "--config", playground(t), "--data", data, "--set", "record.usage_folder="+folder)
	eventually(t, "the file to be read", func() bool { _, err := os.Stat(file); return os.IsNotExist(err) })
	if sums := usageOf(t, "--server", s.address, "--by", "none").GetSums(); len(sums) != 1 || sums[0].GetCost().GetNanoUsd() != 1_500_000_000 || sums[0].GetAttempts() != 1 {
		t.Errorf("sums %v", sums)
	}
}

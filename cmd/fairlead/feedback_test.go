package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"

	fairleadv1 "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
	"fairlead/internal/testdb"
	"fairlead/orchestrator/routing/learned"
)

// three is a configuration with three targets, whose server keeps features of prompts up to the label internal.
const three = `
backends:
  play: { kind: scripted, clearance: restricted }
targets:
  one: { backend: play, model: echo, quality: 0.5, price: { input: 1, output: 2 } }
  two: { backend: play, model: echo, quality: 0.6, price: { input: 1, output: 2 } }
  three: { backend: play, model: echo, quality: 0.7, price: { input: 1, output: 2 } }
auth: { keys: true }
record: { features: true }
`

func TestFromFeedbackToTraining(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { fromFeedbackToTraining(t, "--data", t.TempDir()) })
	t.Run("postgres", func(t *testing.T) {
		d := testdb.PostgresDatabase(t)
		fromFeedbackToTraining(t, "--data=", "--set", "database.url="+d.AppURL, "--set", "auth.pepper="+strings.Repeat("0f", 32))
	})
}

func fromFeedbackToTraining(t *testing.T, store ...string) {
	dir := t.TempDir()
	do := func(args ...string) string { t.Helper(); return succeed(t, append(args, store...)...) }
	do("tenants", "create", "umbrella")
	key := func(args ...string) string {
		t.Helper()
		return wholeKey.FindString(do(append([]string{"keys", "create", "k"}, args...)...))
	}
	ada, bob, boss := key(), key(), key("--scope", "admin", "--ceiling", "confidential")
	eve, owner := key("--tenant", "umbrella"), key("--tenant", "umbrella", "--scope", "admin")
	secret := key("--ceiling", "confidential")
	s := serve(t, append([]string{"--config", write(t, filepath.Join(dir, "fairlead.yaml"), three)}, store...)...)

	api := fairleadv1connect.NewChatServiceClient(httpClient(t), s.address)
	// chat gives a run's id.
	chat := func(key, model, text string, l fairleadv1.Label) string {
		t.Helper()
		ctx, info := connect.NewClientContext(t.Context())
		info.RequestHeader().Set("Authorization", "Bearer "+key)
		stream, err := api.Chat(ctx, &fairleadv1.ChatRequest{Model: model, Label: l, Messages: []*fairleadv1.Message{said(fairleadv1.Role_ROLE_USER, text)}})
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Close()
		id := ""
		for stream.Receive() {
			id = stream.Msg().GetEvent().GetRunId()
		}
		if err := stream.Err(); err != nil || id == "" {
			t.Fatalf("run %q: %v", id, err)
		}
		return id
	}
	const internal, confidential = fairleadv1.Label_LABEL_INTERNAL, fairleadv1.Label_LABEL_CONFIDENTIAL
	texts := []string{"Where is the unmistakable parcel?", "What is 17 times 4?", "Write a poem about zebrafish."}
	runs := []string{chat(ada, "one", texts[0], internal), chat(ada, "two", texts[1], internal), chat(bob, "three", texts[2], internal)}
	hidden, theirs := chat(secret, "one", "The merger with Initech.", confidential), chat(eve, "two", texts[1], internal)

	speak := func(key string, args ...string) ending {
		t.Helper()
		return command(t, "", append([]string{"feedback", "--server", s.address, "--key", key}, args...)...)
	}
	must := func(key, target string, args ...string) {
		t.Helper()
		if e := speak(key, args...); e.status != 0 || !strings.Contains(e.out, "for "+target+",") {
			t.Errorf("feedback %v: %+v", args, e)
		}
	}
	must(ada, "one", runs[0], "--score", "0", "--reason", "thumbs_down")
	must(bob, "one", runs[0], "--score", "0.5")
	must(bob, "one", runs[0], "--score", "1") // the later one counts
	must(ada, "two", runs[1], "--score", "1", "--step", "chat")
	must(bob, "three", runs[2], "--score", "0.25")
	must(secret, "one", hidden, "--score", "1")
	must(eve, "two", theirs, "--score", "0")
	foreign, none := speak(eve, runs[0], "--score", "1"), speak(eve, "nothing", "--score", "1")
	cut := func(e ending) string { text, _, _ := strings.Cut(e.err, " (request"); return text }
	if foreign.status != 1 || cut(foreign) != cut(none) || !strings.Contains(foreign.err, "[unknown_run]") {
		t.Errorf("of another tenant: %+v, of nobody: %+v", foreign, none)
	}
	if e := speak(boss, runs[0], "--score", "1"); e.status != 1 || !strings.Contains(e.err, "chat") {
		t.Errorf("without the scope: %+v", e)
	}

	export := func(key string, args ...string) (list []outcomeLine, text, told string) {
		t.Helper()
		e := command(t, "", append([]string{"router", "outcomes", "--server", s.address, "--key", key}, args...)...)
		if e.status != 0 {
			t.Fatalf("%+v", e)
		}
		for d := json.NewDecoder(strings.NewReader(e.out)); d.More(); {
			var o outcomeLine
			if err := d.Decode(&o); err != nil {
				t.Fatal(err)
			}
			list = append(list, o)
		}
		return list, e.out, e.err
	}
	got, text, told := export(boss, "--since", "24h")
	want := []outcomeLine{
		{Features: learned.Compact(texts[0]), Target: "one", Score: 0.5, Group: "chat"}, {Features: learned.Compact(texts[1]), Target: "two", Score: 1, Group: "chat"},
		{Features: learned.Compact(texts[2]), Target: "three", Score: 0.25, Group: "chat"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("exported (-want +got):\n%s", diff)
	}
	if !strings.Contains(told, "3 outcomes\n1 scored answers are left out") {
		t.Errorf("told %q", told)
	}
	if got, _, _ := export(owner); len(got) != 1 || got[0].Target != "two" || got[0].Score != 0 {
		t.Errorf("the other tenant's: %+v", got)
	}
	if e := command(t, "", "router", "outcomes", "--server", s.address, "--key", boss, "--tenant", "umbrella"); e.status != 1 || !strings.Contains(e.err, "umbrella") || e.out != "" {
		t.Errorf("of another tenant: %+v", e)
	}
	s.stop()

	// On its own, the command says the same, as the local one.
	if out := do("router", "outcomes"); out != text {
		t.Errorf("on its own:\n%s\nby the server:\n%s", out, text)
	}
	if out := do("feedback", runs[1], "--score", "0", "--json"); !strings.Contains(out, `"target":"two"`) && !strings.Contains(out, `"target": "two"`) {
		t.Errorf("on its own: %s", out)
	}
	if store[0] == "--data" {
		dump := dumpSQLite(t, filepath.Join(store[1], "fairlead.db"))
		if !strings.Contains(dump, "thumbs_down") {
			t.Error("the dump has no feedback: the test looks in the wrong place")
		}
		for _, word := range []string{"unmistakable", "zebrafish", "Initech"} {
			if strings.Contains(dump, word) {
				t.Errorf("the database holds %q of a prompt", word)
			}
		}
	}

	// So few outcomes train nothing.
	file := write(t, filepath.Join(dir, "outcomes.jsonl"), text)
	if e := command(t, "", "router", "train", file, "--out", filepath.Join(dir, "router.json")); e.status != 1 || !strings.Contains(e.err, "the data has 3 prompts: it takes 100") {
		t.Errorf("training: %+v", e)
	}
}

func TestFeedbackWhereNothingIsRecorded(t *testing.T) {
	s := serve(t, "--config", playground(t), "--set", "record.decisions=false")
	if e := command(t, "", "feedback", "run", "--score", "1", "--server", s.address); e.status != 1 || !strings.Contains(e.err, "record.decisions") {
		t.Errorf("%+v", e)
	}
}

func TestFeedbackMistakes(t *testing.T) {
	for want, args := range map[string][]string{
		"--score, from 0 to 1":                {"run"},
		`--score "2": write a number`:         {"run", "--score", "2"},
		`--score "NaN": write a number`:       {"run", "--score", "NaN"},
		"one word":                            {"run", "--score", "1", "--reason", "It was wrong."},
		"accepts 1":                           {"--score", "1"},
		"--since: it is negative":             {"outcomes"},
		"--server \"nowhere\": write an addr": {"run", "--score", "1", "--server", "nowhere"},
	} {
		line := append([]string{"feedback"}, args...)
		if args[0] == "outcomes" {
			line = []string{"router", "outcomes", "--since", "-1h"}
		}
		if e := command(t, "", line...); e.status != 2 || !strings.Contains(e.err, want) {
			t.Errorf("fairlead %s: %+v", strings.Join(line, " "), e)
		}
	}
}

// A suite's run is outcomes too, which router train reads beside those of feedback.
func TestEvalWritesOutcomes(t *testing.T) {
	cases := numbered(4) + `{"id":"said","input":{"messages":[{"role":"user","content":"first"},{"role":"assistant","content":"x"},{"role":"user","content":"say 9"}]},"expected":"8"}` + "\n"
	dir := evalFolder(t, model(t, saidBack), map[string]string{"numbers.yaml": numbers, "cases.jsonl": cases})
	suite, file := filepath.Join(dir, "numbers.yaml"), filepath.Join(dir, "outcomes.jsonl")
	succeed(t, "eval", "record", suite)
	succeed(t, "eval", "run", suite, "--outcomes", file)
	var got []string
	for d := json.NewDecoder(bytes.NewReader([]byte(content(t, file)))); d.More(); {
		var o outcomeLine
		if err := d.Decode(&o); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s: %s %g %s", o.Prompt, o.Target, o.Score, o.Group))
	}
	slices.Sort(got)
	want := []string{"say 0: model 1 numbers", "say 1: model 1 numbers", "say 2: model 1 numbers", "say 3: model 1 numbers", "say 9: model 0 numbers"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if e := command(t, "", "router", "train", file, "--out", filepath.Join(dir, "router.json")); e.status != 1 || !strings.Contains(e.err, "the data has 5 prompts: it takes 100") {
		t.Errorf("training: %+v", e)
	}
	// What is not on the cassette is no outcome, and the file says of whom it is without.
	write(t, filepath.Join(dir, "cases.jsonl"), numbered(6))
	if e := command(t, "", "eval", "run", suite, "--outcomes", file); e.status != 1 || !strings.Contains(e.err, "2 runs are no outcomes of one target") || strings.Count(content(t, file), "\n") != 4 {
		t.Errorf("%+v\n%s", e, content(t, file))
	}
}

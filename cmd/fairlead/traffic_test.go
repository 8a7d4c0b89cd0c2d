package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/providers/tfserving/tfservingtest"
)

// variety is a target with a canary that everybody gets, and a shadow.
const variety = `
backends: { play: { kind: scripted } }
targets:
  plain: { backend: play, model: "fixed?text=plain", quality: 0.1, price: { input: 1, output: 1 } }
  triage:
    backend: play
    model: "fixed?text=a+stable+answer"
    quality: 0.9
    price: { input: 3, output: 7 }
    canary: { model: "fixed?text=a+fresh+answer", percent: PERCENT }
    shadow: { model: "fixed?text=a+whispered-9f3+answer&in=100000&out=100000" }
policies:
  default: { prefer: best }
`

func writeVariety(t *testing.T, percent string) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "f.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(variety, "PERCENT", percent)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// says asks a server's triage, and gives what it says.
func (s *served) says(t *testing.T, h *http.Client) string {
	t.Helper()
	code, _, body := fetch(t, h, http.MethodPost, s.address+"/v1/chat/completions", "application/json", `{"model":"triage","messages":[{"role":"user","content":"hi"}]}`)
	var answer struct {
		Choices []struct{ Message struct{ Content string } }
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || code != http.StatusOK || len(answer.Choices) != 1 {
		t.Fatalf("%d: %s", code, body)
	}
	if strings.Contains(body, "whispered") {
		t.Errorf("the shadow's answer reached the caller: %s", body)
	}
	return answer.Choices[0].Message.Content
}

func TestARollbackOnEveryReplica(t *testing.T) {
	file, folder := writeVariety(t, "100"), t.TempDir()
	h := httpClient(t)
	here, there := serve(t, "--config", file, "--data", folder), serve(t, "--config", file, "--data", folder)
	const stable, fresh = "a stable answer", "a fresh answer"
	for _, s := range []*served{here, there} {
		if got := s.says(t, h); got != fresh {
			t.Fatalf("at first: %q", got)
		}
	}
	// turned waits until a replica says what it should, and holds that it does so soon.
	turned := func(what string, s *served, want string, since time.Time) {
		t.Helper()
		eventually(t, what, func() bool { return s.says(t, h) == want })
		if took := time.Since(since); took > 2*time.Second {
			t.Errorf("%s: it took %s", what, took)
		} else {
			t.Logf("%s: %s", what, took.Round(time.Millisecond))
		}
	}
	began := time.Now()
	out := succeed(t, "models", "rollback", "triage", "--reason", "it is too fresh", "--server", here.address)
	if got := here.says(t, h); got != stable || !strings.Contains(out, "triage: rolled back") {
		t.Errorf("the replica that was told, at once: %q; %s", got, out)
	}
	turned("the other replica", there, stable, began)

	// One that starts knows it before its first answer.
	third := serve(t, "--config", file, "--data", folder)
	if got := third.says(t, h); got != stable {
		t.Errorf("a replica that started later: %q", got)
	}
	list := succeed(t, "models", "rollbacks", "--server", there.address)
	if !strings.Contains(list, "rolled back") || !strings.Contains(list, "default/local") || !strings.Contains(list, "it is too fresh") {
		t.Errorf("listed:\n%s", list)
	}
	var models struct {
		Models []struct {
			Target  string
			Traffic struct {
				Canary   string
				Percent  float64
				Rollback struct {
					RolledBack bool `json:"rolled_back"`
					By, Reason string
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(succeed(t, "models", "triage", "--server", there.address, "--json")), &models); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, m := range models.Models {
		if tr := m.Traffic; m.Target == "triage" {
			found = tr.Canary == "triage@canary" && tr.Percent == 100 && tr.Rollback.RolledBack && tr.Rollback.By == "default/local" && tr.Rollback.Reason == "it is too fresh"
		}
	}
	if !found {
		t.Errorf("models: %+v", models)
	}
	if _, _, text := fetch(t, h, http.MethodGet, there.address+"/metrics", "", ""); !strings.Contains(text, `fairlead_target_rolled_back{target="triage"} 1`) {
		t.Error("the metric does not say so")
	}

	// Taken back on the store itself, as by someone who has the machine and no server.
	began = time.Now()
	succeed(t, "models", "resume", "triage", "--reason", "mended", "--config", file, "--data", folder)
	for _, s := range []*served{here, there, third} {
		turned("resumed", s, fresh, began)
	}
	lines := strings.Split(strings.TrimSpace(succeed(t, "models", "rollbacks", "triage", "--config", file, "--data", folder)), "\n")
	if len(lines) != 3 || !strings.Contains(lines[1], "resumed") || !strings.Contains(lines[1], "mended") || !strings.Contains(lines[2], "rolled back") {
		t.Errorf("listed:\n%s", strings.Join(lines, "\n"))
	}

	for args, want := range map[string]string{
		"models rollback plain":         "target plain has no canary",
		"models rollback none":          "there is no target \"none\": `fairlead models` lists them",
		"models rollback triage@canary": `there is no target "triage@canary": name triage, whose variant that is`,
		"models resume triage":          "is not rolled back",
		"models rollbacks --limit 1001": "limit",
	} {
		e := command(t, "", append(strings.Fields(args), "--server", here.address)...)
		if e.status == 0 || !strings.Contains(e.err, want) {
			t.Errorf("%s: status %d, %s", args, e.status, e.err)
		}
	}
	for _, model := range []string{"triage@canary", "triage@shadow"} {
		if code, _, body := fetch(t, h, http.MethodPost, here.address+"/v1/chat/completions", "application/json",
			`{"model":"`+model+`","messages":[{"role":"user","content":"hi"}]}`); code != http.StatusNotFound || !strings.Contains(body, "there is no model") {
			t.Errorf("%s: %d %s", model, code, body)
		}
	}
	if _, _, text := fetch(t, h, http.MethodGet, here.address+"/v1/models", "", ""); strings.Contains(text, "triage@") {
		t.Errorf("variants are listed for callers to name: %s", text)
	}
	if list := succeed(t, "targets", "--server", here.address, "--json"); !strings.Contains(list, `"triage@canary"`) || !strings.Contains(list, `"triage@shadow"`) {
		t.Errorf("targets:\n%s", list)
	}
	if text := here.log.String(); strings.Count(text, "target rolled back") != 1 || !strings.Contains(text, "by=default/local") {
		t.Errorf("log:\n%s", text)
	}
}

// A new version on a model server that has been trained wrong: it is compared, tried on callers, and taken away.
func TestANewVersionOnAModelServer(t *testing.T) {
	const question = "my invoice is wrong, please refund the payment"
	m := modelServer(t)
	wrong := tfservingtest.Corpus()
	for i, s := range wrong {
		wrong[i].Class = map[string]string{"billing": "travel", "travel": "billing", "technical": "technical"}[s.Class]
	}
	m.Put("topics", 2, &tfservingtest.Version{Regressor: tfservingtest.Train(wrong), Input: "text"})
	m.Label("topics", "stable", 1)
	m.Label("topics", "canary", 2)
	address, _ := m.GRPC(t)
	t.Chdir(t.TempDir())
	write(t, filepath.Join("chains", "triage.yaml"), triage)
	start := func(variant string) *served {
		return serve(t, "--config", write(t, "fairlead.yaml", strings.NewReplacer("URL", "grpc://"+address, "OUTPUT", byName, "model: topics", "model: topics\n    version: stable\n    "+variant).Replace(triageConfig)))
	}
	ask := func(s *served) string {
		t.Helper()
		return succeed(t, "ask", "--server", s.address, "--chain", "triage", "--explain", question)
	}
	beside := start("shadow: { version: canary }")
	for range 3 { // after the first, the answer comes from the cache, and nobody is asked
		if out := ask(beside); !strings.Contains(out, "<billing> <billing>") {
			t.Errorf("with a shadow:\n%s", out)
		}
	}
	eventually(t, "the versions are compared", func() bool {
		_, _, text := fetch(t, httpClient(t), http.MethodGet, beside.address+"/metrics", "", "")
		return strings.Contains(text, `fairlead_shadow_calls_total{outcome="differed",target="topics@shadow"} 1`)
	})
	beside.stop()

	tried := start("canary: { version: canary, percent: 100 }")
	if out := ask(tried); !strings.Contains(out, "<else> <travel>") || !strings.Contains(out, "topics@canary") {
		t.Errorf("with the canary:\n%s", out)
	}
	succeed(t, "models", "rollback", "topics", "--server", tried.address)
	if out := ask(tried); !strings.Contains(out, "<billing> <billing>") || strings.Contains(out, "topics@canary") {
		t.Errorf("rolled back:\n%s", out)
	}
}

func TestAShadowIsNotBilled(t *testing.T) {
	file, folder := writeVariety(t, "0"), t.TempDir()
	h := httpClient(t)
	s := serve(t, "--config", file, "--data", folder, "--log-level", "debug")
	const calls = 5
	for range calls {
		if got := s.says(t, h); got != "a stable answer" {
			t.Fatalf("%q", got)
		}
	}
	var models struct {
		Models []struct {
			Target  string
			Traffic struct {
				Comparison struct {
					Compared string
					Likeness float64
				}
			}
		}
	}
	eventually(t, "the shadow's answers are compared", func() bool {
		if err := json.Unmarshal([]byte(succeed(t, "models", "triage", "--server", s.address, "--json")), &models); err != nil {
			t.Fatal(err)
		}
		for _, m := range models.Models {
			if c := m.Traffic.Comparison; m.Target == "triage" && c.Compared == "5" {
				if c.Likeness < 0.66 || c.Likeness > 0.67 { // two words of three
					t.Errorf("likeness %g", c.Likeness)
				}
				return true
			}
		}
		return false
	})
	if _, _, text := fetch(t, h, http.MethodGet, s.address+"/metrics", "", ""); !strings.Contains(text, `fairlead_shadow_calls_total{outcome="differed",target="triage@shadow"} 5`) ||
		strings.Contains(text, `fairlead_upstream_attempts_total{outcome="ok",target="triage@shadow"}`) || strings.Contains(text, `fairlead_cost_usd_total{target="triage@shadow"}`) {
		t.Error("the metrics do not tell a shadow from a call")
	}
	if status := s.stop(); status != 0 {
		t.Errorf("status %d", status)
	}
	// One word read and three written for each call, at 3 and 7 dollars a million: to the thousand-millionth.
	var used struct {
		Sums []struct {
			Target, Attempts string
			Cost             struct {
				NanoUSD string `json:"nano_usd"`
			}
		}
	}
	text := succeed(t, "usage", "--by", "target", "--config", file, "--data", folder, "--json")
	if err := json.Unmarshal([]byte(text), &used); err != nil {
		t.Fatal(err)
	}
	if len(used.Sums) != 1 || used.Sums[0].Target != "triage" || used.Sums[0].Attempts != "5" || used.Sums[0].Cost.NanoUSD != "120000" {
		t.Errorf("used: %s", text)
	}
	// Nothing keeps what the shadow said.
	kept := map[string]string{"the log": s.log.String()}
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		kept[filepath.Base(file)] = string(data)
	}
	for where, text := range kept {
		if strings.Contains(text, "whispered-9f3 ") { // the model's name has a + there
			t.Errorf("%s has the shadow's answer", where)
		}
	}
}

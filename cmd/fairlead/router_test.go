package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/orchestrator/routing/learned"
)

// outcomesOf writes outcomes of two targets in which cheap fails at sums; with luck it fails anywhere.
func outcomesOf(t *testing.T, luck bool) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("prompt,cheap,dear\n")
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 150 {
		good := 0
		if i%4 == 0 {
			good = 1
		}
		sum, town := fmt.Sprintf("What is %d times %d plus %d?", i, i*7, i%9), fmt.Sprintf("Where is the town of number %d in the north?", i)
		if luck {
			for _, prompt := range []string{sum, town} {
				fmt.Fprintf(&b, "%s,%t,%t\n", prompt, rng.Float64() < .5, rng.Float64() < .8)
			}
			continue
		}
		fmt.Fprintf(&b, "%s,%d,1\n%s,1,%d\n", sum, good, town, min(i%10, 1))
	}
	return write(t, filepath.Join(t.TempDir(), "outcomes.csv"), b.String())
}

func TestARouterIsTrainedServedAndReplaced(t *testing.T) {
	data, dir := outcomesOf(t, false), t.TempDir()
	model := filepath.Join(dir, "router.json")
	said := succeed(t, "router", "train", data, "--out", model, "--date", "2026-11-22")
	if !strings.Contains(said, "test: PASSED") || !strings.Contains(said, "prompt length") {
		t.Errorf("training said:\n%s", said)
	}
	first, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}

	explained := succeed(t, "router", "explain", model, "What is 12 times 84 plus 3?", "--data", data)
	for _, want := range []string{"cheap: 0.", "shape: digits", "What is 12 times 84 plus 3?", "COSINE"} {
		if !strings.Contains(explained, want) {
			t.Errorf("%q is not in the explanation:\n%s", want, explained)
		}
	}
	if o := command(t, "", "router", "explain", model, "What?", "--data", outcomesOf(t, true)); o.status != 1 || !strings.Contains(o.err, "other data") {
		t.Errorf("explained with other data: %+v", o)
	}

	config := strings.Replace(pair, "prefer: cheapest", "prefer: cheapest, require: { quality: 0.7 }", 1) + "router: { model: router.json }\n"
	file := write(t, filepath.Join(dir, "fairlead.yaml"), config)
	s := serve(t, "--config", file)
	c := httpClient(t)
	answered := func(prompt string) string {
		t.Helper()
		status, _, got := fetch(t, c, http.MethodPost, s.address+"/v1/chat/completions", "application/json",
			fmt.Sprintf(`{"model":"auto","max_tokens":20,"messages":[{"role":"user","content":%q}]}`, prompt))
		var answer struct {
			Model string `json:"model"`
		}
		if err := json.Unmarshal([]byte(got), &answer); status != http.StatusOK || err != nil {
			t.Fatalf("status %d: %s", status, got)
		}
		return got
	}
	if got := answered("Where is the town of number 77 in the north?"); !strings.Contains(got, "cheap") {
		t.Errorf("a town was not asked of cheap: %s", got)
	}
	if got := answered("What is 17 times 84 plus 3?"); !strings.Contains(got, "dear") {
		t.Errorf("a sum was not asked of dear: %s", got)
	}

	// What is broken is refused, and the old one stays.
	write(t, model, strings.Replace(string(first), `"date": "2026-11-22"`, `"date": "2027-11-22"`, 1))
	s.log.await(t, "its content is not what its hash says")
	if got := answered("What is 18 times 84 plus 3?"); !strings.Contains(got, "dear") {
		t.Errorf("after a bad reload a sum was not asked of dear: %s", got)
	}
	write(t, model, string(first))
	s.log.await(t, "configuration taken over")
	if code := s.stop(); code != 0 {
		t.Fatalf("the server ended with %d", code)
	}
}

func TestARouterThatDidNotPassIsRefused(t *testing.T) {
	dir := t.TempDir()
	model := filepath.Join(dir, "router.json")
	poor := outcomesOf(t, true)
	o := command(t, "", "router", "train", poor, "--out", model)
	if o.status != 1 || !strings.Contains(o.err, "not active: it does not surely beat") {
		t.Fatalf("training: %+v", o)
	}
	file := write(t, filepath.Join(dir, "fairlead.yaml"), pair+"router: { model: router.json }\n")
	if o := command(t, "", "config", "check", file); o.status != 1 || !strings.Contains(o.err, "not active: it does not surely beat") {
		t.Errorf("checking: %+v", o)
	}
	if o := command(t, "", "router", "explain", model, "What is it?"); o.status != 0 || !strings.Contains(o.out, "not active") {
		t.Errorf("explaining: %+v", o)
	}
	// It never takes the place of one that is active.
	succeed(t, "router", "train", outcomesOf(t, false), "--out", model)
	if o := command(t, "", "router", "train", poor, "--out", model); o.status != 1 || !strings.Contains(o.err, "the active one in") {
		t.Errorf("training over an active one: %+v", o)
	}
	if data, err := os.ReadFile(model); err != nil {
		t.Fatal(err)
	} else if _, err := learned.Load(data); err != nil {
		t.Errorf("the active one is gone: %v", err)
	}
}

func TestRouterCommandsSayWhatIsWrong(t *testing.T) {
	data := outcomesOf(t, false)
	for _, c := range []struct {
		status int
		want   string
		args   []string
	}{
		{2, "name a file with --out", []string{"train", data}},
		{2, "neither weak nor strong", []string{"eval", data, "--targets", "good=cheap"}},
		{2, "want DATA=TARGET", []string{"eval", data, "--rename", "cheap"}},
		{1, "has outcomes of", []string{"eval", data, "--targets", "weak=nobody"}},
		{1, "reading outcomes", []string{"eval", filepath.Join(t.TempDir(), "none.csv")}},
		{1, "is no JSON object of ours", []string{"explain", data, "x"}},
	} {
		if o := command(t, "", append([]string{"router"}, c.args...)...); o.status != c.status || !strings.Contains(o.err, c.want) {
			t.Errorf("%v: %+v, want %d and %q", c.args, o, c.status, c.want)
		}
	}
	out := succeed(t, "router", "eval", data, "--json")
	var got struct {
		Report struct {
			Routers []struct {
				Name string `json:"name"`
				APGR struct {
					Value float64 `json:"value"`
				} `json:"apgr"`
			} `json:"routers"`
		} `json:"report"`
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || len(got.Report.Routers) != 4 || got.Report.Routers[0].APGR.Value < .7 {
		t.Errorf("%v: %s", err, out)
	}
}

// What the guide says to type works, but for what needs a server elsewhere.
func TestTheGuideOfTheRouterCanBeFollowed(t *testing.T) {
	const page = "docs/guides/router.md"
	r, typed := newReader(t), 0
	for _, b := range blocks(t, page, "sh") {
		if strings.Contains(b.text, "example.com") {
			continue
		}
		for line := range strings.Lines(b.text) {
			r.enter(t, b, strings.TrimSpace(line))
			typed++
		}
	}
	if typed < 5 {
		t.Errorf("%d lines were typed", typed)
	}
}

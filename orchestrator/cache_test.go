package orchestrator_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
	"fairlead/retrieval"
)

// edition is a server whose answers say which of its versions made them.
type edition struct {
	// version is what it serves now; told says whether its answers tell it.
	version string
	told    bool
	fail    error
	// items has all that it was asked.
	items []string
}

func (s *edition) Classify(_ context.Context, req *providers.ClassifyRequest) (*providers.Classification, error) {
	if s.fail != nil {
		return nil, s.fail
	}
	out := &providers.Classification{Usage: providers.Usage{Input: int64(10 * len(req.Texts))}}
	if s.told {
		out.Version = s.version
	}
	for _, text := range append(slices.Clone(req.Texts), texts(req.Images)...) {
		s.items = append(s.items, text)
		out.Classes = append(out.Classes, []providers.Class{{Name: text + " by " + s.version, Probability: 1}})
	}
	return out, nil
}

func (s *edition) Embed(_ context.Context, req *providers.EmbedRequest) (*providers.Embeddings, error) {
	out := &providers.Embeddings{}
	for _, text := range req.Texts {
		s.items = append(s.items, text)
		out.Vectors = append(out.Vectors, []float32{float32(len(text)), 1, float32(req.Dimensions)})
	}
	return out, nil
}

func texts(files [][]byte) (out []string) {
	for _, f := range files {
		out = append(out, string(f))
	}
	return out
}

func editions(s *edition) orchestrator.Target {
	return orchestrator.Target{Classifier: s, Embedder: s, Cache: time.Minute, Target: routing.Target{Name: "t", Backend: "b", Kind: "scripted", Model: "m",
		Does: providers.Classify | providers.Embed, Clearance: label.Internal, Price: &providers.Price{Input: 1, PerCall: 0.001}}}
}

func asked3(t *testing.T, e *orchestrator.Engine, req orchestrator.ClassifyRequest, tenant string) (string, *orchestrator.Classified) {
	t.Helper()
	p := auth.Local()
	p.Tenant = tenant
	req.Target = "t"
	got, err := e.Classify(t.Context(), p, req)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, list := range got.Classes {
		names = append(names, list[0].Name)
		list[0].Name = "changed by the caller"
	}
	return strings.Join(names, ", "), got
}

func TestAnswersAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, board := &edition{version: "1"}, &switchboard{}
		e := engine(t, setup{targets: []orchestrator.Target{editions(s)}, observer: board})
		ask := func(want string, cached int, req orchestrator.ClassifyRequest) {
			t.Helper()
			before := len(s.items)
			got, all := asked3(t, e, req, "acme")
			if got != want || all.Cached != cached || len(s.items)-before != len(all.Classes)-cached {
				t.Errorf("%s with %d cached and %d asked, want %s with %d", got, all.Cached, len(s.items)-before, want, cached)
			}
			heard := board.take()
			if cached == len(all.Classes) {
				if all.Cost != 0 || !all.CostKnown || all.Usage != (providers.Usage{}) || len(heard) != 1 || heard[0].Kinds != "" {
					t.Errorf("what is kept costs %d and took %+v: %+v", all.Cost, all.Usage, heard)
				}
			} else if want := int64(10 * (len(all.Classes) - cached)); len(req.Texts) > 0 && (all.Usage.Input != want || all.Cost != providers.Money(1000*want+1_000_000)) || heard[0].Cost != all.Cost {
				t.Errorf("it cost %d and took %+v: %+v", all.Cost, all.Usage, heard)
			}
		}
		a, b, c := "a", "b", "c"
		ask("a by 1, b by 1", 0, orchestrator.ClassifyRequest{Texts: []string{a, b}})
		ask("b by 1, a by 1", 2, orchestrator.ClassifyRequest{Texts: []string{b, a}})
		ask("b by 1, c by 1, a by 1", 2, orchestrator.ClassifyRequest{Texts: []string{b, c, a}})
		ask("c by 1", 1, orchestrator.ClassifyRequest{Texts: []string{c}})
		ask("c by 1", 0, orchestrator.ClassifyRequest{Images: [][]byte{[]byte(c)}}) // a picture of the same bytes
		ask("c by 1", 1, orchestrator.ClassifyRequest{Images: [][]byte{[]byte(c)}})
		s.version = "2"
		ask("a by 1", 1, orchestrator.ClassifyRequest{Texts: []string{a}}) // nobody has told of it
		ask("a by 2", 0, orchestrator.ClassifyRequest{Texts: []string{a}, NoCache: true})
		ask("a by 2", 1, orchestrator.ClassifyRequest{Texts: []string{a}})
		time.Sleep(time.Minute - time.Second)
		ask("a by 2", 1, orchestrator.ClassifyRequest{Texts: []string{a}})
		time.Sleep(2 * time.Second)
		ask("a by 2", 0, orchestrator.ClassifyRequest{Texts: []string{a}})
	})
}

func TestAnswersOfAnotherVersionTenantOrConfigurationAreNotGiven(t *testing.T) {
	s := &edition{version: "1"}
	tg := editions(s)
	var config orchestrator.Config
	e := engine(t, setup{targets: []orchestrator.Target{tg}, config: func(c *orchestrator.Config) { config = *c }})
	ask := func(want string, cached int, tenant string) {
		t.Helper()
		if got, all := asked3(t, e, orchestrator.ClassifyRequest{Texts: []string{"x"}}, tenant); got != "x by "+want || all.Cached != cached {
			t.Errorf("%s with %d cached, want by %s with %d", got, all.Cached, want, cached)
		}
	}
	e.Resolved("t", "1")
	ask("1", 0, "acme")
	ask("1", 1, "acme")
	ask("1", 0, "other")
	// The backend is asked by others which version stands behind the name.
	e.Resolved("t", "2")
	s.version = "2"
	ask("2", 0, "acme")
	e.Resolved("t", "1")
	s.version = "1"
	ask("1", 1, "acme") // rolled back: that answer is still right
	// The answers themselves tell.
	s.told = true
	s.version = "3"
	got, _ := asked3(t, e, orchestrator.ClassifyRequest{Texts: []string{"y"}}, "acme")
	if got != "y by 3" {
		t.Error(got)
	}
	ask("3", 0, "acme")
	ask("3", 1, "acme")
	// Whatever changed in the configuration, nothing of before it is given.
	if err := e.Configure(config); err != nil {
		t.Fatal(err)
	}
	ask("3", 0, "acme")
	tg.Cache = 0
	config.Targets = []orchestrator.Target{tg, config.Targets[1], config.Targets[2]}
	if err := e.Configure(config); err != nil {
		t.Fatal(err)
	}
	ask("3", 0, "acme")
	ask("3", 0, "acme")
}

// What a target may not see, it does not answer from memory either; and no failure is kept.
func TestTheClearanceHoldsForWhatIsKept(t *testing.T) {
	s := &edition{version: "1", fail: &providers.Error{Kind: providers.KindUnavailable, Backend: "b", Model: "m"}}
	e := engine(t, setup{targets: []orchestrator.Target{editions(s)}})
	if _, err := e.Classify(t.Context(), auth.Local(), orchestrator.ClassifyRequest{Target: "t", Texts: []string{"x"}}); err == nil {
		t.Fatal("no error")
	}
	s.fail = nil
	asked3(t, e, orchestrator.ClassifyRequest{Texts: []string{"x"}}, auth.LocalTenant)
	_, err := e.Classify(t.Context(), auth.Local(), orchestrator.ClassifyRequest{Target: "t", Texts: []string{"x"}, Limits: orchestrator.Limits{Label: label.Restricted}})
	if fault.ReasonOf(err) != fault.ReasonNoTarget || len(s.items) != 1 {
		t.Errorf("%v after %v", err, s.items)
	}
	p := auth.Local()
	p.Models = []string{"other"}
	if _, err := e.Classify(t.Context(), p, orchestrator.ClassifyRequest{Target: "t", Texts: []string{"x"}}); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("%v", err)
	}
}

// Searches come again and passages do not: only the vectors of searches are kept.
func TestVectorsOfSearchesAreKeptAndOfPassagesAreNot(t *testing.T) {
	s := &edition{}
	tg := editions(s)
	e := engine(t, setup{targets: []orchestrator.Target{tg}, config: func(c *orchestrator.Config) { c.DefaultEmbedder = "t" }})
	count := func(text string) (n int) {
		for _, item := range s.items {
			if strings.Contains(item, text) {
				n++
			}
		}
		return n
	}
	for i := range 2 {
		source := retrieval.Source{URI: fmt.Sprint(i), Content: []byte("the press stands in the hall")}
		if _, err := e.Retrieval().Ingest(t.Context(), auth.LocalTenant, "docs", []retrieval.Source{source}, label.Restricted); err != nil {
			t.Fatal(err)
		}
	}
	if n := count("the press stands"); n != 2 {
		t.Errorf("the passages were embedded %d times", n)
	}
	for range 3 {
		if _, err := e.Retrieval().Search(t.Context(), auth.LocalTenant, retrieval.Query{Collection: "docs", Text: "where is it", MaxLabel: label.Restricted}); err != nil {
			t.Fatal(err)
		}
	}
	if n := count("where is it"); n != 1 {
		t.Errorf("the search was embedded %d times", n)
	}
	first, err := e.Embed(t.Context(), auth.Local(), orchestrator.EmbedRequest{Model: "t", Texts: []string{"where is it", "new"}})
	if err != nil || first.Cached != 1 || len(first.Vectors) != 2 || first.Vectors[0][0] != 11 || first.Vectors[1][0] != 3 {
		t.Fatalf("%+v, %v", first, err)
	}
	first.Vectors[0][0] = -1
	again, err := e.Embed(t.Context(), auth.Local(), orchestrator.EmbedRequest{Model: "t", Texts: []string{"where is it"}})
	if err != nil || again.Cached != 1 || again.Vectors[0][0] != 11 {
		t.Errorf("%+v, %v", again, err)
	}
	if short, err := e.Embed(t.Context(), auth.Local(), orchestrator.EmbedRequest{Model: "t", Texts: []string{"where is it"}, Dimensions: 3}); err != nil || short.Cached != 0 || short.Vectors[0][2] != 3 {
		t.Errorf("%+v, %v", short, err)
	}
}

// A policy sees what was found of pictures and records as it sees it of texts, and labels rise the same way.
func TestClassesOfPicturesAndRecordsAreSignals(t *testing.T) {
	var got []string
	c := classifier("intent", "classify")
	c.Classifier = classes(func(req *providers.ClassifyRequest) (*providers.Classification, error) {
		got = append(got, append(slices.Clone(req.Texts), texts(req.Images)...)...)
		return &providers.Classification{Classes: [][]providers.Class{{{Name: "secret", Probability: 0.9}}}}, nil
	})
	when, err := routing.CompileCondition("classes.a.label == 'secret' && classes.b.probability > 0.8")
	if err != nil {
		t.Fatal(err)
	}
	away := target("away", 0.9, says("away"))
	home := target("home", 0.1, says("home"))
	home.Clearance = label.Restricted
	e := engine(t, setup{targets: []orchestrator.Target{c, away, home}, policy: routing.Policy{When: when, WhenText: "x"}, chains: []string{`
chain: c
version: 1
input: { photo: string, age: number, more: string? }
steps:
  - { id: a, classify: { target: intent, image: "{{photo}}", labels: { secret: restricted } } }
  - { id: b, classify: { target: intent, features: { age: "{{age}}", income: 52000.5, member: true, left: "{{more}}", text: " 7 " } } }
  - { id: say, generate: { user: hello } }
output: "{{steps.say.text}} {{steps.b.label}}"
`}})
	events, err := run(e, t, "c", map[string]any{"photo": "YWJj", "age": 41.0}, orchestrator.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if out := find[*orchestrator.RunFinished](events)[0]; out.Output != "home secret" || out.Label != label.Restricted {
		t.Errorf("%+v", out)
	}
	if want := []string{"abc", `{"age":41,"income":52000.5,"member":true,"text":7}`}; !slices.Equal(got, want) {
		t.Errorf("asked %q", got)
	}
	for _, more := range []string{"old", "[1]", "1 2", `"x"`, "null"} {
		if _, err := run(e, t, "c", map[string]any{"photo": "YWJj", "age": 1.0, "more": more}, orchestrator.Limits{}); err == nil || !strings.Contains(err.Error(), "feature left is no number") || strings.Contains(err.Error(), "old") {
			t.Errorf("%s: %v", more, err)
		}
	}
}

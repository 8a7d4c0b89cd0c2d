package rpc_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
	"fairlead/internal/label"
	"fairlead/internal/server/rpc"
	"fairlead/internal/testdb"
	"fairlead/orchestrator"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/routing"
	"fairlead/prompts"
	"fairlead/providers"
	"fairlead/providers/hashing"
	"fairlead/providers/scripted"
)

// watched tells when the context of an upstream call ends.
type watched struct {
	providers.Generator
	called chan struct{}
	ended  chan time.Time
}

func (w *watched) Generate(ctx context.Context, req *providers.Request) iter.Seq2[providers.Chunk, error] {
	return func(yield func(providers.Chunk, error) bool) {
		context.AfterFunc(ctx, func() {
			select {
			case w.ended <- time.Now():
			default:
			}
		})
		select {
		case w.called <- struct{}{}:
		default:
		}
		w.Generator.Generate(ctx, req)(yield)
	}
}

const answerChain = `
chain: answer
version: 2
description: answers from the documents
input: { question: string, locale: "string?" }
steps:
  - id: context
    retrieve: { collection: docs, query: "{{question}}", top: 2 }
  - id: draft
    generate: { user: "{{question}}", documents: context }
    target: echo
output: "{{steps.draft.text}}"
`

// real is the API on a real engine with scripted models and a database. hang is watched.
func real(t testing.TB) (*fixture, *watched) {
	t.Helper()
	library, err := prompts.Load()
	if err != nil {
		t.Fatal(err)
	}
	embedder, err := hashing.New(hashing.Config{})
	if err != nil {
		t.Fatal(err)
	}
	models := scripted.New(scripted.Config{})
	hang := &watched{Generator: models, called: make(chan struct{}, 1), ended: make(chan time.Time, 1)}
	generates := func(name, model string, g providers.Generator) orchestrator.Target {
		return orchestrator.Target{Generator: g, Target: routing.Target{
			Name: name, Backend: "lab", Kind: "scripted", Model: model, Does: providers.Chat | providers.Tools,
			Clearance: label.Internal, Quality: 0.5, Price: &providers.Price{Input: 1, Output: 1}, Origin: "config",
		}}
	}
	answer, err := chain.Parse("answer.yaml", []byte(answerChain))
	if err != nil {
		t.Fatal(err)
	}
	store := testdb.SQLite(t)
	e, err := orchestrator.New(orchestrator.Services{Store: store, Sessions: store}, orchestrator.Config{
		Prompts: library, DefaultPolicy: "default", DefaultEmbedder: "hashing", Chains: []*chain.Chain{answer},
		Policies: []routing.Policy{
			{Name: "default", Prefer: routing.Cheapest, Targets: []string{"echo"}},
			{Name: "broken", Prefer: routing.Cheapest, Targets: []string{"cut"}},
		},
		Targets: []orchestrator.Target{
			generates("echo", "echo", models),
			generates("cut", "cut?after=5", models),
			generates("hang", "hang?after=2", hang),
			{Embedder: embedder, Target: routing.Target{
				Name: "hashing", Backend: "inside", Kind: "hashing", Model: "hashing", Does: providers.Embed, Clearance: label.Restricted, Price: &providers.Price{},
			}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return startWith(t, rpc.Config{Runner: e, Router: e, Collections: e.Retrieval(), Documents: e.Retrieval()}), hang
}

// said joins the text of events, and checks their numbers.
func said(t *testing.T, list []*pb.Event) string {
	t.Helper()
	var b strings.Builder
	for i, ev := range list {
		if ev.GetSequence() != int64(i+1) {
			t.Errorf("event %d has the number %d", i+1, ev.GetSequence())
		}
		if d := ev.GetTextDelta(); d.GetOutput() {
			b.WriteString(d.GetText())
		}
	}
	return b.String()
}

func TestEngineOverEveryProtocol(t *testing.T) {
	f, hang := real(t)
	const words = "one two three four five six seven eight"
	kinds := map[string]string{}
	for _, p := range protocols {
		t.Run(p.name, func(t *testing.T) {
			list, err := drainAll(p.chat(t, f, t.Context(), ask(words)))
			if !errors.Is(err, io.EOF) || said(t, list) != words {
				t.Fatalf("echo said %q, then %v", said(t, list), err)
			}
			var order []string
			for _, ev := range list {
				m := ev.ProtoReflect()
				order = append(order, string(m.WhichOneof(m.Descriptor().Oneofs().ByName("kind")).Name()))
			}
			if last := list[len(list)-1].GetRunFinished(); last.GetOutput() != words || last.GetUsage().GetOutputTokens() != 8 {
				t.Errorf("the run finished with %v", last)
			}
			kinds[strings.Join(order, " ")] = p.name

			broken := ask(words)
			broken.Model = "policy/broken"
			list, err = drainAll(p.chat(t, f, t.Context(), broken))
			code, info := outcome(t, err)
			if got := said(t, list); got != "one two three four five " || code != connect.CodeUnavailable || info.GetReason() != "stream_truncated" {
				t.Errorf("cut said %q, then %v %v", got, err, info)
			}

			slow := ask(words)
			slow.Model = "hang"
			inTime(t, hang.called, func(deadline time.Duration) {
				slow.Timeout = durationpb.New(deadline)
				list, err = drainAll(p.chat(t, f, t.Context(), slow))
			})
			code, info = outcome(t, err)
			if got := said(t, list); !strings.HasPrefix("one two ", got) || code != connect.CodeDeadlineExceeded {
				t.Errorf("hang said %q, then %v %v", got, err, info)
			}
			<-hang.ended

			// The caller leaves in the middle of an answer: the call upstream is over at once.
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			slow.Timeout = nil
			next := p.chat(t, f, ctx, slow)
			for text := ""; text != "one two "; {
				ev, err := next()
				if err != nil {
					t.Fatal(err)
				}
				text += ev.GetTextDelta().GetText()
			}
			<-hang.called
			left := time.Now()
			cancel()
			if took := (<-hang.ended).Sub(left); took > 250*time.Millisecond {
				t.Errorf("the call upstream went on for %v", took)
			}
		})
	}
	if len(kinds) != 1 {
		t.Errorf("the kinds of events differ between protocols: %v", kinds)
	}
}

func TestEngineRefusals(t *testing.T) {
	f, _ := real(t)
	secret := ask("x")
	secret.Label = pb.Label_LABEL_RESTRICTED
	unknown := ask("x")
	unknown.Model = "nobody"
	for _, p := range protocols {
		for _, c := range []struct {
			req    *pb.ChatRequest
			reason string
		}{{unknown, "unknown_model"}, {secret, "no_target"}} {
			_, err := drainAll(p.chat(t, f, t.Context(), c.req))
			_, info := outcome(t, err)
			if info.GetReason() != c.reason {
				t.Errorf("%s: want %s, got %v %v", p.name, c.reason, err, info)
			}
			if c.reason == "no_target" && len(info.GetPlan().GetCandidates()) == 0 {
				t.Errorf("%s: no plan says why: %v", p.name, info)
			}
		}
	}
}

func TestEngineDocumentsAndChains(t *testing.T) {
	f, _ := real(t)
	h := client(t, true)
	docs := fairleadv1connect.NewRetrievalServiceClient(h, f.url, connect.WithGRPC())
	ingest := &pb.IngestRequest{Collection: "docs", Sources: []*pb.Source{
		{Uri: "rope.md", Content: []byte("# Rope\n\nA fairlead guides a line so that it runs true.\n"),
			Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{"tags": structpb.NewListValue(&structpb.ListValue{Values: []*structpb.Value{structpb.NewStringValue("deck")}})}}},
		{Uri: "sail.md", Content: []byte("# Sail\n\nA sail catches the wind.\n")},
		{Uri: "bad.pdf", MediaType: "application/pdf", Content: []byte("no pdf")},
	}}
	for i, want := range []pb.IngestResult_Status{pb.IngestResult_STATUS_ADDED, pb.IngestResult_STATUS_UNCHANGED} {
		res, err := docs.Ingest(t.Context(), ingest)
		if err != nil {
			t.Fatal(err)
		}
		r := res.GetResults()
		if len(r) != 3 || r[0].GetStatus() != want || r[2].GetStatus() != pb.IngestResult_STATUS_FAILED || r[2].GetError() == "" {
			t.Errorf("ingest %d: %v", i, r)
		}
	}
	found, err := docs.Search(t.Context(), &pb.SearchRequest{Collection: "docs", Query: "what guides a line", Explain: true, Filter: &pb.Filter{
		Conditions: []*pb.Filter_Condition{{Field: "tags", Op: pb.Filter_OP_EQUAL, Value: structpb.NewStringValue("deck")}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(found.GetHits()) != 1 || found.GetHits()[0].GetPassage().GetUri() != "rope.md" || found.GetExplanation().GetLexicalHits() == 0 {
		t.Errorf("found %v", found)
	}
	doc, err := docs.GetDocument(t.Context(), &pb.GetDocumentRequest{Collection: "docs", Document: "rope.md"})
	if err != nil {
		t.Fatal(err)
	}
	if span := found.GetHits()[0].GetPassage().GetSpan(); doc.GetDocument().GetText()[span.GetByteStart():span.GetByteEnd()] != found.GetHits()[0].GetPassage().GetText() {
		t.Error("the passage's place is not its text's")
	}
	list, err := docs.ListCollections(t.Context(), &pb.ListCollectionsRequest{})
	if err != nil || len(list.GetCollections()) != 1 || list.GetCollections()[0].GetDocuments() != 2 {
		t.Errorf("collections: %v, %v", list, err)
	}

	runs := fairleadv1connect.NewRunServiceClient(h, f.url)
	chains, err := runs.ListChains(t.Context(), &pb.ListChainsRequest{})
	if err != nil || len(chains.GetChains()) != 1 || strings.Join(chains.GetChains()[0].GetSteps(), ", ") != "context: retrieve, draft: generate" || !chains.GetChains()[0].GetInputs()[1].GetOptional() {
		t.Errorf("chains: %v, %v", chains, err)
	}
	s, err := runs.Run(t.Context(), &pb.RunRequest{Chain: "answer", Input: &structpb.Struct{Fields: map[string]*structpb.Value{
		"question": structpb.NewStringValue("what guides a line?"),
	}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var events []*pb.Event
	for s.Receive() {
		events = append(events, s.Msg().GetEvent())
	}
	if s.Err() != nil {
		t.Fatal(s.Err())
	}
	if got := events[len(events)-1].GetRunFinished().GetOutput(); !strings.Contains(got, "what guides a line?") || events[0].GetRunStarted().GetVersion() != 2 {
		t.Errorf("the chain gave %q", got)
	}
	if s.ResponseHeader().Get("Fairlead-Run") != events[0].GetRunId() {
		t.Error("the run's id is not in the header")
	}

	routes := fairleadv1connect.NewRoutingServiceClient(h, f.url, connect.WithGRPCWeb())
	plan, err := routes.Explain(t.Context(), &pb.ExplainRequest{Chat: ask("x")})
	if err != nil || plan.GetPlan().GetCandidates()[0].GetTarget() != "echo" || plan.GetPlan().GetCandidates()[0].PredictedCost == nil {
		t.Errorf("plan: %v, %v", plan, err)
	}
	targets, err := routes.ListTargets(t.Context(), &pb.ListTargetsRequest{})
	if err != nil || len(targets.GetTargets()) != 4 || strings.Join(targets.GetPolicies(), " ") != "broken default" {
		t.Errorf("targets: %v, %v", targets, err)
	}
}

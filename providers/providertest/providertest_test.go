package providertest

import (
	"context"
	"errors"
	"iter"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"fairlead/providers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a provider in the process that keeps the contract, unless it is told how to break it.
type echo struct{ broken string }

var (
	_ providers.Generator = echo{}
	_ providers.Embedder  = echo{}
)

func (p echo) Generate(ctx context.Context, req *providers.Request) iter.Seq2[providers.Chunk, error] {
	if p.broken == "starts early" {
		go func() { <-ctx.Done() }()
	}
	if p.broken == "changes the request" {
		req.Messages[0].Name = "changed"
	}
	return func(yield func(providers.Chunk, error) bool) {
		if p.broken == "leaks" {
			go func() { select {} }()
		}
		ended := func() bool {
			if p.broken == "ignores the context" || ctx.Err() == nil {
				return false
			}
			switch p.broken {
			case "foreign error":
				yield(providers.Chunk{}, ctx.Err())
			case "ends in silence":
			case "wrong kind":
				yield(providers.Chunk{}, &providers.Error{Kind: providers.KindUnavailable})
			case "goes on after an error":
				yield(providers.Chunk{}, providers.AsError(ctx, "echo", req.Model, ctx.Err()))
				yield(providers.Chunk{Text: "more"}, nil)
			default:
				yield(providers.Chunk{}, providers.AsError(ctx, "echo", req.Model, ctx.Err()))
			}
			return true
		}
		for word := range strings.FieldsSeq(req.Question()) {
			if ended() {
				return
			}
			if !yield(providers.Chunk{Text: word + " "}, nil) && p.broken != "goes on after the loop" {
				return
			}
		}
		if ended() {
			return
		}
		last := providers.Chunk{Finish: providers.FinishStop, Usage: &providers.Usage{Input: 1, Output: 1}}
		switch p.broken {
		case "no finish":
			last.Finish = ""
		case "two finishes":
			if !yield(providers.Chunk{Finish: providers.FinishStop}, nil) {
				return
			}
		case "two usages":
			if !yield(providers.Chunk{Usage: last.Usage}, nil) {
				return
			}
		}
		yield(last, nil)
	}
}

func (p echo) Embed(ctx context.Context, req *providers.EmbedRequest) (*providers.Embeddings, error) {
	if err := ctx.Err(); err != nil && p.broken != "vectors ignore the context" {
		return nil, providers.AsError(ctx, "echo", req.Model, err)
	}
	out := &providers.Embeddings{Model: req.Model}
	for i, text := range req.Texts {
		v := make([]float32, 8)
		if p.broken == "vectors of other lengths" {
			v = make([]float32, 8+i)
		}
		for i, b := range []byte(text) {
			v[i%8] += float32(b)
		}
		out.Vectors = append(out.Vectors, v)
	}
	switch p.broken {
	case "vectors out of order":
		slices.Reverse(out.Vectors)
	case "a vector too few":
		out.Vectors = out.Vectors[:max(0, len(out.Vectors)-1)]
	case "no list for no texts":
		if len(req.Texts) == 0 {
			return nil, errors.New("no texts")
		}
	}
	return out, nil
}

func harness(broken string) Harness {
	return Harness{
		Does:      providers.Chat | providers.Embed,
		Generator: func(testing.TB) providers.Generator { return echo{broken} },
		Embedder:  func(testing.TB) providers.Embedder { return echo{broken} },
	}
}

// breakWith is the variable that makes TestAProviderInTheProcess test a broken provider.
const breakWith = "PROVIDERTEST_BREAK_WITH"

func TestAProviderInTheProcess(t *testing.T) { Run(t, harness(os.Getenv(breakWith))) }

// TestTheSuiteFindsWhatIsBroken runs the suite on providers that break the contract, each in a process of
// its own because the suite is to fail there.
func TestTheSuiteFindsWhatIsBroken(t *testing.T) {
	if os.Getenv(breakWith) != "" {
		t.Skip("this is the inner process")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for broken, where := range map[string]string{
		"starts early":               "stream/not_looped_over",
		"changes the request":        "stream/completes",
		"leaks":                      "stream/completes",
		"ignores the context":        "stream/context_ended_before",
		"foreign error":              "stream/context_ended_before",
		"ends in silence":            "stream/context_ended_before",
		"wrong kind":                 "stream/context_ends_between_chunks",
		"goes on after an error":     "stream/context_ends_between_chunks",
		"goes on after the loop":     "stream/loop_broken",
		"no finish":                  "stream/completes",
		"two finishes":               "stream/completes",
		"two usages":                 "stream/completes",
		"vectors ignore the context": "embed/context_ended_before",
		"vectors of other lengths":   "embed/order_and_shape",
		"vectors out of order":       "embed/order_and_shape",
		"a vector too few":           "embed/order_and_shape",
		"no list for no texts":       "embed/no_texts",
	} {
		t.Run(broken, func(t *testing.T) {
			cmd := exec.Command(self, "-test.run", "^TestAProviderInTheProcess$/^"+strings.ReplaceAll(where, "/", "$/^")+"$", "-test.v")
			cmd.Env = append(os.Environ(), breakWith+"="+broken)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestAProviderInTheProcess/"+where) {
				t.Errorf("the suite did not find it (%v):\n%s", err, out)
			}
		})
	}
}

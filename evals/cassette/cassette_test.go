package cassette

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
	"fairlead/providers/tensor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend answers with how often it was called, so that a live call is never taken for a played one.
type backend struct {
	calls int
	fails []error // by call
	wait  time.Duration
}

func (b *backend) next() error {
	b.calls++
	if b.calls <= len(b.fails) {
		return b.fails[b.calls-1]
	}
	return nil
}

func (b *backend) Generate(_ context.Context, req *providers.Request) iter.Seq2[providers.Chunk, error] {
	return func(yield func(providers.Chunk, error) bool) {
		err := b.next()
		time.Sleep(b.wait)
		if !yield(providers.Chunk{Text: "call " + string(rune('0'+b.calls)), Model: req.Model}, nil) {
			return
		}
		if err != nil {
			yield(providers.Chunk{}, err)
			return
		}
		time.Sleep(b.wait)
		if !yield(providers.Chunk{Text: " of sk-abcdefghijklmnopqrstuvwx", ToolCalls: []providers.ToolCallDelta{{ID: "1", Name: "f", Arguments: "{}"}}}, nil) {
			return
		}
		yield(providers.Chunk{Finish: providers.FinishStop, Usage: &providers.Usage{Input: 3, Output: 4}}, nil)
	}
}

func (b *backend) Embed(context.Context, *providers.EmbedRequest) (*providers.Embeddings, error) {
	if err := b.next(); err != nil {
		return nil, err
	}
	return &providers.Embeddings{Vectors: [][]float32{{float32(b.calls), .25}}, Model: "m", Usage: providers.Usage{Input: 2}}, nil
}

func (b *backend) Classify(context.Context, *providers.ClassifyRequest) (*providers.Classification, error) {
	if err := b.next(); err != nil {
		return nil, err
	}
	return &providers.Classification{Classes: [][]providers.Class{{{Name: "a", Probability: .75}, {Name: "b", Probability: .25}}}, Model: "m"}, nil
}

func (b *backend) Predict(context.Context, *providers.PredictRequest) (*providers.Prediction, error) {
	if err := b.next(); err != nil {
		return nil, err
	}
	out, err := tensor.FromFloat32s("y", []int64{2}, []float32{1, float32(b.calls)})
	return &providers.Prediction{Outputs: []tensor.Tensor{out}, Model: "m", Version: "3"}, err
}

func target(d *Deck, b *backend) orchestrator.Target {
	return d.Wrap(orchestrator.Target{Target: routing.Target{Name: "t", Backend: "b"}, Generator: b, Embedder: b, Classifier: b, Predictor: b,
		Batch: orchestrator.Batch{Max: 9}, Cache: time.Hour})
}

func ask(t *testing.T, tg orchestrator.Target, s *Session, text string) (*providers.Answer, error) {
	t.Helper()
	return providers.Collect(tg.Generator.Generate(With(t.Context(), s), &providers.Request{Model: "m", Messages: []providers.Message{providers.Text(providers.User, text)}}))
}

// again writes the tape and reads it back.
func again(t *testing.T, tape *Tape) *Tape {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sub", "tape.jsonl")
	if err := tape.Save(file); err != nil {
		t.Fatal(err)
	}
	read, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func TestPlayIsWhatWasRecorded(t *testing.T) {
	tape, live := New(), &backend{}
	record := target(&Deck{Tape: tape, Mode: Record}, live)
	one, two := &Session{Case: "c"}, &Session{Case: "c", Epoch: 1}
	first, err := ask(t, record, one, "q")
	if err != nil {
		t.Fatal(err)
	}
	second, err := ask(t, record, one, "q") // the same again, within one repetition
	if err != nil {
		t.Fatal(err)
	}
	third, err := ask(t, record, two, "q")
	if err != nil {
		t.Fatal(err)
	}
	ctx := With(t.Context(), one)
	vectors, err := record.Embedder.Embed(ctx, &providers.EmbedRequest{Model: "m", Texts: []string{"x"}})
	if err != nil {
		t.Fatal(err)
	}
	classes, err := record.Classifier.Classify(ctx, &providers.ClassifyRequest{Images: [][]byte{{1, 2}}})
	if err != nil {
		t.Fatal(err)
	}
	in, err := tensor.FromStrings("x", []int64{1}, []string{"text"})
	if err != nil {
		t.Fatal(err)
	}
	outputs, err := record.Predictor.Predict(ctx, &providers.PredictRequest{Model: "m", Inputs: []tensor.Tensor{in}})
	if err != nil {
		t.Fatal(err)
	}
	made := live.calls

	read := again(t, tape)
	play := target(&Deck{Tape: read}, live)
	one, two = &Session{Case: "c"}, &Session{Case: "c", Epoch: 1}
	for _, want := range []struct {
		session *Session
		answer  *providers.Answer
	}{{two, third}, {one, first}, {one, second}} {
		got, err := ask(t, play, want.session, "q")
		if err != nil {
			t.Fatal(err)
		}
		want.answer.Text = Scrub(want.answer.Text)
		if diff := cmp.Diff(want.answer, got); diff != "" {
			t.Error(diff)
		}
		if strings.Contains(got.Text, "sk-") {
			t.Errorf("a key was kept: %q", got.Text)
		}
	}
	ctx = With(t.Context(), one)
	gotVectors, err := play.Embedder.Embed(ctx, &providers.EmbedRequest{Model: "m", Texts: []string{"x"}})
	if diff := cmp.Diff(vectors, gotVectors); diff != "" || err != nil {
		t.Error(diff, err)
	}
	gotClasses, err := play.Classifier.Classify(ctx, &providers.ClassifyRequest{Images: [][]byte{{1, 2}}})
	if diff := cmp.Diff(classes, gotClasses); diff != "" || err != nil {
		t.Error(diff, err)
	}
	gotOutputs, err := play.Predictor.Predict(ctx, &providers.PredictRequest{Model: "m", Inputs: []tensor.Tensor{in}})
	if diff := cmp.Diff(outputs, gotOutputs); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if live.calls != made {
		t.Errorf("%d calls were made while it played", live.calls-made)
	}
	if n := read.Unplayed(); n != 0 || read.Changed() {
		t.Errorf("unplayed %d, changed %t", n, read.Changed())
	}
	if len(one.Missing())+len(two.Missing()) != 0 || len(one.Played()) != 5 {
		t.Errorf("missing %v, played %v", one.Missing(), one.Played())
	}
	if play.Batch != (orchestrator.Batch{}) || play.Cache != 0 {
		t.Error("calls of several cases could become one")
	}
}

func TestFailuresPlayAsTheyWere(t *testing.T) {
	down := &providers.Error{Kind: providers.KindTruncated, Backend: "b", Model: "m", Status: 502, MayBill: true, RetryAfter: 1500 * time.Millisecond}
	tape, live := New(), &backend{fails: []error{down}}
	record := target(&Deck{Tape: tape, Mode: Record}, live)
	s := &Session{Case: "c"}
	partial, err := ask(t, record, s, "q")
	if err == nil || partial.Text != "call 1" {
		t.Fatal(partial, err)
	}
	if _, err := ask(t, record, s, "q"); err != nil { // the retry
		t.Fatal(err)
	}
	play := target(&Deck{Tape: again(t, tape)}, live)
	s = &Session{Case: "c"}
	got, err := ask(t, play, s, "q")
	var e *providers.Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(down, e); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(partial, got); diff != "" {
		t.Error(diff)
	}
	if got, err = ask(t, play, s, "q"); err != nil || !strings.HasPrefix(got.Text, "call 2") {
		t.Error(got, err)
	}
}

func TestWhatIsMissingIsNeverCalled(t *testing.T) {
	tape, live := New(), &backend{}
	play := target(&Deck{Tape: tape}, live)
	s := &Session{Case: "refund/7"}
	_, err := ask(t, play, s, "q")
	if err == nil || !strings.Contains(err.Error(), "refund/7") || providers.Retryable(err) || providers.KindOf(err) != providers.KindInvalid {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff([]string{"t"}, s.Missing()); diff != "" {
		t.Error(diff)
	}
	if _, err := play.Embedder.Embed(t.Context(), &providers.EmbedRequest{}); err == nil {
		t.Error("a call outside of any case was made")
	}
	if live.calls != 0 {
		t.Errorf("%d live calls", live.calls)
	}
	// What is there is played and what is not is recorded.
	update := target(&Deck{Tape: tape, Mode: Update}, live)
	for range 2 {
		if _, err := ask(t, update, &Session{Case: "c"}, "q"); err != nil {
			t.Fatal(err)
		}
	}
	if live.calls != 1 || !tape.Changed() || tape.Len() != 1 {
		t.Errorf("%d calls, %d kept", live.calls, tape.Len())
	}
}

func TestWhatEndedOnOurSideIsNotKept(t *testing.T) {
	tape := New()
	record := target(&Deck{Tape: tape, Mode: Record}, &backend{})
	for range record.Generator.Generate(With(t.Context(), &Session{Case: "c"}), &providers.Request{}) {
		break
	}
	if tape.Len() != 0 {
		t.Error("half an answer was kept as a whole one")
	}
}

func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tape := New()
		if _, err := ask(t, target(&Deck{Tape: tape, Mode: Record}, &backend{wait: 100 * time.Millisecond}), &Session{Case: "c"}, "q"); err != nil {
			t.Fatal(err)
		}
		for _, timed := range []bool{false, true} {
			play := target(&Deck{Tape: tape, Timed: timed}, &backend{})
			s := &Session{Case: "c"}
			began := time.Now()
			var first time.Duration
			for c := range play.Generator.Generate(With(t.Context(), s), &providers.Request{Model: "m", Messages: []providers.Message{providers.Text(providers.User, "q")}}) {
				if c.Text != "" {
					first = time.Since(began)
				}
			}
			want, wantFirst := time.Duration(0), time.Duration(0)
			if timed {
				want, wantFirst = 200*time.Millisecond, 100*time.Millisecond
			}
			if took := time.Since(began); took != want || first != wantFirst {
				t.Errorf("timed %t: %s and %s, want %s and %s", timed, first, took, wantFirst, want)
			}
			if diff := cmp.Diff([]Timing{{"t", 100 * time.Millisecond, 200 * time.Millisecond}}, s.Played()); diff != "" {
				t.Error(diff)
			}
		}
	})
}

func TestKeys(t *testing.T) {
	base := func() *providers.Request {
		return &providers.Request{Model: "m", Messages: []providers.Message{providers.Text(providers.User, "q")},
			Documents: []providers.Document{{ID: "1", Text: "d"}},
			Tools:     []providers.Tool{{Name: "f", Parameters: json.RawMessage(`{"a":1,"b":2}`)}},
			Extra:     map[string]json.RawMessage{"x": json.RawMessage(`1`)}}
	}
	key := func(r *providers.Request) string {
		k, err := generateRequest("t", r).Key()
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	same := base()
	same.Documents[0].ID = "2"
	same.Tools[0].Parameters = json.RawMessage("{ \"b\": 2,\n\"a\": 1}")
	if key(base()) != key(same) {
		t.Error("one question has two keys")
	}
	half := 0.5
	for what, change := range map[string]func(*providers.Request){
		"model": func(r *providers.Request) { r.Model = "n" },
		"text":  func(r *providers.Request) { r.Messages[0].Parts[0].Text = "Q" },
		"role":  func(r *providers.Request) { r.Messages[0].Role = providers.System },
		"picture": func(r *providers.Request) {
			r.Messages[0].Parts[0] = providers.Part{Image: &providers.Image{Data: []byte{1}}}
		},
		"tool":        func(r *providers.Request) { r.Tools[0].Parameters = json.RawMessage(`{}`) },
		"choice":      func(r *providers.Request) { r.ToolChoice.Mode = providers.ToolsRequired },
		"temperature": func(r *providers.Request) { r.Temperature = &half },
		"form":        func(r *providers.Request) { r.Format.Kind = providers.FormatJSONObject },
		"extra":       func(r *providers.Request) { r.Extra["x"] = json.RawMessage(`2`) },
		"stop":        func(r *providers.Request) { r.Stop = []string{"."} },
		"query":       func(r *providers.Request) { r.Query = "other" },
	} {
		r := base()
		change(r)
		if key(r) == key(base()) {
			t.Errorf("another %s has the same key", what)
		}
	}
}

func TestScrub(t *testing.T) {
	for _, secret := range []string{
		"sk-proj-abcdefghij0123456789", "ghp_" + strings.Repeat("a", 36), "AKIA" + strings.Repeat("Z", 16), "xoxb-1234567890-abc",
		"Bearer abcdefghijklmnop0123==", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9",
		"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "://user:hunter22@", "hf_" + strings.Repeat("b", 34),
	} {
		if got := Scrub("x " + secret + " y"); strings.Contains(got, secret) || !strings.Contains(got, Blot) {
			t.Errorf("%q was kept: %q", secret, got)
		}
	}
	for _, text := range []string{"the task-force met", "see https://example.com/a:b@c", "a bearer of news came", "risk-management-is-hard-to-do-well"} {
		if got := Scrub(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestRequestsAreKeptWithoutSecrets(t *testing.T) {
	tape := New()
	record := target(&Deck{Tape: tape, Mode: Record}, &backend{})
	if _, err := ask(t, record, &Session{Case: "c"}, "my key is sk-abcdefghijklmnopqrstuvwx"); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := tape.Write(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "sk-abc") || !strings.Contains(b.String(), "my key is") {
		t.Error(b.String())
	}
	// It is found again all the same: its key is that of what was asked.
	play := target(&Deck{Tape: again(t, tape)}, &backend{})
	if _, err := ask(t, play, &Session{Case: "c"}, "my key is sk-abcdefghijklmnopqrstuvwx"); err != nil {
		t.Error(err)
	}
}

package cassette

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"fairlead/orchestrator"
	"fairlead/providers"
)

// Mode is what becomes of a call.
type Mode uint8

// The modes.
const (
	// Play answers from the tape alone.
	Play Mode = iota
	// Update answers from the tape, and records what is not there.
	Update
	// Record makes every call and records it.
	Record
)

// Deck stands between targets and what they call.
type Deck struct {
	Tape *Tape
	Mode Mode
	// Timed plays with the times that were recorded; else answers come at once.
	Timed bool
}

// Wrap gives a target whose calls go through the deck. Calls are neither joined nor answered from a cache, so that each
// belongs to one case.
func (d *Deck) Wrap(t orchestrator.Target) orchestrator.Target {
	w := wrapped{deck: d, target: t.Name, backend: t.Backend}
	if g := t.Generator; g != nil {
		t.Generator = &generator{w, g}
	}
	if e := t.Embedder; e != nil {
		t.Embedder = &embedder{w, e}
	}
	if c := t.Classifier; c != nil {
		t.Classifier = &classifier{w, c}
	}
	if p := t.Predictor; p != nil {
		t.Predictor = &predictor{w, p}
	}
	t.Batch, t.Cache, t.Server, t.Canary, t.Shadow = orchestrator.Batch{}, 0, nil, nil, nil
	return t
}

// wrapped is a target's place in the deck.
type wrapped struct {
	deck            *Deck
	target, backend string
}

// turn is one call: played when played is set, else to be made, and recorded when call is set.
type turn struct {
	deck    *Deck
	session *Session
	call    *Call
	played  *Call
	started time.Time
}

// errMissing says that a call is not on the tape.
var errMissing = errors.New("it is not on the cassette")

// begin finds a request on the tape. The error is a *providers.Error that no other target may make good.
func (w *wrapped) begin(ctx context.Context, r *Request) (*turn, error) {
	s := from(ctx)
	if s == nil {
		return nil, &providers.Error{Kind: providers.KindInvalid, Backend: w.backend, Model: r.Model,
			Detail: "it was called outside of any case, and cassettes know only calls of cases", Err: errMissing}
	}
	key, err := r.Key()
	if err != nil {
		return nil, &providers.Error{Kind: providers.KindInvalid, Backend: w.backend, Model: r.Model, Detail: "the request cannot be written down", Err: err}
	}
	t := &turn{deck: w.deck, session: s, started: time.Now()}
	at := place{s.Case, s.Epoch, key, s.next(key)}
	if w.deck.Mode != Record {
		if t.played = w.deck.Tape.find(at); t.played != nil {
			s.play(Timing{w.target, duration(t.played.TTFT), duration(t.played.Took)})
			return t, nil
		}
	}
	if w.deck.Mode == Play {
		s.miss(w.target)
		return nil, &providers.Error{Kind: providers.KindInvalid, Backend: w.backend, Model: r.Model, Err: errMissing,
			Detail: fmt.Sprintf("the cassette has no such call of case %q: record it with --update", s.Case)}
	}
	t.call = &Call{Case: s.Case, Epoch: s.Epoch, Key: key, Take: at.Take, Target: w.target}
	if t.call.Request, err = r.scrubbed(); err != nil {
		return nil, &providers.Error{Kind: providers.KindInvalid, Backend: w.backend, Model: r.Model, Detail: "the request cannot be written down", Err: err}
	}
	return t, nil
}

// wait lets a time pass that was recorded.
func (t *turn) wait(ctx context.Context, ms float64) error {
	if !t.deck.Timed {
		return ctx.Err()
	}
	timer := time.NewTimer(duration(ms) - time.Since(t.started))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end records how a call went. One that our side ended is not worth a record.
func (t *turn) end(ctx context.Context, backend, model string, err error) {
	if ctx.Err() != nil {
		return
	}
	t.call.Took = ms(time.Since(t.started))
	if err != nil {
		t.call.Failure = failureOf(providers.AsError(ctx, backend, model, err))
	}
	t.deck.Tape.put(t.call)
	t.session.play(Timing{t.call.Target, duration(t.call.TTFT), duration(t.call.Took)})
}

type generator struct {
	wrapped
	live providers.Generator
}

var _ providers.Generator = (*generator)(nil)

// Generate plays an answer or has it made.
func (g *generator) Generate(ctx context.Context, req *providers.Request) iter.Seq2[providers.Chunk, error] {
	return func(yield func(providers.Chunk, error) bool) {
		t, err := g.begin(ctx, generateRequest(g.target, req))
		switch {
		case err != nil:
			yield(providers.Chunk{}, err)
		case t.played != nil:
			g.play(ctx, t, req, yield)
		default:
			g.record(ctx, t, req, yield)
		}
	}
}

func (g *generator) play(ctx context.Context, t *turn, req *providers.Request, yield func(providers.Chunk, error) bool) {
	if t.played.Answer != nil {
		if err := t.wait(ctx, t.played.TTFT); err != nil {
			yield(providers.Chunk{}, err)
			return
		}
		chunks := t.played.Answer.chunks()
		if t.played.Failure != nil { // it broke off, so it has no end
			chunks[len(chunks)-1].Finish = providers.FinishUnset
		}
		for i, c := range chunks {
			if i == len(chunks)-1 {
				if err := t.wait(ctx, t.played.Took); err != nil {
					yield(providers.Chunk{}, err)
					return
				}
			}
			if !yield(c, nil) {
				return
			}
		}
	}
	if err := t.wait(ctx, t.played.Took); err != nil {
		yield(providers.Chunk{}, err)
		return
	}
	if t.played.Failure != nil {
		yield(providers.Chunk{}, t.played.Failure.err(g.backend, req.Model))
	}
}

func (g *generator) record(ctx context.Context, t *turn, req *providers.Request, yield func(providers.Chunk, error) bool) {
	var whole providers.Collector
	for c, err := range g.live.Generate(ctx, req) {
		if err != nil {
			if whole.Len() > 0 {
				t.call.Answer = answerOf(whole.Answer())
			}
			t.end(ctx, g.backend, req.Model, err)
			yield(c, err)
			return
		}
		if t.call.TTFT == 0 && (c.Text != "" || c.Reasoning != "" || len(c.ToolCalls) > 0) {
			t.call.TTFT = ms(time.Since(t.started))
		}
		whole.Add(c)
		if !yield(c, nil) {
			return // whoever read it had enough: it is no whole answer
		}
	}
	t.call.Answer = answerOf(whole.Answer())
	t.end(ctx, g.backend, req.Model, nil)
}

type embedder struct {
	wrapped
	live providers.Embedder
}

var _ providers.Embedder = (*embedder)(nil)

// Embed plays vectors or has them made.
func (e *embedder) Embed(ctx context.Context, req *providers.EmbedRequest) (*providers.Embeddings, error) {
	return whole(ctx, &e.wrapped, embedRequest(e.target, req), func(c *Call) (*providers.Embeddings, error) {
		v := c.Vectors
		if v == nil {
			return nil, errors.New("it is not vectors")
		}
		return &providers.Embeddings{Vectors: v.Vectors, Model: v.Model, Usage: v.Usage.providers()}, nil
	}, func(c *Call) (*providers.Embeddings, error) {
		got, err := e.live.Embed(ctx, req)
		if err == nil {
			c.Vectors = &Vectors{got.Vectors, got.Model, usageOf(got.Usage)}
		}
		return got, err
	})
}

type classifier struct {
	wrapped
	live providers.Classifier
}

var _ providers.Classifier = (*classifier)(nil)

// Classify plays classes or has them made.
func (k *classifier) Classify(ctx context.Context, req *providers.ClassifyRequest) (*providers.Classification, error) {
	return whole(ctx, &k.wrapped, classifyRequest(k.target, req), func(c *Call) (*providers.Classification, error) {
		if c.Classes == nil {
			return nil, errors.New("it is not classes")
		}
		out := &providers.Classification{Model: c.Classes.Model, Usage: c.Classes.Usage.providers()}
		for _, list := range c.Classes.Classes {
			var classes []providers.Class
			for _, one := range list {
				classes = append(classes, providers.Class(one))
			}
			out.Classes = append(out.Classes, classes)
		}
		return out, nil
	}, func(c *Call) (*providers.Classification, error) {
		got, err := k.live.Classify(ctx, req)
		if err != nil {
			return nil, err
		}
		c.Classes = &Classes{Model: got.Model, Usage: usageOf(got.Usage)}
		for _, list := range got.Classes {
			var classes []Class
			for _, one := range list {
				classes = append(classes, Class(one))
			}
			c.Classes.Classes = append(c.Classes.Classes, classes)
		}
		return got, nil
	})
}

type predictor struct {
	wrapped
	live providers.Predictor
}

var _ providers.Predictor = (*predictor)(nil)

// Predict plays outputs or has them made.
func (p *predictor) Predict(ctx context.Context, req *providers.PredictRequest) (*providers.Prediction, error) {
	return whole(ctx, &p.wrapped, predictRequest(p.target, req), func(c *Call) (*providers.Prediction, error) {
		if c.Prediction == nil {
			return nil, errors.New("it is not a prediction")
		}
		outputs, err := tensors(c.Prediction.Outputs)
		return &providers.Prediction{Outputs: outputs, Model: c.Prediction.Model, Version: c.Prediction.Version, Usage: c.Prediction.Usage.providers()}, err
	}, func(c *Call) (*providers.Prediction, error) {
		got, err := p.live.Predict(ctx, req)
		if err != nil {
			return nil, err
		}
		c.Prediction = &Prediction{Model: got.Model, Version: got.Version, Usage: usageOf(got.Usage), Outputs: make([]Tensor, len(got.Outputs))}
		for i := range got.Outputs {
			c.Prediction.Outputs[i] = tensorOf(&got.Outputs[i])
		}
		return got, nil
	})
}

// whole plays an answer in one piece, or has it made and records it.
func whole[T any](ctx context.Context, w *wrapped, r *Request, play func(*Call) (*T, error), live func(*Call) (*T, error)) (*T, error) {
	t, err := w.begin(ctx, r)
	if err != nil {
		return nil, err
	}
	if t.played == nil {
		got, err := live(t.call)
		t.end(ctx, w.backend, r.Model, err)
		return got, err
	}
	if err := t.wait(ctx, t.played.Took); err != nil {
		return nil, err
	}
	if t.played.Failure != nil {
		return nil, t.played.Failure.err(w.backend, r.Model)
	}
	got, err := play(t.played)
	if err != nil {
		return nil, &providers.Error{Kind: providers.KindInvalid, Backend: w.backend, Model: r.Model, Detail: "the cassette's call cannot be played: " + err.Error()}
	}
	return got, nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"fairlead/evals"
	"fairlead/evals/cassette"
	"fairlead/evals/score"
	fairleadv1 "fairlead/gen/fairlead/v1"
	"fairlead/internal/config"
	"fairlead/internal/fault"
	"fairlead/orchestrator"
)

// evalBench is what a suite runs on.
type evalBench struct {
	system  *evalSystem
	deck    *cassette.Deck
	closers []func() error
}

func (b *evalBench) close() error {
	var errs []error
	for i := len(b.closers) - 1; i >= 0; i-- {
		errs = append(errs, b.closers[i]())
	}
	return errors.Join(errs...)
}

// openBench makes what a suite runs on: the server of --server, or one of its own with a store of its own, whose calls
// go through the suite's cassette.
func (p *program) openBench(ctx context.Context, s *evals.Suite, dir string, f *evalFlags) (_ *evalBench, err error) {
	b := &evalBench{}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if p.server != "" {
		if f.mode != cassette.Play {
			return nil, &usageError{errors.New("a cassette records what the command's own server calls: leave out --server")}
		}
		cl, err := p.connect(ctx)
		if err != nil {
			return nil, err
		}
		b.system = &evalSystem{client: cl}
		b.closers = append(b.closers, cl.close)
		return b, b.ready(s, dir)
	}
	folder, err := os.MkdirTemp("", "fairlead-eval-")
	if err != nil {
		return nil, fmt.Errorf("making a temporary folder: %w", err)
	}
	b.closers = append(b.closers, func() error { return os.RemoveAll(folder) })
	o := openOptions{own: true, store: filepath.Join(folder, "fairlead.db"), tenant: p.tenant}
	if s.Cassette != "" && !f.live {
		tape, err := cassette.Open(filepath.Join(dir, s.Cassette))
		if err != nil {
			return nil, err
		}
		held := &sessions{}
		b.deck = &cassette.Deck{Tape: tape, Mode: f.mode, Timed: f.timed}
		o.offline, o.around = f.mode == cassette.Play, held.around
		o.wrap = func(t orchestrator.Target) orchestrator.Target {
			if !s.Whole && slices.Contains([]string{config.KindExtractive, config.KindHashing, config.KindScripted}, t.Kind) {
				return t
			}
			return b.deck.Wrap(t)
		}
		b.system = &evalSystem{sessions: held, played: f.mode == cassette.Play}
	} else if f.mode != cassette.Play {
		return nil, &usageError{fmt.Errorf("recording %s: the suite names no cassette", s.Name)}
	} else {
		b.system = &evalSystem{}
	}
	a, err := p.open(ctx, o)
	if err != nil {
		return nil, err
	}
	if b.system.client, err = a.loopback(ctx); err != nil {
		return nil, err
	}
	b.closers = append(b.closers, b.system.client.close)
	if err := b.store(ctx, s, dir); err != nil {
		return nil, err
	}
	return b, b.ready(s, dir)
}

// ready makes the suite's scorers, whose judges and embedders go the way of what is under test.
func (b *evalBench) ready(s *evals.Suite, dir string) error {
	end, err := s.Prepare(score.Deps{Judge: b.system.judge, Embedder: b.system.embedder, Dir: dir})
	if err != nil {
		return err
	}
	b.closers = append(b.closers, end)
	return nil
}

// store ingests the suite's documents.
func (b *evalBench) store(ctx context.Context, s *evals.Suite, dir string) error {
	if b.system.sessions == nil {
		return b.ingest(ctx, s, dir)
	}
	// Vectors of documents are on the cassette too, as of a case of their own.
	session := &cassette.Session{Case: "(documents)"}
	inner, end := b.system.within(ctx, session)
	defer end()
	err := b.ingest(inner, s, dir)
	if session.Missing() != nil {
		return fault.New(fault.FailedPrecondition, fault.ReasonBadRequest,
			"storing the documents of suite %s: the cassette does not have their vectors: one of them, or the embedder, has changed since it was recorded: record it with `fairlead eval run --update`, or leave it alone with --live", s.Name)
	}
	return err
}

func (b *evalBench) ingest(ctx context.Context, s *evals.Suite, dir string) error {
	for _, d := range s.Documents {
		if d.Embedder != "" {
			if _, err := b.system.client.retrieval.CreateCollection(ctx, &fairleadv1.CreateCollectionRequest{Collection: &fairleadv1.Collection{Name: d.Collection, Embedder: d.Embedder}}); err != nil {
				return err
			}
		}
		in, err := newIngestion(b.system.client, ingestOptions{collection: d.Collection, language: d.Language})
		if err != nil {
			return err
		}
		files, err := findFiles([]string{filepath.Join(dir, d.Path)}, false)
		if err != nil {
			return err
		}
		if err := in.run(ctx, files); err != nil {
			return err
		}
		for _, r := range in.results {
			if r.GetStatus() == fairleadv1.IngestResult_STATUS_FAILED {
				return fmt.Errorf("storing %s for suite %s: %s", r.GetUri(), s.Name, r.GetError())
			}
		}
	}
	return nil
}

// keep writes the cassette, when something was recorded.
func (b *evalBench) keep(p *program, s *evals.Suite, dir string, f *evalFlags) error {
	if b.deck == nil {
		return nil
	}
	tape := b.deck.Tape
	if f.mode == cassette.Play {
		if n := tape.Unplayed(); n > 0 && !f.part() && f.under == "" {
			fmt.Fprintf(p.err, "%s: %d calls on the cassette were not asked for: `fairlead eval record` leaves them out\n", s.Name, n)
		}
		return nil
	}
	if f.mode == cassette.Record {
		tape.Prune(func(name string) bool {
			return !f.part() || slices.ContainsFunc(s.Cases, func(c evals.Case) bool { return c.ID == name })
		})
	}
	if n := tape.Failed(); n > 0 {
		fmt.Fprintf(p.err, "%s: %d of the calls failed, and the cassette says so: are the models there?\n", s.Name, n)
	}
	if !tape.Changed() {
		return nil
	}
	return tape.Save(filepath.Join(dir, s.Cassette))
}

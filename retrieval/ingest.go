package retrieval

import (
	"context"
	"math"

	"fairlead/internal/fault"
	"fairlead/internal/label"

	"golang.org/x/sync/errgroup"
)

// A window is what is in memory of one step of the work: its documents are read while those of the one
// before are embedded and those of the one before that are stored.
const (
	windowDocuments = 64
	windowBytes     = 8 << 20
)

// Ingest stores documents, and gives one result for each source, in their order. A collection that is
// missing is made with the defaults. The same bytes with the same settings are no work; a uri twice is
// stored twice, in order, so that the last one stays. A document's label is its own or the collection's,
// whichever is higher; one above the ceiling is refused. Where the source has none, a document that is stored
// already keeps its own.
//
// What is wrong with a document is in its result, and the others go on. The error is one of the store or
// of the context: then the results say how far it came, and those that were not reached are Failed with
// that error.
func (s *Service) Ingest(ctx context.Context, tenant, collection string, sources []Source, ceiling label.Label) ([]Result, error) {
	if err := checkCeiling(ceiling); err != nil {
		return nil, err
	}
	if err := checkCollectionName(collection); err != nil {
		return nil, err
	}
	c, err := s.collectionFor(ctx, tenant, collection, ceiling)
	if err != nil {
		return nil, err
	}
	e, err := s.embedders.Embedder(c.Embedder)
	if err != nil {
		return nil, err
	}
	results := make([]Result, len(sources))
	in := &ingestion{Service: s, tenant: tenant, collection: c, embedder: e, ceiling: ceiling}
	for _, windows := range s.rounds(sources, results) {
		if err = in.run(ctx, windows); err != nil {
			break
		}
	}
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		err = fault.From(err)
		for i := range results {
			if results[i].Status == "" {
				results[i].Status, results[i].Err = Failed, err
			}
		}
		return results, err
	}
	return results, nil
}

// collectionFor gives the collection, made when it is missing.
func (s *Service) collectionFor(ctx context.Context, tenant, name string, ceiling label.Label) (*Collection, error) {
	c, err := s.store.CollectionGet(ctx, tenant, name)
	if err == nil || fault.CodeOf(err) != fault.NotFound {
		return c, err
	}
	if s.config.Label > ceiling {
		return nil, fault.New(fault.PermissionDenied, fault.ReasonNone,
			"ingesting into collection %s: it would be made with label %s, above the caller's ceiling %s: create it with a lower label first",
			name, s.config.Label, ceiling)
	}
	return s.CreateCollection(ctx, tenant, Collection{Name: name, LexicalWeight: UnsetWeight})
}

// rounds parts the sources such that no uri is twice in a round, and a round into windows.
func (s *Service) rounds(sources []Source, results []Result) [][][]*job {
	seen := map[string]int{}
	var rounds [][][]*job
	var bytes []int // in the last window of each round
	for i := range sources {
		src := &sources[i]
		results[i] = Result{URI: src.URI}
		j := &job{source: src, result: &results[i]}
		n := seen[src.URI]
		seen[src.URI]++
		if n == len(rounds) {
			rounds, bytes = append(rounds, nil), append(bytes, 0)
		}
		w := len(rounds[n]) - 1
		if w < 0 || len(rounds[n][w]) == windowDocuments || bytes[n]+len(src.Content) > windowBytes {
			rounds[n], bytes[n] = append(rounds[n], nil), 0
			w++
		}
		rounds[n][w] = append(rounds[n][w], j)
		bytes[n] += len(src.Content)
	}
	return rounds
}

// ingestion is one call of Ingest.
type ingestion struct {
	*Service
	tenant     string
	collection *Collection
	embedder   Embedder
	ceiling    label.Label
	// down is the error of an embedder of which a whole window got nothing: the rest is not tried.
	down error
}

// run takes windows through reading, embedding and storing, each step a goroutine.
func (in *ingestion) run(ctx context.Context, windows [][]*job) error {
	g, ctx := errgroup.WithContext(ctx)
	prepared, embedded := make(chan []*job), make(chan []*job)
	send := func(to chan<- []*job, w []*job) error {
		select {
		case to <- w:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	g.Go(func() error {
		defer close(prepared)
		for _, w := range windows {
			err := in.each(ctx, w, func(ctx context.Context, j *job) error {
				return in.prepare(ctx, in.tenant, in.collection, in.embedder, in.ceiling, j)
			})
			if err != nil {
				return err
			}
			if err := send(prepared, w); err != nil {
				return err
			}
		}
		return nil
	})
	g.Go(func() error {
		defer close(embedded)
		for w := range prepared {
			if err := in.embed(ctx, w); err != nil {
				return err
			}
			if err := send(embedded, w); err != nil {
				return err
			}
		}
		return nil
	})
	g.Go(func() error {
		for w := range embedded {
			if err := in.each(ctx, w, in.put); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// each does something for each open job, several at once.
func (in *ingestion) each(ctx context.Context, jobs []*job, do func(context.Context, *job) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(in.config.Parallel)
	for _, j := range jobs {
		if j.open() {
			g.Go(func() error {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return do(ctx, j)
			})
		}
	}
	return g.Wait()
}

// slot is a passage that waits for its vector.
type slot struct {
	job *job
	at  int
}

// embed sets the vectors of a window's passages, in batches across its documents. A batch holds passages
// of one label: one that the embedder may not see must not take others with it.
func (in *ingestion) embed(ctx context.Context, jobs []*job) error {
	var byLabel [label.Restricted + 1][]slot
	for _, j := range jobs {
		if !j.open() {
			continue
		}
		if in.down != nil {
			j.fail(about(j.source.URI, in.down))
			continue
		}
		for i := range j.passages {
			byLabel[j.doc.Label] = append(byLabel[j.doc.Label], slot{j, i})
		}
	}
	var batches [][]slot
	for _, slots := range byLabel {
		for len(slots) > 0 {
			n := min(len(slots), in.config.Batch)
			batches = append(batches, slots[:n])
			slots = slots[n:]
		}
	}
	errs := make([]error, len(batches))
	g, embedding := errgroup.WithContext(ctx)
	g.SetLimit(in.config.Parallel)
	for i, batch := range batches {
		g.Go(func() error {
			errs[i] = in.embedBatch(embedding, batch)
			return nil
		})
	}
	_ = g.Wait() // the errors are those of the batches
	if ctx.Err() != nil {
		return ctx.Err()
	}
	failed := 0
	for i, err := range errs {
		if err == nil {
			continue
		}
		if fault.CodeOf(err) == fault.Unavailable || fault.CodeOf(err) == fault.DeadlineExceeded {
			failed++
		}
		for _, s := range batches[i] {
			if s.job.open() {
				s.job.fail(about(s.job.source.URI, err))
			}
		}
	}
	if failed > 0 && failed == len(batches) {
		in.down = errs[0]
	}
	return nil
}

func (in *ingestion) embedBatch(ctx context.Context, batch []slot) error {
	texts := make([]string, len(batch))
	for i, s := range batch {
		texts[i] = input(&s.job.passages[s.at])
	}
	vectors, err := in.embedder.Embed(ctx, batch[0].job.doc.Label, texts)
	if err == nil {
		err = checkVectors(vectors, len(texts), in.collection, in.embedder.Name)
	}
	if err != nil {
		return err
	}
	for i, s := range batch {
		s.job.vectors[s.at] = vectors[i]
	}
	return nil
}

// checkVectors refuses what a collection cannot hold.
func checkVectors(vectors [][]float32, want int, c *Collection, embedder string) error {
	if len(vectors) != want {
		return fault.New(fault.Unavailable, fault.ReasonUpstreamProtocol,
			"embedder %s gave %d vectors for %d texts", embedder, len(vectors), want)
	}
	for _, v := range vectors {
		if len(v) != c.Dimensions {
			return fault.New(fault.FailedPrecondition, fault.ReasonNone,
				"collection %s holds vectors of %d dimensions, embedder %s gave %d: make another collection for it",
				c.Name, c.Dimensions, embedder, len(v))
		}
		for _, x := range v {
			if x != x || math.IsInf(float64(x), 0) {
				return fault.New(fault.Unavailable, fault.ReasonUpstreamProtocol,
					"embedder %s gave a vector that is not of finite numbers", embedder)
			}
		}
	}
	return nil
}

// put stores a document.
func (in *ingestion) put(ctx context.Context, j *job) error {
	err := in.store.DocumentPut(ctx, in.tenant, j.doc, j.passages, j.vectors)
	if err != nil {
		switch fault.CodeOf(err) {
		case fault.InvalidArgument, fault.FailedPrecondition, fault.ResourceExhausted, fault.PermissionDenied, fault.AlreadyExists:
			j.fail(about(j.source.URI, err))
			return nil
		}
		return err
	}
	j.result.Status, j.result.Passages = Added, len(j.passages)
	if j.stored {
		j.result.Status = Replaced
	}
	// The window may live on for a while: what was stored need not.
	j.passages, j.vectors, j.doc = nil, nil, Document{}
	return nil
}

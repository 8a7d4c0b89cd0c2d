package retrieval

import (
	"context"
	"fmt"
	"sync"
	"time"

	"fairlead/internal/fault"
	"fairlead/internal/label"

	"golang.org/x/sync/errgroup"
)

// batchesAhead is how many batches for each worker a reindex reads at once.
const batchesAhead = 4

// refreshAfter is how often a reindex asks the store how far it is; between, it counts what it does itself.
const refreshAfter = 2 * time.Second

// Reindex embeds a collection's passages by an embedder, beside the vectors that are searched meanwhile, swaps at
// once when all have one, and gives the collection as it is then. The empty embedder is that of a reindex in progress,
// else the collection's own, whose model may be another one now. Where the vectors are of that model already there is
// nothing to do: told is not called. Else it is called with how far it is, first before anything is embedded, and
// never twice at a time.
//
// A call that fails or is broken off leaves what it embedded, and the next one goes on there. Several at once share
// the work in part, and each ends when the swap is done, whoever did it. Documents are still stored and deleted
// meanwhile. PermissionDenied, or what else the embedder says, when it may not see some document: before anything
// begins where that is known by then. FailedPrecondition with ReasonReindexing when a reindex for another embedding is
// open, or this one was aborted.
func (s *Service) Reindex(ctx context.Context, tenant, name, embedder string, told func(Reindex)) (*Collection, error) {
	if err := checkCollectionName(name); err != nil {
		return nil, err
	}
	c, err := s.store.CollectionGet(ctx, tenant, name)
	if err != nil {
		return nil, err
	}
	switch {
	case embedder == "" && c.Reindex != nil:
		embedder = c.Reindex.To.Embedder
	case embedder == "":
		embedder = c.Embedder
	}
	e, err := s.embedders.Embedder(embedder)
	if err != nil {
		return nil, err
	}
	highest, err := s.highest(ctx, tenant, c)
	if err != nil {
		return nil, err
	}
	to, err := e.embedding(ctx, highest)
	if err != nil {
		f := *fault.From(err)
		if f.Code != fault.Internal && ctx.Err() == nil {
			f.Text = fmt.Sprintf("reindexing collection %s, whose documents are up to %s: %s", name, highest, f.Text)
		}
		return nil, &f
	}
	if c.Reindex == nil && c.embedding() == to {
		return c, nil
	}
	r, err := s.store.ReindexBegin(ctx, tenant, name, to)
	if err != nil {
		return nil, err
	}
	run := &reindexing{Service: s, tenant: tenant, collection: name, embedder: e, seen: *r, seenAt: time.Now(), told: told}
	run.told(run.seen)
	return run.run(ctx)
}

// AbortReindex drops the vectors of a reindex in progress. Where there is none it does nothing. A call of Reindex that
// is at it fails.
func (s *Service) AbortReindex(ctx context.Context, tenant, name string) error {
	if err := checkCollectionName(name); err != nil {
		return err
	}
	return s.store.ReindexAbort(ctx, tenant, name)
}

// highest gives the highest label in a collection, at least its own.
func (s *Service) highest(ctx context.Context, tenant string, c *Collection) (label.Label, error) {
	const page = 1000
	l := c.Label
	for after := ""; l < label.Restricted; {
		list, err := s.store.DocumentList(ctx, tenant, c.Name, after, page)
		if err != nil {
			return l, err
		}
		for i := range list {
			l = label.Join(l, list[i].Label)
		}
		if len(list) < page {
			break
		}
		after = list[len(list)-1].URI
	}
	return l, nil
}

// embedding asks an embedder how long its vectors are, as for a text of some label.
func (e Embedder) embedding(ctx context.Context, l label.Label) (Embedding, error) {
	vectors, err := e.Embed(ctx, l, []string{"how long is a vector"})
	if err != nil {
		return Embedding{}, err
	}
	if len(vectors) != 1 || len(vectors[0]) == 0 {
		return Embedding{}, fault.New(fault.Unavailable, fault.ReasonUpstreamProtocol, "embedder %s gave no vector", e.Name)
	}
	return Embedding{Embedder: e.Name, Identity: e.Identity, Dimensions: len(vectors[0])}, nil
}

// embedding is what made the collection's vectors.
func (c *Collection) embedding() Embedding {
	return Embedding{Embedder: c.Embedder, Identity: c.Identity, Dimensions: c.Dimensions}
}

// admits says whether vectors of an embedder are of the collection's model. What is not known is taken for the same.
func admits(c *Collection, e Embedder) error {
	if c.Identity == "" || e.Identity == "" || c.Identity == e.Identity {
		return nil
	}
	return fault.New(fault.FailedPrecondition, fault.ReasonReindexing, "%s", OtherModel(c.Name, c.Embedder))
}

// reindexing is one call of Reindex.
type reindexing struct {
	*Service
	tenant, collection string
	embedder           Embedder

	mu     sync.Mutex // held while told is called
	told   func(Reindex)
	seen   Reindex
	seenAt time.Time
}

func (r *reindexing) run(ctx context.Context) (*Collection, error) {
	for {
		swapped, err := r.page(ctx)
		if err == nil && !swapped {
			continue
		}
		if err != nil && ctx.Err() != nil {
			return nil, fault.From(ctx.Err())
		}
		c, got := r.store.CollectionGet(ctx, r.tenant, r.collection)
		switch {
		case got == nil && c.Reindex == nil && c.embedding() == r.seen.To:
			return c, nil // swapped, by this call or by another
		case swapped:
			return c, got
		case fault.ReasonOf(err) != fault.ReasonReindexing || got != nil || c.Reindex == nil || c.Reindex.To != r.seen.To:
			return nil, err
		}
		// Documents came in before the swap: those are next.
	}
}

// page embeds the passages that wait, up to so many, or swaps when none does.
func (r *reindexing) page(ctx context.Context) (swapped bool, err error) {
	waiting, err := r.store.ReindexPending(ctx, r.tenant, r.collection, batchesAhead*r.config.Batch*r.config.Parallel)
	if err != nil {
		return false, err
	}
	if len(waiting) == 0 {
		err := r.store.ReindexSwap(ctx, r.tenant, r.collection)
		return err == nil, err
	}
	var byLabel [label.Restricted + 1][]*Passage
	for i := range waiting {
		l := waiting[i].Label
		byLabel[l] = append(byLabel[l], &waiting[i])
	}
	g, open := errgroup.WithContext(ctx)
	g.SetLimit(r.config.Parallel)
	for _, passages := range byLabel {
		for len(passages) > 0 {
			batch := passages[:min(len(passages), r.config.Batch)]
			passages = passages[len(batch):]
			g.Go(func() error {
				if open.Err() != nil {
					return nil // another one failed; those that are at it end their work, which is kept
				}
				return r.batch(ctx, batch)
			})
		}
	}
	if err := g.Wait(); err != nil {
		return false, err
	}
	return false, r.refresh(ctx)
}

// batch embeds passages of one label and stores their vectors.
func (r *reindexing) batch(ctx context.Context, batch []*Passage) error {
	texts, ids := make([]string, len(batch)), make([]string, len(batch))
	for i, p := range batch {
		texts[i], ids[i] = input(p), p.ID
	}
	vectors, err := r.embedder.Embed(ctx, batch[0].Label, texts)
	if err == nil {
		err = checkVectors(vectors, len(texts), &Collection{Name: r.collection, Dimensions: r.seen.To.Dimensions}, r.embedder.Name)
	}
	if err == nil {
		err = r.store.ReindexPut(ctx, r.tenant, r.collection, ids, vectors)
	}
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen.Done = min(r.seen.Done+int64(len(batch)), r.seen.Total)
	r.told(r.seen)
	return nil
}

// refresh asks the store how far it is, now and then: documents come and go, and another call may be at it too.
func (r *reindexing) refresh(ctx context.Context) error {
	if time.Since(r.seenAt) < refreshAfter {
		return nil
	}
	c, err := r.store.CollectionGet(ctx, r.tenant, r.collection)
	if err == nil && c.Reindex != nil && c.Reindex.To == r.seen.To {
		r.seen, r.seenAt = *c.Reindex, time.Now()
		r.told(r.seen)
	}
	return err
}

// OtherModel says why vectors of one model do not go into a collection whose vectors are another's, and what to do.
func OtherModel(collection, embedder string) string {
	return fmt.Sprintf("the model behind embedder %s is another one than the collection's vectors were made by: "+
		"run fairlead collections reindex %s, or, where that was just done, try again", embedder, collection)
}

// OtherReindex says why a reindex cannot begin while one for another embedding is open, and what to do.
func OtherReindex(collection string, to Embedding) string {
	return fmt.Sprintf("one for embedder %s is open: let fairlead collections reindex %s --embedder %s end it, or drop it with --abort",
		to.Embedder, collection, to.Embedder)
}

// NoReindex says that there is no reindex.
func NoReindex(collection string) string {
	return fmt.Sprintf("collection %s has no reindex in progress: it was ended or aborted", collection)
}

// StillPending says why a reindex cannot end yet.
func StillPending(collection string, passages int64) string {
	return fmt.Sprintf("%d passages of collection %s have no vector of the new embedder yet", passages, collection)
}

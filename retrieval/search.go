package retrieval

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"fairlead/internal/fault"
	"fairlead/internal/label"
)

const (
	defaultTop = 10
	mostTop    = 1000
	mostQuery  = 32768
	mostFilter = 32
	// mostSpread is the most candidates that a leg is asked for beyond those that are wanted.
	mostSpread = 1000
)

// Search finds passages by words and by vector at once, and fuses what both found. MaxLabel must be set:
// it is the most that the caller may see.
//
// When the query cannot be embedded the search goes on by words alone and says so in Found.Degraded.
func (s *Service) Search(ctx context.Context, tenant string, q Query) (*Found, error) {
	q, err := checkQuery(q)
	if err != nil {
		return nil, err
	}
	found, err := s.find(ctx, tenant, q)
	if err != nil && fault.ReasonOf(err) == fault.ReasonReindexing {
		// The vectors were swapped after the query's was made.
		found, err = s.find(ctx, tenant, q)
	}
	return found, err
}

func (s *Service) find(ctx context.Context, tenant string, q Query) (*Found, error) {
	c, err := s.store.CollectionGet(ctx, tenant, q.Collection)
	if err != nil {
		return nil, err
	}
	weight := c.LexicalWeight
	if q.LexicalWeight != nil {
		weight = *q.LexicalWeight
	}
	leg := LegQuery{
		Collection: q.Collection, Text: q.Text, Filter: q.Filter, MaxLabel: q.MaxLabel,
		Limit: max(s.config.Candidates, q.Top, min(5*q.Top, mostSpread)),
	}
	var legs legResults
	if fuser, ok := s.store.(Fuser); ok && weight > 0 && weight < 1 {
		legs = s.fused(ctx, tenant, c, q, leg, weight, fuser)
	} else {
		legs = s.search(ctx, tenant, c, q, leg, weight)
	}
	if ctx.Err() != nil {
		return nil, fault.From(ctx.Err())
	}
	if legs.err != nil {
		return nil, legs.err
	}
	hits := legs.hits
	if !legs.joined {
		hits = Fuse(legs.lexical.Hits, legs.vector.Hits, weight)
		hits = hits[:min(len(hits), q.Top)]
		if hits, err = s.complete(ctx, tenant, q.Collection, hits); err != nil {
			return nil, err
		}
	}
	return legs.found(hits, c, q, weight), nil
}

func checkQuery(q Query) (Query, error) {
	if err := checkCeiling(q.MaxLabel); err != nil {
		return q, err
	}
	if err := checkCollectionName(q.Collection); err != nil {
		return q, err
	}
	if q.Top == 0 {
		q.Top = defaultTop
	}
	switch {
	case strings.TrimSpace(q.Text) == "" || len(q.Text) > mostQuery || !utf8.ValidString(q.Text):
		return q, badRequest("searching collection %s: the query is not 1 to %d bytes of text", q.Collection, mostQuery)
	case q.Top < 0 || q.Top > mostTop:
		return q, badRequest("searching collection %s: top is not in 0 to %d", q.Collection, mostTop)
	case q.LexicalWeight != nil && !validWeight(*q.LexicalWeight):
		return q, badRequest("searching collection %s: the lexical weight is not in [0,1]", q.Collection)
	case len(q.Filter) > mostFilter:
		return q, badRequest("searching collection %s: the filter has more than %d conditions", q.Collection, mostFilter)
	}
	return q, nil
}

// legResult is what one leg found.
type legResult struct {
	Leg
	// count is how many hits it had: those of legs that the store has joined are not there any more.
	count int
	took  time.Duration
}

// legResults is what both found. Err is one of the store.
type legResults struct {
	lexical, vector legResult
	degraded        string
	err             error
	// hits are both legs', where the store has joined them.
	hits   []Hit
	joined bool
}

// found gives the outcome of a search that found hits.
func (l *legResults) found(hits []Hit, c *Collection, q Query, weight float64) *Found {
	incomplete := l.lexical.Scan.Incomplete || l.vector.Scan.Incomplete
	few := len(hits) < q.Top
	found := &Found{Hits: hits, Exhausted: few && l.degraded == "" && !incomplete, Incomplete: few && incomplete, Degraded: l.degraded}
	if q.Explain {
		found.Explanation = &Explanation{
			Fusion: l.fusion(), LexicalWeight: weight, LexicalQuery: l.lexical.Seen, Embedder: c.Embedder,
			LexicalHits: l.lexical.count, VectorHits: l.vector.count,
			LexicalTime: l.lexical.took, VectorTime: l.vector.took,
			Lexical: l.lexical.Scan, Vector: l.vector.Scan,
		}
	}
	return found
}

// fused runs both legs by one call to the store. Where the query cannot be embedded it is searched by words alone.
func (s *Service) fused(ctx context.Context, tenant string, c *Collection, q Query, leg LegQuery, weight float64, store Fuser) (out legResults) {
	start := time.Now()
	vector, identity, err := s.embedQuery(ctx, c, q)
	if err != nil {
		out.vector.took, out.degraded = time.Since(start), degradation(err)
		out.err = s.searchText(ctx, tenant, leg, &out.lexical)
		return out
	}
	leg.Vector, leg.EmbeddedBy = vector, identity
	both, err := store.SearchFused(ctx, tenant, leg, q.Top, weight)
	if err != nil {
		out.err = err
		return out
	}
	took := time.Since(start)
	out.lexical = legResult{Leg: both.Lexical, count: both.LexicalHits, took: took}
	out.vector = legResult{Leg: both.Vector, count: both.VectorHits, took: took}
	out.hits, out.joined = both.Hits, true
	return out
}

func degradation(err error) string { return "by words alone: " + fault.From(err).Error() }

// search runs the legs that the weight asks for, side by side.
func (s *Service) search(ctx context.Context, tenant string, c *Collection, q Query, leg LegQuery, weight float64) legResults {
	var out legResults
	vectorDone := make(chan error, 1)
	if weight < 1 {
		go func() { vectorDone <- s.searchVector(ctx, tenant, c, q, leg, &out.vector, &out.degraded) }()
	} else {
		vectorDone <- nil
	}
	var lexicalErr error
	if weight > 0 {
		lexicalErr = s.searchText(ctx, tenant, leg, &out.lexical)
	}
	vectorErr := <-vectorDone
	if out.degraded != "" && weight == 0 && ctx.Err() == nil {
		lexicalErr = s.searchText(ctx, tenant, leg, &out.lexical)
	}
	if out.err = lexicalErr; out.err == nil {
		out.err = vectorErr
	}
	return out
}

func (s *Service) searchText(ctx context.Context, tenant string, leg LegQuery, out *legResult) error {
	start := time.Now()
	found, err := s.store.SearchText(ctx, tenant, leg)
	if out.took = time.Since(start); err != nil {
		return err
	}
	out.Leg, out.count = *found, len(found.Hits)
	return nil
}

// searchVector embeds the query and searches by it. Where the query cannot be embedded, degraded says
// why and there is no error.
func (s *Service) searchVector(ctx context.Context, tenant string, c *Collection, q Query, leg LegQuery, out *legResult, degraded *string) error {
	start := time.Now()
	defer func() { out.took = time.Since(start) }()
	vector, identity, err := s.embedQuery(ctx, c, q)
	if err != nil {
		*degraded = degradation(err)
		return nil
	}
	leg.Vector, leg.EmbeddedBy = vector, identity
	found, err := s.store.SearchVector(ctx, tenant, leg)
	if err != nil {
		return err
	}
	out.Leg, out.count = *found, len(found.Hits)
	return nil
}

// embedQuery gives the query's vector, and the identity of what made it.
func (s *Service) embedQuery(ctx context.Context, c *Collection, q Query) ([]float32, string, error) {
	e, err := s.embedders.Embedder(c.Embedder)
	if err == nil {
		err = admits(c, e)
	}
	if err != nil {
		return nil, "", err
	}
	timeout := s.config.QueryTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var vectors [][]float32
	if l := q.Label.Or(label.Internal); e.EmbedQuery != nil {
		vectors, err = e.EmbedQuery(ctx, l, q.Text)
	} else {
		vectors, err = e.Embed(ctx, l, []string{q.Text})
	}
	if err == nil {
		err = checkVectors(vectors, 1, c, e.Name)
	}
	if err != nil {
		return nil, "", err
	}
	return vectors[0], e.Identity, nil
}

// complete fetches the texts of hits that a store gave without.
func (s *Service) complete(ctx context.Context, tenant, collection string, hits []Hit) ([]Hit, error) {
	var missing []string
	for _, h := range hits {
		if h.Passage.Text == "" {
			missing = append(missing, h.Passage.ID)
		}
	}
	if len(missing) == 0 {
		return hits, nil
	}
	passages, err := s.store.PassagesGet(ctx, tenant, collection, missing)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]Passage, len(passages))
	for _, p := range passages {
		byID[p.ID] = p
	}
	out := hits[:0]
	for _, h := range hits {
		if h.Passage.Text == "" {
			p, ok := byID[h.Passage.ID]
			if !ok { // deleted since
				continue
			}
			h.Passage = p
		}
		out = append(out, h)
	}
	return out, nil
}

func (l *legResults) fusion() string {
	switch {
	case l.degraded != "":
		return l.degraded
	case l.lexical.count == 0 && l.vector.count == 0:
		return "nothing found"
	case l.lexical.count == 0:
		return "vector alone"
	case l.vector.count == 0:
		return "words alone"
	default:
		return "weighted sum of min-max normalised scores"
	}
}

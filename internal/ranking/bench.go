package ranking

import (
	"context"
	"slices"
	"strings"
	"time"

	"fairlead/evals/score"
	"fairlead/evals/stat"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
)

// How deep the benchmark looks. A document may be several passages, so more passages are asked for than
// documents are judged. The first look asks for so few that the legs give no more candidates than they do
// for a usual search, which finds ten: the score of a fused hit depends on how many there are.
const (
	nearDocuments, nearPassages = 10, 12
	farDocuments, farPassages   = 100, 300
)

// Leg is how one way of searching did.
type Leg struct {
	Name string `json:"name"`
	// NDCG10 is nDCG@10 with linear gain, MRR10 the reciprocal rank within 10.
	NDCG10 stat.Estimate `json:"ndcg_at_10"`
	MRR10  stat.Estimate `json:"mrr_at_10"`
	// Recall100 is recall@100 and MAP100 the mean average precision within 100.
	Recall100 stat.Estimate `json:"recall_at_100"`
	MAP100    stat.Estimate `json:"map_at_100"`

	ndcg, recall []float64 // by query
}

// Report is the outcome of a benchmark. Intervals are of 95 %, by a bootstrap over queries.
type Report struct {
	Dataset  string  `json:"dataset"`
	Embedder string  `json:"embedder"`
	Weight   float64 `json:"lexical_weight"`
	// Documents and Passages were stored, Failed documents were not (two of Cranfield's have no text).
	Documents int `json:"documents"`
	Failed    int `json:"failed"`
	Passages  int `json:"passages"`
	Queries   int `json:"queries"`
	// Legs are words alone, vectors alone, and both fused.
	Legs []Leg `json:"legs"`
	// OverWords and OverVectors are by how much the fused nDCG@10 is better, query by query.
	OverWords   stat.Estimate `json:"fused_over_words"`
	OverVectors stat.Estimate `json:"fused_over_vectors"`
	// IngestTime is that of all documents, IngestRate passages per second.
	IngestTime time.Duration `json:"ingest_ns"`
	IngestRate float64       `json:"ingest_passages_per_second"`
	// SearchP50 and SearchP95 are of fused searches for 10 passages, one at a time.
	SearchP50 time.Duration `json:"search_p50_ns"`
	SearchP95 time.Duration `json:"search_p95_ns"`
}

// intervals are of 2,000 resamples, as those of the published figures are.
func intervals(seed uint64) stat.Bootstrap { return stat.Bootstrap{Resamples: 2000, Seed: seed} }

// Config is how a benchmark runs. The zero value is the service's own defaults.
type Config struct {
	// Tenant and Collection are where the documents go. Default "bench", and the dataset's name. A
	// collection of that name is used as it is, with what it holds.
	Tenant, Collection string
	// Weight is used in place of the collection's lexical weight. Nil: the collection's.
	Weight *float64
	// Seed is that of the intervals.
	Seed uint64
}

// Bench ingests a dataset and searches it for each of its judged queries: by words alone, by vectors
// alone, and by both. A document's rank is that of its best passage.
func Bench(ctx context.Context, s *retrieval.Service, d *Dataset, c Config) (*Report, error) {
	if c.Tenant == "" {
		c.Tenant = "bench"
	}
	if c.Collection == "" {
		c.Collection = d.Name
	}
	b := &bench{Config: c, service: s, report: &Report{Dataset: d.Name}}
	if err := b.ingest(ctx, d); err != nil {
		return nil, err
	}
	words, vectors := 1.0, 0.0
	for _, leg := range []struct {
		name   string
		weight *float64
	}{{"words", &words}, {"vectors", &vectors}, {"fused", c.Weight}} {
		if err := b.leg(ctx, d, leg.name, leg.weight); err != nil {
			return nil, err
		}
	}
	if err := b.time(ctx, d); err != nil {
		return nil, err
	}
	legs := b.report.Legs
	b.report.OverWords = intervals(c.Seed).Difference(legs[2].ndcg, legs[0].ndcg)
	b.report.OverVectors = intervals(c.Seed).Difference(legs[2].ndcg, legs[1].ndcg)
	return b.report, nil
}

type bench struct {
	Config
	service *retrieval.Service
	report  *Report
}

func (b *bench) ingest(ctx context.Context, d *Dataset) error {
	// The label is the lowest: what is public may go to any embedder.
	made, err := b.service.CreateCollection(ctx, b.Tenant,
		retrieval.Collection{Name: b.Collection, Label: label.Public, LexicalWeight: retrieval.UnsetWeight})
	if err != nil {
		return err
	}
	b.report.Embedder, b.report.Weight = made.Embedder, made.LexicalWeight
	if b.Weight != nil {
		b.report.Weight = *b.Weight
	}
	sources := make([]retrieval.Source, len(d.Documents))
	for i, doc := range d.Documents {
		sources[i] = retrieval.Source{URI: doc.ID, MediaType: "text/plain", Title: doc.Title, Content: []byte(doc.Text)}
	}
	start := time.Now()
	results, err := b.service.Ingest(ctx, b.Tenant, b.Collection, sources, label.Restricted)
	if err != nil {
		return err
	}
	b.report.IngestTime = time.Since(start)
	fresh := 0
	for _, r := range results {
		b.report.Passages += r.Passages
		switch r.Status {
		case retrieval.Failed:
			b.report.Failed++
			continue
		case retrieval.Unchanged:
		default:
			fresh += r.Passages
		}
		b.report.Documents++
	}
	b.report.IngestRate = float64(fresh) / b.report.IngestTime.Seconds()
	if b.report.Documents == 0 {
		return fault.New(fault.FailedPrecondition, fault.ReasonNone, "benchmarking %s: no document could be stored", d.Name)
	}
	return nil
}

// ranked searches, and gives documents in the order of their best passages.
func (b *bench) ranked(ctx context.Context, text string, weight *float64, top, documents int) ([]string, error) {
	found, err := b.service.Search(ctx, b.Tenant, retrieval.Query{Collection: b.Collection, Text: text, Top: top,
		Label: label.Public, MaxLabel: label.Restricted, LexicalWeight: weight})
	if err != nil {
		return nil, err
	}
	if found.Degraded != "" {
		// Figures of words alone must not pass for figures of both.
		return nil, fault.New(fault.Unavailable, fault.ReasonUpstreamDown, "benchmarking: %s", found.Degraded)
	}
	var ids []string
	for _, h := range found.Hits {
		if id := h.Passage.URI; !slices.Contains(ids, id) && len(ids) < documents {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (b *bench) leg(ctx context.Context, d *Dataset, name string, weight *float64) error {
	var ndcg, mrr, recall, precision []float64
	for _, q := range d.Queries {
		if q.Grades.Relevant() == 0 || strings.TrimSpace(q.Text) == "" {
			continue
		}
		near, err := b.ranked(ctx, q.Text, weight, nearPassages, nearDocuments)
		if err != nil {
			return err
		}
		far, err := b.ranked(ctx, q.Text, weight, farPassages, farDocuments)
		if err != nil {
			return err
		}
		ndcg = append(ndcg, score.NDCG(near, q.Grades, nearDocuments, score.Linear))
		mrr = append(mrr, score.ReciprocalRank(near, q.Grades))
		recall = append(recall, score.Recall(far, q.Grades, farDocuments))
		precision = append(precision, score.AveragePrecision(far, q.Grades))
	}
	b.report.Queries = len(ndcg)
	mean := intervals(b.Seed).Mean
	b.report.Legs = append(b.report.Legs, Leg{Name: name, NDCG10: mean(ndcg), MRR10: mean(mrr),
		Recall100: mean(recall), MAP100: mean(precision), ndcg: ndcg, recall: recall})
	return nil
}

// time measures searches as they are usually made.
func (b *bench) time(ctx context.Context, d *Dataset) error {
	times := make([]time.Duration, 0, len(d.Queries))
	for _, q := range d.Queries {
		start := time.Now()
		if _, err := b.ranked(ctx, q.Text, b.Weight, 10, 10); err != nil {
			return err
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	b.report.SearchP50 = times[len(times)/2]
	b.report.SearchP95 = times[min(len(times)*95/100, len(times)-1)]
	return nil
}

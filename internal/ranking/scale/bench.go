package scale

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"fairlead/internal/auth/tenants"
	"fairlead/internal/fault"
	"fairlead/retrieval"
)

// Store is what is measured.
type Store interface {
	retrieval.Store
	retrieval.Fuser
	tenants.Store
}

// Keeper looks after the database, and after the index of nearest neighbours for the vectors of a benchmark.
type Keeper interface {
	// Make makes it unless it is there.
	Make(ctx context.Context) error
	// Drop drops it where it is there.
	Drop(ctx context.Context) error
	// Bytes is its size.
	Bytes(ctx context.Context) (int64, error)
	// Settle does what the database does by itself some time after many rows were written.
	Settle(ctx context.Context) error
}

// Config is what is measured, and how much of it. All but Rebuild and Progress must be set.
type Config struct {
	// Passages are parted among so many Tenants, 3 or more.
	Passages, Tenants int
	// Dimensions is the length of their vectors.
	Dimensions int
	// Clients is how many search at once, each of them measured.
	Clients []int
	// Queries is how many each measure takes, or more.
	Queries int
	// Writers store documents at once.
	Writers int
	Seed    uint64
	// Store is as it serves. Exact is the same database, and compares all vectors.
	Store, Exact Store
	Keeper       Keeper
	// Rebuild drops the index, for whomever it is there, and builds it when all is stored.
	Rebuild bool
	// Progress is told what is done, in words. Nil: nobody is told.
	Progress func(string)
}

func (c *Config) validate() error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "benchmarking: "+format, args...)
	}
	switch {
	case c.Tenants < 3 || c.Tenants > 1000:
		return bad("the tenants are %d: use 3 to 1000", c.Tenants)
	case c.Passages < 50*c.Tenants:
		return bad("the passages are %d: use 50 for each tenant or more", c.Passages)
	case c.Dimensions < 1 || c.Dimensions > 4000:
		return bad("the dimensions are %d: use 1 to 4000", c.Dimensions)
	case c.Queries < 1 || c.Writers < 1 || len(c.Clients) == 0:
		return bad("there are no queries, writers or clients")
	}
	for _, n := range c.Clients {
		if n < 1 || n > 1000 {
			return bad("the clients are %d: use 1 to 1000", n)
		}
	}
	return nil
}

// Report is what was measured.
type Report struct {
	Passages   int    `json:"passages"`
	Dimensions int    `json:"dimensions"`
	Tenants    int    `json:"tenants"`
	Large      int    `json:"large_passages"`
	Small      int    `json:"small_passages"`
	Writers    int    `json:"writers"`
	Seed       uint64 `json:"seed"`
	// Rebuilt says that the index was dropped, and built when all was stored: IngestRate is without it then.
	Rebuilt bool `json:"rebuilt"`
	// IngestRate and CrowdRate are passages for each second. CrowdRate is of Crowd passages more, with the index there.
	IngestRate float64       `json:"ingest_passages_per_second"`
	BuildTime  time.Duration `json:"build_ns"`
	IndexBytes int64         `json:"index_bytes"`
	Latencies  []Latency     `json:"latencies"`
	// Recalls are of the large tenant and the small one; Crowded are those after another had stored Crowd passages, all of
	// them nearer to the same queries of the large tenant than what those look for.
	Recalls   []Recall `json:"recalls"`
	Crowd     int      `json:"crowd_passages"`
	CrowdRate float64  `json:"crowd_passages_per_second"`
	Crowded   []Recall `json:"crowded_recalls"`
}

// Floors are what must hold.
const (
	// LowestRecall is the least recall@10 of a tenant.
	LowestRecall = 0.95
	// MostFelt is how much recall@10 a tenant may lose by what another stores.
	MostFelt = 0.005
)

// Check says which floor does not hold, as FailedPrecondition.
func (r *Report) Check() error {
	for i, x := range r.Recalls {
		if min(x.Ten, x.Candidates) < LowestRecall {
			return fault.New(fault.FailedPrecondition, fault.ReasonNone, "benchmarking: recall@10 of the %s tenant is %.3f, below %.2f", x.Tenant, min(x.Ten, x.Candidates), LowestRecall)
		}
		if lost := x.Ten - r.Crowded[i].Ten; lost > MostFelt {
			return fault.New(fault.FailedPrecondition, fault.ReasonNone, "benchmarking: the %s tenant lost %.3f of its recall@10 by what another stored, more than %.3f", x.Tenant, lost, MostFelt)
		}
	}
	return nil
}

type bench struct {
	Config
	corpus *Corpus
	report *Report
	// asked counts the queries that were made.
	asked int
}

// Run makes tenants up, measures, and deletes them again, whether it fails or not; an index that it dropped is made
// again. A report that is given with an error is that of a run whose tidying up failed.
func Run(ctx context.Context, c Config) (_ *Report, err error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	b := &bench{Config: c, corpus: NewCorpus(c.Seed, c.Dimensions), asked: c.Queries}
	prefix := "bench-" + strings.ToLower(rand.Text()[:10])
	all := shares(prefix, c.Tenants, c.Passages)
	crowd := tenant{name: prefix + "-crowd", number: c.Tenants, passages: (c.Passages/5 + perDocument - 1) / perDocument * perDocument}
	large, small := all[0], all[1]
	b.report = &Report{
		Passages: c.Passages, Dimensions: c.Dimensions, Tenants: c.Tenants, Large: large.passages, Small: small.passages, Writers: c.Writers, Seed: c.Seed,
		Rebuilt: c.Rebuild, Crowd: crowd.passages,
	}
	defer func() {
		b.Progress("deleting the tenants")
		err = errors.Join(err, b.remove(ctx, append(all, crowd)))
	}()
	if err := b.fill(ctx, all); err != nil {
		return nil, err
	}
	if err := b.search(ctx, large, small); err != nil {
		return nil, err
	}
	if err := b.crowd(ctx, crowd, large, small); err != nil {
		return nil, err
	}
	return b.report, nil
}

// fill stores the tenants' documents and sees to the index.
func (b *bench) fill(ctx context.Context, all []tenant) (err error) {
	if b.Rebuild {
		b.Progress("dropping the index")
		if err := b.Keeper.Drop(ctx); err != nil {
			return err
		}
		defer func() {
			if err != nil { // others may need it
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removalTime)
				defer cancel()
				err = errors.Join(err, b.Keeper.Make(ctx))
			}
		}()
	} else if err := b.Keeper.Make(ctx); err != nil {
		return err
	}
	for _, t := range all {
		if err := b.open(ctx, t); err != nil {
			return err
		}
	}
	b.Progress(fmt.Sprintf("storing %d passages of %d tenants", b.Passages, len(all)))
	if b.report.IngestRate, err = b.load(ctx, b.jobs(all), func(j job) (retrieval.Document, []retrieval.Passage, [][]float32) {
		return b.corpus.Document(j.tenant.number, j.number, j.n)
	}); err != nil {
		return err
	}
	if b.Rebuild {
		b.Progress("building the index")
		start := time.Now()
		if err := b.Keeper.Make(ctx); err != nil {
			return err
		}
		b.report.BuildTime = time.Since(start)
	}
	if b.report.IndexBytes, err = b.Keeper.Bytes(ctx); err != nil {
		return err
	}
	b.Progress("letting the database settle")
	return b.Keeper.Settle(ctx)
}

// search measures how well and how fast the large tenant and the small one find.
func (b *bench) search(ctx context.Context, large, small tenant) error {
	sizes := []struct {
		name   string
		tenant tenant
	}{{"large", large}, {"small", small}}
	for _, s := range sizes {
		b.Progress("measuring recall of the " + s.name + " tenant")
		r, err := b.recall(ctx, s.tenant)
		if err != nil {
			return err
		}
		r.Tenant = s.name
		b.report.Recalls = append(b.report.Recalls, r)
	}
	for _, clients := range b.Clients {
		for _, s := range sizes {
			b.Progress(fmt.Sprintf("searching the %s tenant with %d clients", s.name, clients))
			for _, by := range []string{byVector, byWords, byBoth, byFiltered} {
				l, err := b.latency(ctx, s.tenant, by, clients)
				if err != nil {
					return err
				}
				l.Tenant = s.name
				b.report.Latencies = append(b.report.Latencies, l)
			}
		}
	}
	return nil
}

// crowd lets another tenant store passages around the queries of the large one, as many around each, and measures again.
func (b *bench) crowd(ctx context.Context, crowd, large, small tenant) (err error) {
	b.Progress(fmt.Sprintf("another tenant stores %d passages around the large tenant's queries", crowd.passages))
	if err := b.open(ctx, crowd); err != nil {
		return err
	}
	if b.report.CrowdRate, err = b.load(ctx, crowd.jobs(), func(j job) (retrieval.Document, []retrieval.Passage, [][]float32) {
		return b.corpus.Crowd(crowd.number, j.number, j.n, b.corpus.Query(large.number, j.number%b.Queries, large.passages))
	}); err != nil {
		return err
	}
	for i, t := range []tenant{large, small} {
		r, err := b.recall(ctx, t)
		if err != nil {
			return err
		}
		r.Tenant = b.report.Recalls[i].Tenant
		b.report.Crowded = append(b.report.Crowded, r)
	}
	return nil
}

// gone says whether an error is that there is no such tenant.
func gone(err error) bool { return err != nil && fault.CodeOf(err) == fault.NotFound }

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fairlead/evals/stat"
	"fairlead/internal/auth/tenants"
	"fairlead/internal/config"
	"fairlead/internal/ranking"
	"fairlead/internal/ranking/scale"
)

func (p *program) benchRetrievalCommand() *cobra.Command {
	var folder, dataset string
	var both bool
	c := &cobra.Command{
		Use:   "retrieval",
		Short: "Measure how well passages are found on judged data: nDCG@10 and recall@100, and how fast",
		Long: `Stores a judged collection in a store of its own and searches it for each judged query: by words alone, by vectors
alone, and by both. --folder names a folder that holds the Cranfield collection in TREC's form (cran.all.1400.xml,
cran.qry.xml and cranqrel.trec.txt) in itself or in a folder cranfield, and XQuAD (xquad.en.json and xquad.ar.json)
in itself or in a folder xquad.

With --postgres the same is done on the PostgreSQL that the configuration names, in a tenant of its own that is deleted
afterwards, and both stores are compared query by query.`,
		Example: `  fairlead bench retrieval --folder data --dataset all
  fairlead bench retrieval --folder data --postgres --set database.url=postgres://fairlead_app:SECRET@db/fairlead`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if folder == "" {
				folder = p.getenv("FAIRLEAD_DATA")
			}
			if folder == "" {
				return &usageError{errors.New("name the folder of the judged data with --folder")}
			}
			list, err := datasets(folder, dataset)
			if err != nil {
				return err
			}
			if !both {
				return p.eachDataset(list, func(d *ranking.Dataset) error {
					report, err := p.rankOnFile(cmd.Context(), d)
					if err != nil {
						return err
					}
					if p.json {
						return json.NewEncoder(p.out).Encode(report)
					}
					p.showRanking(report)
					return nil
				})
			}
			return p.onPostgres(cmd.Context(), func(ctx context.Context, _ *config.Database) error {
				return p.eachDataset(list, func(d *ranking.Dataset) error {
					r, err := p.rankOnBoth(ctx, d)
					if err != nil {
						return err
					}
					if p.json {
						return json.NewEncoder(p.out).Encode(r)
					}
					p.showBoth(r)
					return nil
				})
			})
		},
	}
	c.Flags().StringVar(&folder, "folder", "", "the folder of the judged data (default: the environment's FAIRLEAD_DATA)")
	c.Flags().StringVar(&dataset, "dataset", "cranfield", "cranfield, xquad-en, xquad-ar or all")
	c.Flags().BoolVar(&both, "postgres", false, "compare PostgreSQL, as the configuration names it, with SQLite")
	return c
}

// datasets reads the one of a name, or all.
func datasets(folder, name string) (list []*ranking.Dataset, err error) {
	at := func(below string) string {
		if f := filepath.Join(folder, below); isFolder(f) {
			return f
		}
		return folder
	}
	names := []string{name}
	if name == "all" {
		names = []string{"cranfield", "xquad-en", "xquad-ar"}
	}
	for _, name := range names {
		var d *ranking.Dataset
		switch name {
		case "cranfield":
			d, err = ranking.Cranfield(at("cranfield"))
		case "xquad-en", "xquad-ar":
			d, err = ranking.XQuAD(at("xquad"), strings.TrimPrefix(name, "xquad-"))
		default:
			return nil, &usageError{fmt.Errorf("reading --dataset %q: use cranfield, xquad-en, xquad-ar or all", name)}
		}
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// eachDataset does something for each, with a line between them.
func (p *program) eachDataset(list []*ranking.Dataset, fn func(*ranking.Dataset) error) error {
	for i, d := range list {
		if i > 0 && !p.json {
			fmt.Fprintln(p.out)
		}
		if err := fn(d); err != nil {
			return err
		}
	}
	return nil
}

// rankOnFile measures on a store of SQLite in memory.
func (p *program) rankOnFile(ctx context.Context, d *ranking.Dataset) (_ *ranking.Report, err error) {
	a, err := p.open(ctx, openOptions{own: true, store: ":memory:"})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	return ranking.Bench(ctx, a.engine.Retrieval(), d, ranking.Config{})
}

// bothRankings is how both stores did on one dataset.
type bothRankings struct {
	Dataset  string          `json:"dataset"`
	SQLite   *ranking.Report `json:"sqlite"`
	Postgres *ranking.Report `json:"postgres"`
	// Differences are by how much PostgreSQL is better, leg by leg.
	Differences []ranking.LegDifference `json:"postgres_over_sqlite"`
	// Recall is how many of the nearest ten PostgreSQL's index finds.
	Recall stat.Estimate `json:"hnsw_recall_at_10"`
}

func (p *program) rankOnBoth(ctx context.Context, d *ranking.Dataset) (_ *bothRankings, err error) {
	r := &bothRankings{Dataset: d.Name}
	if r.SQLite, err = p.rankOnFile(ctx, d); err != nil {
		return nil, err
	}
	var apps [3]*app // as configured, comparing all vectors, asking the index always
	for i, settings := range [][]string{nil, {"database.vectors.exact_rows=10000000"}, {"database.vectors.exact_rows=0"}} {
		a, err := p.with(append(settings, "database.vectors.canary=0s")...).open(ctx, openOptions{own: true})
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, a.Close()) }()
		apps[i] = a
	}
	err = inTenant(ctx, apps[0].store, func(tenant string) error {
		if r.Postgres, err = ranking.Bench(ctx, apps[0].engine.Retrieval(), d, ranking.Config{Tenant: tenant}); err != nil {
			return err
		}
		if r.Differences, err = ranking.Compare(r.Postgres, r.SQLite, 0); err != nil {
			return err
		}
		r.Recall, err = ranking.NearestRecall(ctx, tenant, d.Name, d, apps[1].engine.Retrieval(), apps[2].engine.Retrieval(), 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// inTenant makes a tenant for fn, and deletes it with all it has, whatever becomes of fn.
func inTenant(ctx context.Context, s tenants.Store, fn func(tenant string) error) (err error) {
	name := "bench-" + strings.ToLower(rand.Text()[:10])
	if err := s.TenantInsert(ctx, tenants.Tenant{Name: name, Description: "of a benchmark, which deletes it"}); err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, scale.Remove(ctx, s, name))
	}()
	return fn(name)
}

func estimated(e stat.Estimate) string {
	return fmt.Sprintf("%.3f [%.3f, %.3f]", e.Mean, e.Low, e.High)
}

func (p *program) showRanking(r *ranking.Report) {
	fmt.Fprintf(p.out, "%s: %d documents (%d without text), %d passages, %d judged queries; embedder %s, words count %.2f\n\n",
		r.Dataset, r.Documents, r.Failed, r.Passages, r.Queries, r.Embedder, r.Weight)
	rows := make([][]string, 0, len(r.Legs))
	for _, l := range r.Legs {
		rows = append(rows, []string{l.Name, estimated(l.NDCG10), estimated(l.Recall100), estimated(l.MRR10), estimated(l.MAP100)})
	}
	table(p.out, p.style(), []string{"LEG", "NDCG@10", "RECALL@100", "MRR@10", "MAP@100"}, rows)
	fmt.Fprintf(p.out, "\nfused over words alone, nDCG@10 query by query: %s\n", estimated(r.OverWords))
	p.showSpeed("", r)
	fmt.Fprintln(p.out, "Intervals are of 95 %, by a bootstrap over queries. Gains are linear.")
}

func (p *program) showSpeed(store string, r *ranking.Report) {
	fmt.Fprintf(p.out, "%singest: %s, %.0f passages/s; search: p50 %s, p95 %s\n", store, r.IngestTime.Round(time.Millisecond), r.IngestRate,
		r.SearchP50.Round(10*time.Microsecond), r.SearchP95.Round(10*time.Microsecond))
}

func (p *program) showBoth(r *bothRankings) {
	x := r.SQLite
	fmt.Fprintf(p.out, "%s: %d documents (%d without text), %d passages, %d judged queries; embedder %s, words count %.2f\n\n",
		r.Dataset, x.Documents, x.Failed, x.Passages, x.Queries, x.Embedder, x.Weight)
	var rows [][]string
	difference := func(e stat.Estimate) string {
		return fmt.Sprintf("%+.4f [%+.4f, %+.4f]", e.Mean, e.Low, e.High)
	}
	for i, d := range r.Differences {
		a, b := &r.SQLite.Legs[i], &r.Postgres.Legs[i]
		rows = append(rows,
			[]string{d.Name, "nDCG@10", estimated(a.NDCG10), estimated(b.NDCG10), difference(d.NDCG10)},
			[]string{"", "recall@100", estimated(a.Recall100), estimated(b.Recall100), difference(d.Recall100)})
	}
	table(p.out, p.style(), []string{"LEG", "MEASURE", "SQLITE", "POSTGRESQL", "DIFFERENCE"}, rows)
	fmt.Fprintf(p.out, "\nof the nearest 10, PostgreSQL's index (HNSW) finds %s\n", estimated(r.Recall))
	p.showSpeed("SQLite      ", r.SQLite)
	p.showSpeed("PostgreSQL  ", r.Postgres)
	fmt.Fprintln(p.out, "Differences are PostgreSQL's gain, query by query. Intervals are of 95 %, by a bootstrap over queries. Gains are linear.")
}

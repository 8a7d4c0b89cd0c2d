package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"fairlead/internal/ranking"
)

func (p *program) benchCommand() *cobra.Command {
	c := &cobra.Command{Use: "bench", Short: "Measure on judged data", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	var folder string
	r := &cobra.Command{
		Use:   "retrieval",
		Short: "Measure how well passages are found: nDCG@10 and recall@100 on Cranfield, and how fast",
		Long: `Stores a judged collection in a store of its own and searches it for each judged query: by words alone, by vectors
alone, and by both. --folder names a folder that holds the Cranfield collection in TREC's form: cran.all.1400.xml,
cran.qry.xml and cranqrel.trec.txt, or a folder above one called cranfield.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if folder == "" {
				folder = p.getenv("FAIRLEAD_DATA")
			}
			if folder == "" {
				return &usageError{errors.New("name the folder of the judged data with --folder")}
			}
			if below := filepath.Join(folder, "cranfield"); isFolder(below) {
				folder = below
			}
			d, err := ranking.Cranfield(folder)
			if err != nil {
				return err
			}
			a, err := p.open(cmd.Context(), openOptions{own: true, store: ":memory:"})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, a.Close()) }()
			report, err := ranking.Bench(cmd.Context(), a.engine.Retrieval(), d, ranking.Config{})
			if err != nil {
				return err
			}
			if p.json {
				return json.NewEncoder(p.out).Encode(report)
			}
			p.showRanking(report)
			return nil
		},
	}
	r.Flags().StringVar(&folder, "folder", "", "the folder of the judged data (default: the environment's FAIRLEAD_DATA)")
	c.AddCommand(r)
	return c
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func (p *program) showRanking(r *ranking.Report) {
	fmt.Fprintf(p.out, "%s: %d documents (%d without text), %d passages, %d judged queries; embedder %s, words count %.2f\n\n",
		r.Dataset, r.Documents, r.Failed, r.Passages, r.Queries, r.Embedder, r.Weight)
	estimate := func(e ranking.Estimate) string { return fmt.Sprintf("%.3f [%.3f, %.3f]", e.Mean, e.Low, e.High) }
	rows := make([][]string, 0, len(r.Legs))
	for _, l := range r.Legs {
		rows = append(rows, []string{l.Name, estimate(l.NDCG10), estimate(l.Recall100), estimate(l.MRR10), estimate(l.MAP100)})
	}
	table(p.out, p.style(), []string{"LEG", "NDCG@10", "RECALL@100", "MRR@10", "MAP@100"}, rows)
	fmt.Fprintf(p.out, "\nfused over words alone, nDCG@10 query by query: %s\n", estimate(r.OverWords))
	fmt.Fprintf(p.out, "ingest: %s, %.0f passages/s; search: p50 %s, p95 %s\n", r.IngestTime.Round(time.Millisecond), r.IngestRate,
		r.SearchP50.Round(10*time.Microsecond), r.SearchP95.Round(10*time.Microsecond))
	fmt.Fprintln(p.out, "Intervals are of 95 %, by a bootstrap over queries. Gains are linear.")
}

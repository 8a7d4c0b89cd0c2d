package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	fairleadv1 "fairlead/gen/fairlead/v1"
)

func (p *program) searchCommand() *cobra.Command {
	var collection, maxLabel string
	var top int
	var filters []string
	var explained bool
	c := &cobra.Command{
		Use:   "search QUERY",
		Short: "Find passages, without a model",
		Example: `  fairlead search "clearance of a backend" --top 5
  fairlead search invoice --filter year=2026 --explain`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			req := &fairleadv1.SearchRequest{Collection: collection, Query: strings.Join(args, " "), Top: int32(top), Explain: explained}
			var err error
			if req.MaxLabel, err = parseLabel(maxLabel); err != nil {
				return err
			}
			if req.Filter, err = parseFilters(filters); err != nil {
				return &usageError{err}
			}
			cl, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer p.done(cl)
			resp, err := cl.retrieval.Search(cmd.Context(), req)
			if err != nil {
				return err
			}
			if p.json {
				return printJSON(p.out, resp)
			}
			p.showHits(resp, explained)
			return nil
		},
	}
	c.Flags().StringVarP(&collection, "collection", "c", "docs", "where to look")
	c.Flags().IntVarP(&top, "top", "n", 10, "how many passages")
	c.Flags().StringVar(&maxLabel, "max-label", "", "leave out passages above this label")
	c.Flags().StringArrayVar(&filters, "filter", nil, "only documents whose metadata holds, such as year=2026, year>=2024, lang!=de; may be given several times")
	c.Flags().BoolVar(&explained, "explain", false, "show what the words and what the vectors found, and how and why so")
	return c
}

// parseFilters reads conditions such as year>=2024.
func parseFilters(filters []string) (*fairleadv1.Filter, error) {
	if len(filters) == 0 {
		return nil, nil
	}
	ops := []struct {
		text string
		op   fairleadv1.Filter_Op
	}{
		{"!=", fairleadv1.Filter_OP_NOT_EQUAL}, {"<=", fairleadv1.Filter_OP_LESS_OR_EQUAL}, {">=", fairleadv1.Filter_OP_GREATER_OR_EQUAL},
		{"=", fairleadv1.Filter_OP_EQUAL}, {"<", fairleadv1.Filter_OP_LESS}, {">", fairleadv1.Filter_OP_GREATER},
	}
	f := &fairleadv1.Filter{}
next:
	for _, text := range filters {
		for _, o := range ops {
			if field, v, ok := strings.Cut(text, o.text); ok && field != "" && !strings.ContainsAny(field, "<>=!") {
				f.Conditions = append(f.Conditions, &fairleadv1.Filter_Condition{Field: field, Op: o.op, Value: value(v)})
				continue next
			}
		}
		return nil, fmt.Errorf("reading --filter %q: write field=value, or use !=, <, <=, > or >=", text)
	}
	return f, nil
}

func (p *program) showHits(resp *fairleadv1.SearchResponse, explained bool) {
	s := p.style()
	for i, h := range resp.GetHits() {
		fmt.Fprintf(p.out, "%2d. %s  %s\n", i+1, s.bold(place(h.GetPassage().GetUri(), h.GetPassage().GetSpan())),
			s.faint(visible(strings.Join(h.GetPassage().GetHeading(), " › "))))
		if explained {
			words, vector := "not found", "not found"
			if h.LexicalScore != nil {
				words = fmt.Sprintf("rank %d, BM25 %.2f", h.GetLexicalRank(), h.GetLexicalScore())
			}
			if h.VectorScore != nil {
				vector = fmt.Sprintf("rank %d, cosine %.3f", h.GetVectorRank(), h.GetVectorScore())
			}
			fmt.Fprintln(p.out, s.faint(fmt.Sprintf("    score %.3f; words: %s; vectors: %s", h.GetScore(), words, vector)))
		}
		fmt.Fprintf(p.out, "    %s\n", clip(h.GetPassage().GetText(), 160))
	}
	if len(resp.GetHits()) == 0 {
		fmt.Fprintln(p.out, "nothing found")
	} else if resp.GetExhausted() {
		fmt.Fprintln(p.out, s.faint("there is no more"))
	} else if resp.GetIncomplete() {
		fmt.Fprintln(p.out, s.faint("there may be more: the index gave up early"))
	}
	if d := resp.GetDegraded(); d != "" {
		fmt.Fprintln(p.out, s.faint(visible(d)))
	}
	if e := resp.GetExplanation(); e != nil {
		fmt.Fprintf(p.out, "\n%s; words count %.2f\nwords:   %d found in %s, as %s\n%svectors: %d found in %s by %s\n%s", e.GetFusion(), e.GetLexicalWeight(),
			e.GetLexicalHits(), millis(e.GetLexicalMs()), clip(e.GetLexicalQuery(), 120), scanned(e.GetLexical()),
			e.GetVectorHits(), millis(e.GetVectorMs()), e.GetEmbedder(), scanned(e.GetVector()))
	}
}

// scanned says how a leg went through what is stored and why so, as a line; nothing for one that was not asked.
func scanned(s *fairleadv1.Scan) string {
	if s == nil {
		return ""
	}
	among := ""
	switch {
	case s.Rows == nil:
	case s.GetEstimated():
		among = fmt.Sprintf(" among at least %d passages", s.GetRows())
	default:
		among = fmt.Sprintf(" among %d passages", s.GetRows())
	}
	return fmt.Sprintf("         %s%s: %s\n", s.GetMethod(), among, s.GetWhy())
}

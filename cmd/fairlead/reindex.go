package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	fairleadv1 "fairlead/gen/fairlead/v1"
)

func (p *program) reindexCollectionCommand() *cobra.Command {
	req := &fairleadv1.ReindexCollectionRequest{}
	c := &cobra.Command{
		Use:   "reindex NAME",
		Short: "Embed a collection anew: its embedder's model is another one, or it is to have another embedder",
		Long: `Embeds a collection's passages anew, beside the vectors that are searched meanwhile, and swaps at once when all
is done. Documents may be stored, changed and deleted meanwhile. When it fails or is interrupted, nothing is lost: the
same command goes on where it was.`,
		Example: `  fairlead collections reindex handbook
  fairlead collections reindex handbook --embedder small-3
  fairlead collections reindex handbook --abort`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if req.GetAbort() && req.GetEmbedder() != "" {
				return &usageError{errors.New("--abort drops what is in progress, whatever its embedder: leave --embedder out")}
			}
			req.Collection = args[0]
			return p.reindex(cmd, req)
		},
	}
	c.Flags().StringVar(&req.Embedder, "embedder", "", "the target that is to embed it (default: that of the reindex in progress, else the collection's own)")
	c.Flags().BoolVar(&req.Abort, "abort", false, "drop a reindex in progress, and begin none")
	return c
}

func (p *program) reindex(cmd *cobra.Command, req *fairleadv1.ReindexCollectionRequest) error {
	cl, err := p.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer p.done(cl)
	stream, err := cl.retrieval.ReindexCollection(cmd.Context(), req)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }() // its error is told below
	started := time.Now()
	show := p.reindexProgress(started)
	var last *fairleadv1.Reindex
	var made *fairleadv1.Collection
	for stream.Receive() {
		m := stream.Msg()
		if p.json {
			if err := printJSON(p.out, m); err != nil {
				return err
			}
		}
		if m.GetReindex() != nil {
			last = m.GetReindex()
			show(last)
		}
		made = m.GetCollection()
	}
	if err := stream.Err(); err != nil {
		if last != nil {
			fmt.Fprintf(p.err, "%s: %d of %d passages are embedded and kept: the same command goes on there\n", req.GetCollection(), last.GetDone(), last.GetTotal())
		}
		return err
	}
	if p.json {
		return nil
	}
	by := made.GetEmbedder()
	if made.GetIdentity() != "" {
		by += " (" + made.GetIdentity() + ")"
	}
	switch {
	case req.GetAbort():
		fmt.Fprintf(p.out, "%s: no reindex is in progress; its vectors are those of %s\n", made.GetName(), by)
	case last == nil:
		fmt.Fprintf(p.out, "%s: nothing to do: its vectors are those of %s\n", made.GetName(), by)
	default:
		fmt.Fprintf(p.out, "%s: %d passages are now embedded by %s in %d dimensions; took %s\n", made.GetName(), made.GetPassages(), by,
			made.GetDimensions(), time.Since(started).Round(time.Millisecond))
	}
	return nil
}

// progressEvery is how often a reindex is told of where nobody looks on.
const progressEvery = 10 * time.Second

// reindexProgress shows how far a reindex is: on a terminal as a bar with the rate and the time that is left, elsewhere
// as a line of JSON now and then.
func (p *program) reindexProgress(started time.Time) func(*fairleadv1.Reindex) {
	switch {
	case p.json:
		return func(*fairleadv1.Reindex) {} // each message is a line already
	case !isTerminal(p.err):
		told := started
		return func(r *fairleadv1.Reindex) {
			if time.Since(told) >= progressEvery {
				told = time.Now()
				_ = printJSON(p.err, r)
			}
		}
	}
	var bar *progressbar.ProgressBar
	var before int64 // what was done before is no part of the rate
	return func(r *fairleadv1.Reindex) {
		if bar == nil {
			before = r.GetDone()
			bar = progressbar.NewOptions64(r.GetTotal()-before, progressbar.OptionSetWriter(p.err), progressbar.OptionSetDescription("reindexing"),
				progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("passages"),
				progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))
		}
		if left := r.GetTotal() - before; bar.GetMax64() != left {
			bar.ChangeMax64(left)
		}
		_ = bar.Set64(r.GetDone() - before)
	}
}

// reindexNotes says in words what is to know of a collection's vectors.
func reindexNotes(c *fairleadv1.Collection) []string {
	var notes []string
	if r := c.GetReindex(); r != nil {
		notes = append(notes, fmt.Sprintf("%s: a reindex for %s is in progress, %d of %d passages: fairlead collections reindex %s goes on with it",
			c.GetName(), r.GetEmbedder(), r.GetDone(), r.GetTotal(), c.GetName()))
	}
	if c.GetOutdated() {
		notes = append(notes, fmt.Sprintf("%s: the model behind %s is another one now; until fairlead collections reindex %s is done, no document is stored and words alone are searched",
			c.GetName(), c.GetEmbedder(), c.GetName()))
	}
	return notes
}

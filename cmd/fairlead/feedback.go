package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	fairleadv1 "fairlead/gen/fairlead/v1"
	"fairlead/internal/config"
	"fairlead/internal/label"
	"fairlead/orchestrator/routing/learned"
)

// word is a reason of feedback.
var word = regexp.MustCompile(`^[a-z0-9_-]{0,64}$`)

func (p *program) feedbackCommand() *cobra.Command {
	req := &fairleadv1.FeedbackRequest{}
	var score string
	c := &cobra.Command{
		Use:   "feedback RUN --score N",
		Short: "Score an answer",
		Long: `Scores the answer of a run, from 0 to 1, for the training of a router. RUN is the run's id, which answers carry in the header Fairlead-Run and in
their first event. The score is about the target that answered the run's last step in which a model wrote, or the step of --step. Sent again, it takes the
place of what you said before. It is kept as long as the server's record of the run's decisions is.`,
		Example: `  fairlead feedback 01K0F3M8Q2 --score 1
  fairlead feedback 01K0F3M8Q2 --score 0 --step draft --reason thumbs_down`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if score == "" {
				return &usageError{errors.New("how good is the answer? say it with --score, from 0 to 1")}
			}
			value, err := strconv.ParseFloat(score, 64)
			if err != nil || !(value >= 0 && value <= 1) {
				return &usageError{fmt.Errorf("reading --score %q: write a number from 0 to 1", score)}
			}
			if !word.MatchString(req.Reason) {
				return &usageError{fmt.Errorf("reading --reason %q: write one word of at most 64 of the characters a to z, 0 to 9, _ and -: texts are not kept", req.Reason)}
			}
			req.RunId, req.Score = args[0], &value
			cl, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer p.done(cl)
			resp, err := cl.run.Feedback(cmd.Context(), req)
			if err != nil {
				return err
			}
			if p.json {
				return printJSON(p.out, resp)
			}
			_, err = fmt.Fprintf(p.out, "%g for %s, which answered the step %s\n", value, visible(resp.GetTarget()), visible(resp.GetStep()))
			return err
		},
	}
	c.Flags().StringVar(&score, "score", "", "how good the answer is, from 0 to 1")
	c.Flags().StringVar(&req.Step, "step", "", "the step's path (default: the run's last step in which a model wrote)")
	c.Flags().StringVar(&req.Reason, "reason", "", "a short word, such as thumbs_down")
	return c
}

// outcomeLine is a line of a file of outcomes, as router train reads it.
type outcomeLine struct {
	Prompt string `json:"prompt,omitempty"`
	// Features stand for the prompt where its text is not kept.
	Features []byte  `json:"features,omitempty"`
	Target   string  `json:"target"`
	Score    float64 `json:"score"`
	Group    string  `json:"group"`
}

func (p *program) routerOutcomesCommand() *cobra.Command {
	var since time.Duration
	c := &cobra.Command{
		Use: "outcomes", Short: "Write the answers that callers scored, for router train",
		Long: `Writes a line of JSON for each answer that callers scored (fairlead feedback): the features of the prompt, the target that answered it and the mean of
the scores. A server keeps features while record.features is on; of prompts there is no text. router train reads what it writes.

--tenant says whose it is. On a server that takes a caller with the scope operator.`,
		Example: `  fairlead router outcomes > outcomes.jsonl
  fairlead router outcomes --since 720h --server https://fairlead.example.com > outcomes.jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			req := &fairleadv1.ExportOutcomesRequest{Tenant: p.tenant}
			if since < 0 {
				return &usageError{errors.New("reading --since: it is negative")}
			}
			if since > 0 {
				req.Since = durationpb.New(since)
			}
			cl, err := p.connectAdmin(cmd.Context())
			if err != nil {
				return err
			}
			defer p.done(cl)
			stream, err := cl.admin.ExportOutcomes(cmd.Context(), req)
			if err != nil {
				return err
			}
			defer stream.Close() //nolint:errcheck // what went wrong, Err has said
			n, without, whole := 0, int64(0), false
			for e := json.NewEncoder(p.out); stream.Receive(); {
				o := stream.Msg().GetOutcome()
				if o == nil {
					without, whole = stream.Msg().GetWithoutFeatures(), true
					continue
				}
				n++
				if err := e.Encode(outcomeLine{Features: o.GetFeatures(), Target: o.GetTarget(), Score: o.GetScore(), Group: o.GetGroup()}); err != nil {
					return err
				}
			}
			if err := stream.Err(); err != nil {
				return err
			}
			if !whole {
				return errors.New("reading outcomes: the server ended before it had sent all")
			}
			fmt.Fprintf(p.err, "%d outcomes\n", n)
			if without > 0 {
				fmt.Fprintf(p.err, "%d scored answers are left out, for the features of their prompts were not kept: record.features was off, or they were above record.features_label\n", without)
			}
			return nil
		},
	}
	c.Flags().DurationVar(&since, "since", 0, "how far back, such as 720h (default: all that is kept)")
	return c
}

// featuresOf gives what keeps the features of prompts, and up to which label. Nil: nothing does.
func featuresOf(c *config.Config) (func(prompt string) []byte, label.Label) {
	if !c.Record.Decisions || !c.Record.Features {
		return nil, label.Unset
	}
	return learned.Compact, c.Record.FeaturesLabel
}

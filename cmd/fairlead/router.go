package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fairlead/evals/router"
	"fairlead/internal/wholefile"
	"fairlead/orchestrator/routing/learned"
)

func (p *program) routerCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "router", Short: "Learn from outcomes which target answers which prompts well",
		Long: `A router's model is trained on outcomes: what each target made of each prompt. It is judged on prompts that it was not trained on,
and may only be used when it surely beats the best mix of single targets at equal cost. The setting router.model names the file
that a server uses.`,
		Args: knownCommand, RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(p.routerTrainCommand(), p.routerEvalCommand(), p.routerExplainCommand(), p.routerOutcomesCommand())
	return c
}

// outcomes are the flags that say how outcomes are read and a router is judged.
type outcomes struct {
	config  router.Config
	targets map[string]string
	rename  []string
}

func (o *outcomes) flags(c *cobra.Command) {
	c.Flags().StringToStringVar(&o.targets, "targets", nil, "the two that it is judged by, as weak=NAME,strong=NAME (default: the one with the lowest mean score, and the one with the highest)")
	c.Flags().IntVar(&o.config.Folds, "folds", 5, "how many parts the data is cut into, each predicted by what was fitted on the others")
	c.Flags().Uint64Var(&o.config.Seed, "seed", 1, "the seed of folds and intervals")
	c.Flags().IntVar(&o.config.Answer, "answer", 1000, "what an answer costs, as characters of prompt: a call costs those of its prompt and these")
	o.names(c)
}

func (o *outcomes) names(c *cobra.Command) {
	c.Flags().StringArrayVar(&o.rename, "rename", nil, "the name in the configuration of a target that the data calls otherwise, as DATA=TARGET; may be given several times")
}

func (o *outcomes) read(files []string) (*router.Data, error) {
	rename := map[string]string{}
	for _, r := range o.rename {
		from, to, ok := strings.Cut(r, "=")
		if !ok || from == "" || to == "" {
			return nil, &usageError{fmt.Errorf("reading --rename %q: want DATA=TARGET", r)}
		}
		rename[from] = to
	}
	for role, name := range o.targets {
		switch role {
		case "weak":
			o.config.Pair.Weak = name
		case "strong":
			o.config.Pair.Strong = name
		default:
			return nil, &usageError{fmt.Errorf("reading --targets: %q is neither weak nor strong", role)}
		}
	}
	return router.Read(disk{}, rename, files...)
}

// disk is the file system as it is, with the paths that people write.
type disk struct{}

func (disk) Open(name string) (fs.File, error) { return os.Open(name) }

func (p *program) routerTrainCommand() *cobra.Command {
	var o outcomes
	var out, date string
	c := &cobra.Command{
		Use: "train DATA... --out FILE", Short: "Fit a router, test it, and write its model",
		Long: `DATA are files of outcomes, *.csv or *.jsonl, or folders of them. A CSV file has the columns prompt, target and score, or prompt and a column for each
target; group may join either. A line of JSONL is {"prompt": "...", "target": "...", "score": 1, "group": "..."}. Scores are from 0 to 1.
Where there are groups, whole groups are held out, as the prompts to come may be of none of them.

A model that does not pass its test is written as well, so that it can be explained, but it is not active, never takes the place of an active one,
and the exit status is 1.`,
		Example: `  fairlead router train outcomes.csv --out router.json
  fairlead router train outcomes/ --out router.json --targets weak=local,strong=frontier`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if out == "" {
				return &usageError{errors.New("where is the model written to? name a file with --out")}
			}
			d, err := o.read(args)
			if err != nil {
				return err
			}
			o.config.ByGroup = true
			if date == "" {
				date = time.Now().UTC().Format(time.DateOnly)
			}
			a, report, err := router.Train(d, o.config, date)
			if err != nil {
				return err
			}
			if err := writeModel(out, a); err != nil {
				return err
			}
			if p.json {
				err = json.NewEncoder(p.out).Encode(map[string]any{"written": out, "active": a.Active, "verdict": a.Verdict, "report": report})
			} else if err = p.printReport(report); err == nil {
				fmt.Fprintf(p.out, "written: %s\n", visible(out))
			}
			if err == nil && !a.Active {
				err = fmt.Errorf("the router's model is not active: %s", a.Verdict)
			}
			return err
		},
	}
	o.flags(c)
	c.Flags().StringVar(&out, "out", "", "the file of the model")
	c.Flags().StringVar(&date, "date", "", "the date that the file tells (default: today)")
	return c
}

// writeModel writes a model in one piece, so that a server that reads it sees the old one or the new one. One that is not
// active never takes the place of one that is.
func writeModel(file string, a *learned.Artefact) error {
	if !a.Active {
		if old, err := readModel(file); err == nil && old.Active {
			return fmt.Errorf("the new model is not active, so the active one in %s stays: %s", file, a.Verdict)
		}
	}
	data, err := a.Encode()
	if err != nil {
		return err
	}
	if err := wholefile.Write(file, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}); err != nil {
		return fmt.Errorf("writing the model: %w", err)
	}
	return nil
}

// readModel reads a model, active or not.
func readModel(file string) (*learned.Artefact, error) {
	data, err := readModelFile(file)
	if err != nil {
		return nil, err
	}
	return learned.Decode(data)
}

// readModelFile reads the bytes of a model, and no more than one may have.
func readModelFile(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("reading the router's model: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, learned.MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the router's model: %w", err)
	}
	return data, nil
}

func (p *program) printReport(r *router.Report) error {
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(p.out, visible(strings.TrimSuffix(line, "\n")))
	}
	return nil
}

func (p *program) routerEvalCommand() *cobra.Command {
	var o outcomes
	c := &cobra.Command{
		Use: "eval DATA...", Short: "Judge a router by cross-validation, and write nothing",
		Long: `Each DATA, a file or a folder as for router train, is a set of its own. It is judged with single prompts held out, and where there are as many groups as
folds also with whole groups held out: on subjects that the router has not seen. Beside the learned router stand routing by the
prompt's length, at random (a mix of single targets), and by what is only known afterwards (the oracle).

APGR is the mean, over all shares of calls that go to the strong target, of how much of the gap between the two targets is closed; 0.5
is chance. CPT(50) and CPT(80) are the least shares that close half and four fifths of it. Figures are as in RouteLLM (arXiv:2406.18665), with 95 % intervals over
prompts.`,
		Example: `  fairlead router eval outcomes.csv
  fairlead router eval "$FAIRLEAD_DATA"/routellm/mmlu "$FAIRLEAD_DATA"/routellm/gsm8k.csv`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, name := range args {
				d, err := o.read([]string{name})
				if err != nil {
					return err
				}
				for _, byGroup := range []bool{false, true} {
					if byGroup && d.Groups() < o.config.Folds || cmd.Context().Err() != nil {
						continue
					}
					o.config.ByGroup = byGroup
					report, err := router.Evaluate(d, o.config)
					if err != nil {
						return err
					}
					if p.json {
						if err := json.NewEncoder(p.out).Encode(map[string]any{"data": name, "report": report}); err != nil {
							return err
						}
						continue
					}
					fmt.Fprintf(p.out, "== %s, by %s ==\n", visible(name), report.HeldOut)
					if err := p.printReport(report); err != nil {
						return err
					}
					fmt.Fprintln(p.out)
				}
			}
			return cmd.Context().Err()
		},
	}
	o.flags(c)
	return c
}

func (p *program) routerExplainCommand() *cobra.Command {
	var o outcomes
	var data []string
	var most int
	c := &cobra.Command{
		Use: "explain FILE PROMPT", Short: "Say what a model expects of a prompt, and why",
		Long: `Writes, for each target, the quality that is expected and the features of the prompt that weigh most, and the nearest of the prompts that the model was
trained on with what became of them. The model holds no text: with --data, the data that it was trained on, the texts of the neighbours are shown.
A model that is not active is explained too.`,
		Example: `  fairlead router explain router.json "What is the integral of x^2?"
  fairlead router explain router.json "What is the integral of x^2?" --data outcomes.csv`,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			a, err := readModel(args[0])
			if err != nil {
				return err
			}
			m, err := learned.Compile(a)
			if err != nil {
				return err
			}
			var texts []router.Case
			if len(data) > 0 {
				d, err := o.read(data)
				if err != nil {
					return err
				}
				if texts = router.Remembered(d, a); texts == nil {
					return errors.New("reading --data: the model was trained on other data, or with other names of targets (--rename)")
				}
			}
			explained, near := m.Explain(args[1], most)
			return p.printExplained(a, explained, near, texts)
		},
	}
	c.Flags().StringArrayVar(&data, "data", nil, "the data that the model was trained on; may be given several times")
	c.Flags().IntVar(&most, "most", 8, "how many features and neighbours are shown")
	o.names(c)
	return c
}

func (p *program) printExplained(a *learned.Artefact, explained []learned.Explanation, near []learned.Neighbour, texts []router.Case) error {
	if p.json {
		for i := range near {
			for t, score := range near[i].Scores {
				if math.IsNaN(score) {
					near[i].Scores[t] = -1 // JSON has no NaN
				}
			}
		}
		return json.NewEncoder(p.out).Encode(map[string]any{"active": a.Active, "targets": explained, "neighbours": near})
	}
	active := "active"
	if !a.Active {
		active = "not active: " + a.Verdict
	}
	fmt.Fprintf(p.out, "trained %s on %d prompts in %d groups; %s\n", visible(a.Trained.Date), a.Trained.Prompts, a.Trained.Groups, visible(active))
	for i := range explained {
		e := &explained[i]
		fmt.Fprintf(p.out, "\n%s: %s; the mean of %d is %.2f\n", visible(e.Target), e.Prediction, e.Prompts, e.Mean)
		fmt.Fprintf(p.out, "  logit: %+.2f constant, %+.2f words, %+.2f shape, %+.2f neighbours\n", e.Intercept, e.Words, e.Shape, e.Neighbours)
		var rows [][]string
		for _, part := range e.Parts {
			rows = append(rows, []string{fmt.Sprintf("  %+.3f", part.Logit), part.Name})
		}
		table(p.out, p.style(), []string{"  LOGIT", "FEATURE"}, rows)
	}
	fmt.Fprintln(p.out)
	heading := []string{"COSINE", "PROMPT"}
	for i := range explained {
		heading = append(heading, explained[i].Target)
	}
	var rows [][]string
	for _, n := range near {
		text := fmt.Sprintf("number %d", n.At)
		if n.At < len(texts) {
			if text = texts[n.At].Prompt; text == "" {
				text += " (its text is not kept)"
			}
			if runes := []rune(strings.Join(strings.Fields(text), " ")); len(runes) > 80 {
				text = string(runes[:79]) + "…"
			} else {
				text = string(runes)
			}
		}
		row := []string{fmt.Sprintf("%.2f", n.Cosine), text}
		for _, score := range n.Scores {
			if math.IsNaN(score) {
				row = append(row, "-")
			} else {
				row = append(row, fmt.Sprintf("%.2f", score))
			}
		}
		rows = append(rows, row)
	}
	table(p.out, p.style(), heading, rows)
	return nil
}

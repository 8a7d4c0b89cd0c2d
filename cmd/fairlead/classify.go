package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	fairleadv1 "fairlead/gen/fairlead/v1"
)

// shownClasses is how many classes of an item are shown where nothing else is said.
const shownClasses = 5

// maxImageFile is the most bytes of a picture, as the API has it.
const maxImageFile = 20 << 20

// inferenceFlags are those that bound a call for classes or vectors.
type inferenceFlags struct {
	label   string
	timeout time.Duration
	noCache bool
}

func (f *inferenceFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.label, "label", "", "how sensitive what is sent is: public, internal, confidential or restricted")
	c.Flags().DurationVar(&f.timeout, "timeout", 0, "the most time that it may take, such as 2s")
	c.Flags().BoolVar(&f.noCache, "no-cache", false, "ask the model although the answer is still known")
}

func (f *inferenceFlags) limits() (*fairleadv1.InferenceLimits, error) {
	out := &fairleadv1.InferenceLimits{NoCache: f.noCache}
	var err error
	if out.Label, err = parseLabel(f.label); err != nil {
		return nil, err
	}
	if f.timeout < 0 {
		return nil, &usageError{errors.New("reading --timeout: it is less than nothing")}
	}
	if f.timeout > 0 {
		out.Timeout = durationpb.New(f.timeout)
	}
	return out, nil
}

func (p *program) classifyCommand() *cobra.Command {
	var images []string
	var top int
	var flags inferenceFlags
	c := &cobra.Command{
		Use:   "classify TARGET [TEXT...]",
		Short: "Ask a classifier for the classes of texts, records or pictures",
		Long: `Ask a classifier for the classes of texts, records or pictures.

Each TEXT is one item; where the target takes records it is a JSON object such as '{"age": 41}'. The target is asked as the
API asks it: with its clearance, its limits and its cache.`,
		Example: `  fairlead classify topics "my invoice is wrong" "when does the ferry leave"
  fairlead classify photos --image cat.jpg --top 3`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			req := &fairleadv1.ClassifyRequest{Target: args[0], Texts: args[1:]}
			var err error
			if req.Limits, err = flags.limits(); err != nil {
				return err
			}
			switch {
			case len(images) == 0 && len(req.Texts) == 0:
				return &usageError{errors.New("there is nothing to classify: give a text, or a file with --image")}
			case len(images) > 0 && len(req.Texts) > 0:
				return &usageError{errors.New("there are texts and images: give one of the two")}
			}
			names := req.GetTexts()
			for _, file := range images {
				data, err := readImage(file)
				if err != nil {
					return err
				}
				req.Images, names = append(req.Images, data), append(names, file)
			}
			cl, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer p.done(cl)
			resp, err := cl.inference.Classify(cmd.Context(), req)
			if err != nil {
				return err
			}
			if p.json {
				return printJSON(p.out, resp)
			}
			p.showClasses(names, resp, top)
			return nil
		},
	}
	c.Flags().StringArrayVar(&images, "image", nil, "a JPEG, PNG or WebP file; may be given several times")
	c.Flags().IntVarP(&top, "top", "n", shownClasses, "how many classes of each item are shown")
	flags.add(c)
	return c
}

// readImage reads a file that is not larger than the API takes.
func readImage(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("reading the image: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxImageFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the image: %w", err)
	case len(data) > maxImageFile:
		return nil, fmt.Errorf("reading the image %s: it has more than %d MiB", file, maxImageFile>>20)
	case len(data) == 0:
		return nil, fmt.Errorf("reading the image %s: it is empty", file)
	}
	return data, nil
}

func (p *program) showClasses(names []string, resp *fairleadv1.ClassifyResponse, top int) {
	s := p.style()
	for i, r := range resp.GetResults() {
		name := ""
		if i < len(names) {
			name = names[i]
		}
		fmt.Fprintln(p.out, s.bold(clip(name, 100)))
		for k, c := range r.GetClasses() {
			if k == max(top, 1) {
				fmt.Fprintln(p.out, s.faint(fmt.Sprintf("  and %d more", len(r.GetClasses())-k)))
				break
			}
			fmt.Fprintf(p.out, "  %6.4f  %s\n", c.GetProbability(), visible(c.GetName()))
		}
	}
	p.showAnswered(resp.GetAnswered())
}

// showAnswered says in a line what answered and what it cost.
func (p *program) showAnswered(a *fairleadv1.Answered) {
	parts := []string{visible(a.GetTarget())}
	if a.GetCost() != nil {
		parts = append(parts, money(a.GetCost()))
	}
	if n := a.GetCached(); n > 0 {
		parts = append(parts, fmt.Sprintf("%d from the cache", n))
	}
	fmt.Fprintln(p.out, p.style().faint(strings.Join(parts, ", ")))
}

func (p *program) embedCommand() *cobra.Command {
	var target string
	var dimensions int
	var flags inferenceFlags
	c := &cobra.Command{
		Use:   "embed TEXT...",
		Short: "Make vectors of texts",
		Long:  `Make vectors of texts, each TEXT one. For people only the length and the first numbers are shown: --json has them all.`,
		Example: `  fairlead embed "clearance of a backend"
  fairlead embed --target minilm --json "one text" "another"`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			req := &fairleadv1.EmbedRequest{Target: target, Texts: args, Dimensions: int32(min(max(dimensions, -1), 1<<30))}
			var err error
			if req.Limits, err = flags.limits(); err != nil {
				return err
			}
			cl, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer p.done(cl)
			resp, err := cl.inference.Embed(cmd.Context(), req)
			if err != nil {
				return err
			}
			if p.json {
				return printJSON(p.out, resp)
			}
			s := p.style()
			for i, v := range resp.GetVectors() {
				values := v.GetValues()
				var first []string
				for _, n := range values[:min(len(values), 6)] {
					first = append(first, fmt.Sprintf("%.4f", n))
				}
				fmt.Fprintf(p.out, "%s\n  %d numbers: %s …\n", s.bold(clip(args[min(i, len(args)-1)], 100)), len(values), strings.Join(first, ", "))
			}
			p.showAnswered(resp.GetAnswered())
			return nil
		},
	}
	c.Flags().StringVarP(&target, "target", "t", "", "a target that embeds (default: the server's own)")
	c.Flags().IntVar(&dimensions, "dimensions", 0, "the length of the vectors, where the target can shorten them (default: as they come)")
	flags.add(c)
	return c
}

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	fairleadv1 "fairlead/gen/fairlead/v1"
)

const (
	// noBudget stands for a run that no flag limits.
	noBudget = -math.MaxFloat64
	// maxBudget is in US dollars; it keeps the sum in billionths of one within an int64.
	maxBudget = 1e6
)

// limits are the flags that bound a run.
type limits struct {
	label   string
	timeout time.Duration
	budget  float64
}

func (l *limits) flags(c *cobra.Command) {
	c.Flags().StringVar(&l.label, "label", "", "how sensitive the question is: public, internal, confidential or restricted")
	c.Flags().DurationVar(&l.timeout, "timeout", 0, "the most time the run may take, such as 30s")
	c.Flags().Float64Var(&l.budget, "budget", noBudget, "the most the run may cost, in US dollars; 0 allows only what is free")
	c.Flags().Lookup("budget").DefValue = "0" // so that the help shows none
}

func (l *limits) read() (label fairleadv1.Label, timeout *durationpb.Duration, budget *fairleadv1.Money, err error) {
	if label, err = parseLabel(l.label); err != nil {
		return label, nil, nil, err
	}
	switch {
	case l.timeout > 0:
		timeout = durationpb.New(l.timeout)
	case l.timeout < 0:
		return label, nil, nil, &usageError{fmt.Errorf("reading --timeout %s: it cannot be negative", l.timeout)}
	}
	switch {
	case l.budget >= 0 && l.budget <= maxBudget:
		budget = &fairleadv1.Money{NanoUsd: int64(math.Round(l.budget * 1e9))}
	case l.budget != noBudget: // also what is not a number, which would compare as no limit at all
		return label, nil, nil, &usageError{fmt.Errorf("reading --budget %g: use US dollars from 0 to %g", l.budget, maxBudget)}
	}
	return label, timeout, budget, nil
}

func (p *program) askCommand() *cobra.Command {
	var l limits
	var chain, collection string
	var inputs []string
	var explained bool
	c := &cobra.Command{
		Use:   "ask QUESTION",
		Short: "Answer a question from your documents, with citations",
		Long: `Runs a chain (answer, unless --chain names another) and streams what it says, with the places that it rests on.
--explain shows what was decided about every target, and why.`,
		Example: `  fairlead ask "How do I add a backend?" --collection docs
  fairlead ask "What changed?" --chain answer --input top=12 --explain`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer p.done(cl)
			input := map[string]any{"question": strings.Join(args, " ")}
			if cmd.Flags().Changed("collection") {
				input["collection"] = collection
			}
			for _, in := range inputs {
				name, v, ok := strings.Cut(in, "=")
				if !ok {
					return &usageError{fmt.Errorf("reading --input %q: write name=value", in)}
				}
				input[name] = value(v).AsInterface()
			}
			r := p.renderer()
			if err := ask(cmd.Context(), cl, chain, input, &l, r); err != nil {
				return err
			}
			if explained && !p.json {
				r.explain()
				fmt.Fprintln(p.out)
				r.table()
			}
			return nil
		},
	}
	l.flags(c)
	c.Flags().StringVar(&chain, "chain", "answer", "the chain to run")
	c.Flags().StringVarP(&collection, "collection", "c", "docs", "where to look")
	c.Flags().StringArrayVar(&inputs, "input", nil, "one further input of the chain, as name=value; may be given several times")
	c.Flags().BoolVar(&explained, "explain", false, "show every decision with its reasons, and what each step took")
	return c
}

// value reads a value of the command line: a JSON value where it is one, else text.
func value(s string) *structpb.Value {
	var v structpb.Value
	if err := v.UnmarshalJSON([]byte(s)); err == nil {
		return &v
	}
	return structpb.NewStringValue(s)
}

func (p *program) renderer() *renderer {
	return &renderer{out: p.out, err: p.err, style: p.style(), json: p.json}
}

// ask runs a chain and shows it as it goes.
func ask(ctx context.Context, cl *client, chain string, input map[string]any, l *limits, r *renderer) error {
	in, err := structpb.NewStruct(input)
	if err != nil {
		return &usageError{errors.New("reading the input: it is not UTF-8")}
	}
	req := &fairleadv1.RunRequest{Chain: chain, Input: in}
	if req.Label, req.Timeout, req.Budget, err = l.read(); err != nil {
		return err
	}
	stream, err := cl.run.Run(ctx, req)
	if err != nil {
		return err
	}
	return show(stream, r)
}

// eventful is a message of a stream of events.
type eventful[T any] interface {
	*T
	GetEvent() *fairleadv1.Event
}

// show reads a run to its end and shows it as it goes.
func show[T any, M eventful[T]](stream *connect.ServerStreamForClient[T], r *renderer) error {
	defer func() { _ = stream.Close() }() // what matters of the end is in Err
	for stream.Receive() {
		if err := r.event(M(stream.Msg()).GetEvent()); err != nil {
			return err
		}
	}
	if err := stream.Err(); err != nil {
		r.line()
		return err
	}
	return r.end()
}

func (p *program) chatCommand() *cobra.Command {
	var l limits
	var model, session string
	var explained bool
	c := &cobra.Command{
		Use:   "chat",
		Short: "Talk, one turn after the other",
		Long: `Reads a line, answers it, and remembers the conversation under a session. A chat with "auto" goes where the
server's configuration says; --model names a policy, a chain or a target. An empty line or the end of the input ends it.`,
		Example: `  fairlead chat --model chain/answer`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer p.done(cl)
			if _, _, _, err := l.read(); err != nil {
				return err
			}
			if session == "" {
				session = "chat-" + uuid.NewString()
			}
			return p.converse(cmd.Context(), cl, model, session, &l, explained)
		},
	}
	l.flags(c)
	c.Flags().StringVarP(&model, "model", "m", "auto", "auto, policy/NAME, chain/NAME or a target's name")
	c.Flags().StringVar(&session, "session", "", "go on with a conversation of this name (default: a new one)")
	c.Flags().BoolVar(&explained, "explain", false, "show every decision with its reasons, and what each step took")
	return c
}

func (p *program) converse(ctx context.Context, cl *client, model, session string, l *limits, explained bool) error {
	prompt := isTerminal(p.out) && isTerminal(p.in)
	lines := bufio.NewScanner(p.in)
	lines.Buffer(make([]byte, 0, 4096), 1<<20)
	for {
		if prompt {
			fmt.Fprint(p.out, p.style().bold("you> "))
		}
		line, ok, err := readLine(ctx, lines)
		if err != nil || !ok || strings.TrimSpace(line) == "" {
			return err
		}
		r := p.renderer()
		if err := say(ctx, cl, model, session, line, l, r); err != nil {
			if !prompt || ctx.Err() != nil {
				return err
			}
			fmt.Fprintln(p.err, p.style().red("failed: "+p.explain(err).Error())) // the conversation goes on
			continue
		}
		if explained {
			r.explain()
			r.table()
		}
		if !p.json {
			fmt.Fprintln(p.out)
		}
	}
}

// readLine reads the next line, or ends with the context: a terminal's read cannot be broken off.
func readLine(ctx context.Context, lines *bufio.Scanner) (string, bool, error) {
	type read struct {
		text string
		ok   bool
	}
	got := make(chan read, 1)
	go func() {
		ok := lines.Scan()
		got <- read{lines.Text(), ok}
	}()
	select {
	case r := <-got:
		if err := lines.Err(); err != nil && !errors.Is(err, os.ErrClosed) && !errors.Is(err, io.EOF) {
			return "", false, fmt.Errorf("reading the next line: %w", err)
		}
		return r.text, r.ok, nil
	case <-ctx.Done():
		return "", false, ctx.Err()
	}
}

// say sends one turn and shows the answer as it comes.
func say(ctx context.Context, cl *client, model, session, text string, l *limits, r *renderer) error {
	req := &fairleadv1.ChatRequest{Model: model, Session: session, Messages: []*fairleadv1.Message{{
		Role: fairleadv1.Role_ROLE_USER, Parts: []*fairleadv1.Part{{Kind: &fairleadv1.Part_Text{Text: text}}},
	}}}
	var err error
	if req.Label, req.Timeout, req.Budget, err = l.read(); err != nil {
		return err
	}
	stream, err := cl.chat.Chat(ctx, req)
	if err != nil {
		return err
	}
	return show(stream, r)
}

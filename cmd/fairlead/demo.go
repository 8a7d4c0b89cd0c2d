package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fairlead/docs"
	fairleadv1 "fairlead/gen/fairlead/v1"
)

// demoQuestions are asked of the project's own documentation.
var demoQuestions = []string{
	"How do I add my own documents?",
	"How does Fairlead keep sensitive data away from an external backend?",
	"What happens when a model's stream is cut in the middle of an answer?",
}

func (p *program) demoCommand() *cobra.Command {
	var d demo
	c := &cobra.Command{
		Use:   "demo",
		Short: "See the main job done: ask documents, get cited, routed, streamed answers",
		Long: `Starts the real server on a free loopback port with a store in a temporary folder, ingests the project's own
documentation (or yours, with --docs), asks three questions over the API and shows the answers as they stream, with the
places that they rest on and what was decided at each step. It needs no key, no GPU and no network; an Ollama or an
OPENAI_API_KEY that is found is used.`,
		Example: `  fairlead demo
  fairlead demo --docs ~/handbook --question "Who approves travel?"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d.program = p
			return d.run(cmd.Context())
		},
	}
	c.Flags().StringVar(&d.folder, "docs", "", "a folder of your own documents")
	c.Flags().StringArrayVar(&d.questions, "question", nil, "what to ask, in place of the demo's own questions; may be given several times")
	c.Flags().BoolVar(&d.keep, "keep", false, "leave the server running, with what was ingested, until it is interrupted")
	return c
}

// demo is one run of the demo.
type demo struct {
	*program
	folder    string
	questions []string
	keep      bool
}

// demoCollection is where the demo's documents go: the chain answer looks there by itself.
const demoCollection = "docs"

func (d *demo) run(ctx context.Context) (err error) {
	store, err := os.MkdirTemp("", "fairlead-demo-")
	if err != nil {
		return fmt.Errorf("making a temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(store)) }()
	started := time.Now()
	a, err := d.open(ctx, openOptions{own: true, store: filepath.Join(store, "fairlead.db")})
	if err != nil {
		return err
	}
	cl, err := a.loopback(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cl.close()) }()

	s := d.style()
	d.say("%s %s, with its store in a temporary folder\n", s.bold("The server runs at"), cl.address)
	if err := d.ingest(ctx, cl); err != nil {
		return err
	}
	questions, err := d.ask(ctx, cl)
	if err != nil {
		return err
	}
	d.summary(a, questions, started)
	if d.keep {
		w := d.out
		if d.json { // scripts get events alone there
			w = d.err
		}
		fmt.Fprintf(w, "\n%s %s (Ctrl-C ends it)\n", s.bold("Still serving at"), cl.address)
		<-ctx.Done()
	}
	return nil
}

// summary shows the steps of all questions and how to go on.
func (d *demo) summary(a *app, questions []*renderer, started time.Time) {
	if d.json {
		return
	}
	s := d.style()
	d.say("%s\n", s.bold("What each step took, and why it went where it went"))
	all := d.renderer()
	for i, r := range questions {
		for _, step := range r.steps {
			step.path = fmt.Sprintf("%d. %s", i+1, step.path)
			all.steps = append(all.steps, step)
		}
	}
	all.table()
	d.say("\n%s\n\n", s.faint("Done in "+time.Since(started).Round(time.Millisecond).String()+". Nothing above is canned: ask it something else."))
	d.goOn(a)
}

// say speaks to a person; scripts get JSON alone.
func (d *demo) say(format string, args ...any) {
	if !d.json {
		fmt.Fprintf(d.out, format, args...)
	}
}

func (d *demo) ingest(ctx context.Context, cl *client) error {
	in, err := newIngestion(cl, ingestOptions{collection: demoCollection})
	if err != nil {
		return err
	}
	what := "its own documentation"
	if d.folder != "" {
		what = d.folder
		var files []entry
		if files, err = findFiles([]string{d.folder}, false); err == nil {
			in.progress = d.progress(files)
			err = in.run(ctx, files)
		}
	} else {
		err = d.ingestOwn(ctx, in)
	}
	if err != nil {
		return err
	}
	counts := in.counts()
	d.say("It has read %s: %d documents, %d passages, in %s\n\n", what, counts[fairleadv1.IngestResult_STATUS_ADDED], in.passages, in.took.Round(time.Millisecond))
	for _, r := range in.results {
		if r.GetStatus() == fairleadv1.IngestResult_STATUS_FAILED {
			fmt.Fprintf(d.err, "  left out %s: %s\n", r.GetUri(), r.GetError())
		}
	}
	if in.passages == 0 {
		return fmt.Errorf("ingesting %s: nothing in it could be read", what)
	}
	return nil
}

// ingestOwn stores the documentation that is part of the program.
func (d *demo) ingestOwn(ctx context.Context, in *ingestion) error {
	started := time.Now()
	var batch []*fairleadv1.Source
	err := fs.WalkDir(docs.Files, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := docs.Files.ReadFile(path)
		batch = append(batch, &fairleadv1.Source{Uri: "docs/" + path, Content: content, Label: fairleadv1.Label_LABEL_PUBLIC})
		return err
	})
	if err != nil {
		return fmt.Errorf("reading the program's own documentation: %w", err)
	}
	err = in.send(ctx, batch)
	in.took = time.Since(started)
	return err
}

func (d *demo) ask(ctx context.Context, cl *client) ([]*renderer, error) {
	questions := d.questions
	var err error
	switch {
	case len(questions) > 0:
	case d.folder == "":
		questions = demoQuestions
	default:
		if questions, err = questionsAbout(ctx, cl); err != nil {
			return nil, err
		}
	}
	var answered []*renderer
	for _, q := range questions {
		d.say("%s\n", d.style().bold("» "+q))
		r := d.renderer()
		if err := ask(ctx, cl, "answer", map[string]any{"question": q}, &limits{budget: noBudget}, r); err != nil {
			return nil, err
		}
		d.say("\n")
		answered = append(answered, r)
	}
	return answered, nil
}

// questionsAbout makes questions for documents that nobody has written questions for: about the titles of
// three of them.
func questionsAbout(ctx context.Context, cl *client) ([]string, error) {
	resp, err := cl.retrieval.ListDocuments(ctx, &fairleadv1.ListDocumentsRequest{Collection: demoCollection, PageSize: 1000})
	if err != nil {
		return nil, err
	}
	found := resp.GetDocuments()
	var questions []string
	for i := range min(3, len(found)) {
		doc := found[i*len(found)/min(3, len(found))]
		title := doc.GetTitle()
		if title == "" {
			title = strings.TrimSuffix(filepath.Base(doc.GetUri()), filepath.Ext(doc.GetUri()))
		}
		questions = append(questions, "What is said about "+strings.TrimRight(clip(title, 80), ".?!")+"?")
	}
	return questions, nil
}

func (d *demo) goOn(a *app) {
	s := d.style()
	d.say("%s\n", s.bold("How to go on"))
	for _, line := range [][2]string{
		{"fairlead ingest ~/my-docs", "store your own documents"},
		{`fairlead ask "your question"`, "and ask them"},
		{"fairlead serve", "serve Connect, gRPC and the OpenAI dialect on 127.0.0.1:8080"},
		{"fairlead demo --docs ~/my-docs", "this demo over your own folder"},
		{"fairlead config init", "write a configuration: your backends, policies and chains"},
	} {
		d.say("  %-34s %s\n", line[0], s.faint(line[1]))
	}
	if !a.fleet.chats() {
		d.say("These answers quote their sources, with no model. For written ones start Ollama (%s) or set OPENAI_API_KEY:\n"+
			"they are found by themselves, and each step then goes to the best that its data's label allows.\n", "https://ollama.com")
	}
}

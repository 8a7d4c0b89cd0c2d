package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	fairleadv1 "fairlead/gen/fairlead/v1"
	"fairlead/internal/fault"
)

// readable lists the endings that a folder is searched for. A file that is named outright is always tried.
var readable = []string{".md", ".markdown", ".txt", ".text", ".rst", ".html", ".htm", ".pdf", ".docx", ".csv", ".tsv", ".jsonl", ".ndjson"}

// batchBytes is about how much goes into one request: well under the server's usual limit.
const batchBytes = 2 << 20

// maxFile is the most that the API takes as one document, in bytes.
const maxFile = 64 << 20

func (p *program) ingestCommand() *cobra.Command {
	var collection, label string
	var all bool
	c := &cobra.Command{
		Use:   "ingest PATH...",
		Short: "Store documents: files, folders or patterns",
		Long: `Reads Markdown, text, HTML, PDF, DOCX, CSV and JSON Lines, and stores their passages. What is there to the
byte is not stored again, what changed replaces what was there. A file that cannot be read is named, and the rest
goes on; the exit status is then 1.`,
		Example: `  fairlead ingest docs/ --collection handbook
  fairlead ingest 'reports/*.pdf' --label confidential`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := parseLabel(label)
			if err != nil {
				return err
			}
			files, err := findFiles(args, all)
			if err != nil {
				return err
			}
			cl, err := p.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer p.done(cl)
			in := &ingestion{client: cl, collection: collection, label: l}
			in.progress = p.progress(files)
			if err := in.run(cmd.Context(), files); err != nil {
				return err
			}
			return in.report(p)
		},
	}
	c.Flags().StringVarP(&collection, "collection", "c", "docs", "the collection; it is made when it is not there")
	c.Flags().StringVar(&label, "label", "", "how sensitive the documents are: public, internal, confidential or restricted")
	c.Flags().BoolVar(&all, "all", false, "try every file of a folder, whatever its ending")
	return c
}

// foundFile is a file to ingest and the name that it gets.
type foundFile struct {
	path, uri string
	size      int64
}

// findFiles gives the files behind the arguments, each once, by name. A file within a folder is named by
// the folder's name and its path below it; hidden files and folders are left out.
func findFiles(args []string, all bool) ([]foundFile, error) {
	byPath, byURI := map[string]foundFile{}, map[string]string{}
	add := func(path, uri string, info fs.FileInfo) {
		byPath[path] = foundFile{path: path, uri: filepath.ToSlash(uri), size: info.Size()}
	}
	for _, arg := range args {
		paths := []string{arg}
		if strings.ContainsAny(arg, "*?[") {
			matches, err := filepath.Glob(arg)
			if err != nil {
				return nil, fmt.Errorf("reading the pattern %q: %w", arg, err)
			}
			if paths = matches; len(matches) == 0 {
				return nil, fmt.Errorf("looking for %q: no file has such a name", arg)
			}
		}
		for _, path := range paths {
			info, err := os.Stat(path)
			if err != nil {
				return nil, fmt.Errorf("looking for %q: %w", path, plain(err))
			}
			if !info.IsDir() {
				add(path, nameOf(path), info)
				continue
			}
			root, err := filepath.Abs(path)
			if err != nil {
				return nil, fmt.Errorf("looking for %q: %w", path, err)
			}
			// A folder that was named is walked also where its name is a link; links found within it are not followed.
			walked, err := filepath.EvalSymlinks(path)
			if err != nil {
				return nil, fmt.Errorf("looking for %q: %w", path, plain(err))
			}
			err = filepath.WalkDir(walked, func(file string, d fs.DirEntry, err error) error {
				switch {
				case err != nil:
					return err
				case strings.HasPrefix(d.Name(), ".") && file != walked:
					if d.IsDir() {
						return fs.SkipDir
					}
					return nil
				case !d.Type().IsRegular() || !all && !slices.Contains(readable, strings.ToLower(filepath.Ext(file))):
					return nil
				}
				info, err := d.Info()
				if err != nil {
					return err
				}
				below, err := filepath.Rel(walked, file)
				if err != nil {
					return err
				}
				add(file, filepath.Join(filepath.Base(root), below), info)
				return nil
			})
			if err != nil {
				return nil, fmt.Errorf("reading the folder %q: %w", path, plain(err))
			}
		}
	}
	files := make([]foundFile, 0, len(byPath))
	for _, f := range byPath {
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b foundFile) int { return strings.Compare(a.path, b.path) })
	for _, f := range files {
		// One would silently take the other's place.
		if other, ok := byURI[f.uri]; ok {
			return nil, fmt.Errorf("naming %q: %q would be stored under the same name, %s: name a folder above both, or use two collections", f.path, other, f.uri)
		}
		byURI[f.uri] = f.path
	}
	slices.SortFunc(files, func(a, b foundFile) int { return strings.Compare(a.uri, b.uri) })
	if len(files) == 0 {
		return nil, fmt.Errorf("looking in %s: no file ends with %s (--all tries every file)", strings.Join(args, ", "), strings.Join(readable, ", "))
	}
	return files, nil
}

// nameOf names a file that was given outright: its path as it was written, without what leads out of the
// working folder.
func nameOf(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Base(path)
	}
	path = filepath.ToSlash(filepath.Clean(path))
	for strings.HasPrefix(path, "../") {
		path = path[len("../"):]
	}
	return path
}

// plain gives what the system says about a file, without the call and the path, which the message has.
func plain(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// ingestion sends files in batches and counts what became of them.
type ingestion struct {
	client     *client
	collection string
	label      fairleadv1.Label
	progress   func(bytes int64)

	results  []*fairleadv1.IngestResult
	passages int
	started  time.Time
	took     time.Duration
}

func (in *ingestion) run(ctx context.Context, files []foundFile) error {
	in.started = time.Now()
	defer func() { in.took = time.Since(in.started) }()
	var batch []*fairleadv1.Source
	size := 0
	send := func() error {
		if len(batch) == 0 {
			return nil
		}
		defer func() { batch, size = nil, 0 }()
		return in.send(ctx, batch)
	}
	for _, f := range files {
		if f.size > maxFile {
			in.failed(f.uri, fmt.Sprintf("it has more than %d MiB, the most that a document may have", maxFile>>20), f.size)
			continue
		}
		content, err := os.ReadFile(f.path)
		if err != nil {
			in.failed(f.uri, "reading the file: "+plain(err).Error(), f.size)
			continue
		}
		if size+len(content) > batchBytes || len(batch) == 100 {
			if err := send(); err != nil {
				return err
			}
		}
		batch = append(batch, &fairleadv1.Source{Uri: f.uri, Content: content, Label: in.label})
		size += len(content)
	}
	return send()
}

func (in *ingestion) send(ctx context.Context, batch []*fairleadv1.Source) error {
	resp, err := in.client.retrieval.Ingest(ctx, &fairleadv1.IngestRequest{Collection: in.collection, Sources: batch})
	if reasonOf(err) == string(fault.ReasonTooLarge) {
		if half := len(batch) / 2; half > 0 {
			if err := in.send(ctx, batch[:half]); err != nil {
				return err
			}
			return in.send(ctx, batch[half:])
		}
		in.failed(batch[0].GetUri(), "it is larger than the server takes", int64(len(batch[0].GetContent())))
		return nil
	}
	if err != nil {
		return err
	}
	in.results = append(in.results, resp.GetResults()...)
	for i, r := range resp.GetResults() {
		in.passages += int(r.GetPassages())
		in.progress(int64(len(batch[i].GetContent())))
	}
	return nil
}

// failed notes a file that was not stored.
func (in *ingestion) failed(uri, why string, size int64) {
	in.results = append(in.results, &fairleadv1.IngestResult{Uri: uri, Status: fairleadv1.IngestResult_STATUS_FAILED, Error: why})
	in.progress(size)
}

// counts gives how many documents came to each end.
func (in *ingestion) counts() map[fairleadv1.IngestResult_Status]int {
	counts := map[fairleadv1.IngestResult_Status]int{}
	for _, r := range in.results {
		counts[r.GetStatus()]++
	}
	return counts
}

func (in *ingestion) report(p *program) error {
	counts := in.counts()
	failed := counts[fairleadv1.IngestResult_STATUS_FAILED]
	if p.json {
		if err := printJSON(p.out, &fairleadv1.IngestResponse{Results: in.results}); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(p.out, "%s: %d added, %d replaced, %d unchanged, %d failed; %d passages in %s\n", in.collection,
			counts[fairleadv1.IngestResult_STATUS_ADDED], counts[fairleadv1.IngestResult_STATUS_REPLACED],
			counts[fairleadv1.IngestResult_STATUS_UNCHANGED], failed, in.passages, in.took.Round(time.Millisecond))
		for _, r := range in.results {
			if r.GetStatus() == fairleadv1.IngestResult_STATUS_FAILED {
				fmt.Fprintf(p.err, "  %s: %s\n", r.GetUri(), r.GetError())
			}
		}
	}
	if failed > 0 {
		return fmt.Errorf("ingesting into %s: %d of %d documents could not be stored", in.collection, failed, len(in.results))
	}
	return nil
}

// progress shows how far an ingestion is, on a terminal.
func (p *program) progress(files []foundFile) func(int64) {
	if p.json || !isTerminal(p.err) {
		return func(int64) {}
	}
	total := int64(0)
	for _, f := range files {
		total += f.size
	}
	bar := progressbar.NewOptions64(total, progressbar.OptionSetWriter(p.err), progressbar.OptionShowBytes(true),
		progressbar.OptionSetDescription("ingesting"), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(),
		progressbar.OptionThrottle(100*time.Millisecond))
	return func(n int64) { _ = bar.Add64(n) }
}

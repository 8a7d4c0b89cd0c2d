package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/sync/errgroup"

	fairleadv1 "fairlead/gen/fairlead/v1"
	"fairlead/internal/fault"
)

const (
	// batchBytes is about how much goes into one request: well under the server's usual limit. With the requests
	// on their way it bounds the memory.
	batchBytes = 2 << 20
	// batchDocuments is how many documents go into one request at most, and batchAddresses how many that must be
	// fetched first.
	batchDocuments, batchAddresses = 100, 8
	// maxFile is the most that the API takes as one document, in bytes.
	maxFile = 64 << 20
	// sends is how often a request, or a document that failed for no fault of its own, is sent at most.
	sends = 6
	// firstWait is the longest wait before the second time; it doubles up to lastWait.
	firstWait, lastWait = 500 * time.Millisecond, 15 * time.Second
)

// ingestOptions are what a command says about an ingestion.
type ingestOptions struct {
	collection string
	label      fairleadv1.Label
	language   string
	list       string
	reportFile string
	all, prune bool
	parallel   int
	// roots are the folders that were named, which prune looks below.
	roots []root
}

// ingestion sends documents in batches, several at once, and counts what became of them.
type ingestion struct {
	ingestOptions
	client   *client
	fetcher  *fetcher
	progress func(bytes int64)
	// wait waits, unless the context ends.
	wait func(ctx context.Context, d time.Duration) error

	mu       sync.Mutex
	results  []*fairleadv1.IngestResult
	passages int
	pruned   []string
	retries  int
	left     int // documents that were not reached
	lines    *bufio.Writer
	file     io.Closer

	started time.Time
	took    time.Duration
}

func newIngestion(cl *client, o ingestOptions) (*ingestion, error) {
	in := &ingestion{ingestOptions: o, client: cl, fetcher: newFetcher(), progress: func(int64) {}, wait: sleep}
	in.parallel = max(in.parallel, 1)
	if o.reportFile != "" {
		file, err := os.OpenFile(o.reportFile, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return nil, fmt.Errorf("writing the report %q: %w", o.reportFile, plain(err))
		}
		in.file, in.lines = file, bufio.NewWriter(file)
	}
	return in, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run sends everything. The error is of the server or the context; what was wrong with a document is in its result.
func (in *ingestion) run(ctx context.Context, entries []entry) error {
	in.started = time.Now()
	defer func() { in.took = time.Since(in.started) }()
	in.left = len(entries)
	g, sending := errgroup.WithContext(ctx)
	g.SetLimit(in.parallel)
	for batch := range batches(entries) {
		if sending.Err() != nil {
			break
		}
		g.Go(func() error { return in.batch(sending, batch) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if ctx.Err() != nil && in.left > 0 {
		return context.Canceled
	}
	if in.prune {
		return in.pruneGone(ctx, entries)
	}
	return nil
}

// batches parts the documents into requests.
func batches(entries []entry) func(yield func([]entry) bool) {
	return func(yield func([]entry) bool) {
		start, size, addresses := 0, int64(0), 0
		for i, e := range entries {
			full := i-start == batchDocuments || addresses == batchAddresses || size+e.size > batchBytes
			if full && i > start {
				if !yield(entries[start:i]) {
					return
				}
				start, size, addresses = i, 0, 0
			}
			if size += e.size; e.path == "" {
				addresses++
			}
		}
		if start < len(entries) {
			yield(entries[start:])
		}
	}
}

// batch reads or fetches some documents and sends them.
func (in *ingestion) batch(ctx context.Context, entries []entry) error {
	sources := make([]*fairleadv1.Source, 0, len(entries))
	for _, e := range entries {
		src, why, err := in.read(ctx, e)
		switch {
		case err != nil:
			return err
		case why != "":
			in.failed(e.uri, why, e.size)
		default:
			src.Label, src.Language = in.label, in.language
			sources = append(sources, src)
		}
	}
	return in.send(ctx, sources)
}

// read gives a document, or why it cannot be had. The error is the context's.
func (in *ingestion) read(ctx context.Context, e entry) (src *fairleadv1.Source, why string, err error) {
	if e.path == "" {
		return in.fetcher.fetch(ctx, e.uri, in.retry)
	}
	if e.size > maxFile {
		return nil, fmt.Sprintf("it has more than %d MiB, the most that a document may have", maxFile>>20), nil
	}
	content, err := os.ReadFile(e.path)
	if err != nil {
		return nil, "reading the file: " + plain(err).Error(), ctx.Err()
	}
	return &fairleadv1.Source{Uri: e.uri, Content: content}, "", ctx.Err()
}

// send sends one request, again where it broke on the way, in halves where it is too large, and documents of it that
// failed for no fault of their own once more.
func (in *ingestion) send(ctx context.Context, sources []*fairleadv1.Source) error {
	for try := 1; len(sources) > 0; try++ {
		resp, err := in.client.retrieval.Ingest(ctx, &fairleadv1.IngestRequest{Collection: in.collection, Sources: sources})
		switch {
		case reasonOf(err) == string(fault.ReasonTooLarge):
			if half := len(sources) / 2; half > 0 {
				if err := in.send(ctx, sources[:half]); err != nil {
					return err
				}
				return in.send(ctx, sources[half:])
			}
			in.failed(sources[0].GetUri(), "it is larger than the server takes", int64(len(sources[0].GetContent())))
			return nil
		case err != nil && (try == sends || !passing(err) || ctx.Err() != nil):
			return err
		case err == nil:
			if sources = in.take(sources, resp.GetResults(), try == sends); len(sources) == 0 {
				return nil
			}
		}
		if err := in.retry(ctx, try); err != nil {
			return err
		}
	}
	return nil
}

// passing says whether a call may go well when it is made again.
func passing(err error) bool {
	switch connect.CodeOf(err) {
	case connect.CodeUnavailable, connect.CodeResourceExhausted, connect.CodeDeadlineExceeded, connect.CodeAborted:
		return true
	}
	return false
}

// retry waits before the next try: up to twice as long each time, and at random, so that many do not come together.
func (in *ingestion) retry(ctx context.Context, try int) error {
	in.mu.Lock()
	in.retries++
	in.mu.Unlock()
	longest := min(firstWait<<(try-1), lastWait)
	return in.wait(ctx, longest/2+rand.N(longest/2))
}

// take notes what became of documents, and gives those to send again.
func (in *ingestion) take(sources []*fairleadv1.Source, results []*fairleadv1.IngestResult, last bool) (again []*fairleadv1.Source) {
	for i, r := range results {
		if r.GetStatus() == fairleadv1.IngestResult_STATUS_FAILED && r.GetRetryable() && !last {
			again = append(again, sources[i])
			continue
		}
		in.note(r, int64(len(sources[i].GetContent())))
	}
	return again
}

// note counts a document.
func (in *ingestion) note(r *fairleadv1.IngestResult, size int64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.results = append(in.results, r)
	in.passages += int(r.GetPassages())
	in.left--
	in.progress(size)
	if in.lines != nil {
		line := map[string]any{"uri": r.GetUri(), "status": statusName(r.GetStatus()), "passages": r.GetPassages()}
		if r.GetError() != "" {
			line["error"], line["reason"] = r.GetError(), r.GetReason()
		}
		_ = json.NewEncoder(in.lines).Encode(line) // a writer keeps its first error, and report tells it
	}
}

// statusName gives a status as people write it.
func statusName(s fairleadv1.IngestResult_Status) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "STATUS_"))
}

// failed notes a document that was not sent.
func (in *ingestion) failed(uri, why string, size int64) {
	in.note(&fairleadv1.IngestResult{Uri: uri, Status: fairleadv1.IngestResult_STATUS_FAILED, Error: why, Reason: "unreadable_source"}, size)
}

// pruneGone deletes documents below the folders that were named whose files are not there any more.
func (in *ingestion) pruneGone(ctx context.Context, entries []entry) error {
	there := make(map[string]bool, len(entries))
	for _, e := range entries {
		there[e.uri] = true
	}
	token := ""
	for {
		page, err := in.client.retrieval.ListDocuments(ctx, &fairleadv1.ListDocumentsRequest{Collection: in.collection, PageSize: 1000, PageToken: token})
		if err != nil {
			return err
		}
		for _, d := range page.GetDocuments() {
			if there[d.GetUri()] || !in.gone(d.GetUri()) {
				continue
			}
			if _, err := in.client.retrieval.DeleteDocument(ctx, &fairleadv1.DeleteDocumentRequest{Collection: in.collection, Document: d.GetId()}); err != nil && connect.CodeOf(err) != connect.CodeNotFound {
				return err
			}
			in.pruned = append(in.pruned, d.GetUri())
		}
		if token = page.GetNextPageToken(); token == "" {
			return nil
		}
	}
}

// gone says whether a document's name is one of a file below the named folders that is not there any more. Of folders
// of the same name it is in none, and all are still there themselves: else nothing is known of it.
func (in *ingestion) gone(uri string) bool {
	gone := false
	for _, r := range in.roots {
		below, ok := strings.CutPrefix(uri, r.name)
		if !ok {
			continue
		}
		if _, err := os.Lstat(filepath.Join(r.path, filepath.FromSlash(below))); !errors.Is(err, fs.ErrNotExist) {
			return false
		}
		if _, err := os.Stat(r.path); err != nil {
			return false
		}
		gone = true
	}
	return gone
}

// counts gives how many documents came to each end.
func (in *ingestion) counts() map[fairleadv1.IngestResult_Status]int {
	counts := map[fairleadv1.IngestResult_Status]int{}
	for _, r := range in.results {
		counts[r.GetStatus()]++
	}
	return counts
}

// namedFailures is how many failed documents are named; the report file has all.
const namedFailures = 50

// report tells what became of everything, also when it was broken off by an error, which the caller has.
func (in *ingestion) report(p *program, broken error) error {
	slices.SortStableFunc(in.results, func(a, b *fairleadv1.IngestResult) int { return cmp.Compare(a.GetUri(), b.GetUri()) })
	var written error
	if in.file != nil {
		if written = errors.Join(in.lines.Flush(), in.file.Close()); written != nil {
			written = fmt.Errorf("writing the report %q: %w", in.reportFile, written)
		}
	}
	counts := in.counts()
	failed := counts[fairleadv1.IngestResult_STATUS_FAILED]
	if p.json {
		if err := printJSON(p.out, &fairleadv1.IngestResponse{Results: in.results}); err != nil {
			return errors.Join(err, written)
		}
	} else if len(in.results) > 0 || broken == nil {
		in.print(p, counts)
	}
	switch {
	case broken != nil:
		if !p.json && (passing(broken) || errors.Is(broken, context.Canceled) || connect.CodeOf(broken) == connect.CodeCanceled) {
			fmt.Fprintf(p.err, "broken off with %d documents to go: run the same command again, and it goes on\n", in.left)
		}
		return written
	case failed > 0:
		return errors.Join(written, fmt.Errorf("ingesting into %s: %d of %d documents could not be stored", in.collection, failed, len(in.results)))
	}
	return written
}

func (in *ingestion) print(p *program, counts map[fairleadv1.IngestResult_Status]int) {
	failed := counts[fairleadv1.IngestResult_STATUS_FAILED]
	rate := ""
	if seconds := in.took.Seconds(); seconds >= 1 {
		rate = fmt.Sprintf(" (%.0f passages/s)", float64(in.passages)/seconds)
	}
	fmt.Fprintf(p.out, "%s: %d added, %d replaced, %d unchanged, %d failed; %d passages in %s%s\n", in.collection,
		counts[fairleadv1.IngestResult_STATUS_ADDED], counts[fairleadv1.IngestResult_STATUS_REPLACED],
		counts[fairleadv1.IngestResult_STATUS_UNCHANGED], failed, in.passages, in.took.Round(time.Millisecond), rate)
	if in.prune {
		fmt.Fprintf(p.out, "%d deleted whose files are gone\n", len(in.pruned))
	}
	if in.retries > 0 {
		fmt.Fprintf(p.out, "%d times something had to be tried again\n", in.retries)
	}
	named := 0
	reasons := map[string]int{}
	for _, r := range in.results {
		if r.GetStatus() != fairleadv1.IngestResult_STATUS_FAILED {
			continue
		}
		reasons[cmp.Or(r.GetReason(), "other")]++
		if named++; named <= namedFailures {
			fmt.Fprintf(p.err, "  %s: %s\n", visible(r.GetUri()), visible(r.GetError()))
		}
	}
	if named > namedFailures {
		fmt.Fprintf(p.err, "  and %d more; --report FILE writes all of them:\n", named-namedFailures)
		for _, reason := range slices.Sorted(maps.Keys(reasons)) {
			fmt.Fprintf(p.err, "  %6d %s\n", reasons[reason], reason)
		}
	}
}

// progress shows how far an ingestion is, on a terminal: bytes where all sizes are known, else documents.
func (p *program) progress(entries []entry) func(int64) {
	if p.json || !isTerminal(p.err) {
		return func(int64) {}
	}
	total, known := int64(0), true
	for _, e := range entries {
		total += e.size
		known = known && e.path != ""
	}
	options := []progressbar.Option{progressbar.OptionSetWriter(p.err), progressbar.OptionSetDescription("ingesting"),
		progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100 * time.Millisecond)}
	if known {
		bar := progressbar.NewOptions64(total, append(options, progressbar.OptionShowBytes(true))...)
		return func(n int64) { _ = bar.Add64(n) }
	}
	bar := progressbar.NewOptions64(int64(len(entries)), append(options, progressbar.OptionShowIts(), progressbar.OptionSetItsString("documents"))...)
	return func(int64) { _ = bar.Add64(1) }
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	fairleadv1 "fairlead/gen/fairlead/v1"
)

// flaky is a way to a server on which calls to Ingest fail: the first of every `of` is answered 503 by something in
// between, the second gets through and its answer is lost.
type flaky struct {
	next  http.RoundTripper
	of    int64
	calls atomic.Int64
}

func (f *flaky) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/Ingest") {
		return f.next.RoundTrip(r)
	}
	n := f.calls.Add(1) % f.of
	if n == 1 {
		_, _ = io.Copy(io.Discard, r.Body)
		return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}
	resp, err := f.next.RoundTrip(r)
	if err == nil && n == 2 {
		resp.Body.Close()
		return nil, io.ErrUnexpectedEOF
	}
	return resp, err
}

// manyPages makes a folder of n small documents.
func manyPages(t *testing.T, n int) string {
	dir := filepath.Join(t.TempDir(), "handbook")
	for i := range n {
		write(t, filepath.Join(dir, fmt.Sprintf("part%d", i%7), fmt.Sprintf("page%d.md", i)), fmt.Sprintf("# Page %d\n\nWhat page %d says, and nothing else.\n", i, i))
	}
	return dir
}

func TestIngestionOverABadLine(t *testing.T) {
	s := serve(t)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	cl := newClient(s.address, &flaky{next: transport, of: 3})
	o := ingestOptions{collection: "docs", parallel: 4}
	entries, err := o.find([]string{manyPages(t, 250)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	in, err := newIngestion(cl, o)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var waits []time.Duration
	in.wait = func(_ context.Context, d time.Duration) error {
		mu.Lock()
		defer mu.Unlock()
		waits = append(waits, d)
		return nil
	}
	if err := in.run(t.Context(), entries); err != nil {
		t.Fatal(err)
	}
	// What got through although its answer was lost is unchanged the second time: no document is lost or twice.
	counts := in.counts()
	if n := counts[fairleadv1.IngestResult_STATUS_ADDED] + counts[fairleadv1.IngestResult_STATUS_UNCHANGED]; n != 250 || len(in.results) != 250 || in.left != 0 {
		t.Errorf("%v, %d results, %d left", counts, len(in.results), in.left)
	}
	if counts[fairleadv1.IngestResult_STATUS_UNCHANGED] == 0 {
		t.Error("no answer was lost: the test tests nothing")
	}
	if in.retries == 0 || in.retries != len(waits) {
		t.Errorf("%d retries, %d waits", in.retries, len(waits))
	}
	for _, d := range waits {
		if d < firstWait/2 || d > lastWait {
			t.Errorf("waited %s", d)
		}
	}
	if out := succeed(t, "collections", "--server", s.address); !strings.Contains(out, "250") {
		t.Error(out)
	}
}

func TestIngestionGivesUpInTheEnd(t *testing.T) {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	in, err := newIngestion(newClient("http://127.0.0.1:1", transport), ingestOptions{collection: "docs", parallel: 2})
	if err != nil {
		t.Fatal(err)
	}
	tries := atomic.Int64{}
	in.wait = func(context.Context, time.Duration) error { tries.Add(1); return nil }
	entries, err := findFiles([]string{manyPages(t, 3)}, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.run(t.Context(), entries); err == nil || tries.Load() != sends-1 {
		t.Errorf("%v after %d waits", err, tries.Load())
	}
	var out, errOut bytes.Buffer
	if err := in.report(&program{out: &out, err: &errOut}, context.Canceled); err != nil {
		t.Error(err)
	}
	if !strings.Contains(errOut.String(), "3 documents to go: run the same command again") || out.Len() > 0 {
		t.Errorf("%s%s", out.String(), errOut.String())
	}
}

func TestIngestAddresses(t *testing.T) {
	var flaps atomic.Int64
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/guide":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, "<html><head><title>Guide</title></head><body><p>The ferry leaves at noon.</p></body></html>")
		case "/notes.md":
			w.Header().Set("Content-Type", "application/octet-stream")
			fmt.Fprint(w, "# Notes\n\nThe quay is closed on Sundays.\n")
		case "/moved":
			http.Redirect(w, r, "/guide", http.StatusFound)
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		case "/flaps":
			if flaps.Add(1) == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			w.Header().Set("Content-Type", "text/plain")
			fmt.Fprint(w, "It works the second time.")
		case "/cut":
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, "not all of it")
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(web.Close)
	dir := t.TempDir()
	list := write(t, filepath.Join(dir, "list.txt"), "# what the web has\n\n"+web.URL+"/guide#top\n"+web.URL+"/notes.md\n"+web.URL+"/moved\n"+web.URL+"/round\n"+web.URL+"/flaps\n"+web.URL+"/gone\n")
	report := filepath.Join(dir, "report.jsonl")
	data := filepath.Join(dir, "data")
	e := command(t, "", "ingest", "--list", list, "--data", data, "--report", report)
	if e.status != 1 || !strings.Contains(e.out, "4 added, 0 replaced, 0 unchanged, 2 failed") || !strings.Contains(e.out, "1 times something had to be tried again") ||
		!strings.Contains(e.err, "/gone: fetching it: the server answers 404 Not Found") || !strings.Contains(e.err, "/round: fetching it: it is redirected more than five times") {
		t.Errorf("status %d\n%s%s", e.status, e.out, e.err)
	}
	if out := succeed(t, "search", "ferry noon", "--data", data, "--top", "1"); !strings.Contains(out, web.URL+"/guide") && !strings.Contains(out, web.URL+"/moved") {
		t.Error(out)
	}
	written, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	statuses := map[string]string{}
	for line := range strings.Lines(string(written)) {
		var r struct{ URI, Status, Error, Reason string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if (r.Status == "failed") != (r.Error != "") {
			t.Error(line)
		}
		statuses[strings.TrimPrefix(r.URI, web.URL)] = r.Status
	}
	want := map[string]string{"/guide": "added", "/notes.md": "added", "/moved": "added", "/round": "failed", "/flaps": "added", "/gone": "failed"}
	if diff := cmp.Diff(want, statuses); diff != "" {
		t.Error(diff)
	}
	if e := commandIn(t, t.Context(), environ(), web.URL+"/guide\n", "ingest", "--list", "-", "--data", data); e.status != 0 || !strings.Contains(e.out, "1 unchanged") {
		t.Errorf("status %d\n%s%s", e.status, e.out, e.err)
	}
}

func TestFetchIsBrokenOff(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, "not all of it")
	}))
	t.Cleanup(web.Close)
	f := newFetcher()
	t.Cleanup(f.http.CloseIdleConnections)
	tries := 0
	src, why, err := f.fetch(t.Context(), web.URL, func(context.Context, int) error { tries++; return nil })
	if src != nil || err != nil || !strings.Contains(why, "broke before it was whole") || tries != sends-1 {
		t.Errorf("%v, %q, %v after %d retries", src, why, err, tries)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := f.fetch(ctx, web.URL, func(ctx context.Context, _ int) error { return ctx.Err() }); err == nil {
		t.Error("a caller that left gets no error")
	}
}

func TestPrune(t *testing.T) {
	dir, data := manyPages(t, 9), t.TempDir()
	succeed(t, "ingest", dir, "--data", data)
	succeed(t, "ingest", write(t, filepath.Join(t.TempDir(), "other.md"), "Not below the folder."), "--data", data)
	if err := os.Remove(filepath.Join(dir, "part2", "page2.md")); err != nil {
		t.Fatal(err)
	}
	if out := succeed(t, "ingest", dir, "--data", data, "--prune"); !strings.Contains(out, "8 unchanged") || !strings.Contains(out, "1 deleted whose files are gone") {
		t.Error(out)
	}
	out := succeed(t, "documents", "--data", data)
	if strings.Contains(out, "page2.md") || !strings.Contains(out, "page3.md") || !strings.Contains(out, "other.md") {
		t.Error(out)
	}
}

// Two folders of the same name name their documents alike: one is gone only where neither has it.
func TestPruneOfFoldersOfOneName(t *testing.T) {
	here, there, data := filepath.Join(t.TempDir(), "docs"), filepath.Join(t.TempDir(), "docs"), t.TempDir()
	write(t, filepath.Join(here, "a.md"), "The first.")
	write(t, filepath.Join(there, "b.md"), "The second.")
	write(t, filepath.Join(there, "odd.log"), "The third, which only --all finds.")
	write(t, filepath.Join(there, "old.md"), "The fourth.")
	succeed(t, "ingest", here, there, "--data", data, "--all")
	if err := os.Remove(filepath.Join(there, "old.md")); err != nil {
		t.Fatal(err)
	}
	succeed(t, "ingest", here, there, "--data", data, "--prune")
	out := succeed(t, "documents", "--data", data)
	if strings.Contains(out, "old.md") || !strings.Contains(out, "a.md") || !strings.Contains(out, "b.md") || !strings.Contains(out, "odd.log") {
		t.Error(out)
	}
}

// A folder that goes while its documents are sent, such as one of a disk that is unplugged, takes none of them with it.
func TestPruneOfAFolderThatGoes(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "docs")
	write(t, filepath.Join(folder, "a.md"), "The first.")
	in := &ingestion{ingestOptions: ingestOptions{roots: []root{{"docs/", folder}}}}
	if !in.gone("docs/b.md") || in.gone("docs/a.md") || in.gone("other/b.md") {
		t.Error("what is gone and what is not is mixed up")
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if in.gone("docs/a.md") {
		t.Error("with its folder a document counts as deleted")
	}
}

func TestBatches(t *testing.T) {
	entries := []entry{}
	for i := range 250 {
		entries = append(entries, entry{path: "x", uri: fmt.Sprint(i), size: 1})
	}
	for i := range 20 {
		entries = append(entries, entry{uri: fmt.Sprint("http://x/", i)})
	}
	entries = append(entries, entry{path: "x", uri: "large", size: 3 * batchBytes}, entry{path: "x", uri: "small", size: 1})
	var sizes []int
	all := 0
	for b := range batches(entries) {
		sizes = append(sizes, len(b))
		all += len(b)
	}
	if diff := cmp.Diff([]int{100, 100, 58, 8, 4, 1, 1}, sizes); diff != "" || all != len(entries) {
		t.Errorf("%d of %d: %s", all, len(entries), diff)
	}
}

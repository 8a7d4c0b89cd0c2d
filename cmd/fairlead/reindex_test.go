package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// writeTo writes a file and gives its path.
func writeTo(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReindexCommand(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string { return writeTo(t, filepath.Join(dir, name), text) }
	configured := func(model string) string {
		return file("fairlead.yaml", "backends: { box: { kind: hashing }, open: { kind: scripted, clearance: public } }\n"+
			"targets: { small: { backend: box, model: "+model+" }, leaky: { backend: open, model: embed, does: [embed] } }\nretrieval: { embedder: small }\n")
	}
	common := []string{"--data", filepath.Join(dir, "data"), "--config", configured("hashing@1/128")}
	do := func(status int, args ...string) ending {
		t.Helper()
		e := command(t, "", append(args, common...)...)
		if e.status != status {
			t.Fatalf("fairlead %s: status %d\n%s%s", strings.Join(args, " "), e.status, e.out, e.err)
		}
		return e
	}
	has := func(what, text string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s says %q, without %q", what, text, w)
			}
		}
	}
	do(0, "ingest", file("a.md", "# Harbour\n\nShips lie in the harbour.\n"), file("b.md", "# Field\n\nCorn grows on the field.\n"))
	if e := do(0, "collections"); strings.Contains(e.out, "reindex") {
		t.Errorf("at first the list says %q", e.out)
	}
	has("with nothing to do", do(0, "collections", "reindex", "docs").out, "docs: nothing to do", "hashing:hashing@1/128")

	configured("hashing@1/256")
	has("the list", do(0, "collections").out, "docs: the model behind small is another one now", "fairlead collections reindex docs")
	e := do(1, "ingest", file("c.md", "# Sky\n\nBirds fly.\n"))
	has("ingest", e.out+e.err, "c.md", "run fairlead collections reindex docs")
	has("search", do(0, "search", "harbour", "--json").out, "by words alone", "Ships lie")
	e = do(0, "collections", "reindex", "docs")
	has("reindex", e.out, "docs: 2 passages are now embedded by small (hashing:hashing@1/256) in 256 dimensions; took ")
	if e.err != "" {
		t.Errorf("reindex says %q beside", e.err)
	}
	if e := do(0, "collections"); strings.Contains(e.out, "reindex") {
		t.Errorf("after the reindex the list says %q", e.out)
	}
	if e := do(0, "search", "harbour", "--json"); strings.Contains(e.out, "degraded") || !strings.Contains(e.out, "vector_score") {
		t.Errorf("after the reindex a search gives %q", e.out)
	}
	has("ingest", do(0, "ingest", filepath.Join(dir, "a.md"), filepath.Join(dir, "c.md")).out, "1 added", "1 unchanged")

	// As JSON, a line for each message.
	lines := strings.Split(strings.TrimSpace(do(0, "collections", "reindex", "docs", "--embedder", "hashing", "--json").out), "\n")
	for i, line := range lines {
		var m struct {
			Reindex    *struct{ Embedder, Done, Total string }
			Collection *struct{ Embedder, Identity string }
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if last := i == len(lines)-1; last != (m.Collection != nil) || last == (m.Reindex != nil) || last && m.Collection.Embedder != "hashing" ||
			!last && (m.Reindex.Embedder != "hashing" || m.Reindex.Total != "3") {
			t.Errorf("line %d of %d is %s", i+1, len(lines), line)
		}
	}
	if len(lines) < 2 {
		t.Errorf("%d lines", len(lines))
	}

	has("abort", do(0, "collections", "reindex", "docs", "--abort").out, "docs: no reindex is in progress; its vectors are those of hashing")
	has("both flags", do(2, "collections", "reindex", "docs", "--abort", "--embedder", "small").err, "--abort")
	has("an unknown embedder", do(1, "collections", "reindex", "docs", "--embedder", "none").err, "none")
	has("an unknown collection", do(1, "collections", "reindex", "none").err, `"none"`)
	has("one that may not see the documents", do(1, "collections", "reindex", "docs", "--embedder", "leaky").err, "docs, whose documents are up to internal", "public")
	has("afterwards", do(0, "collections").out, "hashing")
}

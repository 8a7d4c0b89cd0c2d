package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/internal/ranking/scale"
	"fairlead/internal/testdb"
)

// A small scale, with the index asked for the large tenant and all compared for the small one.
func TestScale(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	env := environ("FAIRLEAD_DATABASE_URL="+d.AppURL, "FAIRLEAD_DATABASE_OWNER_URL="+d.OwnerURL)
	page := write(t, filepath.Join(t.TempDir(), "page.md"), "# Before\n<!-- scale:begin -->\nold\n<!-- scale:end -->\nafter\n")
	e := commandIn(t, t.Context(), env, "", "bench", "scale", "--passages", "2000", "--tenants", "8", "--dimensions", "64", "--queries", "40",
		"--clients", "1,4", "--rebuild", "--memory", "64MB", "--set", "database.vectors.exact_rows=500", "--json", "--write", page)
	if e.status != 0 {
		t.Fatal(e.err)
	}
	var got struct {
		Machine machine
		Report  scale.Report
	}
	if err := json.Unmarshal([]byte(e.out), &got); err != nil {
		t.Fatal(err)
	}
	r := &got.Report
	if len(r.Recalls) != 2 || r.Recalls[0].Method != "hnsw" || r.Recalls[1].Method != "exact" || r.Recalls[1].Ten != 1 || len(r.Latencies) != 2*2*4 {
		t.Errorf("%+v", r)
	}
	if err := r.Check(); err != nil {
		t.Error(err)
	}
	if r.Large != 1200 || r.Small != 40 || r.IngestRate <= 0 || r.CrowdRate <= 0 || r.BuildTime <= 0 || r.IndexBytes <= 0 {
		t.Errorf("%+v", r)
	}
	for _, l := range r.Latencies {
		if l.P50 <= 0 || l.P99 < l.P50 || l.Searches < 40 {
			t.Errorf("%+v", l)
		}
	}
	if got.Machine.Server.Version == "" || got.Machine.Server.Vector == "" || got.Machine.Server.SharedBuffers == "" {
		t.Errorf("%+v", got.Machine.Server)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), "# Before\n<!-- scale:begin -->\nMeasured on ") || strings.Contains(string(text), "old") ||
		!strings.HasSuffix(string(text), "|\n<!-- scale:end -->\nafter\n") || !strings.Contains(string(text), "| large | words | 4 | ") {
		t.Errorf("the page is\n%s", text)
	}
	if out := commandIn(t, t.Context(), env, "", "tenants", "list"); strings.Contains(out.out, "bench-") {
		t.Errorf("it left tenants:\n%s", out.out)
	}
	if out := commandIn(t, t.Context(), env, "", "db", "index", "list"); !strings.Contains(out.out, "64 dimensions") {
		t.Errorf("the index is gone:\n%s", out.out)
	}
	if e := commandIn(t, t.Context(), env, "", "bench", "scale", "--tenants", "2"); e.status != 1 || !strings.Contains(e.err, "use 3 to 1000") {
		t.Errorf("%+v", e)
	}
}

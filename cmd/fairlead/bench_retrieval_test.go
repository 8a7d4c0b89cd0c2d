package main

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead/internal/auth/tenants"
	"fairlead/internal/testdb"
)

// judged gives the folder of public data, and skips the test where there is none.
func judged(t *testing.T) string {
	t.Helper()
	folder := os.Getenv("FAIRLEAD_DATA")
	if folder == "" {
		t.Skip("FAIRLEAD_DATA is not set: it names the folder of public data, such as ../shared/data")
	}
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(repository, folder)
	}
	return folder
}

// Both stores find the same: what differs is the order of equals and the half precision of vectors.
func TestBothStoresRankAlike(t *testing.T) {
	folder := judged(t)
	d := testdb.PostgresDatabase(t)
	env := environ("FAIRLEAD_DATABASE_URL=" + d.AppURL)
	e := commandIn(t, t.Context(), env, "", "bench", "retrieval", "--folder", folder, "--postgres", "--json")
	if e.status != 0 {
		t.Fatal(e.err)
	}
	var r bothRankings
	if err := json.Unmarshal([]byte(e.out), &r); err != nil {
		t.Fatal(err)
	}
	if r.Dataset != "cranfield" || r.Postgres.Queries != 225 || len(r.Differences) != 3 {
		t.Fatalf("%s: %d queries, %d legs", r.Dataset, r.Postgres.Queries, len(r.Differences))
	}
	for i, l := range r.Differences {
		t.Logf("%-8s nDCG@10 %.4f on PostgreSQL, %+.4f [%+.4f, %+.4f]", l.Name, r.Postgres.Legs[i].NDCG10.Mean, l.NDCG10.Mean, l.NDCG10.Low, l.NDCG10.High)
		if math.Abs(l.NDCG10.Mean) > 0.01 || math.Abs(l.Recall100.Mean) > 0.01 {
			t.Errorf("%s: nDCG@10 differs by %+.4f and recall@100 by %+.4f", l.Name, l.NDCG10.Mean, l.Recall100.Mean)
		}
	}
	if t.Logf("HNSW finds %.4f", r.Recall.Mean); r.Recall.Mean < 0.95 {
		t.Errorf("HNSW finds %.3f of the nearest", r.Recall.Mean)
	}
	if out := commandIn(t, t.Context(), env, "", "tenants", "list"); strings.Contains(out.out, "bench-") {
		t.Errorf("it left a tenant:\n%s", out.out)
	}
}

func TestATenantOfABenchmarkIsDeleted(t *testing.T) {
	s := testdb.SQLite(t)
	left := func() (names []string) {
		t.Helper()
		list, err := s.TenantList(t.Context(), "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range list {
			if strings.HasPrefix(x.Name, "bench-") {
				names = append(names, x.Name)
			}
		}
		return names
	}
	broken := errors.New("broken")
	for what, fn := range map[string]func(cancel func()) error{
		"it works":   func(func()) error { return nil },
		"it fails":   func(func()) error { return broken },
		"it is left": func(cancel func()) error { cancel(); return context.Canceled },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var want error
		err := inTenant(ctx, s, func(name string) error {
			if got := left(); len(got) != 1 || got[0] != name || tenants.CheckName(name) != nil {
				t.Errorf("%s: %v, want %s", what, got, name)
			}
			want = fn(cancel)
			return want
		})
		cancel()
		if !errors.Is(err, want) || len(left()) != 0 {
			t.Errorf("%s: %v, want %v; left: %v", what, err, want, left())
		}
	}
}

func TestBenchmarksOfPostgreSQLNeedOne(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "cran.all.1400.xml"), "<doc><docno>1</docno><text>wings</text></doc>")
	write(t, filepath.Join(folder, "cran.qry.xml"), "<top><title>wings</title></top>")
	write(t, filepath.Join(folder, "cranqrel.trec.txt"), "1 0 1 1\n")
	page := write(t, filepath.Join(folder, "page.md"), "nothing\n")
	for _, c := range []struct {
		want   string
		status int
		args   []string
	}{
		{"database.url", 2, []string{"retrieval", "--folder", folder, "--postgres"}},
		{"xquad-ar", 2, []string{"retrieval", "--folder", folder, "--dataset", "xquad-de"}},
		{"XQuAD", 1, []string{"retrieval", "--folder", folder, "--dataset", "xquad-ar"}},
		{"database.url", 2, []string{"scale"}},
		{"--server", 2, []string{"scale", "--server", "http://127.0.0.1:1"}},
		{"owner_url", 2, []string{"scale", "--set", "database.url=postgres://a@127.0.0.1/b"}},
		{"scale:begin", 1, []string{"scale", "--write", page}},
	} {
		if e := command(t, "", append([]string{"bench"}, c.args...)...); e.status != c.status || !strings.Contains(e.err, c.want) {
			t.Errorf("fairlead bench %s: status %d, %q", strings.Join(c.args, " "), e.status, e.err)
		}
	}
	if out := succeed(t, "bench", "retrieval", "--folder", folder); !strings.Contains(out, "cranfield: 1 documents") {
		t.Error(out)
	}
}

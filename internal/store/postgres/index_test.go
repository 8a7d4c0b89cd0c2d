package postgres_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/store/postgres"
	"fairlead/internal/testdb"
	"fairlead/retrieval"
)

func indexNamed(t *testing.T, d testdb.Database, name string) *postgres.Index {
	t.Helper()
	list, err := postgres.Indexes(t.Context(), d.OwnerURL)
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}

func TestIndexes(t *testing.T) {
	const dimensions = 24
	const name = "vectors_hnsw_24"
	tenant := `O'Brien "& Sons\`
	d := testdb.PostgresDatabase(t)
	s := testdb.OpenPostgres(t, d, postgres.Config{ExactRows: -1})
	c := load(t, d, s, tenant, "docs", 3000, dimensions)
	admin := connect(t, d.OwnerURL)

	// What a build that was killed left is dropped, and built anew.
	execute(t, admin, "CREATE INDEX "+name+" ON fairlead.vectors USING hnsw ((embedding::halfvec(24)) halfvec_cosine_ops) WHERE dimensions = 24")
	execute(t, admin, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'fairlead."+name+"'::regclass")
	q := retrieval.LegQuery{Collection: "docs", Vector: c.vector(1, dimensions), Limit: 10, MaxLabel: label.Restricted}
	if leg, err := s.SearchVector(t.Context(), tenant, q); err != nil || leg.Scan.Method != "exact" {
		t.Errorf("with an index that is not valid: %+v, %v", leg, err)
	}
	var told atomic.Int32
	for i, want := range []bool{true, false} {
		made, err := postgres.IndexDimensions(t.Context(), d.OwnerURL, dimensions, postgres.Build{Memory: "128MB", Progress: func(p postgres.Progress) {
			if p.Phase != "" {
				told.Add(1)
			}
		}})
		if err != nil || made != want {
			t.Fatalf("build %d: %v, %v", i, made, fault.Cause(err))
		}
	}
	if x := indexNamed(t, d, name); x == nil || !x.Valid || x.Dimensions != dimensions || x.Tenant != "" || x.Bytes == 0 {
		t.Fatalf("%+v", x)
	}
	t.Logf("told %d times", told.Load())

	// That of one tenant is used for it, and for no other.
	if made, err := postgres.IndexTenant(t.Context(), d.OwnerURL, tenant, dimensions, postgres.Build{M: 8, EfConstruction: 32}); err != nil || !made {
		t.Fatal(made, fault.Cause(err))
	}
	list, err := postgres.Indexes(t.Context(), d.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	var own string
	for _, x := range list {
		if x.Tenant == tenant {
			own = x.Name
		}
	}
	if !strings.HasPrefix(own, name+"_") {
		t.Fatalf("the tenant's index is not in %+v", list)
	}
	if err := postgres.DropIndex(t.Context(), d.OwnerURL, name); err != nil || indexNamed(t, d, name) != nil {
		t.Fatal(fault.Cause(err))
	}
	plan, err := s.ExplainVector(t.Context(), tenant, q)
	if err != nil || !strings.Contains(plan, own) {
		t.Errorf("%v\n%s", err, plan)
	}
	if leg, err := s.SearchVector(t.Context(), tenant, q); err != nil || leg.Scan.Method != "hnsw" || len(leg.Hits) != 10 {
		t.Errorf("%+v, %v", leg, err)
	}
	load(t, d, s, "another", "docs", 100, dimensions)
	if leg, err := s.SearchVector(t.Context(), "another", q); err != nil || leg.Scan.Method != "exact" || len(leg.Hits) != 10 {
		t.Errorf("another tenant: %+v, %v", leg, err)
	}
}

func TestIndexesThatCannotBe(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	for _, dimensions := range []int{-1, 0, 4001} {
		if _, err := postgres.IndexDimensions(t.Context(), d.OwnerURL, dimensions, postgres.Build{}); fault.CodeOf(err) != fault.InvalidArgument {
			t.Errorf("%d dimensions: %v", dimensions, err)
		}
	}
	for _, b := range []postgres.Build{{M: 1}, {M: 101}, {EfConstruction: 2000}, {M: 50, EfConstruction: 60}, {Memory: "much"}} {
		if _, err := postgres.IndexDimensions(t.Context(), d.OwnerURL, 8, b); fault.CodeOf(err) != fault.InvalidArgument {
			t.Errorf("%+v: %v", b, err)
		}
	}
	if _, err := postgres.IndexTenant(t.Context(), d.OwnerURL, "", 8, postgres.Build{}); fault.CodeOf(err) != fault.InvalidArgument {
		t.Errorf("no tenant: %v", err)
	}
	for _, name := range []string{"none", "words_lexemes", `x"; DROP TABLE fairlead.vectors; --`} {
		if err := postgres.DropIndex(t.Context(), d.OwnerURL, name); fault.CodeOf(err) != fault.NotFound {
			t.Errorf("dropping %s: %v", name, err)
		}
	}
	if _, err := postgres.IndexDimensions(t.Context(), "postgres://%", 8, postgres.Build{}); fault.ReasonOf(err) != fault.ReasonBadConfig {
		t.Errorf("a URL that is none: %v", err)
	}
	if _, err := postgres.IndexDimensions(t.Context(), testdb.EmptyPostgres(t).OwnerURL, 8, postgres.Build{}); fault.ReasonOf(err) != fault.ReasonSchemaBehind {
		t.Errorf("no schema: %v", err)
	}
	// Two at once: one is told to wait. Who waited for a lock would keep the other from ever ending.
	admin := connect(t, d.OwnerURL)
	execute(t, admin, "SELECT pg_advisory_lock($1)", postgres.IndexLock)
	if _, err := postgres.IndexDimensions(t.Context(), d.OwnerURL, 8, postgres.Build{}); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("while another builds: %v", err)
	}
	execute(t, admin, "SELECT pg_advisory_unlock($1)", postgres.IndexLock)
	// One that is broken off leaves nothing: an open transaction keeps it from its end until then.
	execute(t, admin, "BEGIN")
	execute(t, admin, "LOCK TABLE fairlead.vectors IN ROW EXCLUSIVE MODE")
	ctx, cancel := context.WithCancel(t.Context())
	_, err := postgres.IndexDimensions(ctx, d.OwnerURL, 8, postgres.Build{Progress: func(p postgres.Progress) {
		if strings.HasPrefix(p.Phase, "waiting for writers") {
			execute(t, admin, "COMMIT")
			cancel()
		}
	}})
	if cancel(); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("broken off: %v", err)
	}
	if x := indexNamed(t, d, "vectors_hnsw_8"); x != nil && !x.Valid {
		t.Errorf("it left %+v", x)
	}
}

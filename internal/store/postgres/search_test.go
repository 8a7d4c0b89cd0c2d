package postgres_test

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/store/postgres"
	"fairlead/internal/store/storetest"
	"fairlead/internal/testdb"
	"fairlead/retrieval"
)

// TestSearchByIndex runs the suite's searches with vectors that are never compared one by one, where there is an index.
func TestSearchByIndex(t *testing.T) {
	storetest.RunSearch(t, func(t *testing.T) storetest.Store {
		d := testdb.PostgresDatabase(t)
		for _, dimensions := range []int{8, 32} { // those of the suite
			if made, err := postgres.IndexDimensions(t.Context(), d.OwnerURL, dimensions, postgres.Build{}); err != nil || !made {
				t.Fatal(made, fault.Cause(err))
			}
		}
		return testdb.OpenPostgres(t, d, postgres.Config{ExactRows: -1})
	})
}

// What BM25 gives is what package analysis says, and what is left out unread could not have been among the best.
func TestRanking(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	s := testdb.OpenPostgres(t, d, postgres.Config{})
	load(t, d, s, "other", "docs", 200, 8) // whose words count for nobody else
	c := load(t, d, s, "acme", "docs", 8000, 8)
	pruned, whole := 0, 0
	for i := range 60 {
		text := c.text(1 + i%9)
		q := retrieval.LegQuery{Collection: "docs", Text: text, Limit: 1 + 20*(i%4), MaxLabel: []label.Label{label.Public, label.Internal, label.Restricted}[i%3]}
		keep := func(p *corpusPassage) bool { return p.label <= q.MaxLabel }
		if i%5 == 0 {
			q.Filter = retrieval.Filter{{Field: "percent", Op: retrieval.Less, Value: float64(30)}}
			keep = func(p *corpusPassage) bool { return p.label <= q.MaxLabel && p.document%100 < 30 }
		}
		leg, err := s.SearchText(t.Context(), "acme", q)
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		if strings.Contains(leg.Scan.Why, "rated") {
			pruned++
			if q.MaxLabel < label.Restricted && strings.ContainsAny(leg.Scan.Why, "0123456789") {
				t.Errorf("below the highest label it is told how many passages have the words, all labels counted: %s", leg.Scan.Why)
			}
		} else {
			whole++
		}
		scores := c.scores(text)
		var want []float64
		for i := range c.passages {
			if p := &c.passages[i]; keep(p) && scores[p.id] > 0 {
				want = append(want, scores[p.id])
			}
		}
		slices.SortFunc(want, func(a, b float64) int { return cmp.Compare(b, a) })
		want = want[:min(len(want), q.Limit)]
		if len(leg.Hits) != len(want) {
			t.Fatalf("%q: %d hits, want %d", text, len(leg.Hits), len(want))
		}
		for i, h := range leg.Hits {
			if math.Abs(h.LexicalScore-want[i]) > 1e-6*want[i] || math.Abs(h.LexicalScore-scores[h.Passage.ID]) > 1e-6*want[i] {
				t.Fatalf("%q: hit %d, %s, scores %v; want %v, and it has %v (%s)", text, i, h.Passage.ID, h.LexicalScore, want[i], scores[h.Passage.ID], leg.Scan.Why)
			}
		}
	}
	t.Logf("%d searches read all matches, %d left some out", whole, pruned)
	if pruned < 10 || whole < 10 {
		t.Error("one of the two ways was hardly taken")
	}
}

func TestPlans(t *testing.T) {
	const dimensions = 32
	d := testdb.PostgresDatabase(t)
	s := testdb.OpenPostgres(t, d, postgres.Config{ExactRows: 500})
	c := load(t, d, s, "acme", "docs", 6000, dimensions)
	load(t, d, s, "acme", "small", 400, dimensions)
	load(t, d, s, "acme", "none", 600, 24) // without an index
	percent := func(op retrieval.Op, n float64) retrieval.Filter {
		return retrieval.Filter{{Field: "percent", Op: op, Value: n}}
	}
	if _, err := postgres.IndexDimensions(t.Context(), d.OwnerURL, dimensions, postgres.Build{}); err != nil {
		t.Fatal(fault.Cause(err))
	}
	search := func(s *postgres.Store, q retrieval.LegQuery) *retrieval.Leg {
		t.Helper()
		if q.Vector == nil {
			q.Vector = c.vector(5, dimensions)
		}
		q.Limit = 10
		leg, err := s.SearchVector(t.Context(), "acme", q)
		if err != nil {
			t.Fatal(fault.Cause(err))
		}
		return leg
	}
	for name, want := range map[string]struct {
		q      retrieval.LegQuery
		method string
		rows   int64
		why    string
	}{
		"few":            {retrieval.LegQuery{Collection: "small", MaxLabel: label.Restricted}, "exact", 400, "no more than 500"},
		"few, by labels": {retrieval.LegQuery{Collection: "small", MaxLabel: label.Internal}, "exact", 300, "no more than 500"},
		"no index":       {retrieval.LegQuery{Collection: "none", MaxLabel: label.Restricted, Vector: c.vector(1, 24)}, "exact", 600, "fairlead db index"},
		"many":           {retrieval.LegQuery{Collection: "docs", MaxLabel: label.Restricted}, "hnsw", 6000, "the index"},
		"many, by label": {retrieval.LegQuery{Collection: "docs", MaxLabel: label.Internal}, "hnsw", 4500, "the index"},
		"a rare filter":  {retrieval.LegQuery{Collection: "docs", MaxLabel: label.Restricted, Filter: percent(retrieval.Less, 3)}, "exact", 180, "filter"},
		"a wide filter":  {retrieval.LegQuery{Collection: "docs", MaxLabel: label.Restricted, Filter: percent(retrieval.NotEqual, 3)}, "hnsw", 5940, "the index"},
		"nothing is let": {retrieval.LegQuery{Collection: "docs", MaxLabel: label.Restricted, Filter: percent(retrieval.Equal, -1)}, "exact", 0, "filter"},
	} {
		t.Run(name, func(t *testing.T) {
			leg := search(s, want.q)
			if leg.Scan.Method != want.method || leg.Scan.Rows != want.rows || !strings.Contains(leg.Scan.Why, want.why) || leg.Scan.Incomplete || leg.Scan.Estimated {
				t.Errorf("scan %+v, want %s of %d", leg.Scan, want.method, want.rows)
			}
			if len(leg.Hits) != int(min(10, want.rows)) {
				t.Errorf("%d hits", len(leg.Hits))
			}
		})
	}
	t.Run("the index is used", func(t *testing.T) {
		for _, filter := range []retrieval.Filter{nil, percent(retrieval.NotEqual, 3)} {
			plan, err := s.ExplainVector(t.Context(), "acme", retrieval.LegQuery{Collection: "docs", Vector: c.vector(5, dimensions), Limit: 10, MaxLabel: label.Internal, Filter: filter})
			if err != nil || !strings.Contains(plan, "vectors_hnsw_32") {
				t.Errorf("%v\n%s", err, plan)
			}
		}
	})
	t.Run("an index that gives up", func(t *testing.T) {
		q := retrieval.LegQuery{Collection: "docs", MaxLabel: label.Restricted, Filter: percent(retrieval.Equal, 3)} // 60 rows
		s := testdb.OpenPostgres(t, d, postgres.Config{ExactRows: 50, EfSearch: 1, MaxScanTuples: 1})
		leg := search(s, q)
		if leg.Scan.Method != "exact" || leg.Scan.Incomplete || len(leg.Hits) != 10 || !strings.Contains(leg.Scan.Why, "gave up") {
			t.Errorf("%d hits, %+v", len(leg.Hits), leg.Scan)
		}
		s = testdb.OpenPostgres(t, d, postgres.Config{ExactRows: 5, EfSearch: 1, MaxScanTuples: 1})
		if leg := search(s, q); leg.Scan.Method != "hnsw" || !leg.Scan.Incomplete || len(leg.Hits) >= 10 {
			t.Errorf("%d hits, %+v", len(leg.Hits), leg.Scan)
		}
	})
}

func TestSearchEnds(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	s := testdb.OpenPostgres(t, d, postgres.Config{StatementTimeout: time.Millisecond})
	c := load(t, d, s, "acme", "docs", 6000, 8)
	q := retrieval.LegQuery{Collection: "docs", Text: c.text(60), Vector: c.vector(1, 8), Limit: 1000, MaxLabel: label.Restricted}
	if _, err := s.SearchFused(t.Context(), "acme", q, 10, 0.5); fault.CodeOf(err) != fault.DeadlineExceeded {
		t.Errorf("after statement_timeout: %v", err)
	}
	s = testdb.OpenPostgres(t, d, postgres.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.SearchFused(ctx, "acme", q, 10, 0.5); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// The functions that run as the owner give nothing of another tenant's, whatever is asked of them.
func TestFunctionsOfTheOwner(t *testing.T) {
	d := testdb.EmptyPostgres(t)
	admin := connect(t, d.OwnerURL)
	owner, role := roleName(t, d), roleName(t, d)
	execute(t, admin, "CREATE ROLE "+owner+" LOGIN PASSWORD 'o'")
	execute(t, admin, "CREATE ROLE "+role+" LOGIN PASSWORD 'a'")
	execute(t, admin, "CREATE EXTENSION vector SCHEMA public; CREATE EXTENSION pg_trgm SCHEMA public; CREATE SCHEMA fairlead AUTHORIZATION "+owner)
	// An owner that is no superuser: row level security is forced on it too.
	mustMigrate(t, as(t, d.OwnerURL, owner, "o"), as(t, d.OwnerURL, role, "a"))
	s := testdb.OpenPostgres(t, d, postgres.Config{URL: as(t, d.OwnerURL, role, "a")})
	c := load(t, d, s, "acme", "docs", 200, 8)
	load(t, d, s, "other", "docs", 200, 8)
	word := c.words[0]
	leg, err := s.SearchText(t.Context(), "acme", retrieval.LegQuery{Collection: "docs", Text: word, Limit: 10, MaxLabel: label.Restricted})
	if err != nil || len(leg.Hits) != 10 {
		t.Fatalf("the tenant itself: %+v, %v", leg, fault.Cause(err))
	}
	execute(t, admin, "INSERT INTO fairlead.identifiers SELECT tenant, id, 'err_4711' FROM fairlead.collections")
	execute(t, admin, "INSERT INTO fairlead.document_identifiers (tenant, document, collection, identifier) SELECT DISTINCT ON (collection) tenant, id, collection, 'err_4711' FROM fairlead.documents")
	var foreign int64
	if err := admin.QueryRow(t.Context(), "SELECT id FROM fairlead.collections WHERE tenant = 'other'").Scan(&foreign); err != nil {
		t.Fatal(err)
	}
	app := connect(t, as(t, d.OwnerURL, role, "a"))
	for _, tenant := range []string{"", "acme", "nobody"} {
		execute(t, app, "SELECT set_config('app.tenant', $1, false)", tenant)
		for _, query := range []string{
			"SELECT count(*) FROM fairlead.match_words($1::bigint, ARRAY[$2::text], NULL, 200, 80, 4::smallint, NULL, 10)",
			"SELECT count(*) FROM fairlead.match_words($1::bigint, ARRAY[$2::text || ''' | ''' || $1::bigint || ':x'], NULL, 200, 80, 4::smallint, NULL, 10)",
			"SELECT count(*) FROM fairlead.near_identifiers($1, 'err_4712', 4::smallint) WHERE $2 <> ''",
			"SELECT count(*) FROM fairlead.words w WHERE w.collection = $1 AND $2 <> ''",
		} {
			var n int
			if err := app.QueryRow(t.Context(), query, foreign, word).Scan(&n); err != nil || n != 0 {
				t.Errorf("as %q: %d of another tenant, %v: %s", tenant, n, err, query)
			}
		}
	}
}

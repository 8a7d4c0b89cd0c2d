package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"fairlead/internal/fault"
)

// Health is how grave a finding is.
type Health string

// The degrees. A database with a Bad finding must not be served.
const (
	Fine Health = "fine"
	Warn Health = "warning"
	Bad  Health = "bad"
)

// Finding is one thing that a check found.
type Finding struct {
	Check  string `json:"check"`
	Health Health `json:"health"`
	// Text says what was found, and Advice what to do about it.
	Text   string `json:"text"`
	Advice string `json:"advice,omitempty"`
}

// Examine looks at a database without changing it. url may be that of the owner or of the role that serves; the
// latter is what is examined where appURL differs.
func Examine(ctx context.Context, url, appURL string) ([]Finding, error) {
	const doing = "examining the database"
	config, err := readURL(url, "its URL", doing)
	if err != nil {
		return nil, err
	}
	s, err := inspect(ctx, config)
	if err != nil {
		return nil, translate(ctx, err, doing)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, translate(ctx, err, doing)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	d := &doctor{conn: conn, seen: s}
	d.role(ctx, appURL)
	if d.versions(ctx); s.version > 0 {
		for _, check := range []func(context.Context) error{d.security, d.indexes, d.vectors, d.bloat, d.memory, d.transactions} {
			if err := check(ctx); err != nil {
				return nil, translate(ctx, err, doing)
			}
		}
	}
	return d.findings, nil
}

type doctor struct {
	conn     *pgx.Conn
	seen     *seen
	findings []Finding
}

func (d *doctor) say(check string, h Health, advice, format string, args ...any) {
	d.findings = append(d.findings, Finding{Check: check, Health: h, Advice: advice, Text: fmt.Sprintf(format, args...)})
}

// role examines the role that serves, by connecting as it.
func (d *doctor) role(ctx context.Context, appURL string) {
	config, err := pgx.ParseConfig(appURL)
	if err != nil {
		d.say("role", Bad, "write postgres://USER:PASSWORD@HOST/DATABASE", "database.url cannot be read")
		return
	}
	app, err := inspect(ctx, config)
	if err != nil {
		d.say("role", Bad, "check its password and rights; fairlead db migrate makes and grants it", "%s", translate(ctx, err, "the role of database.url cannot look at the schema"))
		return
	}
	if err := app.check("serving"); err != nil {
		_, text, _ := strings.Cut(fault.From(err).Text, ": ")
		what, advice, _ := strings.Cut(text, ": ")
		d.say("role", Bad, advice, "%s", what)
		return
	}
	d.say("role", Fine, "", "%s serves: it owns nothing and does not pass row level security", app.role)
}

// versions compares versions with those that are known to be bad.
func (d *doctor) versions(ctx context.Context) {
	var number int
	if err := d.conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&number); err == nil {
		major, minor := number/10000, number%10000
		fixed := map[int]int{13: 22, 14: 19, 15: 14, 16: 10, 17: 6}[major]
		switch {
		case major < 15:
			d.say("postgresql", Warn, "use PostgreSQL 15 or later", "PostgreSQL %d.%d is older than what is tested", major, minor)
		case minor < fixed:
			d.say("postgresql", Warn, fmt.Sprintf("upgrade to %d.%d or later", major, fixed),
				"PostgreSQL %d.%d can tell statistics of rows that row level security hides (CVE-2025-8713)", major, minor)
		default:
			d.say("postgresql", Fine, "", "PostgreSQL %d.%d", major, minor)
		}
	}
	if known := latest(); d.seen.version != known {
		d.say("schema", Bad, "run fairlead db migrate with the newest program", "the schema is %d, and this program knows %d", d.seen.version, known)
	} else {
		d.say("schema", Fine, "", "version %d", known)
	}
	if d.seen.vectorVersion == "" {
		d.say("pgvector", Bad, "install pgvector 0.8.4 or later, then run fairlead db migrate", "it is not there")
		return
	}
	health, text := vectorHealth(d.seen.vectorVersion)
	d.say("pgvector", health, map[bool]string{true: "", false: "upgrade to 0.8.4 or later, ALTER EXTENSION vector UPDATE, then REINDEX the hnsw indexes"}[health == Fine], "%s", text)
}

// vectorHealth says what is wrong with a version of pgvector, after its changelog.
func vectorHealth(version string) (Health, string) {
	before := func(major, minor, patch int) bool {
		parts := strings.SplitN(version, ".", 3)
		for i, want := range []int{major, minor, patch} {
			got := 0
			if i < len(parts) {
				got, _ = strconv.Atoi(parts[i])
			}
			if got != want {
				return got < want
			}
		}
		return false
	}
	var wrong []string
	if before(0, 8, 0) {
		return Bad, "pgvector " + version + " has no iterative scans: a filtered search would give too few hits"
	}
	if before(0, 8, 2) {
		wrong = append(wrong, "a parallel build of an HNSW index can overflow a buffer (CVE-2026-3172)")
	}
	if before(0, 8, 3) {
		wrong = append(wrong, "a vacuum can corrupt an HNSW index")
	}
	if before(0, 8, 4) {
		wrong = append(wrong, "a vacuum beside inserts can fail")
	}
	if len(wrong) == 0 {
		return Fine, "pgvector " + version
	}
	return Warn, "pgvector " + version + ": " + strings.Join(wrong, "; ")
}

// operatorTables are those of operators, which belong to no tenant: they may be read and added to, and nothing else.
var operatorTables = []string{"traffic"}

// security looks at every table for what keeps tenants apart.
func (d *doctor) security(ctx context.Context) error {
	rows, err := d.conn.Query(ctx, `SELECT c.relname,
			NOT c.relrowsecurity, NOT c.relforcerowsecurity,
			c.relname <> ALL ($3) AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polcmd = '*' AND p.polpermissive
				AND pg_get_expr(p.polqual, c.oid) LIKE '%app.tenant%' AND pg_get_expr(p.polwithcheck, c.oid) LIKE '%app.tenant%'),
			c.relname = ANY ($3) AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive
				AND (p.polcmd NOT IN ('r', 'a') OR COALESCE(pg_get_expr(p.polqual, c.oid), pg_get_expr(p.polwithcheck, c.oid)) NOT LIKE '%app.operator%'))
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND c.relname <> $2 ORDER BY c.relname`, Schema, versionTable, operatorTables)
	if err != nil {
		return err
	}
	var name string
	var off, unforced, open, loose bool
	tables, wrong := 0, 0
	_, err = pgx.ForEachRow(rows, []any{&name, &off, &unforced, &open, &loose}, func() error {
		tables++
		for what, is := range map[string]bool{"row level security is off": off, "row level security is not forced": unforced, "no policy compares the tenant for reading and writing": open,
			"a policy lets in others than operators, or lets them change what was decided": loose} {
			if is {
				wrong++
				d.say("tenants", Bad, "someone changed the schema by hand: restore it from a fresh database's", "table %s: %s", name, what)
			}
		}
		return nil
	})
	if err == nil && wrong == 0 {
		d.say("tenants", Fine, "", "row level security is forced on all %d tables", tables)
	}
	return err
}

// indexes looks for indexes that a failed build left behind. A missing one of the schema is found by its name.
func (d *doctor) indexes(ctx context.Context) error {
	rows, err := d.conn.Query(ctx, `SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
		JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1`, Schema)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	var name string
	var valid bool
	if _, err := pgx.ForEachRow(rows, []any{&name, &valid}, func() error {
		if there[name] = true; !valid {
			d.say("indexes", Bad, "DROP INDEX "+Schema+"."+name+", then fairlead db migrate and fairlead db index make it anew", "index %s is not valid: its build failed", name)
		}
		return nil
	}); err != nil {
		return err
	}
	missing := 0
	for _, want := range indexNames() {
		if !there[want] {
			missing++
			d.say("indexes", Bad, "make it anew as the migrations do", "index %s is not there", want)
		}
	}
	if missing == 0 {
		d.say("indexes", Fine, "", "all %d of the schema are there", len(indexNames()))
	}
	return nil
}

// bloat looks for dead rows, which a search by vector steps over and finds fewer for.
func (d *doctor) bloat(ctx context.Context) error {
	rows, err := d.conn.Query(ctx, `SELECT relname, n_live_tup, n_dead_tup, coalesce(last_analyze, last_autoanalyze) IS NULL AND n_live_tup > 1000
		FROM pg_stat_user_tables WHERE schemaname = $1 ORDER BY n_dead_tup DESC`, Schema)
	if err != nil {
		return err
	}
	var name string
	var live, dead int64
	var unknown bool
	wrong := 0
	_, err = pgx.ForEachRow(rows, []any{&name, &live, &dead, &unknown}, func() error {
		if dead > 10_000 && dead > live/5 {
			wrong++
			d.say("bloat", Warn, "VACUUM (ANALYZE) "+Schema+"."+name+"; and check that autovacuum runs", "table %s has %d dead rows to %d live ones", name, dead, live)
		}
		if unknown {
			wrong++
			d.say("bloat", Warn, "ANALYZE "+Schema+"."+name, "table %s was never analysed: plans are guesses", name)
		}
		return nil
	})
	if err == nil && wrong == 0 {
		d.say("bloat", Fine, "", "no table has many dead rows")
	}
	return err
}

// memory compares the indexes of vectors with the memory that PostgreSQL has for pages: an HNSW index that is read
// from disk is many times slower.
func (d *doctor) memory(ctx context.Context) error {
	var size, buffers, hits, reads int64
	err := d.conn.QueryRow(ctx, `SELECT coalesce(sum(pg_relation_size(i.indexrelid)), 0)::bigint,
			(SELECT setting::bigint * 8192 FROM pg_settings WHERE name = 'shared_buffers'),
			coalesce(sum(s.idx_blks_hit), 0)::bigint, coalesce(sum(s.idx_blks_read), 0)::bigint
		FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam JOIN pg_namespace n ON n.oid = c.relnamespace
		LEFT JOIN pg_statio_user_indexes s ON s.indexrelid = i.indexrelid
		WHERE n.nspname = $1 AND a.amname = 'hnsw'`, Schema).Scan(&size, &buffers, &hits, &reads)
	if err != nil {
		return err
	}
	switch {
	case size > buffers:
		d.say("memory", Warn, "raise shared_buffers above it, or give large tenants an index of their own", "the HNSW indexes have %d MiB and shared_buffers %d MiB", size>>20, buffers>>20)
	case hits+reads > 10_000 && reads > (hits+reads)/20:
		d.say("memory", Warn, "give PostgreSQL more memory, or warm the index with pg_prewarm", "%d %% of the pages of HNSW indexes came from disk", 100*reads/(hits+reads))
	default:
		d.say("memory", Fine, "", "the HNSW indexes have %d MiB, and shared_buffers %d MiB", size>>20, buffers>>20)
	}
	return nil
}

// transactions looks for what keeps dead rows from being removed.
func (d *doctor) transactions(ctx context.Context) error {
	var minutes float64
	err := d.conn.QueryRow(ctx, `SELECT coalesce(extract(epoch FROM max(now() - xact_start)) / 60, 0)::float8 FROM pg_stat_activity
		WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`).Scan(&minutes)
	if err != nil {
		return err
	}
	if minutes > 15 {
		d.say("transactions", Warn, "find it in pg_stat_activity and end it; set idle_in_transaction_session_timeout", "a transaction has been open for %.0f minutes: dead rows stay until it ends", minutes)
	} else {
		d.say("transactions", Fine, "", "none has been open for long")
	}
	return nil
}

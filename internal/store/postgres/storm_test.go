package postgres_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"fairlead/internal/fault"
	"fairlead/internal/store"
	"fairlead/internal/store/postgres"
	"fairlead/internal/testdb"
)

// The storm: hundreds of tenants with the same names for everything, dozens of goroutines, four connections. Each
// operation is of one tenant, and some are cut short: by a context that ends somewhere in the call, by an error, by a
// panic. Whatever is read must carry the mark of the tenant that asked. Between them connections are taken that state
// no tenant, which must see no row and no setting that another left behind.
var (
	stormOperations = flag.Int("storm", 100_000, "how many operations the storm of tenants has; through PgBouncer it has a fifth of them")
	stormSeed       = flag.Uint64("storm-seed", 1, "which ones")
)

const (
	stormTenants = 200
	stormWorkers = 64
	stormPool    = 4
)

type storm struct {
	store   *postgres.Store
	tenants []string
	// tables are all that keep rows of tenants, and census the statement that counts them.
	census string
	// clean is what a connection has for settings that nobody set.
	clean string
	// locked is false where row level security is off, and nothing but the statements keeps tenants apart.
	locked bool

	mu     sync.Mutex
	counts map[string]map[string]int // by operation and outcome
	// foreign is what was read of another tenant, or left by it; broken is all else that must not be.
	foreign, broken []string
	foreigners      atomic.Int64
	serial          atomic.Int64
}

// worker is one goroutine of a storm.
type worker struct {
	*storm
	ctx    context.Context
	random *rand.Rand
	tenant string
	// op is the operation in progress.
	op string
}

// mark is what everything of a tenant carries.
func mark(tenant string) string { return "‹" + tenant + "›" }

// mine checks that what was read is of the worker's tenant.
func (w *worker) mine(what string, texts ...string) {
	for _, text := range texts {
		if !strings.Contains(text, mark(w.tenant)) {
			w.leak("%s of %s by %s: %q", what, w.tenant, w.op, text)
		}
	}
}

// leak records that something of another was seen.
func (s *storm) leak(format string, args ...any) {
	s.foreigners.Add(1)
	s.note(&s.foreign, format, args...)
}

func (s *storm) note(list *[]string, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(*list) < 10 {
		*list = append(*list, fmt.Sprintf(format, args...))
	}
}

// newStorm fills a database with what operations begin with.
func newStorm(t *testing.T, d testdb.Database, c postgres.Config) *storm {
	t.Helper()
	c.Pool = stormPool
	s := &storm{store: testdb.OpenPostgres(t, d, c), counts: map[string]map[string]int{}, locked: true}
	for i := range stormTenants {
		s.tenants = append(s.tenants, fmt.Sprintf("t%03d", i))
	}
	admin := connect(t, d.OwnerURL)
	rows, err := admin.Query(t.Context(), "SELECT relname FROM pg_class WHERE relnamespace = 'fairlead'::regnamespace AND relkind IN ('r', 'p') AND relname <> $1", postgres.VersionTable)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(tables) < 10 {
		t.Fatalf("%d tables, %v", len(tables), err)
	}
	for i, table := range tables {
		tables[i] = "(SELECT count(*) FROM fairlead." + pgx.Identifier{table}.Sanitize() + ")"
	}
	s.census = "SELECT " + strings.Join(tables, " + ") + ", " + settings
	s.clean = cleanSettings(t, d)
	s.each(t, stormTenants, func(w *worker, i int) {
		w.tenant = s.tenants[i]
		for _, op := range []func(*worker) error{tenantInsert, collectionInsertFirst, documentPutFirst, documentPut, sessionAppend, keyInsert} {
			if err := op(w); err != nil {
				s.note(&s.broken, "filling %s: %v", w.tenant, fault.Cause(err))
			}
		}
	})
	var all int64
	if err := admin.QueryRow(t.Context(), strings.Replace(s.census, settings, "''", 1)).Scan(&all, new(string)); err != nil || all < 8*stormTenants {
		t.Fatalf("it was filled with %d rows, %v", all, err)
	}
	return s
}

// settings is an expression of all settings that this package makes.
const settings = `concat_ws('|', current_setting('app.tenant', true), current_setting('app.key', true), current_setting('app.operator', true),
	current_setting('search_path'), current_setting('statement_timeout'), current_setting('transaction_isolation'), current_setting('transaction_read_only'))`

// cleanSettings are those of a connection that was just made.
func cleanSettings(t *testing.T, d testdb.Database) (clean string) {
	t.Helper()
	if err := connect(t, d.AppURL).QueryRow(t.Context(), "SELECT "+settings).Scan(&clean); err != nil {
		t.Fatal(err)
	}
	return clean
}

func newRandom() *rand.Rand { return rand.New(rand.NewPCG(*stormSeed, 0)) }

// each does n things, in as many goroutines as a storm has. Which worker does which depends on who is first; what
// each worker decides depends on the seed alone.
func (s *storm) each(t *testing.T, n int, do func(w *worker, i int)) {
	t.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	for i := range stormWorkers {
		wg.Go(func() {
			w := &worker{storm: s, ctx: t.Context(), random: rand.New(rand.NewPCG(*stormSeed, uint64(i)))}
			for {
				turn := int(next.Add(1)) - 1
				if turn >= n {
					return
				}
				do(w, turn)
			}
		})
	}
	wg.Wait()
}

// rage does n operations.
func (s *storm) rage(t *testing.T, n int) {
	t.Helper()
	total := 0
	for _, op := range operations {
		total += op.weight
	}
	began := time.Now()
	s.each(t, n, func(w *worker, _ int) {
		w.tenant = s.tenants[w.random.IntN(len(s.tenants))]
		pick := w.random.IntN(total)
		i := 0
		for ; pick >= operations[i].weight; i++ {
			pick -= operations[i].weight
		}
		w.run(operations[i])
	})
	took := time.Since(began)
	t.Logf("seed %d: %d operations of %d tenants in %d goroutines over %d connections, of which %d were made, in %s: %.0f a second", *stormSeed, n, stormTenants,
		stormWorkers, stormPool, s.store.Pool().Stat().NewConnsCount(), took.Round(time.Second), float64(n)/took.Seconds())
}

// run does one operation, which one in forty times is cut short by its context.
func (w *worker) run(op operation) {
	base := w.ctx
	cut := w.random.IntN(40) == 0
	if cut {
		ctx, cancel := context.WithCancel(base)
		defer cancel()
		c := &countdown{Context: ctx, cancel: cancel}
		c.left.Store(int64(w.random.IntN(25)))
		w.ctx = c
	}
	w.op = op.name
	err := op.do(w)
	w.ctx = base
	outcome := "ok"
	if err != nil {
		f := fault.From(err)
		outcome = f.Code.String()
		allowed := f.Code == fault.NotFound || f.Code == fault.AlreadyExists || cut && f.Code == fault.Canceled || f.Code == fault.Unavailable && strings.Contains(f.Text, "another writer")
		if !allowed {
			w.note(&w.broken, "%s of %s: %v", op.name, w.tenant, fault.Cause(err))
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counts[op.name] == nil {
		w.counts[op.name] = map[string]int{}
	}
	w.counts[op.name][outcome]++
}

// countdown is a context that ends, from another goroutine, when it was asked so many times: somewhere in the middle of
// a call, at each place of it sooner or later, and without a clock.
type countdown struct {
	context.Context
	left   atomic.Int64
	cancel func()
}

func (c *countdown) Done() <-chan struct{} {
	if c.left.Add(-1) == 0 {
		go c.cancel()
	}
	return c.Context.Done()
}

// calm checks what came of a storm.
func (s *storm) calm(t *testing.T) {
	t.Helper()
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range s.counts {
			if !yield(name) {
				return
			}
		}
	}) {
		t.Logf("%-22s %v", name, s.counts[name])
	}
	total := 0
	for _, op := range operations {
		for _, n := range s.counts[op.name] {
			total += n
		}
	}
	for _, op := range operations {
		if total >= 2000 && s.counts[op.name]["ok"] == 0 {
			t.Errorf("%s never went well: %v", op.name, s.counts[op.name])
		}
	}
	if n := s.foreigners.Load(); n > 0 {
		t.Errorf("%d times something of another tenant was seen, such as:\n%s", n, strings.Join(s.foreign, "\n"))
	}
	if len(s.broken) > 0 {
		t.Errorf("what must not be:\n%s", strings.Join(s.broken, "\n"))
	}
	// All connections came back: they can be had at once. And they serve.
	var all []*pgxpool.Conn
	for range stormPool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		conn, err := s.store.Pool().Acquire(ctx)
		cancel()
		if err != nil {
			t.Fatalf("%d of %d connections came back: %v", len(all), stormPool, err)
		}
		all = append(all, conn)
	}
	for _, conn := range all {
		conn.Release()
	}
	s.each(t, 4*stormPool, func(w *worker, i int) {
		w.tenant = s.tenants[i]
		if err := probe(w); err != nil {
			t.Error(fault.Cause(err))
		}
	})
}

func TestStorm(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	s := newStorm(t, d, postgres.Config{})
	s.rage(t, *stormOperations)
	s.calm(t)
}

func TestStormThroughPgBouncer(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	s := newStorm(t, d, postgres.Config{URL: testdb.PgBouncer(t, d), PgBouncer: true})
	s.rage(t, *stormOperations/5)
	s.calm(t)
}

// With settings that outlive their transactions the storm must see it, else it would see nothing ever.
func TestStormSeesWhatIsLeftBehind(t *testing.T) {
	for name, through := range map[string]func(testdb.Database) postgres.Config{
		"directly": func(testdb.Database) postgres.Config { return postgres.Config{} },
		"through PgBouncer": func(d testdb.Database) postgres.Config {
			return postgres.Config{URL: testdb.PgBouncer(t, d), PgBouncer: true}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := testdb.PostgresDatabase(t)
			c := through(d)
			undo := postgres.Unlock()
			t.Cleanup(undo)
			s := newStorm(t, d, c)
			s.rage(t, 2000)
			if s.foreigners.Load() == 0 {
				t.Error("nothing was seen of what others left behind")
			}
			if all := strings.Join(s.foreign, "\n"); !strings.Contains(all, "rows") {
				t.Errorf("no row of another was seen, only:\n%s", all)
			}
		})
	}
}

// With row level security off the statements alone keep tenants apart.
func TestStormWithoutRowLevelSecurity(t *testing.T) {
	d := testdb.PostgresDatabase(t)
	s := newStorm(t, d, postgres.Config{})
	unlock(t, d)
	s.locked = false
	s.rage(t, *stormOperations/20)
	s.calm(t)
	// And it was off: a statement without a tenant sees all.
	var n int
	if err := connect(t, d.AppURL).QueryRow(t.Context(), "SELECT count(DISTINCT tenant) FROM fairlead.collections").Scan(&n); err != nil || n < stormTenants/2 {
		t.Errorf("%d tenants are seen, %v", n, err)
	}
}

// unlock turns row level security off.
func unlock(t *testing.T, d testdb.Database) {
	t.Helper()
	execute(t, connect(t, d.OwnerURL), `DO $$ DECLARE t regclass; BEGIN
		FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'fairlead'::regnamespace AND relrowsecurity LOOP
			EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', t);
		END LOOP; END $$`)
}

var _ store.Store = (*postgres.Store)(nil)

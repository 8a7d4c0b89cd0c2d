package postgres_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"fairlead/internal/auth"
	"fairlead/internal/auth/keys"
	"fairlead/internal/auth/tenants"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/orchestrator/record"
	"fairlead/orchestrator/usage"
	"fairlead/providers"
	"fairlead/retrieval"
)

// operation is one of a storm. do gives the error of the store; what it reads it checks itself.
type operation struct {
	name   string
	weight int
	do     func(w *worker) error
}

// Most read little; those that write much are few, so that a storm has many.
var operations = []operation{
	{"CollectionGet", 14, collectionGet},
	{"CollectionList", 5, collectionList},
	{"CollectionInsert", 2, collectionInsert},
	{"CollectionDelete", 1, collectionDelete},
	{"DocumentGet", 14, documentGet},
	{"DocumentList", 8, documentList},
	{"DocumentFingerprint", 12, documentFingerprint},
	{"DocumentPut", 2, documentPut},
	{"DocumentDelete", 1, documentDelete},
	{"PassagesGet", 6, passagesGet},
	{"SearchText", 1, searchText},
	{"SearchVector", 2, searchVector},
	{"SearchFused", 1, searchFused},
	{"SessionMessages", 10, sessionMessages},
	{"SessionLabel", 14, sessionLabel},
	{"SessionAppend", 2, sessionAppend},
	{"KeyFind", 5, keyFind},
	{"KeyList", 3, keyList},
	{"KeyInsert", 1, keyInsert},
	{"UsageAppend", 1, usageAppend},
	{"UsageSum", 1, usageSum},
	{"DecisionsAppend", 1, decisionsAppend},
	{"DecisionsSince", 1, decisionsSince},
	{"rolled back", 1, rolledBack},
	{"panic", 1, panics},
	{"forgetful", 2, forgetful},
	{"foreign write", 1, foreignWrite},
	{"probe", 2, probe},
}

const stormDimensions = 4

func (w *worker) coll() string { return fmt.Sprintf("c%d", max(0, w.random.IntN(5)-2)) }
func (w *worker) uri() string  { return fmt.Sprintf("d%d", w.random.IntN(4)) }

func docID(uri string) string {
	sum := sha256.Sum256([]byte(uri))
	return hex.EncodeToString(sum[:8])
}

func tenantInsert(w *worker) error {
	return w.store.TenantInsert(w.ctx, tenants.Tenant{Name: w.tenant, Description: mark(w.tenant), CreatedAt: time.Now()})
}

func insertCollection(w *worker, name string) error {
	return w.store.CollectionInsert(w.ctx, w.tenant, retrieval.Collection{Name: name, Description: mark(w.tenant), Label: label.Public, Embedder: "e", Dimensions: stormDimensions, LexicalWeight: 0.5})
}

func collectionInsert(w *worker) error      { return insertCollection(w, w.coll()) }
func collectionInsertFirst(w *worker) error { return insertCollection(w, "c0") }

func collectionGet(w *worker) error {
	c, err := w.store.CollectionGet(w.ctx, w.tenant, w.coll())
	if err == nil {
		w.mine("a collection", c.Description)
	}
	return err
}

func collectionList(w *worker) error {
	list, err := w.store.CollectionList(w.ctx, w.tenant)
	for _, c := range list {
		w.mine("a collection", c.Description)
	}
	return err
}

func collectionDelete(w *worker) error {
	_, err := w.store.CollectionDelete(w.ctx, w.tenant, w.coll())
	return err
}

// Documents of all tenants have the same words and vectors, so that each is as good a hit as the own.
func putDocument(w *worker, coll, uri string) error {
	d := retrieval.Document{ID: docID(uri), Collection: coll, URI: uri, Title: "Title " + mark(w.tenant), MediaType: "text/plain", Label: label.Internal,
		Metadata: map[string]any{"owner": mark(w.tenant)}, ContentHash: "h", Fingerprint: mark(w.tenant), SourceBytes: 1}
	var passages []retrieval.Passage
	var vectors [][]float32
	for i := range 1 + w.random.IntN(2) {
		text := fmt.Sprintf("alpha beta number %d of %s\n", i, mark(w.tenant))
		passages = append(passages, retrieval.Passage{ID: fmt.Sprintf("%s-%d", d.ID, i), Collection: coll, DocumentID: d.ID, URI: uri, Title: d.Title, Label: d.Label,
			Ordinal: i, Text: text, Span: retrieval.Span{ByteStart: len(d.Text), ByteEnd: len(d.Text) + len(text), LineStart: i + 1, LineEnd: i + 1}})
		d.Text += text
		vectors = append(vectors, []float32{1, float32(i), 0.5, 0})
	}
	d.Passages = len(passages)
	return w.store.DocumentPut(w.ctx, w.tenant, d, passages, vectors)
}

func documentPut(w *worker) error {
	return notFoundIsFine(putDocument(w, w.coll(), w.uri()))
}

func documentPutFirst(w *worker) error { return putDocument(w, "c0", "d0") }

// notFoundIsFine is for what goes where another may have deleted the collection.
func notFoundIsFine(err error) error {
	if err != nil && fault.From(err).Code == fault.NotFound {
		return nil
	}
	return err
}

func documentGet(w *worker) error {
	d, err := w.store.DocumentGet(w.ctx, w.tenant, w.coll(), w.uri())
	if err == nil {
		w.mine("a document", d.Title, d.Text, d.Fingerprint, fmt.Sprint(d.Metadata["owner"]))
	}
	return err
}

func documentList(w *worker) error {
	list, err := w.store.DocumentList(w.ctx, w.tenant, w.coll(), "", 10)
	for _, d := range list {
		w.mine("a document", d.Title, d.Fingerprint)
	}
	return err
}

func documentFingerprint(w *worker) error {
	print, _, err := w.store.DocumentFingerprint(w.ctx, w.tenant, w.coll(), docID(w.uri()))
	if err == nil && print != "" {
		w.mine("a fingerprint", print)
	}
	return err
}

func documentDelete(w *worker) error {
	return w.store.DocumentDelete(w.ctx, w.tenant, w.coll(), w.uri())
}

func passagesGet(w *worker) error {
	uri := docID(w.uri())
	list, err := w.store.PassagesGet(w.ctx, w.tenant, w.coll(), []string{uri + "-0", uri + "-1"})
	for _, p := range list {
		w.mine("a passage", p.Text, p.Title)
	}
	return err
}

func (w *worker) query() retrieval.LegQuery {
	q := retrieval.LegQuery{Collection: w.coll(), Text: "alpha number", Vector: []float32{1, 0, 0.5, 0}, Limit: 10, MaxLabel: label.Restricted}
	if other := w.tenants[w.random.IntN(len(w.tenants))]; w.random.IntN(2) == 0 {
		q.Text += " " + mark(other) // a word that no document of one's own has
	}
	return q
}

func (w *worker) hits(hits []retrieval.Hit) {
	for _, h := range hits {
		w.mine("a hit", h.Passage.Title)
		if h.Passage.Text != "" {
			w.mine("a hit", h.Passage.Text)
		}
	}
}

func searchText(w *worker) error {
	leg, err := w.store.SearchText(w.ctx, w.tenant, w.query())
	if err == nil {
		w.hits(leg.Hits)
	}
	return err
}

func searchVector(w *worker) error {
	leg, err := w.store.SearchVector(w.ctx, w.tenant, w.query())
	if err == nil {
		w.hits(leg.Hits)
	}
	return err
}

func searchFused(w *worker) error {
	fuser, ok := any(w.store).(retrieval.Fuser)
	if !ok {
		return fault.New(fault.Unimplemented, fault.ReasonUnsupported, "it is no Fuser")
	}
	both, err := fuser.SearchFused(w.ctx, w.tenant, w.query(), 5, 0.5)
	if err == nil {
		w.hits(both.Hits)
	}
	return err
}

func (w *worker) session() string { return fmt.Sprintf("s%d", w.random.IntN(2)) }

func sessionMessages(w *worker) error {
	list, err := w.store.SessionMessages(w.ctx, w.tenant, w.session(), 5)
	for _, m := range list {
		w.mine("a message", m.TextContent())
	}
	return err
}

func sessionLabel(w *worker) error {
	_, err := w.store.SessionLabel(w.ctx, w.tenant, w.session())
	return err
}

func sessionAppend(w *worker) error {
	return w.store.SessionAppend(w.ctx, w.tenant, w.session(), label.Internal, []providers.Message{providers.Text(providers.User, "I am "+mark(w.tenant))})
}

func keyInsert(w *worker) error {
	k := keys.Key{ID: fmt.Sprintf("%s.%d", w.tenant, w.serial.Add(1)), Tenant: w.tenant, Name: mark(w.tenant), Scopes: auth.Chat, Ceiling: label.Internal, CreatedBy: "storm", CreatedAt: time.Now()}
	return w.store.KeyInsert(w.ctx, k, keys.Hash{1})
}

// keyFind looks for the key of anyone, as a server does that does not know yet who calls.
func keyFind(w *worker) error {
	id := fmt.Sprintf("%s.%d", w.tenant, 1+w.random.IntN(stormTenants))
	if list, err := w.store.KeyList(w.ctx, w.tenant); err == nil && len(list) > 0 {
		id = list[w.random.IntN(len(list))].ID
	}
	k, _, err := w.store.KeyFind(w.ctx, id)
	if err == nil {
		w.mine("a key", k.Name, mark(k.Tenant))
	}
	return err
}

func keyList(w *worker) error {
	list, err := w.store.KeyList(w.ctx, w.tenant)
	for _, k := range list {
		w.mine("a key", k.Name, mark(k.Tenant))
	}
	return err
}

// usageAppend keeps records of two tenants at once, as a server does.
func usageAppend(w *worker) error {
	other := w.tenants[w.random.IntN(len(w.tenants))]
	var records []usage.Record
	for _, tenant := range []string{w.tenant, other} {
		records = append(records, usage.Record{Tenant: tenant, Key: mark(tenant), RunID: fmt.Sprint(w.serial.Add(1)), Step: "chat", Attempt: 1, Time: time.Now(), Target: "t", Backend: "b", Model: "m"})
	}
	return w.store.UsageAppend(w.ctx, records)
}

func usageSum(w *worker) error {
	sums, err := w.store.UsageSum(w.ctx, w.tenant, usage.Query{From: time.Now().AddDate(0, 0, -1), Until: time.Now().AddDate(0, 0, 1), By: []usage.Dimension{usage.ByKey}})
	for _, s := range sums {
		w.mine("a sum", s.Key)
	}
	return err
}

func decisionsAppend(w *worker) error {
	return w.store.DecisionsAppend(w.ctx, w.tenant, []record.Decision{{RunID: fmt.Sprint(mark(w.tenant), w.serial.Add(1)), Seq: 1, Time: time.Now(), Tenant: w.tenant, Step: "chat", Policy: "p", Label: label.Internal}})
}

func decisionsSince(w *worker) error {
	return w.store.DecisionsSince(w.ctx, w.tenant, time.Time{}, 10, func(d *record.Decision) error {
		w.mine("a decision", d.RunID, mark(d.Tenant))
		return nil
	})
}

// errOurs is an error of a function that a transaction runs.
var errOurs = errors.New("of the test")

// spoil writes what must never be read: whoever reads it finds no mark.
func (w *worker) spoil(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "UPDATE collections SET description = 'rolled back' WHERE tenant = $1", w.tenant)
	return err
}

func rolledBack(w *worker) error {
	err := w.store.Write(w.ctx, w.tenant, "rolling back", func(tx pgx.Tx) error {
		if err := w.spoil(w.ctx, tx); err != nil {
			return err
		}
		return fault.Wrap(errOurs, fault.NotFound, fault.ReasonNone, "of the test")
	})
	if errors.Is(err, errOurs) {
		return nil
	}
	return err
}

// panics leaves a transaction by a panic, half of the times in the middle of reading rows.
func panics(w *worker) (err error) {
	const ours = "of the test"
	defer func() {
		if p := recover(); p != nil && p != ours {
			panic(p)
		}
	}()
	return w.store.Write(w.ctx, w.tenant, "panicking", func(tx pgx.Tx) error {
		if err := w.spoil(w.ctx, tx); err != nil {
			return err
		}
		if w.random.IntN(2) == 0 {
			rows, err := tx.Query(w.ctx, "SELECT generate_series(1, 1000)")
			if err != nil {
				return err
			}
			rows.Next()
		}
		panic(ours)
	})
}

// forgetful is a statement that does not name its tenant: row level security alone keeps the others' rows from it.
func forgetful(w *worker) error {
	table := []string{"collections", "documents", "passages", "sessions", "keys"}[w.random.IntN(5)]
	return w.store.Read(w.ctx, w.tenant, "forgetting the tenant", func(tx pgx.Tx) error {
		var n int64
		var others *string
		err := tx.QueryRow(w.ctx, "SELECT count(*), min(tenant) FILTER (WHERE tenant <> $1) FROM "+table, w.tenant).Scan(&n, &others)
		if err == nil && others != nil && w.locked {
			w.leak("%s sees rows of %s in %s", w.tenant, *others, table)
		}
		return err
	})
}

// foreignWrite tries to write for another: row level security alone refuses it.
func foreignWrite(w *worker) error {
	other := w.tenants[w.random.IntN(len(w.tenants))]
	if other == w.tenant || !w.locked {
		return nil
	}
	statement := []string{
		"INSERT INTO sessions (tenant, name, label, created_at, updated_at) VALUES ($1, 'foreign', 1, now(), now())",
		"UPDATE sessions SET tenant = $1",
		"UPDATE collections SET description = 'foreign' WHERE tenant = $1",
		"DELETE FROM documents WHERE tenant = $1",
		"INSERT INTO collections (tenant, name, description, label, lexical_weight, created_at, embedder, identity, dimensions) VALUES ($1, 'c0', 'foreign', 1, 0, now(), '', '', 1) ON CONFLICT (tenant, name) DO UPDATE SET description = 'foreign'",
	}[w.random.IntN(5)]
	err := w.store.Write(w.ctx, w.tenant, "writing for another", func(tx pgx.Tx) error {
		tag, err := tx.Exec(w.ctx, statement, other)
		if err == nil && tag.RowsAffected() > 0 {
			w.leak("%s changed %d rows of %s: %s", w.tenant, tag.RowsAffected(), other, statement)
			return errOurs
		}
		return err
	})
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42501" { // refused, as it must be
		return nil
	}
	return err
}

// probe takes a connection as nothing in the store does, without a tenant.
func probe(w *worker) error {
	conn, err := w.store.Pool().Acquire(w.ctx)
	if err != nil {
		return fault.From(err)
	}
	defer conn.Release()
	var rows int64
	var left string
	if err := conn.QueryRow(w.ctx, w.census).Scan(&rows, &left); err != nil {
		if w.ctx.Err() != nil {
			return fault.From(w.ctx.Err())
		}
		return err
	}
	if rows != 0 && w.locked {
		w.leak("a connection of nobody sees %d rows: %s", rows, left)
	}
	// A setting that was made and ended reads as empty.
	if strings.TrimLeft(left, "|") != strings.TrimLeft(w.clean, "|") {
		w.leak("a connection of nobody has settings that another left: %q", left)
	}
	return nil
}

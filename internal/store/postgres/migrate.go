package postgres

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"fairlead/internal/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// versionTable is where goose keeps which migrations were run.
	versionTable = "schema_versions"
	// lockID is that of the advisory lock of migrations: "fairlead" in ASCII.
	lockID = 0x666169726c656164
	// workLockID is that of the session that runs them.
	workLockID = lockID + 1
)

func migrationFiles() fs.FS {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return dir
}

// latest is the version of the schema that this program knows.
var latest = sync.OnceValue(func() (version int64) {
	files, err := fs.Glob(migrationFiles(), "*.sql")
	for _, file := range files {
		var v int64
		if v, err = goose.NumericComponent(path.Base(file)); err != nil {
			break
		}
		version = max(version, v)
	}
	if err != nil {
		panic(err) // the files are embedded above
	}
	return version
})

// Migrated says what Migrate did.
type Migrated struct {
	// From and To are versions of the schema. Equal: there was nothing to do.
	From, To int64
	// Role is the one that serves. Made: it was not there before.
	Role string
	Made bool
}

// Migrate brings the schema up to what this program knows, and lets the role of appURL serve, which it makes where
// it is not there. ownerURL must lead to PostgreSQL itself, not to a PgBouncer. Several may run it at once: one
// does the work and the others wait for it. A program that was killed leaves nothing half done, and the next goes on.
// FailedPrecondition with ReasonBadConfig when the schema is newer than this program, or a right is missing: then the
// text says what someone who has it must run.
func Migrate(ctx context.Context, ownerURL, appURL string) (*Migrated, error) {
	const doing = "migrating the database"
	owner, app, err := parse(ownerURL, appURL, doing)
	if err != nil {
		return nil, err
	}
	if err := straight(ctx, owner, doing); err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, owner)
	if err != nil {
		return nil, translate(ctx, err, doing)
	}
	defer conn.Close(context.WithoutCancel(ctx)) // and with it ends the lock, as it does when this process is killed
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(lockID)); err != nil {
		return nil, translate(ctx, err, doing)
	}
	m := &migration{conn: conn, owner: owner, app: app, doing: doing}
	return m.run(ctx)
}

func parse(ownerURL, appURL, doing string) (owner, app *pgx.ConnConfig, err error) {
	if owner, err = readURL(ownerURL, "a URL", doing); err == nil {
		app, err = readURL(appURL, "a URL", doing)
	}
	switch {
	case err != nil:
		return nil, nil, err
	case owner.User == app.User:
		return nil, nil, fault.New(fault.InvalidArgument, fault.ReasonBadConfig,
			"%s: database.url and database.owner_url name the same user: what serves must not own the tables, so name another in database.url; it is made where it is not there", doing)
	}
	return owner, app, nil
}

// migration is one run of Migrate, with the lock held.
type migration struct {
	conn       *pgx.Conn
	owner, app *pgx.ConnConfig
	doing      string
}

func (m *migration) run(ctx context.Context) (*Migrated, error) {
	out := &Migrated{Role: m.app.User}
	s, err := inspect(ctx, m.owner)
	if err != nil {
		return nil, translate(ctx, err, m.doing)
	}
	if out.From = s.version; s.version > latest() {
		return nil, fault.New(fault.FailedPrecondition, fault.ReasonBadConfig,
			"%s: its schema is %d and this program knows %d: use a newer program", m.doing, s.version, latest())
	}
	if err := m.extensions(ctx, s); err != nil {
		return nil, err
	}
	if out.Made, err = m.role(ctx); err != nil {
		return nil, err
	}
	if err := m.schema(ctx); err != nil {
		return nil, err
	}
	if err := m.reword(ctx); err != nil {
		return nil, err
	}
	if err := m.grant(ctx); err != nil {
		return nil, err
	}
	out.To = latest()
	return out, nil
}

// refused is for what the owner may not do and another must.
func (m *migration) refused(ctx context.Context, err error, statement string) error {
	if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "42501" {
		return translate(ctx, err, m.doing)
	}
	return fault.Wrap(err, fault.FailedPrecondition, fault.ReasonBadConfig,
		"%s: the user of database.owner_url may not do this; have someone who may run it, then migrate again: %s", m.doing, statement)
}

// extensions makes the extensions. They come into the schema public, as they do by default.
func (m *migration) extensions(ctx context.Context, s *seen) error {
	for name, there := range map[string]bool{"vector": s.vectorSchema != "", "pg_trgm": s.trigramSchema != ""} {
		if there {
			continue
		}
		statement := "CREATE EXTENSION IF NOT EXISTS " + name + " SCHEMA public"
		_, err := m.conn.Exec(ctx, statement)
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok && (pg.Code == "0A000" || pg.Code == "58P01") {
			return fault.Wrap(err, fault.FailedPrecondition, fault.ReasonBadConfig,
				"%s: the machine of the database has no extension %s: install pgvector and PostgreSQL's contrib modules there", m.doing, name)
		}
		if err != nil {
			return m.refused(ctx, err, statement+" -- in database "+m.owner.Database)
		}
	}
	return nil
}

// role makes the role that serves, unless it is there.
func (m *migration) role(ctx context.Context) (made bool, err error) {
	var there, passes bool
	err = m.conn.QueryRow(ctx, "SELECT count(*) > 0, coalesce(bool_or(rolsuper OR rolbypassrls), false) FROM pg_roles WHERE rolname = $1", m.app.User).Scan(&there, &passes)
	switch {
	case err != nil:
		return false, translate(ctx, err, m.doing)
	case passes:
		return false, fault.New(fault.FailedPrecondition, fault.ReasonBadConfig,
			"%s: the role %s of database.url passes row level security: name one that does not", m.doing, m.app.User)
	case there:
		return false, nil
	}
	statement := "CREATE ROLE " + pgx.Identifier{m.app.User}.Sanitize() + " LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE"
	full := statement
	if m.app.Password != "" {
		v, err := verifier(m.app.Password)
		if err != nil {
			return false, fault.Wrap(err, fault.Internal, fault.ReasonInternal, "%s: hashing the password of the role %s", m.doing, m.app.User)
		}
		full += " PASSWORD '" + v + "'" // base64, which needs no quoting
	}
	_, err = m.conn.Exec(ctx, full)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && (pg.Code == "42710" || pg.Code == "23505") {
		return false, nil // another made it meanwhile: the lock is of one database, and roles are of all
	}
	if err != nil {
		return false, m.refused(ctx, err, statement+" PASSWORD '...'")
	}
	return true, nil
}

// schema runs the migrations that were not run yet, each in a transaction of its own.
func (m *migration) schema(ctx context.Context) error {
	// IF NOT EXISTS would ask for the right even where the schema exists.
	var there bool
	if err := m.conn.QueryRow(ctx, "SELECT count(*) > 0 FROM pg_namespace WHERE nspname = $1", Schema).Scan(&there); err != nil {
		return translate(ctx, err, m.doing)
	}
	if !there {
		if _, err := m.conn.Exec(ctx, "CREATE SCHEMA "+Schema); err != nil {
			return m.refused(ctx, err, "CREATE SCHEMA "+Schema+" AUTHORIZATION "+pgx.Identifier{m.owner.User}.Sanitize()+" -- in database "+m.owner.Database)
		}
	}
	s, err := inspect(ctx, m.owner)
	if err != nil {
		return translate(ctx, err, m.doing)
	}
	config := m.owner.Copy()
	config.RuntimeParams["search_path"] = s.searchPath
	// The lock of m.conn ends with this process, but a statement that it left behind goes on. Its session has a lock
	// too, for which the next to migrate waits.
	db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(workLockID))
		return err
	}))
	defer db.Close()
	db.SetMaxOpenConns(1)
	p, err := goose.NewProvider(goose.DialectPostgres, db, migrationFiles(), goose.WithTableName(Schema+"."+versionTable))
	if err != nil {
		return translate(ctx, err, m.doing)
	}
	if _, err := p.Up(ctx); err != nil {
		return translate(ctx, err, m.doing)
	}
	return nil
}

// grant lets the role that serves do what it must, and no more: it may not make or change a table.
func (m *migration) grant(ctx context.Context) error {
	role := pgx.Identifier{m.app.User}.Sanitize()
	for _, statement := range []string{
		"GRANT USAGE ON SCHEMA " + Schema + " TO " + role,
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA " + Schema + " TO " + role,
		// Numbers of passages are taken before the passages are sent.
		"GRANT USAGE ON ALL SEQUENCES IN SCHEMA " + Schema + " TO " + role,
		"REVOKE INSERT, UPDATE, DELETE ON " + Schema + "." + versionTable + " FROM " + role,
		"REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA " + Schema + " FROM PUBLIC",
		"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA " + Schema + " TO " + role,
	} {
		if _, err := m.conn.Exec(ctx, statement); err != nil {
			return m.refused(ctx, err, statement)
		}
	}
	return nil
}

// SchemaHash names what the migrations of this program make, for tests that share a database between them.
var SchemaHash = sync.OnceValue(func() string {
	h := sha256.New()
	fmt.Fprintln(h, wordsVersion)
	files, err := fs.Glob(migrationFiles(), "*.sql")
	for _, file := range files {
		var text []byte
		if text, err = fs.ReadFile(migrationFiles(), file); err != nil {
			break
		}
		fmt.Fprintf(h, "%s %d\n", file, len(text))
		h.Write(text)
	}
	if err != nil {
		panic(err) // the files are embedded above
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
})

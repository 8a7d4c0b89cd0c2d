package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"fairlead/internal/fault"
)

// seen is what a connection sees of the database and of itself.
type seen struct {
	role      string
	superuser bool
	// bypass and owner: it is one that may, or can become one.
	bypass, owner                              bool
	vectorVersion, vectorSchema, trigramSchema string
	halfvec, halfvecs                          uint32 // the types of a vector and of a list of them
	// unlocked is a table without row level security that is forced. Empty: there is none.
	unlocked string
	// words says which version of package analysis made the words. Empty: they are new, or there are none.
	words string
	// version is the schema's; 0: there is none.
	version    int64
	searchPath string
	// pooled: something that shares out connections to the server, such as a PgBouncer, stands between.
	pooled bool
}

// inspect looks at the database through a connection of its own.
func inspect(ctx context.Context, c *pgx.ConnConfig) (*seen, error) {
	c = c.Copy()
	c.DefaultQueryExecMode = pgx.QueryExecModeExec // nothing is prepared: a PgBouncer may stand between
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var s seen
	var pid int64
	err = conn.QueryRow(ctx, `SELECT pg_backend_pid(), r.rolname, r.rolsuper,
			EXISTS (SELECT FROM pg_roles o WHERE (o.rolsuper OR o.rolbypassrls) AND pg_has_role(o.oid, 'MEMBER')),
			EXISTS (SELECT FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid
				WHERE n.nspname = $1 AND (pg_has_role(n.nspowner, 'MEMBER') OR pg_has_role(c.relowner, 'MEMBER'))),
			coalesce((SELECT min(c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1
				AND c.relkind IN ('r', 'p') AND c.relname <> $2 AND NOT (c.relrowsecurity AND c.relforcerowsecurity)), ''),
			coalesce((SELECT e.extversion FROM pg_extension e WHERE e.extname = 'vector'), ''),
			coalesce((SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'), ''),
			coalesce((SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm'), ''),
			coalesce((SELECT t.oid FROM pg_type t JOIN pg_extension e ON e.extnamespace = t.typnamespace WHERE e.extname = 'vector' AND t.typname = 'halfvec'), 0),
			coalesce((SELECT t.typarray FROM pg_type t JOIN pg_extension e ON e.extnamespace = t.typnamespace WHERE e.extname = 'vector' AND t.typname = 'halfvec'), 0),
			coalesce((SELECT obj_description(c.oid, 'pg_class') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = 'words'), '')
		FROM pg_roles r WHERE r.rolname = current_user`, Schema, versionTable).
		Scan(&pid, &s.role, &s.superuser, &s.bypass, &s.owner, &s.unlocked, &s.vectorVersion, &s.vectorSchema, &s.trigramSchema, &s.halfvec, &s.halfvecs, &s.words)
	if err != nil {
		return nil, err
	}
	s.pooled = pid != int64(conn.PgConn().PID()) // a PgBouncer tells a number of its own
	s.searchPath = Schema
	for _, schema := range []string{s.vectorSchema, s.trigramSchema} {
		if schema != "" {
			s.searchPath += ", " + pgx.Identifier{schema}.Sanitize()
		}
	}
	err = conn.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM "+Schema+"."+versionTable+" WHERE is_applied").Scan(&s.version)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Code == "42P01" || pg.Code == "3F000") {
		err = nil
	}
	return &s, err
}

// check refuses a database that this program must not serve.
func (s *seen) check(doing string) error {
	known := latest()
	switch {
	case s.version == 0:
		return fault.New(fault.FailedPrecondition, fault.ReasonSchemaBehind, "%s: it has no schema: run fairlead db migrate", doing)
	case s.version < known:
		return fault.New(fault.FailedPrecondition, fault.ReasonSchemaBehind,
			"%s: its schema is %d and this program wants %d: run fairlead db migrate with this program, then start it again", doing, s.version, known)
	case s.version == known && s.words != wordsVersion:
		return fault.New(fault.FailedPrecondition, fault.ReasonSchemaBehind,
			"%s: its index of words was made by another version of the program: run fairlead db migrate with this program, then start it again", doing)
	case s.version > known:
		return fault.New(fault.FailedPrecondition, fault.ReasonBadConfig,
			"%s: its schema is %d and this program knows %d: use a newer program", doing, s.version, known)
	case s.superuser || s.bypass:
		return fault.New(fault.FailedPrecondition, fault.ReasonBadConfig,
			"%s: its role %s passes row level security: name in database.url the role that fairlead db migrate made, which does not", doing, s.role)
	case s.owner:
		return fault.New(fault.FailedPrecondition, fault.ReasonBadConfig,
			"%s: its role %s owns the tables: name it in database.owner_url, and another in database.url, which fairlead db migrate makes", doing, s.role)
	case s.unlocked != "":
		return fault.New(fault.FailedPrecondition, fault.ReasonBadConfig,
			"%s: anyone sees all of its table %s: have its owner run ALTER TABLE %s.%[2]s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY", doing, s.unlocked, Schema)
	case s.halfvec == 0:
		return fault.New(fault.FailedPrecondition, fault.ReasonBadConfig, "%s: it has no pgvector, or one before 0.7: install pgvector 0.8.4 or later", doing)
	}
	return nil
}

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
	role                                       string
	superuser, bypass, owner                   bool
	vectorVersion, vectorSchema, trigramSchema string
	halfvec                                    uint32
	// version is the schema's; 0: there is none.
	version    int64
	searchPath string
}

// inspect looks at the database through a connection of its own.
func inspect(ctx context.Context, c *pgx.ConnConfig) (*seen, error) {
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var s seen
	err = conn.QueryRow(ctx, `SELECT r.rolname, r.rolsuper, r.rolbypassrls,
			coalesce((SELECT pg_has_role(n.nspowner, 'USAGE') FROM pg_namespace n WHERE n.nspname = $1), false),
			coalesce((SELECT e.extversion FROM pg_extension e WHERE e.extname = 'vector'), ''),
			coalesce((SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector'), ''),
			coalesce((SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm'), ''),
			coalesce((SELECT t.oid FROM pg_type t JOIN pg_extension e ON e.extnamespace = t.typnamespace WHERE e.extname = 'vector' AND t.typname = 'halfvec'), 0)
		FROM pg_roles r WHERE r.rolname = current_user`, Schema).
		Scan(&s.role, &s.superuser, &s.bypass, &s.owner, &s.vectorVersion, &s.vectorSchema, &s.trigramSchema, &s.halfvec)
	if err != nil {
		return nil, err
	}
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
	case s.version > known:
		return fault.New(fault.FailedPrecondition, fault.ReasonBadConfig,
			"%s: its schema is %d and this program knows %d: use a newer program", doing, s.version, known)
	case s.superuser || s.bypass:
		return fault.New(fault.FailedPrecondition, fault.ReasonBadConfig,
			"%s: its role %s passes row level security: name in database.url the role that fairlead db migrate made, which does not", doing, s.role)
	case s.owner:
		return fault.New(fault.FailedPrecondition, fault.ReasonBadConfig,
			"%s: its role %s owns the tables: name it in database.owner_url, and another in database.url, which fairlead db migrate makes", doing, s.role)
	case s.halfvec == 0:
		return fault.New(fault.FailedPrecondition, fault.ReasonBadConfig, "%s: it has no pgvector, or one before 0.7: install pgvector 0.8.4 or later", doing)
	}
	return nil
}

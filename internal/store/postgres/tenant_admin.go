package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"fairlead/internal/auth/tenants"
	"fairlead/internal/fault"
)

var _ tenants.Store = (*Store)(nil)

const tenantColumns = "tenant, description, created_at, disabled_at"

func scanTenant(row pgx.Row) (tenants.Tenant, error) {
	var t tenants.Tenant
	var disabled *time.Time
	err := row.Scan(&t.Name, &t.Description, &t.CreatedAt, &disabled)
	t.CreatedAt, t.DisabledAt = t.CreatedAt.UTC(), fromNull(disabled)
	return t, err
}

func unknownTenant(doing, name string) error {
	return fault.New(fault.NotFound, fault.ReasonUnknownTenant, "%s: there is no tenant %q", doing, name)
}

// TenantInsert makes a tenant, which begins with nothing, also where calls wrote something after one of that name was
// deleted. InvalidArgument when its name is none.
func (s *Store) TenantInsert(ctx context.Context, t tenants.Tenant) error {
	const doing = "making the tenant"
	if err := tenants.CheckName(t.Name); err != nil {
		return err
	}
	if t.CreatedAt.IsZero() {
		t.CreatedAt = s.now()
	}
	return s.write(ctx, t.Name, doing, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "INSERT INTO tenants ("+tenantColumns+") VALUES ($1, $2, $3, $4)", t.Name, t.Description, t.CreatedAt, toNull(t.DisabledAt))
		if err != nil {
			return err
		}
		return clearTenant(ctx, tx, t.Name)
	})
}

// TenantGet gives a tenant.
func (s *Store) TenantGet(ctx context.Context, name string) (*tenants.Tenant, error) {
	const doing = "reading the tenant"
	if tenants.CheckName(name) != nil {
		return nil, unknownTenant(doing, name)
	}
	var t tenants.Tenant
	err := s.read(ctx, name, doing, func(tx pgx.Tx) (err error) {
		t, err = findTenant(ctx, tx, name, doing, "")
		return err
	})
	if err != nil {
		return nil, err
	}
	return &t, nil
}

func findTenant(ctx context.Context, tx pgx.Tx, name, doing, lock string) (tenants.Tenant, error) {
	t, err := scanTenant(tx.QueryRow(ctx, "SELECT "+tenantColumns+" FROM tenants WHERE tenant = $1"+lock, name))
	if errors.Is(err, pgx.ErrNoRows) {
		return t, unknownTenant(doing, name)
	}
	return t, err
}

// TenantList gives tenants by name.
func (s *Store) TenantList(ctx context.Context, after string, limit int) ([]tenants.Tenant, error) {
	var list []tenants.Tenant
	err := s.in(ctx, scope{operator: true}, pgx.TxOptions{AccessMode: pgx.ReadOnly}, "listing tenants", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT `+tenantColumns+` FROM tenants WHERE tenant COLLATE "C" > $1 ORDER BY tenant COLLATE "C" LIMIT $2`, after, max(limit, 0))
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (tenants.Tenant, error) { return scanTenant(row) })
		return err
	}, s.timeout)
	if err != nil {
		return nil, err
	}
	return list, nil
}

// eachTenant calls fn with the tenants by name, page by page, until it fails.
func (s *Store) eachTenant(ctx context.Context, fn func(*tenants.Tenant) error) error {
	const page = 500
	for after := ""; ; {
		list, err := s.TenantList(ctx, after, page)
		if err != nil {
			return err
		}
		for i := range list {
			if err := fn(&list[i]); err != nil {
				return err
			}
			after = list[i].Name
		}
		if len(list) < page {
			return nil
		}
	}
}

// TenantDisable shuts a tenant's callers out from a time on; one that is shut out stays so since when it was.
func (s *Store) TenantDisable(ctx context.Context, name string, at time.Time) error {
	const doing = "shutting the tenant out, or letting it in"
	if tenants.CheckName(name) != nil {
		return unknownTenant(doing, name)
	}
	return s.write(ctx, name, doing, func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, "UPDATE tenants SET disabled_at = CASE WHEN $2::timestamptz IS NOT NULL THEN coalesce(disabled_at, $2) END WHERE tenant = $1", name, toNull(at))
		if err == nil && done.RowsAffected() == 0 {
			return unknownTenant(doing, name)
		}
		return err
	})
}

// TenantDelete deletes a tenant and everything that is kept of it, in one transaction.
func (s *Store) TenantDelete(ctx context.Context, name string) error {
	const doing = "deleting the tenant"
	if tenants.CheckName(name) != nil {
		return unknownTenant(doing, name)
	}
	return s.write(ctx, name, doing, func(tx pgx.Tx) error {
		t, err := findTenant(ctx, tx, name, doing, " FOR UPDATE") // no key is made while this goes on
		if err != nil {
			return err
		}
		if err := tenants.MayDelete(&t); err != nil {
			return err
		}
		if err := clearTenant(ctx, tx, name); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "DELETE FROM tenants WHERE tenant = $1", name)
		return err
	})
}

// clearTenant deletes everything that is kept of a tenant but its own row. Which tables that are, the database itself
// says: all that have a column tenant.
func clearTenant(ctx context.Context, tx pgx.Tx, name string) error {
	rows, err := tx.Query(ctx, `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE n.nspname = $1 AND c.relname <> 'tenants' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attname = 'tenant' AND NOT a.attisdropped
		ORDER BY c.relname`, Schema) // what refers to others cascades
	if err != nil {
		return err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, table := range tables {
		if _, err := tx.Exec(ctx, "DELETE FROM "+pgx.Identifier{table}.Sanitize()+" WHERE tenant = $1", name); err != nil {
			return err
		}
	}
	return nil
}

package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"fairlead/internal/auth/tenants"
	"fairlead/internal/fault"
)

var _ tenants.Store = (*Store)(nil)

const tenantColumns = "tenant, description, created_at, disabled_at"

func scanTenant(scan func(...any) error) (tenants.Tenant, error) {
	var t tenants.Tenant
	var created int64
	var disabled sql.NullInt64
	err := scan(&t.Name, &t.Description, &created, &disabled)
	t.CreatedAt, t.DisabledAt = fromMicro(created), fromNull(disabled)
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
	created := s.now()
	if !t.CreatedAt.IsZero() {
		created = t.CreatedAt.UnixMicro()
	}
	return s.write(ctx, doing, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO tenants ("+tenantColumns+") VALUES (?, ?, ?, ?)", t.Name, t.Description, created, toNull(t.DisabledAt)); err != nil {
			return err
		}
		return clearTenant(ctx, tx, t.Name, doing)
	})
}

// TenantGet gives a tenant.
func (s *Store) TenantGet(ctx context.Context, name string) (*tenants.Tenant, error) {
	const doing = "reading the tenant"
	var t tenants.Tenant
	err := s.read(ctx, doing, func(tx *sql.Tx) (err error) {
		t, err = findTenant(ctx, tx, name, doing)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &t, nil
}

func findTenant(ctx context.Context, tx *sql.Tx, name, doing string) (tenants.Tenant, error) {
	t, err := scanTenant(tx.QueryRowContext(ctx, "SELECT "+tenantColumns+" FROM tenants WHERE tenant = ?", name).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return t, unknownTenant(doing, name)
	}
	return t, err
}

// TenantList gives tenants by name.
func (s *Store) TenantList(ctx context.Context, after string, limit int) ([]tenants.Tenant, error) {
	var list []tenants.Tenant
	err := s.read(ctx, "listing tenants", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT "+tenantColumns+" FROM tenants WHERE tenant > ? ORDER BY tenant LIMIT ?", after, max(limit, 0))
		if err != nil {
			return err
		}
		return each(rows, func() error {
			t, err := scanTenant(rows.Scan)
			list = append(list, t)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// TenantDisable shuts a tenant's callers out from a time on; one that is shut out stays so since when it was.
func (s *Store) TenantDisable(ctx context.Context, name string, at time.Time) error {
	const doing = "shutting the tenant out, or letting it in"
	return s.write(ctx, doing, func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, "UPDATE tenants SET disabled_at = CASE WHEN ?1 IS NULL THEN NULL ELSE coalesce(disabled_at, ?1) END WHERE tenant = ?2", toNull(at), name)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return unknownTenant(doing, name)
	})
}

// TenantDelete deletes a tenant and everything that is kept of it, in one transaction.
func (s *Store) TenantDelete(ctx context.Context, name string) error {
	const doing = "deleting the tenant"
	err := s.write(ctx, doing, func(tx *sql.Tx) error {
		t, err := findTenant(ctx, tx, name, doing)
		if err != nil {
			return err
		}
		if err := tenants.MayDelete(&t); err != nil {
			return err
		}
		if err := clearTenant(ctx, tx, name, doing); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "DELETE FROM tenants WHERE tenant = ?", name)
		return err
	})
	if err != nil {
		return err
	}
	s.sweepSoon()
	return nil
}

// clearTenant deletes everything that is kept of a tenant but its own row. Which tables that are, the file itself says:
// all that have a column tenant, and what hangs on their rows.
func clearTenant(ctx context.Context, tx *sql.Tx, name, doing string) error {
	// Rows that point at one another go in any order; at the end nothing may point at what is gone.
	if _, err := tx.ExecContext(ctx, "PRAGMA defer_foreign_keys = ON"); err != nil {
		return err
	}
	if err := clearCollections(ctx, tx, name, doing); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM session_messages WHERE session IN (SELECT id FROM sessions WHERE tenant = ?)", name); err != nil {
		return err
	}
	tables, err := tenantTables(ctx, tx)
	if err != nil {
		return err
	}
	for _, table := range tables {
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+quote(table)+" WHERE tenant = ?", name); err != nil {
			return err
		}
	}
	return nil
}

// clearCollections deletes a tenant's collections with what they hold and their indexes.
func clearCollections(ctx context.Context, tx *sql.Tx, tenant, doing string) error {
	var names []string
	rows, err := tx.QueryContext(ctx, "SELECT name FROM collections WHERE tenant = ?", tenant)
	if err != nil {
		return err
	}
	if err := each(rows, func() error {
		var name string
		err := rows.Scan(&name)
		names = append(names, name)
		return err
	}); err != nil {
		return err
	}
	for _, name := range names {
		c, err := find(ctx, tx, tenant, name, doing)
		if err != nil {
			return err
		}
		if err := c.remove(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

// tenantTables gives the tables that have a column tenant, but the list of tenants.
func tenantTables(ctx context.Context, tx *sql.Tx) (tables []string, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT t.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c
		WHERE t.type = 'table' AND t.name <> 'tenants' AND t.sql NOT LIKE 'CREATE VIRTUAL%' AND c.name = 'tenant' ORDER BY t.name`)
	if err != nil {
		return nil, err
	}
	err = each(rows, func() error {
		var table string
		err := rows.Scan(&table)
		tables = append(tables, table)
		return err
	})
	return tables, err
}

// quote makes a name safe in a statement.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

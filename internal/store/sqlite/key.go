package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"fairlead/internal/auth/keys"
	"fairlead/internal/fault"
	"fairlead/internal/store/form"
)

var _ keys.Store = (*Store)(nil)

const keyColumns = `id, tenant, name, scopes, ceiling, models, policies, created_by, created_at, expires_at, revoked_at, coalesce(replaces, '')`

func scanKey(scan func(...any) error, more ...any) (keys.Key, error) {
	var k keys.Key
	var created int64
	var expires, revoked sql.NullInt64
	var models, policies sql.NullString
	err := scan(append([]any{&k.ID, &k.Tenant, &k.Name, &k.Scopes, &k.Ceiling, &models, &policies, &k.CreatedBy, &created, &expires, &revoked, &k.Replaces}, more...)...)
	if err != nil {
		return k, err
	}
	k.CreatedAt, k.ExpiresAt, k.RevokedAt = fromMicro(created), fromNull(expires), fromNull(revoked)
	if k.Models, err = readNames(models); err == nil {
		k.Policies, err = readNames(policies)
	}
	return k, err
}

// fromNull reads a time that may be none.
func fromNull(us sql.NullInt64) time.Time {
	if !us.Valid {
		return time.Time{}
	}
	return fromMicro(us.Int64)
}

// toNull writes a time that may be none.
func toNull(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

func readNames(text sql.NullString) (names []string, err error) {
	if !text.Valid {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text.String), &names); err != nil {
		return nil, fault.Wrap(err, fault.DataLoss, fault.ReasonNone, "reading the key: a stored list of names is not readable")
	}
	return names, nil
}

// writeNames writes a list of names: all as NULL, and none as an empty list.
func writeNames(names []string) (sql.NullString, error) {
	if names == nil {
		return sql.NullString{}, nil
	}
	text, err := json.Marshal(names)
	return sql.NullString{String: string(text), Valid: true}, err
}

func unknownKey(doing string) error {
	return fault.New(fault.NotFound, fault.ReasonUnknownKey, "%s: the tenant has no such key: list keys to see those there are", doing)
}

// KeyInsert keeps a new key. NotFound with ReasonUnknownTenant when its tenant is not there.
func (s *Store) KeyInsert(ctx context.Context, k keys.Key, h keys.Hash) error {
	const doing = "making the key"
	return s.write(ctx, doing, func(tx *sql.Tx) error { return insertKey(ctx, tx, k, h, doing) })
}

func insertKey(ctx context.Context, tx *sql.Tx, k keys.Key, h keys.Hash, doing string) error {
	if k.ID == "" || k.Tenant == "" {
		return form.BadRequest(doing, "its id or its tenant is empty")
	}
	var there bool
	if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM tenants WHERE tenant = ?)", k.Tenant).Scan(&there); err != nil {
		return err
	}
	if !there {
		return unknownTenant(doing, k.Tenant)
	}
	models, err := writeNames(k.Models)
	if err != nil {
		return err
	}
	policies, err := writeNames(k.Policies)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO keys (id, tenant, hash, name, scopes, ceiling, models, policies, created_by, created_at, expires_at, revoked_at, replaces)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, ''))`, k.ID, k.Tenant, h[:], k.Name, int(k.Scopes), int(k.Ceiling), models, policies,
		k.CreatedBy, k.CreatedAt.UnixMicro(), toNull(k.ExpiresAt), toNull(k.RevokedAt), k.Replaces)
	return err
}

// KeyFind gives a key by its id, whatever its tenant, dead or alive.
func (s *Store) KeyFind(ctx context.Context, id string) (*keys.Key, keys.Hash, error) {
	const doing = "reading the key"
	var k keys.Key
	var h keys.Hash
	err := s.read(ctx, doing, func(tx *sql.Tx) (err error) {
		var hash []byte
		k, err = scanKey(tx.QueryRowContext(ctx, "SELECT "+keyColumns+", hash FROM keys WHERE id = ?", id).Scan, &hash)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return unknownKey(doing)
		case err == nil && len(hash) != len(h):
			return fault.New(fault.DataLoss, fault.ReasonNone, "%s: its stored hash is not one", doing)
		}
		copy(h[:], hash)
		return err
	})
	if err != nil {
		return nil, keys.Hash{}, err
	}
	return &k, h, nil
}

// KeyList gives a tenant's keys, the newest first.
func (s *Store) KeyList(ctx context.Context, tenant string) ([]keys.Key, error) {
	var list []keys.Key
	err := s.read(ctx, "listing keys", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT "+keyColumns+" FROM keys WHERE tenant = ? ORDER BY created_at DESC, seq DESC", tenant)
		if err != nil {
			return err
		}
		return each(rows, func() error {
			k, err := scanKey(rows.Scan)
			list = append(list, k)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// KeyRotate keeps a new key and lets the one that it replaces expire.
func (s *Store) KeyRotate(ctx context.Context, k keys.Key, h keys.Hash, oldExpires time.Time) error {
	const doing = "rotating the key"
	return s.write(ctx, doing, func(tx *sql.Tx) error {
		old, err := scanKey(tx.QueryRowContext(ctx, "SELECT "+keyColumns+" FROM keys WHERE tenant = ? AND id = ?", k.Tenant, k.Replaces).Scan)
		if errors.Is(err, sql.ErrNoRows) {
			return unknownKey(doing)
		}
		if err != nil {
			return err
		}
		if !old.Live(k.CreatedAt) {
			return keys.Dead(doing)
		}
		var overlap bool
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM keys WHERE tenant = ?1 AND (replaces = ?2 OR id = ?3)
			AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?4))`, k.Tenant, old.ID, old.Replaces, k.CreatedAt.UnixMicro()).Scan(&overlap); err != nil {
			return err
		}
		if overlap {
			return keys.Rotating(doing)
		}
		if err := insertKey(ctx, tx, k, h, doing); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "UPDATE keys SET expires_at = ? WHERE tenant = ? AND id = ? AND (expires_at IS NULL OR expires_at > ?)",
			oldExpires.UnixMicro(), k.Tenant, old.ID, oldExpires.UnixMicro())
		return err
	})
}

// KeyRevoke marks a key as revoked; one that is stays as it is.
func (s *Store) KeyRevoke(ctx context.Context, tenant, id string, at time.Time) error {
	const doing = "revoking the key"
	return s.write(ctx, doing, func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, "UPDATE keys SET revoked_at = coalesce(revoked_at, ?) WHERE tenant = ? AND id = ?", at.UnixMicro(), tenant, id)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return unknownKey(doing)
	})
}

package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"fairlead/internal/auth"
	"fairlead/internal/auth/keys"
	"fairlead/internal/fault"
	"fairlead/internal/label"
)

var _ keys.Store = (*Store)(nil)

const keyColumns = `id, tenant, name, scopes, ceiling, models, policies, created_by, created_at, expires_at, revoked_at, coalesce(replaces, '')`

func scanKey(row pgx.Row, more ...any) (keys.Key, error) {
	var k keys.Key
	var created time.Time
	var expires, revoked *time.Time
	var scopes, ceiling int16
	err := row.Scan(append([]any{&k.ID, &k.Tenant, &k.Name, &scopes, &ceiling, &k.Models, &k.Policies, &k.CreatedBy, &created, &expires, &revoked, &k.Replaces}, more...)...)
	k.Scopes, k.Ceiling = auth.Scopes(scopes), label.Label(ceiling)
	k.CreatedAt, k.ExpiresAt, k.RevokedAt = created.UTC(), fromNull(expires), fromNull(revoked)
	return k, err
}

// fromNull reads a time that may be none.
func fromNull(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// toNull writes a time that may be none.
func toNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func unknownKey(doing string) error {
	return fault.New(fault.NotFound, fault.ReasonUnknownKey, "%s: the tenant has no such key: list keys to see those there are", doing)
}

// KeyInsert keeps a new key. NotFound with ReasonUnknownTenant when its tenant is not there.
func (s *Store) KeyInsert(ctx context.Context, k keys.Key, h keys.Hash) error {
	const doing = "making the key"
	return s.write(ctx, k.Tenant, doing, func(tx pgx.Tx) error { return insertKey(ctx, tx, k, h, doing) })
}

func insertKey(ctx context.Context, tx pgx.Tx, k keys.Key, h keys.Hash, doing string) error {
	if k.ID == "" {
		return fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "%s: its id is empty", doing)
	}
	_, err := tx.Exec(ctx, `INSERT INTO keys (id, tenant, hash, name, scopes, ceiling, models, policies, created_by, created_at, expires_at, revoked_at, replaces)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, nullif($13, ''))`, k.ID, k.Tenant, h[:], k.Name, int16(k.Scopes), int16(k.Ceiling), k.Models, k.Policies,
		k.CreatedBy, k.CreatedAt, toNull(k.ExpiresAt), toNull(k.RevokedAt), k.Replaces)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "23503" {
		return unknownTenant(doing, k.Tenant)
	}
	return err
}

// KeyFind gives a key by its id, whatever its tenant, dead or alive.
func (s *Store) KeyFind(ctx context.Context, id string) (*keys.Key, keys.Hash, error) {
	const doing = "reading the key"
	var k keys.Key
	var h keys.Hash
	if id == "" {
		return nil, h, unknownKey(doing)
	}
	err := s.in(ctx, scope{key: id}, pgx.TxOptions{AccessMode: pgx.ReadOnly}, doing, func(tx pgx.Tx) (err error) {
		var hash []byte
		k, err = scanKey(tx.QueryRow(ctx, "SELECT "+keyColumns+", hash FROM keys WHERE id = $1", id), &hash)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return unknownKey(doing)
		case err == nil && len(hash) != len(h):
			return fault.New(fault.DataLoss, fault.ReasonNone, "%s: its stored hash is not one", doing)
		}
		copy(h[:], hash)
		return err
	}, s.timeout)
	if err != nil {
		return nil, keys.Hash{}, err
	}
	return &k, h, nil
}

// KeyList gives a tenant's keys, the newest first.
func (s *Store) KeyList(ctx context.Context, tenant string) ([]keys.Key, error) {
	var list []keys.Key
	err := s.read(ctx, tenant, "listing keys", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT "+keyColumns+" FROM keys WHERE tenant = $1 ORDER BY created_at DESC, id", tenant)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (keys.Key, error) { return scanKey(row) })
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// KeyRotate keeps a new key and lets the one that it replaces expire.
func (s *Store) KeyRotate(ctx context.Context, k keys.Key, h keys.Hash, oldExpires time.Time) error {
	const doing = "rotating the key"
	return s.write(ctx, k.Tenant, doing, func(tx pgx.Tx) error {
		// The lock lets rotations of one key follow one another: the second then sees what the first made.
		old, err := scanKey(tx.QueryRow(ctx, "SELECT "+keyColumns+" FROM keys WHERE tenant = $1 AND id = $2 FOR UPDATE", k.Tenant, k.Replaces))
		if errors.Is(err, pgx.ErrNoRows) {
			return unknownKey(doing)
		}
		if err != nil {
			return err
		}
		if !old.Live(k.CreatedAt) {
			return keys.Dead(doing)
		}
		var overlap bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM keys WHERE tenant = $1 AND (replaces = $2 OR id = $3)
			AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $4))`, k.Tenant, old.ID, old.Replaces, k.CreatedAt).Scan(&overlap); err != nil {
			return err
		}
		if overlap {
			return keys.Rotating(doing)
		}
		if err := insertKey(ctx, tx, k, h, doing); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "UPDATE keys SET expires_at = $3 WHERE tenant = $1 AND id = $2 AND (expires_at IS NULL OR expires_at > $3)", k.Tenant, old.ID, oldExpires)
		return err
	})
}

// KeyRevoke marks a key as revoked; one that is stays as it is.
func (s *Store) KeyRevoke(ctx context.Context, tenant, id string, at time.Time) error {
	const doing = "revoking the key"
	return s.write(ctx, tenant, doing, func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, "UPDATE keys SET revoked_at = coalesce(revoked_at, $3) WHERE tenant = $1 AND id = $2", tenant, id, at)
		if err == nil && done.RowsAffected() == 0 {
			return unknownKey(doing)
		}
		return err
	})
}

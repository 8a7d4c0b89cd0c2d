package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"fairlead/internal/label"
	"fairlead/internal/store/form"
	"fairlead/providers"
)

// SessionMessages gives the last messages of a conversation, at most limit, the oldest first. It never
// starts with a tool's result: the call that it answers would be missing, and backends refuse that.
func (s *Store) SessionMessages(ctx context.Context, tenant, session string, limit int) ([]providers.Message, error) {
	var list []providers.Message
	err := s.read(ctx, "reading the conversation", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `SELECT m.body FROM session_messages m
			WHERE m.session = (SELECT id FROM sessions WHERE tenant = ? AND name = ?) ORDER BY m.seq DESC LIMIT ?`, tenant, session, max(limit, 0))
		if err != nil {
			return err
		}
		return each(rows, func() error {
			var body sql.RawBytes
			if err := rows.Scan(&body); err != nil {
				return err
			}
			m, err := form.DecodeMessage(body)
			list = append(list, m)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return form.FromTheEnd(list), nil
}

// SessionAppend adds messages to the end of a conversation, all or none, and makes it if need be. Its label
// becomes the highest of those appended. InvalidArgument when the tenant, the session or the label is none.
func (s *Store) SessionAppend(ctx context.Context, tenant, session string, l label.Label, messages []providers.Message) error {
	const doing = "remembering the conversation"
	if err := form.CheckTenant(tenant, doing); err != nil {
		return err
	}
	if err := form.CheckSession(session, l, doing); err != nil {
		return err
	}
	bodies, err := form.EncodeMessages(messages, doing)
	if err != nil {
		return err
	}
	return s.write(ctx, doing, func(tx *sql.Tx) error {
		var id, last int64
		if err := tx.QueryRowContext(ctx, `INSERT INTO sessions (tenant, name, label, messages, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5)
			ON CONFLICT (tenant, name) DO UPDATE SET label = max(label, ?3), messages = messages + ?4, updated_at = ?5
			RETURNING id, messages`, tenant, session, int(l), len(bodies), s.now()).Scan(&id, &last); err != nil {
			return err
		}
		for i, body := range bodies {
			if _, err := tx.ExecContext(ctx, "INSERT INTO session_messages (session, seq, body) VALUES (?, ?, ?)",
				id, last-int64(len(bodies))+int64(i)+1, body); err != nil {
				return err
			}
		}
		return nil
	})
}

// SessionLabel gives the highest label that was ever appended. Unset when the conversation is not there.
func (s *Store) SessionLabel(ctx context.Context, tenant, session string) (label.Label, error) {
	var l label.Label
	err := s.read(ctx, "reading the conversation", func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, "SELECT label FROM sessions WHERE tenant = ? AND name = ?", tenant, session).Scan(&l)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return l, err
}

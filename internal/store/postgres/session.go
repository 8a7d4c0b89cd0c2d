package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"fairlead/internal/label"
	"fairlead/internal/store/form"
	"fairlead/orchestrator"
	"fairlead/providers"
)

var _ orchestrator.Sessions = (*Store)(nil)

// SessionMessages gives the last messages of a conversation, at most limit, the oldest first. It never
// starts with a tool's result: the call that it answers would be missing, and backends refuse that.
func (s *Store) SessionMessages(ctx context.Context, tenant, session string, limit int) ([]providers.Message, error) {
	var list []providers.Message
	err := s.read(ctx, tenant, "reading the conversation", func(tx pgx.Tx) error {
		if !form.Text(session) {
			return nil
		}
		rows, err := tx.Query(ctx, `SELECT m.body FROM session_messages m
			WHERE m.tenant = $1 AND m.session = (SELECT x.id FROM sessions x WHERE x.tenant = $1 AND x.name = $2) ORDER BY m.seq DESC LIMIT $3`, tenant, session, max(limit, 0))
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (providers.Message, error) {
			var body []byte
			if err := row.Scan(&body); err != nil {
				return providers.Message{}, err
			}
			return form.DecodeMessage(body)
		})
		return err
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
	return s.write(ctx, tenant, doing, func(tx pgx.Tx) error {
		// The row of the session is held from here on, so numbers follow each other whoever else appends.
		_, err := tx.Exec(ctx, `WITH x AS (
				INSERT INTO sessions AS s (tenant, name, label, messages, created_at, updated_at) VALUES ($1, $2, $3, cardinality($4::text[]), $5, $5)
				ON CONFLICT (tenant, name) DO UPDATE SET label = greatest(s.label, excluded.label), messages = s.messages + excluded.messages, updated_at = excluded.updated_at
				RETURNING id, messages)
			INSERT INTO session_messages (tenant, session, seq, body)
			SELECT $1, x.id, x.messages - cardinality($4::text[]) + b.i, b.body FROM x, unnest($4::text[]) WITH ORDINALITY b (body, i)`,
			tenant, session, int16(l), bodies, s.now())
		return err
	})
}

// SessionLabel gives the highest label that was ever appended. Unset when the conversation is not there.
func (s *Store) SessionLabel(ctx context.Context, tenant, session string) (label.Label, error) {
	var l label.Label
	err := s.read(ctx, tenant, "reading the conversation", func(tx pgx.Tx) error {
		if !form.Text(session) {
			return nil
		}
		err := tx.QueryRow(ctx, "SELECT label FROM sessions WHERE tenant = $1 AND name = $2", tenant, session).Scan(&l)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	return l, err
}

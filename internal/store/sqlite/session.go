package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/providers"
)

// message is a providers.Message as it is stored: with names of its own, so that the Go type can change
// while what is stored stays readable.
type message struct {
	Role       string `json:"role"`
	Parts      []part `json:"parts,omitempty"`
	ToolCalls  []call `json:"tool_calls,omitempty"`
	ToolCallID string `json:"tool_call_id,omitempty"`
	Name       string `json:"name,omitempty"`
}

type part struct {
	Text  string `json:"text,omitempty"`
	Image *image `json:"image,omitempty"`
}

type image struct {
	URL       string `json:"url,omitempty"`
	Data      []byte `json:"data,omitempty"`
	MediaType string `json:"media_type,omitempty"`
	Detail    string `json:"detail,omitempty"`
}

type call struct {
	ID        string `json:"id,omitempty"`
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments,omitempty"`
}

func encodeMessage(m providers.Message) (string, error) {
	out := message{Role: string(m.Role), ToolCallID: m.ToolCallID, Name: m.Name}
	for _, p := range m.Parts {
		out.Parts = append(out.Parts, part{Text: p.Text, Image: (*image)(p.Image)})
	}
	for _, c := range m.ToolCalls {
		out.ToolCalls = append(out.ToolCalls, call(c))
	}
	body, err := json.Marshal(out)
	return string(body), err
}

func decodeMessage(body []byte) (providers.Message, error) {
	var in message
	if err := json.Unmarshal(body, &in); err != nil {
		return providers.Message{}, fault.Wrap(err, fault.DataLoss, fault.ReasonNone, "reading the conversation: a stored message is not readable")
	}
	m := providers.Message{Role: providers.Role(in.Role), ToolCallID: in.ToolCallID, Name: in.Name}
	for _, p := range in.Parts {
		m.Parts = append(m.Parts, providers.Part{Text: p.Text, Image: (*providers.Image)(p.Image)})
	}
	for _, c := range in.ToolCalls {
		m.ToolCalls = append(m.ToolCalls, providers.ToolCall(c))
	}
	return m, nil
}

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
			m, err := decodeMessage(body)
			list = append(list, m)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	slices.Reverse(list)
	for len(list) > 0 && list[0].Role == providers.ToolRole {
		list = list[1:]
	}
	return list, nil
}

// SessionAppend adds messages to the end of a conversation, all or none, and makes it if need be. Its label
// becomes the highest of those appended. InvalidArgument when the tenant, the session or the label is none.
func (s *Store) SessionAppend(ctx context.Context, tenant, session string, l label.Label, messages []providers.Message) error {
	const doing = "remembering the conversation"
	if err := checkTenant(tenant, doing); err != nil {
		return err
	}
	if session == "" || !l.Valid() {
		return badRequest(doing, "its name or its label is none")
	}
	bodies := make([]string, len(messages))
	for i, m := range messages {
		var err error
		if bodies[i], err = encodeMessage(m); err != nil {
			return fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadRequest, "%s: a message cannot be written as JSON", doing)
		}
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

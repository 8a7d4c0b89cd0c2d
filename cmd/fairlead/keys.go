package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	fairleadv1 "fairlead/gen/fairlead/v1"
	"fairlead/internal/auth"
)

func (p *program) keysCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "keys", Short: "Make, list, rotate and revoke keys",
		Long: `A key says who calls: its tenant, what it may do, and the highest label that it may read and send. Callers send it as
Authorization: Bearer KEY; the server asks for keys when auth.keys is true. Only its hash is kept.

--tenant says whose keys they are. On a server that takes a caller with the scope operator.`,
		Args: knownCommand, RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		p.createKeyCommand(),
		&cobra.Command{Use: "list", Short: "List a tenant's keys, the newest first", Args: cobra.NoArgs, RunE: p.listKeys},
		p.rotateKeyCommand(),
		&cobra.Command{
			Use: "revoke ID", Short: "End a key: every replica refuses it within two seconds", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return p.revokeKey(cmd, args[0]) },
		},
	)
	return c
}

func (p *program) createKeyCommand() *cobra.Command {
	req := &fairleadv1.CreateKeyRequest{}
	var scopes []string
	var ceiling, expires string
	c := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a key and show it, this once",
		Example: `  fairlead keys create chat-widget --expires 90d
  fairlead keys create importer --scope ingest,search --ceiling confidential --tenant acme`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Name, req.Tenant = args[0], p.tenant
			set, err := auth.ParseScopes(scopes...)
			if err != nil {
				return &usageError{err}
			}
			req.Scopes = scopeList(set)
			if req.Ceiling, err = parseLabel(ceiling); err != nil {
				return err
			}
			if req.ExpiresAt, err = parseExpiry(expires, time.Now()); err != nil {
				return &usageError{err}
			}
			cl, err := p.connectAdmin(cmd.Context())
			if err != nil {
				return err
			}
			defer p.done(cl)
			resp, err := cl.admin.CreateKey(cmd.Context(), req)
			if err != nil {
				return err
			}
			if p.json {
				return printJSON(p.out, resp)
			}
			showKey(p.out, resp.GetKey(), resp.GetSecret())
			return nil
		},
	}
	f := c.Flags()
	f.StringSliceVar(&scopes, "scope", nil, "what it may do: chat, ingest, search, admin, operator (default: chat,search)")
	f.StringVar(&ceiling, "ceiling", "", "the highest label that it may read and send (default: internal)")
	f.StringSliceVar(&req.Models, "model", nil, "what it may name as a model, and be routed to (default: what its maker may)")
	f.StringSliceVar(&req.Policies, "policy", nil, "the policies that it may be routed by (default: what its maker may)")
	f.StringVar(&expires, "expires", "", "when it stops to work: a time from now such as 90d or 12h, or the last day in UTC such as 2027-03-31 (default: never)")
	return c
}

func (p *program) listKeys(cmd *cobra.Command, _ []string) error {
	cl, err := p.connectAdmin(cmd.Context())
	if err != nil {
		return err
	}
	defer p.done(cl)
	resp, err := cl.admin.ListKeys(cmd.Context(), &fairleadv1.ListKeysRequest{Tenant: p.tenant})
	if err != nil {
		return err
	}
	if p.json {
		return printJSON(p.out, resp)
	}
	rows := make([][]string, 0, len(resp.GetKeys()))
	for _, k := range resp.GetKeys() {
		rows = append(rows, []string{k.GetId(), clip(k.GetName(), 40), scopeNames(k), labelName(k.GetCeiling()), only(k), k.GetCreatedAt().AsTime().Local().Format(minute), state(k, time.Now())})
	}
	table(p.out, p.style(), []string{"KEY", "NAME", "SCOPES", "CEILING", "ONLY", "MADE", "STATE"}, rows)
	return nil
}

func (p *program) rotateKeyCommand() *cobra.Command {
	var grace time.Duration
	c := &cobra.Command{
		Use:   "rotate ID",
		Short: "Make a key that does exactly what another does, and let that one expire",
		Long: `Makes a key that does exactly what another does and ends when it would have, and lets the old one work for a while, so that
callers can change over. While both work neither can be rotated again.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := p.connectAdmin(cmd.Context())
			if err != nil {
				return err
			}
			defer p.done(cl)
			resp, err := cl.admin.RotateKey(cmd.Context(), &fairleadv1.RotateKeyRequest{Id: args[0], Tenant: p.tenant, Grace: durationpb.New(grace)})
			if err != nil {
				return err
			}
			if p.json {
				return printJSON(p.out, resp)
			}
			showKey(p.out, resp.GetKey(), resp.GetSecret())
			fmt.Fprintf(p.out, "The old key, %s, works until %s.\n", resp.GetKey().GetReplaces(), resp.GetOldExpiresAt().AsTime().Local().Format(minute))
			return nil
		},
	}
	c.Flags().DurationVar(&grace, "grace", 24*time.Hour, "how long the old key still works; 0 ends it at once")
	return c
}

func (p *program) revokeKey(cmd *cobra.Command, id string) error {
	cl, err := p.connectAdmin(cmd.Context())
	if err != nil {
		return err
	}
	defer p.done(cl)
	resp, err := cl.admin.RevokeKey(cmd.Context(), &fairleadv1.RevokeKeyRequest{Id: id, Tenant: p.tenant})
	if err != nil {
		return err
	}
	if p.json {
		return printJSON(p.out, resp)
	}
	fmt.Fprintln(p.out, "revoked") // not what was given: it may be the whole key
	return nil
}

// minute is how times are shown.
const minute = "2006-01-02 15:04"

// showKey shows a key with its secret.
func showKey(w io.Writer, k *fairleadv1.Key, whole string) {
	fmt.Fprintf(w, "%s: key %s of the tenant %s, for %s up to the label %s", k.GetName(), k.GetId(), k.GetTenant(), scopeNames(k), labelName(k.GetCeiling()))
	if limits := only(k); limits != "" {
		fmt.Fprint(w, ", with ", limits, " only")
	}
	if k.GetExpiresAt() != nil {
		fmt.Fprint(w, ", until ", k.GetExpiresAt().AsTime().Local().Format(minute))
	}
	fmt.Fprintf(w, "\n\n  %s\n\nIt is shown this once and kept nowhere: store it as a secret now. Callers send it as Authorization: Bearer KEY.\n", whole)
}

// only says what a key is limited to.
func only(k *fairleadv1.Key) string {
	var parts []string
	if len(k.GetModels()) > 0 {
		parts = append(parts, "models "+strings.Join(k.GetModels(), ","))
	}
	if len(k.GetPolicies()) > 0 {
		parts = append(parts, "policies "+strings.Join(k.GetPolicies(), ","))
	}
	return strings.Join(parts, " and ")
}

// state says whether a key works.
func state(k *fairleadv1.Key, now time.Time) string {
	switch expires := k.GetExpiresAt(); {
	case k.GetRevokedAt() != nil:
		return "revoked " + k.GetRevokedAt().AsTime().Local().Format(minute)
	case expires == nil:
		return "works"
	case !expires.AsTime().After(now):
		return "expired " + expires.AsTime().Local().Format(minute)
	default:
		return "works until " + expires.AsTime().Local().Format(minute)
	}
}

// scopeList gives scopes as the API has them, which numbers them as the bits are.
func scopeList(set auth.Scopes) (list []fairleadv1.Scope) {
	for scope := fairleadv1.Scope_SCOPE_CHAT; scope <= fairleadv1.Scope_SCOPE_OPERATOR; scope++ {
		if set.Has(1 << (scope - 1)) {
			list = append(list, scope)
		}
	}
	return list
}

func scopeNames(k *fairleadv1.Key) string {
	var set auth.Scopes
	for _, scope := range k.GetScopes() {
		set |= 1 << (scope - 1)
	}
	return set.String()
}

// parseExpiry reads when a key ends: a time from now in days or as Go writes durations, a day in UTC, at whose end it
// is, or a moment as RFC 3339 writes it.
func parseExpiry(text string, now time.Time) (*timestamppb.Timestamp, error) {
	if text == "" {
		return nil, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n <= 100*366 {
			return timestamppb.New(now.AddDate(0, 0, n)), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return timestamppb.New(now.Add(d)), nil
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return timestamppb.New(day.AddDate(0, 0, 1)), nil
	}
	if moment, err := time.Parse(time.RFC3339, text); err == nil {
		return timestamppb.New(moment), nil
	}
	return nil, fmt.Errorf("reading --expires %q: write a time from now such as 90d or 12h, or the last day such as 2027-03-31", text)
}

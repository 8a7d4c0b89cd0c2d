package keys

import (
	"context"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
)

// maxName is the longest name of a key, in characters.
const maxName = 128

// Create makes a key for a principal, who may do no less, and gives it with the whole key, this once. Of k count the
// name, tenant, scopes, ceiling, models, policies and expiry; what is unset becomes the principal's tenant, chat and
// search, internal or the principal's ceiling where that is lower, the principal's models and policies, and never.
// InvalidArgument when the name or the expiry is none; PermissionDenied with ReasonNotAllowed when the key could do more
// than the principal; NotFound with ReasonUnknownTenant when the tenant is another and the principal no operator, or is
// not there.
func (s *Service) Create(ctx context.Context, by auth.Principal, k Key) (*Key, string, error) {
	const doing = "making the key"
	if k.Tenant == "" {
		k.Tenant = by.Tenant
	}
	if k.Tenant != by.Tenant && !by.Scopes.Has(auth.Operator) {
		return nil, "", fault.New(fault.NotFound, fault.ReasonUnknownTenant, "%s: there is no tenant %q", doing, k.Tenant)
	}
	k.CreatedBy, k.CreatedAt, k.RevokedAt, k.Replaces = by.Name, s.time(), time.Time{}, ""
	k.ExpiresAt = k.ExpiresAt.UTC().Truncate(time.Microsecond)
	switch {
	case k.Name == "" || utf8.RuneCountInString(k.Name) > maxName || unprintable(k.Name):
		return nil, "", bad(doing, "its name is empty, longer than %d characters, or has characters that cannot be shown", maxName)
	case !k.ExpiresAt.IsZero() && !k.ExpiresAt.After(k.CreatedAt):
		return nil, "", bad(doing, "it would expire at %s, which is past", k.ExpiresAt.Format(time.RFC3339))
	case k.Ceiling > label.Restricted || !auth.AllScopes.Has(k.Scopes):
		return nil, "", bad(doing, "its ceiling or its scopes are none that there are")
	}
	complete(by, &k)
	if err := within(doing, by, &k); err != nil {
		return nil, "", err
	}
	return s.keep(doing, &k, func(h Hash) error { return s.store.KeyInsert(ctx, k, h) })
}

// complete fills in what a key does not say, from who makes it.
func complete(by auth.Principal, k *Key) {
	if k.Scopes == 0 {
		k.Scopes = auth.Chat | auth.Search
	}
	if k.Ceiling == label.Unset {
		k.Ceiling = min(label.Internal, by.Ceiling)
	}
	names := func(asked, own []string) []string {
		if asked == nil {
			asked = own
		}
		if asked == nil {
			return nil
		}
		out := append([]string{}, asked...) // an empty list is none, and nil is all
		slices.Sort(out)
		return slices.Compact(out)
	}
	k.Models, k.Policies = names(k.Models, by.Models), names(k.Policies, by.Policies)
}

// within refuses a key that may do what a principal may not.
func within(doing string, by auth.Principal, k *Key) error {
	may := by.Scopes
	if by.Require(auth.Admin) == nil {
		may |= auth.Admin // an operator has it without its name
	}
	if more := k.Scopes &^ may; more != 0 {
		return denied(doing, "it would have the scope %s, which this caller has not: name others, or make it with a key that has it, or on the machine of the database", more)
	}
	if k.Ceiling > by.Ceiling || !k.Ceiling.Valid() {
		return denied(doing, "its ceiling would be %s, and this caller's is %s: name a lower one", k.Ceiling, by.Ceiling)
	}
	if !subset(k.Models, by.Models) {
		return denied(doing, "it could name models that this caller may not: name some of %q", by.Models)
	}
	if !subset(k.Policies, by.Policies) {
		return denied(doing, "it could name policies that this caller may not: name some of %q", by.Policies)
	}
	return nil
}

// subset says whether what one list lets through another does too. A nil list is all.
func subset(some, all []string) bool {
	if all == nil {
		return true
	}
	return some != nil && !slices.ContainsFunc(some, func(name string) bool { return !slices.Contains(all, name) })
}

// unprintable says whether a text has characters that could lead a terminal or a log astray.
func unprintable(s string) bool {
	return !utf8.ValidString(s) || slices.ContainsFunc([]rune(s), func(r rune) bool { return !unicode.IsPrint(r) })
}

// keep gives a key its id and its secret, and has it kept. An id that is taken, which one in 2^50 is for each key that
// there is, is drawn again.
func (s *Service) keep(doing string, k *Key, insert func(Hash) error) (*Key, string, error) {
	pepper, err := s.pepper()
	if err != nil {
		return nil, "", err
	}
	for range 3 {
		k.ID = newID(pepper)
		secret := newSecret()
		if err = insert(hash(pepper, secret)); err == nil {
			s.found.Forget(k.ID)
			return k, assemble(k.ID, secret), nil
		}
		if fault.CodeOf(err) != fault.AlreadyExists {
			return nil, "", err
		}
	}
	return nil, "", fault.Wrap(err, fault.Internal, fault.ReasonInternal, "%s: no id is free", doing)
}

// Rotate makes a key in place of another of a tenant, named by its id or the whole of it, for a principal who may do all
// that it may. The new one does exactly what the old one did, and ends when it would have; the old one ends after the
// grace, or when it would have where that is sooner. Of keys that replace one another two live at most. NotFound with
// ReasonUnknownKey when the tenant has no such key, PermissionDenied with ReasonNotAllowed when the principal may do
// less, FailedPrecondition when the key is dead or a rotation of it is not over.
func (s *Service) Rotate(ctx context.Context, by auth.Principal, tenant, id string, grace time.Duration) (*Key, string, time.Time, error) {
	const doing = "rotating the key"
	none := time.Time{}
	if grace < 0 {
		return nil, "", none, bad(doing, "the grace is negative")
	}
	id, ok := IDOf(id)
	if !ok {
		return nil, "", none, unknown(doing)
	}
	old, _, err := s.store.KeyFind(ctx, id)
	if err != nil && fault.CodeOf(err) == fault.NotFound || err == nil && old.Tenant != tenant {
		return nil, "", none, unknown(doing)
	}
	if err != nil {
		return nil, "", none, err
	}
	if err := within(doing, by, old); err != nil {
		return nil, "", none, err
	}
	k := *old
	k.CreatedBy, k.CreatedAt, k.RevokedAt, k.Replaces = by.Name, s.time(), time.Time{}, old.ID
	ends := k.CreatedAt.Add(grace)
	if !old.ExpiresAt.IsZero() && old.ExpiresAt.Before(ends) {
		ends = old.ExpiresAt
	}
	made, secret, err := s.keep(doing, &k, func(h Hash) error { return s.store.KeyRotate(ctx, k, h, ends) })
	if err != nil {
		return nil, "", none, err
	}
	s.found.Forget(old.ID)
	return made, secret, ends, nil
}

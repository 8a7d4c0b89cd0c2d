package keys

import (
	"context"
	"sync"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/auth/recent"
	"fairlead/internal/fault"
)

// Config is what a Service works with.
type Config struct {
	Store Store
	// Gate says which tenants let callers in.
	Gate Gate
	// Pepper gives what secrets are hashed with, 32 bytes or more. It is called once, when it is first needed.
	Pepper func() ([]byte, error)
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Gate says which tenants let callers in. tenants.Gate is one.
type Gate interface {
	Open(ctx context.Context, tenant string) (bool, error)
}

// Service makes, lists, rotates and revokes keys, and proves that a caller has one. It is safe for concurrent use.
// Errors are *fault.Error, and none holds a secret.
type Service struct {
	store  Store
	gate   Gate
	pepper func() ([]byte, error)
	now    func() time.Time
	// found is what is known of ids, also that there is no such key. It holds hashes, and never a secret.
	found *recent.Cache[*record]
	// hash and equal are the two steps that cost time and could tell something by it. Tests count them.
	hash  func(pepper []byte, secret string) Hash
	equal func(a, b Hash) bool
}

// record is a key as the store has it.
type record struct {
	key  *Key
	hash Hash
}

// New makes a service.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Service{store: c.Store, gate: c.Gate, now: c.Now, hash: hash, equal: equal}
	s.pepper = sync.OnceValues(func() ([]byte, error) {
		pepper, err := c.Pepper()
		if err == nil {
			err = CheckPepper(pepper)
		}
		return pepper, err
	})
	s.found = recent.New(recent.Config{Now: c.Now}, func(ctx context.Context, id string) (*record, error) {
		k, h, err := s.store.KeyFind(ctx, id)
		if err != nil && fault.CodeOf(err) == fault.NotFound {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return &record{k, h}, nil
	})
	return s
}

// Ready says why keys cannot be made or proved, such as for want of a pepper. A server that takes keys asks it when it
// starts.
func (s *Service) Ready() error {
	_, err := s.pepper()
	return err
}

// List gives a tenant's keys, dead ones too, the newest first.
func (s *Service) List(ctx context.Context, tenant string) ([]Key, error) {
	return s.store.KeyList(ctx, tenant)
}

// Revoke ends a key of a tenant, named by its id or the whole of it. This process refuses it at once, others within two
// seconds. NotFound with ReasonUnknownKey when the tenant has no such key.
func (s *Service) Revoke(ctx context.Context, tenant, id string) error {
	const doing = "revoking the key"
	id, ok := IDOf(id)
	if !ok {
		return unknown(doing)
	}
	if err := s.store.KeyRevoke(ctx, tenant, id, s.time()); err != nil {
		return err
	}
	s.found.Forget(id)
	return nil
}

// time is now, as a store keeps it.
func (s *Service) time() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

// unknown is the answer for a key that is not there, and for one that is not the caller's to know of.
func unknown(doing string) error {
	return fault.New(fault.NotFound, fault.ReasonUnknownKey, "%s: the tenant has no such key: list keys to see those there are", doing)
}

// denied refuses a caller that may do less than what was asked for.
func denied(doing, format string, args ...any) error {
	return fault.New(fault.PermissionDenied, fault.ReasonNotAllowed, doing+": "+format, args...)
}

func bad(doing, format string, args ...any) error {
	return fault.New(fault.InvalidArgument, fault.ReasonBadRequest, doing+": "+format, args...)
}

// principal is who has the key.
func (k *Key) principal() auth.Principal {
	return auth.Principal{Tenant: k.Tenant, Name: k.ID, Ceiling: k.Ceiling, Scopes: k.Scopes, Models: k.Models, Policies: k.Policies}
}

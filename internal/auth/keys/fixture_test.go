package keys

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory keeps keys in a map. internal/store/storetest holds the real stores to the same.
type memory struct {
	mu    sync.Mutex
	keys  map[string]Key
	hash  map[string]Hash
	finds int
	down  error
}

var _ Store = (*memory)(nil)

func (m *memory) KeyInsert(_ context.Context, k Key, h Hash) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, there := m.keys[k.ID]; there {
		return fault.New(fault.AlreadyExists, fault.ReasonNone, "there is one")
	}
	m.keys[k.ID], m.hash[k.ID] = k, h
	return nil
}

func (m *memory) KeyFind(_ context.Context, id string) (*Key, Hash, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.finds++
	k, ok := m.keys[id]
	if m.down != nil || !ok {
		err := m.down
		if err == nil {
			err = unknown("finding")
		}
		return nil, Hash{}, err
	}
	return &k, m.hash[id], nil
}

func (m *memory) KeyList(_ context.Context, tenant string) (out []Key, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.keys {
		if k.Tenant == tenant {
			out = append(out, k)
		}
	}
	return out, nil
}

func (m *memory) KeyRotate(ctx context.Context, k Key, h Hash, oldExpires time.Time) error {
	m.mu.Lock()
	old := m.keys[k.Replaces]
	m.mu.Unlock()
	if !old.Live(k.CreatedAt) {
		return Dead("rotating")
	}
	if err := m.KeyInsert(ctx, k, h); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if old.ExpiresAt.IsZero() || oldExpires.Before(old.ExpiresAt) {
		old.ExpiresAt = oldExpires
		m.keys[old.ID] = old
	}
	return nil
}

func (m *memory) KeyRevoke(_ context.Context, tenant, id string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.keys[id]
	if !ok || k.Tenant != tenant {
		return unknown("revoking")
	}
	k.RevokedAt = at
	m.keys[id] = k
	return nil
}

func (m *memory) asked() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.finds
}

// gate lets in the tenants that it does not list.
type gate struct {
	shut []string
	err  error
}

func (g *gate) Open(_ context.Context, tenant string) (bool, error) {
	return !slices.Contains(g.shut, tenant), g.err
}

const pepper = "a pepper of a test, which has 32 bytes and more"

// fixture is a service with what it stands on.
type fixture struct {
	*Service
	store *memory
	gate  *gate
	clock time.Time
	// hashes and compares count what Verify does.
	hashes, compares int
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{store: &memory{keys: map[string]Key{}, hash: map[string]Hash{}}, gate: &gate{}, clock: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	f.Service = New(Config{Store: f.store, Gate: f.gate, Pepper: func() ([]byte, error) { return []byte(pepper), nil }, Now: func() time.Time { return f.clock }})
	f.hash = func(p []byte, secret string) Hash { f.hashes++; return hash(p, secret) }
	f.equal = func(a, b Hash) bool { f.compares++; return equal(a, b) }
	return f
}

func (f *fixture) mustCreate(t testing.TB, by auth.Principal, k Key) (*Key, string) {
	t.Helper()
	made, whole, err := f.Create(t.Context(), by, k)
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	return made, whole
}

// admin may do less than everything.
func admin() auth.Principal {
	return auth.Principal{
		Tenant: "acme", Name: "boss", Ceiling: label.Confidential, Scopes: auth.Admin | auth.Chat | auth.Search,
		Models: []string{"big", "small"}, Policies: nil,
	}
}

func wantFault(t testing.TB, what string, err error, code fault.Code, reason fault.Reason) {
	t.Helper()
	if err == nil || fault.CodeOf(err) != code || fault.ReasonOf(err) != reason {
		t.Errorf("%s: got %v, want %v %s", what, err, code, reason)
	}
}

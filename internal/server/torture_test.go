package server_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/auth/keys"
	"fairlead/internal/auth/tenants"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/server"
	"fairlead/internal/testdb"
)

// store keeps keys and tenants, as both databases do.
type store interface {
	keys.Store
	tenants.Store
}

// replica is a server's way to know who calls, over a store that it shares with others.
type replica struct {
	*server.Authenticator
	keys *keys.Service
}

func newReplica(s store, now func() time.Time) *replica {
	k := keys.New(keys.Config{
		Store: s, Gate: tenants.NewGate(s, now), Now: now,
		Pepper: func() ([]byte, error) { return []byte("0123456789abcdef0123456789abcdef"), nil },
	})
	return &replica{&server.Authenticator{Keys: k}, k}
}

// key makes a key of a new tenant.
func (r *replica) key(t testing.TB, s store, tenant string) (*keys.Key, string) {
	t.Helper()
	if err := s.TenantInsert(t.Context(), tenants.Tenant{Name: tenant, CreatedAt: time.Now()}); err != nil {
		t.Fatal(fault.Cause(err))
	}
	by := auth.Local()
	k, secret, err := r.keys.Create(t.Context(), by, keys.Key{Name: "of a test", Tenant: tenant, Ceiling: label.Internal})
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	return k, secret
}

// ask presents header values as they are.
func (r *replica) ask(ctx context.Context, values ...string) (auth.Principal, error) {
	req := (&http.Request{Method: http.MethodPost, Header: http.Header{"Authorization": values}}).WithContext(ctx)
	return r.Authenticate(req)
}

// clock is time that a test moves.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.nanos.Store(time.Now().UnixNano())
	return c
}

func (c *clock) now() time.Time      { return time.Unix(0, c.nanos.Load()) }
func (c *clock) add(d time.Duration) { c.nanos.Add(int64(d)) }

// stores runs a test on every store.
func stores(t *testing.T, test func(t *testing.T, s store)) {
	t.Run("sqlite", func(t *testing.T) { test(t, testdb.SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, testdb.Postgres(t)) })
}

func TestEveryReplicaHearsOfItWithinTwoSeconds(t *testing.T) {
	stores(t, func(t *testing.T, s store) {
		c := newClock()
		here, there := newReplica(s, c.now), newReplica(s, c.now)
		revoked, first := here.key(t, s, "a")
		_, second := here.key(t, s, "b")
		everywhere := func(what, secret string, want bool) {
			t.Helper()
			for _, r := range []*replica{here, there} {
				p, err := r.ask(t.Context(), "Bearer "+secret)
				if (err == nil) != want || err != nil && fault.CodeOf(err) != fault.Unauthenticated {
					t.Errorf("%s: %+v, %v", what, p, err)
				}
			}
		}
		everywhere("a new key", first, true)
		everywhere("another", second, true)
		if err := here.keys.Revoke(t.Context(), "a", revoked.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := here.ask(t.Context(), "Bearer "+first); err == nil {
			t.Error("who revoked it still takes it")
		}
		if err := s.TenantDisable(t.Context(), "b", c.now()); err != nil {
			t.Fatal(err)
		}
		c.add(2 * time.Second)
		everywhere("a revoked key", first, false)
		everywhere("a tenant that was shut out", second, false)
		if err := s.TenantDisable(t.Context(), "b", time.Time{}); err != nil {
			t.Fatal(err)
		}
		c.add(2 * time.Second)
		everywhere("a tenant that was let in again", second, true)
		everywhere("a revoked key is dead", first, false)
	})
}

func TestWithoutAStoreNobodyIsLetIn(t *testing.T) {
	s := testdb.SQLite(t)
	c := newClock()
	r := newReplica(s, c.now)
	_, secret := r.key(t, s, "a")
	if _, err := r.ask(t.Context(), "Bearer "+secret); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c.add(2 * time.Second)
	if _, err := r.ask(t.Context(), "Bearer "+secret); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("with the store closed: %v", err)
	}
	if _, err := r.ask(t.Context(), "Bearer rubbish"); fault.CodeOf(err) != fault.Unauthenticated {
		t.Errorf("rubbish needs no store: %v", err)
	}
}

// credentialsVariable says how many malformed credentials are tried. make torture tries a million.
const credentialsVariable = "FAIRLEAD_TEST_CREDENTIALS"

func credentials(t *testing.T) int {
	t.Helper()
	text := os.Getenv(credentialsVariable)
	if text == "" {
		return 100_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", credentialsVariable, err)
	}
	return n
}

// malformed makes header values that prove nothing. Many are almost a key: its prefix, its form, its own id.
type malformed struct {
	rng *rand.Rand
	// keys are good ones, which are spoiled.
	keys []string
}

const (
	letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	nasty   = "\x00\x01\t\n\r \"'`;,=%\\/<>(){}[]-_.~+\x7f\x80\xff"
)

func (m *malformed) text(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[m.rng.IntN(len(alphabet))]
	}
	return string(b)
}

func (m *malformed) values() []string {
	key := m.keys[m.rng.IntN(len(m.keys))]
	at := m.rng.IntN(len(key))
	switch m.rng.IntN(16) {
	case 0:
		return []string{m.text(nasty+letters, m.rng.IntN(200))}
	case 1:
		return []string{"Bearer " + m.text(nasty+letters, m.rng.IntN(100))}
	case 2:
		return []string{"Bearer fl_" + m.text(nasty+letters, m.rng.IntN(100))}
	case 3: // of the right form, and made up
		return []string{"Bearer fl_" + m.text("abcdefghijklmnopqrstuvwxyz234567", 16) + "_" + m.text(letters, 43)}
	case 4: // a key that there is, with another secret
		return []string{"Bearer " + key[:len(key)-43] + m.text(letters, 43)}
	case 5: // one byte is another
		other := letters[m.rng.IntN(len(letters))]
		if other == key[at] {
			other = '-'
		}
		return []string{"Bearer " + key[:at] + string(other) + key[at+1:]}
	case 6:
		return []string{"Bearer " + key[:at] + string(nasty[m.rng.IntN(len(nasty))]) + key[at:]}
	case 7:
		return []string{"Bearer " + key[:at]}
	case 8:
		return []string{"Bearer " + key + m.text(letters, 1+m.rng.IntN(20))}
	case 9:
		return []string{"Bearer " + key, "Bearer " + key}
	case 10:
		return []string{"Bearer " + key + ", Bearer " + key}
	case 11:
		return []string{[]string{"Basic ", "Digest ", "Token ", "Bearer\t", "Bearer  ", "", "bearer:", "Negotiate "}[m.rng.IntN(8)] + key}
	case 12:
		return []string{"Bearer fl_" + strings.Repeat("a", m.rng.IntN(40_000))}
	case 13:
		return []string{"Bearer fl_" + []string{"' OR '1'='1", "'; DROP TABLE keys; --", "$1", "%s%s%n", "${jndi:ldap://x}", "../../etc/passwd", "\x00", "NULL", "\\x27"}[m.rng.IntN(9)]}
	case 14:
		return []string{"Bearer eyJhbGciOiJub25lIn0." + m.text(letters, m.rng.IntN(100)) + "."}
	default:
		return make([]string, m.rng.IntN(3)) // none, or empty ones
	}
}

// Whatever is sent in the place of a key is refused in the same way, over a real store: nothing panics, nothing is an
// error of the database, and nothing is let in.
func TestMalformedCredentials(t *testing.T) {
	stores(t, func(t *testing.T, s store) {
		cases := credentials(t)
		if strings.HasSuffix(t.Name(), "postgres") {
			cases /= 10
		}
		c := newClock()
		r := newReplica(s, c.now)
		_, live := r.key(t, s, "a")
		dead, killed := r.key(t, s, "b")
		if err := r.keys.Revoke(t.Context(), "b", dead.ID); err != nil {
			t.Fatal(err)
		}
		_, shut := r.key(t, s, "c")
		if err := s.TenantDisable(t.Context(), "c", c.now()); err != nil {
			t.Fatal(err)
		}
		const workers = 4
		var tried, broken atomic.Int64
		var wait sync.WaitGroup
		for w := range workers {
			wait.Go(func() {
				m := &malformed{rng: rand.New(rand.NewPCG(uint64(w), 1)), keys: []string{live, killed, shut}}
				for i := range cases / workers {
					values := m.values()
					p, err := r.ask(t.Context(), values...)
					if err == nil || fault.CodeOf(err) != fault.Unauthenticated || p.Tenant != "" {
						if broken.Add(1) < 10 {
							t.Errorf("%.200q: %+v, %v", values, p, fault.Cause(err))
						}
					}
					if tried.Add(1); i%100 == 0 {
						c.add(time.Second) // so that the store is asked again and again
						for _, secret := range []string{killed, shut} {
							if p, err := r.ask(t.Context(), "Bearer "+secret); err == nil || fault.CodeOf(err) != fault.Unauthenticated {
								t.Errorf("dead or shut out: %+v, %v", p, err)
							}
						}
						if _, err := r.ask(t.Context(), "Bearer "+live); err != nil {
							t.Errorf("the good key: %v", fault.Cause(err))
						}
					}
				}
			})
		}
		wait.Wait()
		t.Logf("%d malformed credentials, %d not refused as such", tried.Load(), broken.Load())
	})
}

func FuzzAuthenticate(f *testing.F) {
	s := testdb.SQLite(f)
	r := newReplica(s, nil)
	_, good := r.key(f, s, "a")
	for _, seed := range []string{"", "Bearer", "Bearer " + good, "bearer " + good[:40], "Bearer fl_' OR 1=1 --", "Basic YTpi", "Bearer a.b.c"} {
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, value string, twice bool) {
		values := []string{value}
		if twice {
			values = append(values, value)
		}
		p, err := r.ask(t.Context(), values...)
		if err == nil && (twice || p.Tenant != "a" || !strings.HasSuffix(value, " "+good)) {
			t.Errorf("%q is taken for %+v", values, p)
		}
		if err != nil && fault.CodeOf(err) != fault.Unauthenticated {
			t.Errorf("%q: %v", values, fault.Cause(err))
		}
	})
}

package oidc

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/goleak"

	"fairlead/internal/auth"
	"fairlead/internal/label"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// idp is a provider that publishes keys and signs tokens.
type idp struct {
	*httptest.Server
	mu      sync.Mutex
	keys    map[string]crypto.Signer
	answer  func(http.ResponseWriter, *http.Request) bool // true: it answered
	fetches atomic.Int64
}

func newIDP(t testing.TB) *idp {
	t.Helper()
	p := &idp{keys: map[string]crypto.Signer{}}
	p.Server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.Close)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p.put("rsa", key)
	return p
}

func (p *idp) put(kid string, key crypto.Signer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys[kid] = key
}

func (p *idp) drop(kid string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.keys, kid)
}

// answers puts something in the place of what the provider says.
func (p *idp) answers(f func(http.ResponseWriter, *http.Request) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = f
}

func down(w http.ResponseWriter, _ *http.Request) bool {
	http.Error(w, "down for maintenance", http.StatusBadGateway)
	return true
}

func (p *idp) serve(w http.ResponseWriter, r *http.Request) {
	p.fetches.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answer != nil && p.answer(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer": p.URL, "jwks_uri": p.URL + "/keys", "authorization_endpoint": p.URL, "token_endpoint": p.URL,
			"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"},
		})
	case "/keys":
		var set jose.JSONWebKeySet
		for kid, key := range p.keys {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: kid, Use: "sig"})
		}
		_ = json.NewEncoder(w).Encode(set)
	default:
		http.NotFound(w, r)
	}
}

// clock is time that a test moves.
type clock struct{ at atomic.Pointer[time.Time] }

func newClock() *clock {
	c := &clock{}
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	c.at.Store(&now)
	return c
}

func (c *clock) now() time.Time { return *c.at.Load() }
func (c *clock) add(d time.Duration) {
	now := c.now().Add(d)
	c.at.Store(&now)
}

// doors is a Tenants.
type doors map[string]error

var errShut = errors.New("shut")

func (d doors) Open(_ context.Context, tenant string) (bool, error) {
	err, there := d[tenant]
	if errors.Is(err, errShut) || !there {
		return false, nil
	}
	return err == nil, err
}

// fixture is a verifier of one provider's tokens.
type fixture struct {
	*Verifier
	*clock
	idp *idp
}

func newFixture(t testing.TB, change ...func(*Config)) *fixture {
	t.Helper()
	f := &fixture{clock: newClock(), idp: newIDP(t)}
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	c := Config{
		Issuer: f.idp.URL, Audience: "fairlead", Tenant: auth.LocalTenant, ScopesClaim: "scope", Ceiling: label.Internal,
		Tenants: doors{"default": nil, "acme": nil, "closed": errShut, "lost": errors.New("the store is down")}, Transport: tr, Now: f.now,
	}
	for _, do := range change {
		do(&c)
	}
	var err error
	if f.Verifier, err = New(c); err != nil {
		t.Fatal(err)
	}
	return f
}

// said is the claims of a good token, with changes; nil takes a claim out.
func (f *fixture) said(changes map[string]any) map[string]any {
	now := f.now().Unix()
	c := map[string]any{"iss": f.idp.URL, "aud": "fairlead", "sub": "alice", "iat": now, "nbf": now, "exp": now + 300, "scope": "openid chat search"}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// sign makes a token.
func sign(t testing.TB, alg jose.SignatureAlgorithm, key any, kid string, claims any) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", kid))
	if err != nil {
		t.Fatal(err)
	}
	payload, ok := claims.([]byte)
	if !ok {
		if payload, err = json.Marshal(claims); err != nil {
			t.Fatal(err)
		}
	}
	jws, err := s.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// token makes a token that is good but for its changes.
func (f *fixture) token(t testing.TB, changes map[string]any) string {
	t.Helper()
	return sign(t, jose.RS256, f.idp.keys["rsa"], "rsa", f.said(changes))
}

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func edKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

package oidc

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
)

func TestATokenSaysWhoCalls(t *testing.T) {
	f := newFixture(t)
	p, err := f.Verify(t.Context(), f.token(t, nil))
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
	want := auth.Principal{Tenant: "default", Name: "oidc:alice", Ceiling: label.Internal, Scopes: auth.Chat | auth.Search}
	if d := cmp.Diff(want, p); d != "" {
		t.Error(d)
	}
	ec, ed := ecKey(t), edKey(t)
	f.idp.put("ec", ec)
	f.idp.put("ed", ed)
	f.add(keepGood)
	for alg, key := range map[jose.SignatureAlgorithm]any{jose.PS256: f.idp.keys["rsa"], jose.ES256: ec, jose.EdDSA: ed} {
		kid := map[jose.SignatureAlgorithm]string{jose.PS256: "rsa", jose.ES256: "ec", jose.EdDSA: "ed"}[alg]
		if _, err := f.Verify(t.Context(), sign(t, alg, key, kid, f.said(nil))); err != nil {
			t.Errorf("%s: %v", alg, fault.Cause(err))
		}
	}
	n := f.idp.fetches.Load()
	for range 50 {
		if _, err := f.Verify(t.Context(), f.token(t, nil)); err != nil {
			t.Fatal(err)
		}
	}
	if m := f.idp.fetches.Load(); m != n {
		t.Errorf("the provider was asked %d times more for keys that are known", m-n)
	}
}

func TestClaims(t *testing.T) {
	f := newFixture(t, func(c *Config) {
		c.TenantClaim, c.CeilingClaim, c.ScopesClaim = "org", "https://example.com/ceiling", "roles"
		c.Scopes = map[string]auth.Scopes{"reader": auth.Chat | auth.Search, "root": auth.Operator}
	})
	for name, c := range map[string]struct {
		claims map[string]any
		want   *auth.Principal
	}{
		"a list":         {map[string]any{"org": "acme", "roles": []string{"reader", "other"}}, &auth.Principal{Tenant: "acme", Ceiling: label.Internal, Scopes: auth.Chat | auth.Search}},
		"text":           {map[string]any{"org": "acme", "roles": "reader root"}, &auth.Principal{Tenant: "acme", Ceiling: label.Internal, Scopes: auth.Chat | auth.Search | auth.Operator}},
		"no scopes":      {map[string]any{"org": "acme"}, &auth.Principal{Tenant: "acme", Ceiling: label.Internal}},
		"own names":      {map[string]any{"org": "acme", "roles": "chat operator"}, &auth.Principal{Tenant: "acme", Ceiling: label.Internal}},
		"a ceiling":      {map[string]any{"org": "acme", "https://example.com/ceiling": "public"}, &auth.Principal{Tenant: "acme", Ceiling: label.Public}},
		"bad ceiling":    {map[string]any{"org": "acme", "https://example.com/ceiling": "top secret"}, nil},
		"empty ceiling":  {map[string]any{"org": "acme", "https://example.com/ceiling": ""}, nil},
		"ceiling number": {map[string]any{"org": "acme", "https://example.com/ceiling": 4}, nil},
		"bad scopes":     {map[string]any{"org": "acme", "roles": map[string]any{"reader": true}}, nil},
		"scope numbers":  {map[string]any{"org": "acme", "roles": []any{"reader", 1}}, nil},
		"no tenant":      {nil, nil},
		"unknown tenant": {map[string]any{"org": "nobody"}, nil},
		"closed tenant":  {map[string]any{"org": "closed"}, nil},
		"no name":        {map[string]any{"org": "' OR 1=1"}, nil},
		"a NUL":          {map[string]any{"org": "acme\x00"}, nil},
		"a list of orgs": {map[string]any{"org": []string{"acme"}}, nil},
	} {
		p, err := f.Verify(t.Context(), f.token(t, c.claims))
		if c.want == nil {
			if fault.CodeOf(err) != fault.Unauthenticated {
				t.Errorf("%s: %+v, %v", name, p, err)
			}
			continue
		}
		c.want.Name = "oidc:alice"
		if err != nil {
			t.Errorf("%s: %v", name, fault.Cause(err))
		} else if d := cmp.Diff(*c.want, p); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if _, err := f.Verify(t.Context(), f.token(t, map[string]any{"org": "lost"})); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("without tenants: %v", err)
	}
}

func TestOperatorMustBeMeant(t *testing.T) {
	f := newFixture(t)
	p, err := f.Verify(t.Context(), f.token(t, map[string]any{"scope": "chat search ingest admin operator"}))
	if err != nil || p.Scopes != auth.AllScopes&^auth.Operator {
		t.Errorf("%v, %v", p.Scopes, err)
	}
}

// header makes a token of parts, with a signature of any kind.
func header(t *testing.T, h, claims any, signature string) string {
	t.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return part(h) + "." + part(claims) + "." + signature
}

func TestForgedTokensAreRefused(t *testing.T) {
	f := newFixture(t)
	if _, err := f.Verify(t.Context(), f.token(t, nil)); err != nil {
		t.Fatal(err)
	}
	now := f.now().Unix()
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(f.idp.keys["rsa"].Public())
	if err != nil {
		t.Fatal(err)
	}
	pemKey := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	good := f.token(t, nil)
	parts := strings.Split(good, ".")
	changed := header(t, map[string]any{"alg": "RS256", "kid": "rsa"}, f.said(map[string]any{"sub": "root"}), parts[2])
	jwk, _ := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: other}}, &jose.SignerOptions{EmbedJWK: true})
	payload, _ := json.Marshal(f.said(nil))
	embedded, err := jwk.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	own, _ := embedded.CompactSerialize()
	whole, err := jose.ParseSigned(good, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"empty":                 "",
		"dots":                  "..",
		"two parts":             parts[0] + "." + parts[1],
		"four parts":            good + ".e30",
		"no signature":          parts[0] + "." + parts[1] + ".",
		"as JSON":               whole.FullSerialize(),
		"huge":                  good + strings.Repeat("A", maxToken),
		"huge claims":           f.token(t, map[string]any{"x": strings.Repeat("x", maxToken)}),
		"alg none":              header(t, map[string]any{"alg": "none"}, f.said(nil), ""),
		"alg None":              header(t, map[string]any{"alg": "None"}, f.said(nil), parts[2]),
		"no alg":                header(t, map[string]any{"kid": "rsa"}, f.said(nil), parts[2]),
		"HS256, the PEM":        sign(t, jose.HS256, pemKey, "rsa", f.said(nil)),
		"HS256, the DER":        sign(t, jose.HS256, public, "rsa", f.said(nil)),
		"RS512":                 sign(t, jose.RS512, f.idp.keys["rsa"], "rsa", f.said(nil)),
		"another's signature":   sign(t, jose.RS256, other, "rsa", f.said(nil)),
		"an unknown key":        sign(t, jose.RS256, other, "elsewhere", f.said(nil)),
		"no kid":                sign(t, jose.RS256, other, "", f.said(nil)),
		"its own key":           own,
		"changed":               changed,
		"cut":                   good[:len(good)-4],
		"critical":              header(t, map[string]any{"alg": "RS256", "kid": "rsa", "crit": []string{"x"}, "x": 1}, f.said(nil), parts[2]),
		"wrong iss":             f.token(t, map[string]any{"iss": "https://evil.example"}),
		"iss with a slash":      f.token(t, map[string]any{"iss": f.idp.URL + "/"}),
		"no iss":                f.token(t, map[string]any{"iss": nil}),
		"wrong aud":             f.token(t, map[string]any{"aud": "other"}),
		"no aud":                f.token(t, map[string]any{"aud": nil}),
		"aud in part":           f.token(t, map[string]any{"aud": "fairlead2"}),
		"auds of others":        f.token(t, map[string]any{"aud": []string{"a", "b"}}),
		"expired":               f.token(t, map[string]any{"exp": now - 60}),
		"no exp":                f.token(t, map[string]any{"exp": nil}),
		"exp as text":           f.token(t, map[string]any{"exp": "tomorrow"}),
		"exp beyond all":        sign(t, jose.RS256, f.idp.keys["rsa"], "rsa", []byte(fmt.Sprintf(`{"iss":%q,"aud":"fairlead","sub":"a","exp":1e999}`, f.idp.URL))),
		"to come":               f.token(t, map[string]any{"nbf": now + 61}),
		"issued in the future":  f.token(t, map[string]any{"iat": now + 61}),
		"no sub":                f.token(t, map[string]any{"sub": nil}),
		"empty sub":             f.token(t, map[string]any{"sub": ""}),
		"sub with a line":       f.token(t, map[string]any{"sub": "alice\nadmin"}),
		"sub without end":       f.token(t, map[string]any{"sub": strings.Repeat("a", 256)}),
		"claims that are none":  sign(t, jose.RS256, f.idp.keys["rsa"], "rsa", []byte(`[1]`)),
		"claims in two objects": sign(t, jose.RS256, f.idp.keys["rsa"], "rsa", []byte(`{}{}`)),
	} {
		p, err := f.Verify(t.Context(), token)
		if fault.CodeOf(err) != fault.Unauthenticated || err.Error() != "checking the token: it is not valid" || p.Tenant != "" {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
		if cause := fault.Cause(err); strings.Contains(cause, "evil") || strings.Contains(cause, "other") || strings.Contains(cause, "eyJ") {
			t.Errorf("%s: the log would show the token: %s", name, cause)
		}
	}
	for name, changes := range map[string]map[string]any{
		"our clock ahead":  {"exp": now - 59},
		"our clock behind": {"nbf": now + 60, "iat": now + 60},
		"parts of seconds": {"exp": float64(now) + 0.5, "nbf": float64(now) - 0.5},
		"many audiences":   {"aud": []string{"other", "fairlead"}},
	} {
		if _, err := f.Verify(t.Context(), f.token(t, changes)); err != nil {
			t.Errorf("%s: %v", name, fault.Cause(err))
		}
	}
}

func TestKeysChange(t *testing.T) {
	f := newFixture(t)
	if _, err := f.Verify(t.Context(), f.token(t, nil)); err != nil {
		t.Fatal(err)
	}
	next := ecKey(t)
	f.idp.put("next", next)
	fresh := func() string { return sign(t, jose.ES256, next, "next", f.said(nil)) }
	if _, err := f.Verify(t.Context(), fresh()); fault.CodeOf(err) != fault.Unauthenticated {
		t.Errorf("within the wait: %v", err)
	}
	f.add(keepGood)
	if _, err := f.Verify(t.Context(), fresh()); err != nil {
		t.Errorf("after it: %v", fault.Cause(err))
	}
	if _, err := f.Verify(t.Context(), f.token(t, nil)); err != nil {
		t.Errorf("the old key: %v", fault.Cause(err))
	}
	// A key that the provider took back is not trusted longer than an hour, whatever is in the cache.
	old := f.idp.keys["rsa"]
	f.idp.drop("rsa")
	f.add(renewAfter)
	if _, err := f.Verify(t.Context(), fresh()); err != nil {
		t.Fatal(fault.Cause(err))
	}
	f.settle(t)
	if _, err := f.Verify(t.Context(), sign(t, jose.RS256, old, "rsa", f.said(nil))); fault.CodeOf(err) != fault.Unauthenticated {
		t.Errorf("a key that was taken back: %v", err)
	}
	if _, err := f.Verify(t.Context(), fresh()); err != nil {
		t.Error(fault.Cause(err))
	}
}

// settle waits for a renewal that is on its way.
func (f *fixture) settle(t *testing.T) {
	t.Helper()
	f.provider.mu.Lock()
	renewing := f.provider.renewing
	f.provider.mu.Unlock()
	if renewing != nil {
		<-renewing
	}
}

func TestMadeUpTokensDoNotReachTheProvider(t *testing.T) {
	f := newFixture(t)
	if _, err := f.Verify(t.Context(), f.token(t, nil)); err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	n := f.idp.fetches.Load()
	for i := range 100 {
		if _, err := f.Verify(t.Context(), sign(t, jose.RS256, other, fmt.Sprint("k", i), f.said(nil))); fault.CodeOf(err) != fault.Unauthenticated {
			t.Fatal(err)
		}
	}
	if m := f.idp.fetches.Load() - n; m > 1 {
		t.Errorf("100 made-up tokens made %d calls", m)
	}
}

func TestTheProviderIsDown(t *testing.T) {
	f := newFixture(t)
	f.idp.answers(down)
	token := f.token(t, nil)
	unavailable := func(what string) {
		t.Helper()
		if _, err := f.Verify(t.Context(), token); fault.CodeOf(err) != fault.Unavailable || strings.Contains(fault.Cause(err), "maintenance") {
			t.Errorf("%s: %v", what, fault.Cause(err))
		}
	}
	unavailable("at the start")
	n := f.idp.fetches.Load()
	for range 20 {
		unavailable("at once again")
	}
	if m := f.idp.fetches.Load(); m != n {
		t.Errorf("it was asked %d times within a second", m-n)
	}
	if _, err := f.Verify(t.Context(), "rubbish"); fault.CodeOf(err) != fault.Unauthenticated {
		t.Errorf("rubbish: %v", err)
	}
	f.idp.answers(nil)
	f.add(2 * time.Second)
	if _, err := f.Verify(t.Context(), token); err != nil {
		t.Fatalf("it is back: %v", fault.Cause(err))
	}
	f.idp.answers(down)
	f.add(renewAfter)
	token = f.token(t, nil)
	if _, err := f.Verify(t.Context(), token); err != nil {
		t.Errorf("its keys are known: %v", fault.Cause(err))
	}
	f.settle(t)
	token = sign(t, jose.ES256, ecKey(t), "new", f.said(nil))
	unavailable("a new key while it is down")
	token = f.token(t, nil)
	f.add(trustFor)
	token = f.token(t, nil)
	unavailable("down for a day")
}

func TestWhatAProviderMaySay(t *testing.T) {
	for name, answer := range map[string]func(*fixture) func(http.ResponseWriter, *http.Request) bool{
		"another's name": func(*fixture) func(http.ResponseWriter, *http.Request) bool {
			return says("/.well-known/openid-configuration", `{"issuer":"https://evil.example","jwks_uri":"https://evil.example/keys"}`)
		},
		"keys without TLS": func(f *fixture) func(http.ResponseWriter, *http.Request) bool {
			return says("/.well-known/openid-configuration", `{"issuer":"`+f.idp.URL+`","jwks_uri":"http://keys.example/keys"}`)
		},
		"no keys": func(f *fixture) func(http.ResponseWriter, *http.Request) bool {
			return says("/.well-known/openid-configuration", `{"issuer":"`+f.idp.URL+`"}`)
		},
		"no object": func(*fixture) func(http.ResponseWriter, *http.Request) bool { return says("/keys", `"secret"`) },
		"no JSON":   func(*fixture) func(http.ResponseWriter, *http.Request) bool { return says("/keys", "<secret>") },
		"a broken key": func(*fixture) func(http.ResponseWriter, *http.Request) bool {
			return says("/keys", `{"keys":[{"kty":"RSA","n":1,"e":"secret"}]}`)
		},
		"without end": func(*fixture) func(http.ResponseWriter, *http.Request) bool {
			return says("/keys", strings.Repeat(" ", maxAnswer+1))
		},
		"a redirection": func(*fixture) func(http.ResponseWriter, *http.Request) bool {
			return func(w http.ResponseWriter, r *http.Request) bool {
				http.Redirect(w, r, "/elsewhere", http.StatusFound)
				return true
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.idp.answers(answer(f))
			_, err := f.Verify(t.Context(), f.token(t, nil))
			if fault.CodeOf(err) != fault.Unavailable || strings.Contains(fault.Cause(err), "secret") {
				t.Error(fault.Cause(err))
			}
		})
	}
}

// says answers a path with a text.
func says(path, text string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != path {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(text))
		return true
	}
}

func TestACallerWhoLeavesDoesNotEndTheSearch(t *testing.T) {
	f := newFixture(t)
	entered, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f.idp.answers(func(http.ResponseWriter, *http.Request) bool {
		once.Do(func() { close(entered); <-release })
		return false
	})
	ctx, leave := context.WithCancel(t.Context())
	token := f.token(t, nil)
	left := make(chan error)
	go func() { _, err := f.Verify(ctx, token); left <- err }()
	<-entered
	leave()
	if err := <-left; fault.CodeOf(err) != fault.Canceled {
		t.Errorf("who left: %v", err)
	}
	stayed := make(chan error)
	go func() { _, err := f.Verify(t.Context(), token); stayed <- err }()
	close(release)
	if err := <-stayed; err != nil {
		t.Errorf("who stayed: %v", fault.Cause(err))
	}
}

func TestConfig(t *testing.T) {
	good := Config{Issuer: "https://login.example", Audience: "a", Tenant: "t", ScopesClaim: "scope", Ceiling: label.Public, Tenants: doors{}}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"issuer":         func(c *Config) { c.Issuer = "" },
		"plain http":     func(c *Config) { c.Issuer = "http://login.example" },
		"another scheme": func(c *Config) { c.Issuer = "file:///etc/passwd" },
		"a password":     func(c *Config) { c.Issuer = "https://a:b@login.example" },
		"audience":       func(c *Config) { c.Audience = "" },
		"tenant":         func(c *Config) { c.Tenant = "" },
		"scopes claim":   func(c *Config) { c.ScopesClaim = "" },
		"ceiling":        func(c *Config) { c.Ceiling = label.Unset },
		"tenants":        func(c *Config) { c.Tenants = nil },
	} {
		c := good
		change(&c)
		if _, err := New(c); fault.ReasonOf(err) != fault.ReasonBadConfig {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, local := range []string{"http://127.0.0.1:8080", "http://[::1]/x", "http://localhost"} {
		good.Issuer = local
		if _, err := New(good); err != nil {
			t.Errorf("%s: %v", local, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	x := newFixture(f)
	good := x.token(f, nil)
	for _, seed := range []string{"", "..", good, good[:50], "eyJhbGciOiJub25lIn0.e30.", made} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		p, err := x.Verify(t.Context(), token)
		if err == nil && (p.Name != "oidc:alice" || token != good) {
			t.Errorf("%q is taken for %+v", token, p)
		}
		if err != nil && fault.CodeOf(err) != fault.Unauthenticated {
			t.Errorf("%q: %v", token, fault.Cause(err))
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	f := newFixture(b)
	token := f.token(b, nil)
	for b.Loop() {
		if _, err := f.Verify(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}

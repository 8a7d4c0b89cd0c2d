package server

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
)

// verifier is a Verifier made of a function.
type verifier func(context.Context, string) (auth.Principal, error)

// Verify implements Verifier.
func (v verifier) Verify(ctx context.Context, presented string) (auth.Principal, error) {
	return v(ctx, presented)
}

var caller = auth.Principal{Tenant: "acme", Name: "k", Ceiling: label.Internal, Scopes: auth.Chat}

// only takes one credential, and counts what it is asked.
func only(good string, asked *int) Verifier {
	return verifier(func(_ context.Context, presented string) (auth.Principal, error) {
		*asked++
		if presented == good {
			return caller, nil
		}
		return auth.Principal{}, fault.New(fault.Unauthenticated, fault.ReasonUnauthenticated, "it expired on tuesday")
	})
}

func request(t testing.TB, values ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if values != nil {
		r.Header["Authorization"] = values
	}
	return r
}

func TestAuthenticate(t *testing.T) {
	var keys, tokens int
	a := &Authenticator{Keys: only("fl_good", &keys), Tokens: only("eyJ.e30.sig=", &tokens)}
	for _, value := range []string{"Bearer fl_good", "bearer fl_good", "BEARER fl_good", "Bearer eyJ.e30.sig="} {
		if p, err := a.Authenticate(request(t, value)); err != nil || p.Tenant != "acme" {
			t.Errorf("%q: %+v, %v", value, p, err)
		}
	}
	if keys != 3 || tokens != 1 {
		t.Errorf("%d keys and %d tokens were looked at", keys, tokens)
	}
	keys, tokens = 0, 0
	for name, values := range map[string][]string{
		"none": nil, "empty": {""}, "no scheme": {"fl_good"}, "a scheme alone": {"Bearer"}, "and a space": {"Bearer "}, "two spaces": {"Bearer  fl_good"},
		"a tab": {"Bearer\tfl_good"}, "before it": {" Bearer fl_good"}, "after it": {"Bearer fl_good "}, "basic": {"Basic Zmw6Z29vZA=="},
		"digest": {"Digest username=\"fl_good\""}, "another scheme": {"Key fl_good"}, "joined": {"Bearerfl_good"},
		"a list": {"Bearer fl_good, Bearer fl_good"}, "a list of one": {"Bearer fl_good,"}, "semicolon": {"Bearer fl_good;"},
		"two headers": {"Bearer fl_good", "Bearer fl_good"}, "two, one empty": {"Bearer fl_good", ""},
		"a NUL": {"Bearer fl_good\x00"}, "a NUL within": {"Bearer fl_\x00good"}, "a line": {"Bearer fl_good\r\nX-Tenant: root"}, "DEL": {"Bearer fl_good\x7f"},
		"not ASCII": {"Bearer fl_gööd"}, "not UTF-8": {"Bearer fl_\xff"}, "quotes": {`Bearer "fl_good"`}, "SQL": {"Bearer fl_' OR '1'='1"},
		"equals alone": {"Bearer ==="}, "equals within": {"Bearer fl_=good"}, "oversize": {"Bearer fl_" + strings.Repeat("a", maxCredential)},
		"unprintable": {"Bearer fl_good\u200b"}, "percent": {"Bearer fl_%67ood"}, "twice the scheme": {"Bearer Bearer fl_good"},
	} {
		if p, err := a.Authenticate(request(t, values...)); !errors.Is(err, errUnauthenticated) || p.Tenant != "" {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	if keys+tokens != 0 {
		t.Errorf("%d of those were looked at", keys+tokens)
	}
	for name, a := range map[string]*Authenticator{"only keys": {Keys: a.Keys}, "only tokens": {Tokens: a.Tokens}, "nothing": {}} {
		for _, value := range []string{"Bearer fl_bad", "Bearer eyJ.e30.x"} {
			_, err := a.Authenticate(request(t, value))
			if err == nil || err.Error() != errUnauthenticated.Text || fault.CodeOf(err) != fault.Unauthenticated {
				t.Errorf("%s, %q: %v", name, value, err)
			}
		}
	}
}

func TestWhoeverSendsTheHeadersOfProxiesIsNobody(t *testing.T) {
	var asked int
	a := &Authenticator{Keys: only("fl_good", &asked)}
	names := []string{
		"X-Tenant", "X-Forwarded-User", "X-Remote-User", "X-Auth-Request-User", "X-Api-Key", "Api-Key", "X-Goog-Api-Key", "Proxy-Authorization",
		"X-Authorization", "Fairlead-Tenant", "Fairlead-Principal", "Fairlead-Scopes", "Fairlead-Key", "Cookie", "X-Amzn-Oidc-Data", "X-Original-Authorization",
	}
	for _, name := range names {
		r := request(t)
		r.Header.Set(name, "Bearer fl_good")
		r.URL.RawQuery = "access_token=fl_good&tenant=root"
		if _, err := a.Authenticate(r); !errors.Is(err, errUnauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := request(t, "Bearer fl_good")
	for _, name := range names {
		r.Header.Set(name, "root")
	}
	if p, err := a.Authenticate(r); err != nil || p.Tenant != "acme" || p.Scopes != auth.Chat {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestWhereNobodyCanSayNobodyIsLetIn(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		code fault.Code
	}{
		"the store is down":   {fault.New(fault.Unavailable, fault.ReasonInternal, "secret"), fault.Unavailable},
		"the store is broken": {fault.New(fault.Internal, fault.ReasonInternal, "secret"), fault.Unavailable},
		"the store is slow":   {context.DeadlineExceeded, fault.Unavailable},
		"an unknown error":    {errors.New("dial secret: refused"), fault.Unavailable},
		"an odd one":          {fault.New(fault.PermissionDenied, fault.ReasonNone, "secret"), fault.Unavailable},
		"no tenant":           {nil, fault.Internal},
	} {
		a := &Authenticator{Keys: verifier(func(context.Context, string) (auth.Principal, error) { return auth.Principal{}, c.err })}
		p, err := a.Authenticate(request(t, "Bearer fl_a"))
		if err == nil || fault.CodeOf(err) != c.code || strings.Contains(err.Error(), "secret") || p.Tenant != "" {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	a := &Authenticator{Keys: verifier(func(ctx context.Context, _ string) (auth.Principal, error) {
		cancel()
		return auth.Principal{}, ctx.Err()
	})}
	if _, err := a.Authenticate(request(t, "Bearer fl_a").WithContext(ctx)); fault.CodeOf(err) != fault.Canceled {
		t.Errorf("who left: %v", err)
	}
}

func TestWhatTheServerItselfAnswers(t *testing.T) {
	var scopes auth.Scopes
	a := &Authenticator{Keys: verifier(func(_ context.Context, presented string) (auth.Principal, error) {
		switch presented {
		case "fl_good":
			return auth.Principal{Tenant: "a", Ceiling: label.Public, Scopes: scopes}, nil
		case "fl_later":
			return auth.Principal{}, fault.Wrap(errors.New("the pool is empty"), fault.Unavailable, fault.ReasonInternal, "asking the store")
		}
		return auth.Principal{}, fault.New(fault.Unauthenticated, fault.ReasonUnauthenticated, "tuesday")
	})}
	none := at("/", func(http.ResponseWriter, *http.Request) { t.Error("nobody was let in") })
	s := serve(t, Config{Mounts: []Mount{none}, Metrics: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), Authenticate: a.Authenticate})
	defer s.stop(t)
	for pattern := range s.ops() {
		res, body := s.get(t, "GET", pattern)
		if open[pattern] == (res.StatusCode == http.StatusUnauthorized) {
			t.Errorf("%s: %d %s", pattern, res.StatusCode, body)
		}
		if !open[pattern] && !strings.Contains(pattern, "reflection") {
			t.Errorf("%s: who may call it?", pattern)
		}
	}
	for _, path := range []string{"/", "/metrics"} {
		res, body := s.get(t, "GET", path, "Authorization", "Bearer fl_bad")
		if res.StatusCode != http.StatusUnauthorized || res.Header.Get("WWW-Authenticate") != "Bearer" || !strings.Contains(body, errUnauthenticated.Text) {
			t.Errorf("%s: %d %v %s", path, res.StatusCode, res.Header, body)
		}
		res, body = s.get(t, "GET", path, "Authorization", "Bearer fl_later")
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("WWW-Authenticate") != "" || res.Header.Get("Retry-After") != "1" || strings.Contains(body, "pool") {
			t.Errorf("%s: %d %v %s", path, res.StatusCode, res.Header, body)
		}
	}
	if !strings.Contains(s.log.String(), "the pool is empty") {
		t.Error("the log does not say why nobody is let in")
	}
	if strings.Contains(s.log.String(), "fl_") {
		t.Error("the log has a key")
	}
	for scopes = range auth.AllScopes + 1 {
		res, body := s.get(t, "GET", "/metrics", "Authorization", "Bearer fl_good")
		if want := scopes.Has(auth.Operator); (res.StatusCode == http.StatusOK) != want || !want && (res.StatusCode != http.StatusForbidden || !strings.Contains(body, "operator")) {
			t.Errorf("metrics with %q: %d %s", scopes, res.StatusCode, body)
		}
	}
	if res, body := s.get(t, "GET", "/nothing"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("what there is, is told to anybody: %d %s", res.StatusCode, body)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	var asked int
	a := &Authenticator{Keys: only("fl_good", &asked)}
	r := request(b, "Bearer fl_good")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(r); err != nil {
			b.Fatal(err)
		}
	}
}

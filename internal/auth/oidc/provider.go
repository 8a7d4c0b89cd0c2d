package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	// renewAfter is when the provider's configuration and keys are fetched anew, so that a key which it took back is
	// not trusted for ever; what is older than trustFor counts no more.
	renewAfter = time.Hour
	trustFor   = 24 * time.Hour
	// retryMost is the longest wait after failures to reach the provider; it begins with a second and doubles.
	retryMost = 30 * time.Second
)

// algorithms are those of public keys. There is no "none", and none with a shared secret: the public key would be one.
var algorithms = []string{oidc.RS256, oidc.PS256, oidc.ES256, oidc.EdDSA}

// made is what a token must be like that only asks for keys: no key is called so, and no signature is this one. Its
// header is {"alg":"RS256","kid":"fairlead: no key has this name"}.
const made = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImZhaXJsZWFkOiBubyBrZXkgaGFzIHRoaXMgbmFtZSJ9.e30.AA"

// provider finds the provider and keeps what is known of it.
type provider struct {
	config Config
	client *http.Client
	now    func() time.Time

	mu      sync.Mutex
	current *known
	// renewing is closed when an attempt to renew is over. Nil: there is none.
	renewing chan struct{}
	retryAt  time.Time
	failures int
	failure  error
}

// known is the provider as it was at a time.
type known struct {
	verifier *oidc.IDTokenVerifier
	at       time.Time
}

func newProvider(c Config) *provider {
	base := c.Transport
	if base == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConns, t.IdleConnTimeout, t.ResponseHeaderTimeout = 2, 30*time.Second, fetchTimeout
		t.MaxResponseHeaderBytes = 64 << 10
		base = t
	}
	client := &http.Client{Transport: newTransport(base, c.Now), Timeout: fetchTimeout}
	return &provider{config: c, client: client, now: c.Now}
}

// verifier gives the provider as it is known, which may mean to wait until it is found. It fails with errOutage.
func (p *provider) verifier(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	p.mu.Lock()
	now := p.now()
	if (p.current == nil || now.Sub(p.current.at) >= renewAfter) && p.renewing == nil && !now.Before(p.retryAt) {
		p.renewing = make(chan struct{})
		// It is for all who wait, so it does not end with the caller who came first.
		go p.renew(context.WithoutCancel(ctx), now, p.renewing)
	}
	current, renewing, failure := p.current, p.renewing, p.failure
	p.mu.Unlock()
	if current.trusted(now) {
		return current.verifier, nil
	}
	if renewing == nil {
		return nil, failure
	}
	select {
	case <-renewing:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current.trusted(now) {
		return p.current.verifier, nil
	}
	return nil, p.failure
}

func (k *known) trusted(now time.Time) bool { return k != nil && now.Sub(k.at) < trustFor }

// renew fetches the provider's configuration and keys.
func (p *provider) renew(ctx context.Context, now time.Time, done chan struct{}) {
	v, err := p.find(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	defer close(done)
	p.renewing = nil
	if err != nil {
		wait := min(time.Second<<min(p.failures, 10), retryMost)
		p.failures++
		p.failure, p.retryAt = err, now.Add(wait)
		return
	}
	p.current, p.failures, p.failure = &known{verifier: v, at: now}, 0, nil
}

// find asks the provider where its keys are, and fetches them.
func (p *provider) find(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	ctx = oidc.ClientContext(ctx, p.client)
	found, err := oidc.NewProvider(ctx, p.config.Issuer)
	var other *oidc.IssuerMismatchError
	switch {
	case errors.As(err, &other):
		return nil, fmt.Errorf("%w: the provider calls itself otherwise: the issuer must be as it stands in its configuration, to the letter", errOutage)
	case err != nil && !errors.Is(err, errOutage):
		return nil, fmt.Errorf("%w: its configuration cannot be read", errOutage)
	case err != nil:
		return nil, err
	}
	var document struct {
		Keys string `json:"jwks_uri"`
	}
	if err := found.Claims(&document); err != nil {
		return nil, fmt.Errorf("%w: its configuration cannot be read", errOutage)
	}
	keys := &keySet{oidc.NewRemoteKeySet(ctx, document.Keys)}
	// The set fetches nothing before it is asked. It is asked now, so that keys are known when they replace others.
	var out outage
	if _, _ = keys.VerifySignature(context.WithValue(ctx, outageKey{}, &out), made); out.err != nil {
		return nil, out.err
	}
	return oidc.NewVerifier(p.config.Issuer, keys, &oidc.Config{
		ClientID: p.config.Audience, SupportedSigningAlgs: algorithms,
		SkipExpiryCheck: true, // its allowances are not ours: see claims.timely
	}), nil
}

// keySet tells a signature that is wrong from keys that cannot be had, which go-oidc's errors do not.
type keySet struct{ oidc.KeySet }

var _ oidc.KeySet = (*keySet)(nil)

// outage is where a context takes what kept the keys from us.
type outage struct{ err error }

type outageKey struct{}

// VerifySignature implements oidc.KeySet.
func (k *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := k.KeySet.VerifySignature(ctx, token)
	// Keys that came and cannot be read have no error of their own, and their text quotes them.
	if o, ok := ctx.Value(outageKey{}).(*outage); ok && err != nil && strings.HasPrefix(err.Error(), "fetching keys") {
		if o.err = err; !errors.Is(err, errOutage) {
			o.err = fmt.Errorf("%w: its keys cannot be read", errOutage)
		}
	}
	return payload, err
}

package keys

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
)

// Refused is the one answer to what does not prove who calls: a text that is no key, a key that never was, one that was
// revoked, that expired, whose secret is wrong or whose tenant is shut out. Nothing in it tells them apart.
func Refused() *fault.Error {
	return fault.New(fault.Unauthenticated, fault.ReasonUnauthenticated,
		"checking who calls: the key is not valid: send Authorization: Bearer KEY with one that fairlead keys create or rotate gave")
}

// Verify gives the principal that has a key; its Name is the key's id. It writes nothing. What it knows of a key is at
// most a second old. Unauthenticated, always the same, when it proves nothing; what the store or the pepper say, such as
// Unavailable, when it cannot know.
func (s *Service) Verify(ctx context.Context, presented string) (auth.Principal, error) {
	id, secret, err := Parse(presented)
	if err != nil {
		return auth.Principal{}, Refused()
	}
	pepper, err := s.pepper()
	if err != nil {
		return auth.Principal{}, err
	}
	var r *record
	if sealed(pepper, id) {
		if r, err = s.found.Get(ctx, id); err != nil {
			return auth.Principal{}, fault.From(err)
		}
	}
	// Whatever is known of the key, the same is done with what was presented.
	var kept Hash
	if r != nil {
		kept = r.hash
	}
	proved := s.equal(s.hash(pepper, secret), kept)
	if r == nil || !proved || !r.key.Live(s.now()) {
		return auth.Principal{}, Refused()
	}
	// Only who has a key of a tenant learns, by the time that it takes, that the tenant was asked for.
	open, err := s.gate.Open(ctx, r.key.Tenant)
	if err != nil {
		return auth.Principal{}, fault.From(err)
	}
	if !open {
		return auth.Principal{}, Refused()
	}
	return r.key.principal(), nil
}

// hash is HMAC-SHA256 (RFC 2104). A slow hash would add nothing: a secret has 256 bits, which nobody guesses.
func hash(pepper []byte, secret string) (h Hash) {
	mac := hmac.New(sha256.New, pepper)
	mac.Write([]byte(secret))
	mac.Sum(h[:0])
	return h
}

func equal(a, b Hash) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }

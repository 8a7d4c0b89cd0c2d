package keys

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strings"
)

const (
	prefix = "fl_"
	// randomLength is how much of an id is random: 10 characters of 5 bits. The rest is its seal.
	randomLength = 10
	// IDLength is the length of an id, in bytes.
	IDLength = 16
	// secretLength is that of a secret: 43 of 62 characters are 256 bits.
	secretLength = 43
	// Length is the length of a whole key, in bytes.
	Length = len(prefix) + IDLength + 1 + secretLength

	secretAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

var idEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// errForm says nothing of what was given: it may be a secret.
var errForm = errors.New("reading the key: it is not of the form fl_ID_SECRET, which fairlead keys create gives")

// Parse takes a key apart. Nothing but the exact form is a key; what is no key costs no more than one that is.
func Parse(s string) (id, secret string, err error) {
	if len(s) != Length || s[:len(prefix)] != prefix || s[len(prefix)+IDLength] != '_' {
		return "", "", errForm
	}
	id, secret = s[len(prefix):len(prefix)+IDLength], s[len(prefix)+IDLength+1:]
	if !validID(id) {
		return "", "", errForm
	}
	for i := range len(secret) {
		if c := secret[i]; (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return "", "", errForm
		}
	}
	return id, secret, nil
}

// IDOf gives the id of what names a key: its id, or the whole key. Anything else is none; what was given must not be
// repeated to anyone, since it may hold a secret.
func IDOf(s string) (id string, ok bool) {
	if id, _, err := Parse(s); err == nil {
		return id, true
	}
	return s, validID(s)
}

func validID(s string) bool {
	if len(s) != IDLength {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

// newID draws an id. Its end seals its beginning under the pepper, so that made-up ids are known for what they are
// without a look into the store: one in 2^30 of them is not.
func newID(pepper []byte) string {
	var random [8]byte
	rand.Read(random[:])
	start := idEncoding.EncodeToString(random[:])[:randomLength]
	return start + seal(pepper, start)
}

// sealed says whether an id is one that this pepper could have made. It needs no constant time: an id is no secret, and
// each guess at a seal costs a call.
func sealed(pepper []byte, id string) bool {
	return seal(pepper, id[:randomLength]) == id[randomLength:]
}

// seal gives the end of an id. No secret has a space, so that no seal is the hash of one.
func seal(pepper []byte, start string) string {
	mac := hmac.New(sha256.New, pepper)
	mac.Write([]byte("id " + start))
	return idEncoding.EncodeToString(mac.Sum(nil))[:IDLength-randomLength]
}

// newSecret draws a secret: each character is equally likely.
func newSecret() string {
	var b strings.Builder
	var random [2 * secretLength]byte
	for b.Len() < secretLength {
		rand.Read(random[:])
		for _, c := range random {
			if limit := byte(4 * len(secretAlphabet)); c < limit && b.Len() < secretLength { // 248 is a multiple of 62
				b.WriteByte(secretAlphabet[int(c)%len(secretAlphabet)])
			}
		}
	}
	return b.String()
}

// assemble makes a whole key.
func assemble(id, secret string) string { return prefix + id + "_" + secret }

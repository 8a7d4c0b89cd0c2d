package postgres

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"golang.org/x/text/secure/precis"
)

// verifier gives what PostgreSQL keeps of a password, SCRAM-SHA-256 of RFC 5802 and RFC 7677, so that the password
// itself is in no statement: servers write those to their logs.
func verifier(password string) (string, error) {
	const iterations, size = 4096, 16 // PostgreSQL's own
	if prepared, err := precis.OpaqueString.String(password); err == nil {
		password = prepared // as a client does that logs in; what cannot be prepared is used as it is
	}
	salt := make([]byte, size)
	_, _ = rand.Read(salt) // never fails
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		return "", err
	}
	keyed := func(text string) []byte {
		h := hmac.New(sha256.New, salted)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	stored := sha256.Sum256(keyed("Client Key"))
	text := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, text(salt), text(stored[:]), text(keyed("Server Key"))), nil
}

package config

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
)

// Address is a URL that may hold a password, which prints masked however the address is printed. Reveal is the only
// way to all of it.
type Address struct{ value string }

// NewAddress makes an address.
func NewAddress(value string) Address { return Address{value: value} }

// Reveal gives the address with its password, for the one call that needs it.
func (a Address) Reveal() string { return a.value }

// Set says whether there is one.
func (a Address) Set() bool { return a.value != "" }

// secret says whether there is something to mask: a password, also in the query, as PostgreSQL's URLs may have it.
func (a Address) secret() bool { return a.value != "" && a.String() != a.value }

// String gives the address with its password masked. What is not a URL is masked as a whole, but for a file of SQLite.
func (a Address) String() string {
	if a.value == "" || strings.HasPrefix(a.value, sqliteScheme) {
		return a.value
	}
	u, err := url.Parse(a.value)
	if err != nil || u.Opaque != "" || u.Scheme == "" {
		return Mask
	}
	query, hidden := u.Query(), false
	for key := range query {
		if strings.Contains(strings.ToLower(key), "pass") {
			query.Set(key, Mask)
			hidden = true
		}
	}
	_, password := u.User.Password()
	if !password && !hidden {
		return a.value
	}
	if hidden {
		u.RawQuery = strings.ReplaceAll(query.Encode(), url.QueryEscape(Mask), Mask)
	}
	if !password {
		return u.String()
	}
	name := url.User(u.User.Username()).String()
	u.User = nil
	rest := strings.TrimPrefix(u.String(), u.Scheme+"://")
	return u.Scheme + "://" + name + ":" + Mask + "@" + rest
}

// Format prints the address masked, whatever the verb.
func (a Address) Format(f fmt.State, verb rune) {
	text := a.String()
	if verb == 'q' || (verb == 'v' && f.Flag('#')) {
		text = fmt.Sprintf("%q", text)
	}
	_, _ = io.WriteString(f, text) // a fmt.State keeps its own errors
}

// MarshalText gives the address masked.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// MarshalYAML gives the address masked, for the YAML packages that ask for it.
func (a Address) MarshalYAML() (any, error) { return a.String(), nil }

// LogValue gives the address masked.
func (a Address) LogValue() slog.Value { return slog.StringValue(a.String()) }

// Equal says whether two addresses are the same; tests compare whole configurations with it.
func (a Address) Equal(other Address) bool { return a.value == other.value }

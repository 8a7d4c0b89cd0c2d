package config

import (
	"fmt"
	"io"
	"log/slog"
)

// Mask is what a secret prints as. An empty secret prints as nothing, so that one can see that it is
// missing.
const Mask = "********"

// Secret is a text that prints masked however it is printed: by fmt with any verb, by slog, as JSON, text
// or YAML. Reveal is the only way to its value, so that a search for it finds every use.
type Secret struct{ value string }

// NewSecret makes a secret.
func NewSecret(value string) Secret { return Secret{value: value} }

// Reveal gives the value, for the one call that needs it.
func (s Secret) Reveal() string { return s.value }

// Set says whether there is a value.
func (s Secret) Set() bool { return s.value != "" }

// String gives the mask, or nothing for an empty secret.
func (s Secret) String() string {
	if s.value == "" {
		return ""
	}
	return Mask
}

// Format prints the mask, whatever the verb.
func (s Secret) Format(f fmt.State, verb rune) {
	text := s.String()
	if verb == 'q' || (verb == 'v' && f.Flag('#')) {
		text = fmt.Sprintf("%q", text)
	}
	_, _ = io.WriteString(f, text) // a fmt.State keeps its own errors
}

// MarshalText gives the mask.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON gives the mask as a JSON text.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }

// MarshalYAML gives the mask, for the YAML packages that ask for it.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// LogValue gives the mask.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Equal says whether two secrets are the same; tests compare whole configurations with it.
func (s Secret) Equal(other Secret) bool { return s.value == other.value }

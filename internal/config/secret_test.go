package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func TestSecretPrintsMaskedEverywhere(t *testing.T) {
	type holder struct {
		Key    Secret            `json:"key" yaml:"key"`
		ByName map[string]Secret `json:"by_name" yaml:"by_name"`
		Ptr    *Secret           `json:"ptr" yaml:"ptr"`
	}
	s := NewSecret("canary")
	h := holder{Key: s, ByName: map[string]Secret{"a": s}, Ptr: &s}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10s"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", h)
		fmt.Fprintf(&out, verb+"\n", &s)
	}
	fmt.Fprintln(&out, s, h)
	for _, logger := range []*slog.Logger{slog.New(slog.NewTextHandler(&out, nil)), slog.New(slog.NewJSONHandler(&out, nil))} {
		logger.Info("x", "s", s, "p", &s, "h", h)
	}
	for _, encode := range []func(any) ([]byte, error){json.Marshal, func(v any) ([]byte, error) { return yaml.Marshal(v) }} {
		text, err := encode(h)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(text)
	}
	for _, canary := range []string{"canary", fmt.Sprintf("%x", "canary"), fmt.Sprintf("%X", "canary"), "99 97 110"} {
		if strings.Contains(out.String(), canary) {
			t.Errorf("the secret shows as %q:\n%s", canary, out.String())
		}
	}
	if got := strings.Count(out.String(), Mask); got < 60 {
		t.Errorf("the mask shows %d times:\n%s", got, out.String())
	}
	if s.Reveal() != "canary" || !s.Set() || NewSecret("").Set() || NewSecret("").String() != "" {
		t.Error("Reveal, Set or the empty secret")
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "17": 17, "17B": 17, "4MiB": 4 << 20, "1.5KiB": 1536, "2 GiB": 2 << 30, "3kB": 3000, "1MB": 1e6} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "1e3", "0x10", "inf", "NaN", "1TiB", "9999999999GiB", "1.2.3"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
	for size, want := range map[Size]string{0: "0B", 17: "17B", 1536: "1536B", 4 << 20: "4MiB", 3 << 30: "3GiB"} {
		if got := size.String(); got != want {
			t.Errorf("%d: got %s, want %s", size, got, want)
		}
	}
}

func TestExpand(t *testing.T) {
	env := map[string]string{"A": "x", "EMPTY": "", "NESTED": "${A}"}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	for text, want := range map[string]string{
		"": "", "plain $A {x}": "plain $A {x}", "${A}": "x", "a${A}b${A}c": "axbxc", "${EMPTY}": "", "${EMPTY:-f}": "f",
		"${NONE:-f g}": "f g", "${NONE:-}": "", "$${A}": "${A}", "$$${A}": "$${A}", "${NESTED}": "${A}", "$": "$", "${A}$${": "x${",
	} {
		if got, _, wrong := expand(text, lookup); got != want || len(wrong) > 0 {
			t.Errorf("%q: got %q, %v, want %q", text, got, wrong, want)
		}
	}
	for _, text := range []string{"${NONE}", "${", "${A", "${}", "${1A}", "${A B}", "${A:x}"} {
		if got, _, wrong := expand(text, lookup); len(wrong) != 1 {
			t.Errorf("%q: got %q, %v, want one thing wrong", text, got, wrong)
		}
	}
	for _, text := range []string{"", "${A}", "$${A}", "$$${", "a$", "${${"} {
		if got, used, wrong := expand(escape(text), lookup); got != text || used || len(wrong) > 0 {
			t.Errorf("escaped %q: got %q, %v, %v", text, got, used, wrong)
		}
	}
}

func TestSuggest(t *testing.T) {
	keys := []string{"listen", "tls", "level", "cost_usd"}
	for word, want := range map[string]string{"listne": "listen", "Listen": "listen", "tsl": "tls", "cost": "", "levl": "level", "x": "", "costusd": "cost_usd"} {
		if got, _ := suggest(word, keys); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}

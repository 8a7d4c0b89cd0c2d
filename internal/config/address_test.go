package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestAddressesAreShownWithoutPasswords(t *testing.T) {
	for value, want := range map[string]string{
		"":                                       "",
		"sqlite:fairlead.db":                     "sqlite:fairlead.db",
		"sqlite:/a/p@ss:word.db":                 "sqlite:/a/p@ss:word.db",
		"postgres://h/db":                        "postgres://h/db",
		"postgres://u@h/db":                      "postgres://u@h/db",
		"postgres://u:canary@h/db":               "postgres://u:" + Mask + "@h/db",
		"postgres://u:can%40ary@h:5/db?x=1":      "postgres://u:" + Mask + "@h:5/db?x=1",
		"postgres://h/db?user=u&password=canary": "postgres://h/db?password=" + Mask + "&user=u",
		"postgres://h/db?sslpassword=canary":     "postgres://h/db?sslpassword=" + Mask,
		"postgres://u:can ary@h/db":              Mask,
		"host=h password=canary":                 Mask,
		"%zz":                                    Mask,
	} {
		a := NewAddress(value)
		encoded, err := json.Marshal(map[string]any{"a": a})
		if err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "a", a)
		for how, text := range map[string]string{"String": a.String(), "%v": fmt.Sprintf("%v", a), "%+v": fmt.Sprintf("%+v", struct{ A Address }{a}), "%#v": fmt.Sprintf("%#v", a), "JSON": string(encoded), "log": log.String()} {
			if strings.Contains(text, "canary") || strings.Contains(text, "can%40ary") || strings.Contains(text, "can ary") {
				t.Errorf("%s of %q tells the password: %s", how, value, text)
			}
		}
		if got := a.String(); got != want {
			t.Errorf("%q shows as %q, want %q", value, got, want)
		}
		if a.Reveal() != value || a.secret() != (value != want) {
			t.Errorf("%q: %q, %v", value, a.Reveal(), a.secret())
		}
	}
}

func TestAPasswordInTheFileIsAWarning(t *testing.T) {
	for text, want := range map[string]bool{
		"database: { url: \"postgres://u:canary@h/db\" }": true,
		"database: { url: \"postgres://u@h/db\" }":        false,
		"database: { url: \"sqlite:x.db\" }":              false,
		"database: { url: \"postgres://u:${PW}@h/db\" }":  false,
	} {
		_, report, err := loadText(t, text, "PW=canary")
		if err != nil {
			t.Fatal(err)
		}
		if got := len(report.Warnings) > 0; got != want {
			t.Errorf("%s: %v", text, report.Warnings)
		}
	}
}

package retrieval

import (
	"testing"
)

func TestLanguageOf(t *testing.T) {
	const german = "Der Urlaub ist bis zum Ende des Jahres zu nehmen, wenn nicht ein anderer Grund dagegen ist."
	for _, c := range []struct {
		stated   string
		metadata map[string]any
		text     string
		want     string
	}{
		{"fr", map[string]any{"language": "it"}, german, "fr"},
		{"", map[string]any{"language": "it", "lang": "es"}, german, "it"},
		{"", map[string]any{"lang": " PT-br "}, german, "pt"},
		{"", map[string]any{"language": "xx", "lang": "Italian"}, german, "de"},
		{"", map[string]any{"language": 3.5, "lang": []string{"it"}}, german, "de"},
		{"", nil, german, "de"},
		{"", nil, "4711", ""},
	} {
		if got := LanguageOf(c.stated, c.metadata, c.text); got != c.want {
			t.Errorf("%q, %v: %q, want %q", c.stated, c.metadata, got, c.want)
		}
	}
}

package config

import (
	"slices"
	"strings"
	"testing"
)

func TestWhatClassifies(t *testing.T) {
	c, _, err := loadText(t, "backends: { b: { kind: scripted } }\ntargets: { intent: { backend: b, model: classify, does: [classify] } }\nchat: { languages: [de, en] }\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Targets["intent"].Does; !slices.Equal(got, []string{"classify"}) || !slices.Equal(c.Chat.Languages, []string{"de", "en"}) {
		t.Errorf("does %v, languages %v", got, c.Chat.Languages)
	}
	_, _, err = loadText(t, "backends: { b: { kind: ollama } }\ntargets: { intent: { backend: b, model: m, does: [chat, classify] } }\nchat: { languages: [xx] }\n")
	for _, want := range []string{"f.yaml:2:50: targets.intent.does: kind ollama does not classify", "f.yaml:3:21: chat.languages: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without %q: %v", want, err)
		}
	}
}

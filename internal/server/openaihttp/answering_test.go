package openaihttp

import (
	"testing"

	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// Whoever makes vectors or classes beside an answer is not who answered.
func TestWhatDoesNotAnswerIsNotNamed(t *testing.T) {
	var a answer
	for i, does := range []providers.Capability{providers.Chat | providers.Embed, providers.Embed, providers.Classify} {
		target := &routing.Target{Name: does.String(), Does: does}
		a.note(&orchestrator.Event{RunID: "r", Step: "c/" + target.Name, Body: &orchestrator.AttemptStarted{Attempt: 1, Target: target}})
		a.note(&orchestrator.Event{RunID: "r", Step: "c/" + target.Name, Body: &orchestrator.AttemptUsage{Attempt: i + 1, Target: target}})
	}
	if at := a.answering(); at == nil || at.target != (providers.Chat|providers.Embed).String() {
		t.Errorf("%+v answered", at)
	}
}

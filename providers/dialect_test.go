package providers

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestMeaningfulExtraNamesWhatChangesTheAnswer(t *testing.T) {
	extra := map[string]json.RawMessage{}
	for field, value := range map[string]string{
		"user": `"u"`, "metadata": `{"a":"b"}`, "reasoning_effort": `"low"`, "store": `true`,
		"frequency_penalty": `0.0`, "presence_penalty": ` 0 `, "logit_bias": `{}`, "logprobs": `false`,
		"n": `1`, "modalities": `["text"]`, "top_k": `null`,
	} {
		extra[field] = json.RawMessage(value)
	}
	if got := MeaningfulExtra(extra); len(got) != 0 {
		t.Errorf("harmless fields and neutral values: got %v", got)
	}
	extra = map[string]json.RawMessage{}
	want := []string{"frequency_penalty", "guided_json", "logit_bias", "logprobs", "modalities", "n", "presence_penalty", "web_search_options"}
	for field, value := range map[string]string{
		"frequency_penalty": `0.5`, "presence_penalty": `"0"`, "logit_bias": `{"50256":-100}`, "logprobs": `true`,
		"n": `2`, "modalities": `["text","audio"]`, "web_search_options": `{}`, "guided_json": `{}`,
		"user": `"u"`,
	} {
		extra[field] = json.RawMessage(value)
	}
	if got := MeaningfulExtra(extra); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

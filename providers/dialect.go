package providers

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
)

// harmless are the fields of Request.Extra that a backend may leave out without giving another answer than
// the one asked for: they are for records, for speed, for billing, or a hint.
var harmless = map[string]bool{
	"metadata": true, "prediction": true, "prompt_cache_key": true, "prompt_cache_options": true,
	"prompt_cache_retention": true, "reasoning_effort": true, "safety_identifier": true,
	"service_tier": true, "store": true, "user": true, "verbosity": true,
}

// neutral are values of other fields that ask for what every backend does anyway.
func neutral(field string, value json.RawMessage) bool {
	value = bytes.TrimSpace(value)
	switch string(value) {
	case "", "null":
		return true
	}
	switch field {
	case "frequency_penalty", "presence_penalty", "top_logprobs":
		n, err := strconv.ParseFloat(string(value), 64)
		return err == nil && n == 0
	case "n":
		return string(value) == "1"
	case "logprobs":
		return string(value) == "false"
	case "logit_bias":
		var bias map[string]json.RawMessage
		return json.Unmarshal(value, &bias) == nil && len(bias) == 0
	case "modalities":
		var names []string
		return json.Unmarshal(value, &names) == nil && slices.Equal(names, []string{"text"})
	}
	return false
}

// MeaningfulExtra gives the names of the fields of a Request.Extra that change what is asked for, sorted.
// Only a backend of the OpenAI dialect can be given them; sent anywhere else, the answer would be to
// another question. A field that is not known counts as one of them, since nobody can tell.
func MeaningfulExtra(extra map[string]json.RawMessage) []string {
	var names []string
	for field, value := range extra {
		if !harmless[field] && !neutral(field, value) {
			names = append(names, field)
		}
	}
	slices.Sort(names)
	return names
}

package ollama

import (
	"encoding/json"
	"strings"

	"fairlead/providers"
	"fairlead/providers/internal/wire"
)

// errorText reads the form in which the server says what failed. Its text never leaves this file.
func errorText(body []byte) string {
	var fields struct {
		Error json.RawMessage `json:"error"`
	}
	var text string
	if json.Unmarshal(body, &fields) == nil {
		_ = json.Unmarshal(fields.Error, &text)
	}
	return text
}

// apply makes e say what the text says: the server has no codes.
func apply(e *providers.Error, text string) {
	text = strings.ToLower(text)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("context length", "context size", "context window"):
		e.Kind = providers.KindContextLength
	case has("does not support"):
		e.Kind = providers.KindUnsupported
		e.Detail = "the model cannot do what the request needs, such as tools, pictures or vectors"
	case e.Status == 0 && has("not found", "no such model"):
		e.Kind = providers.KindNotFound
	case has("requires more system memory", "out of memory"):
		e.Detail = "it has too little memory for the model"
	}
}

// refused makes the error of a response that is no success.
func refused(call *wire.Call) *providers.Error {
	e := call.Refused()
	if e.Status >= 400 {
		apply(e, errorText(call.ErrorBody()))
	}
	if ended := call.Frame(); ended != nil {
		return ended
	}
	return e
}

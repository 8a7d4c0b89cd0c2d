package openai

import (
	"encoding/json"
	"strconv"
	"strings"

	"fairlead/providers"
	"fairlead/providers/internal/wire"
)

// problem is what servers of the dialect say about a failure. Its message never leaves this file.
type problem struct {
	code, kind, param, message string
	// status is an HTTP status that stood in the place of the code.
	status int
}

// readProblem reads the forms in use: {"error": {…}}, {"error": "text"}, and the fields of an error at
// the top, with "object": "error" or without. ok is false when it is none of them.
func readProblem(body []byte) (p problem, ok bool) {
	var outer struct {
		Error  json.RawMessage `json:"error"`
		Object string          `json:"object"`
	}
	if json.Unmarshal(body, &outer) != nil {
		return p, false
	}
	inner := outer.Error
	if len(inner) == 0 || string(inner) == "null" {
		inner = body
	} else {
		ok = true
	}
	if json.Unmarshal(inner, &p.message) == nil {
		return p, ok
	}
	var fields struct {
		Code       json.RawMessage `json:"code"`
		Type       json.RawMessage `json:"type"`
		Param      json.RawMessage `json:"param"`
		Message    json.RawMessage `json:"message"`
		InnerError struct {
			Code string `json:"code"`
		} `json:"innererror"`
	}
	if json.Unmarshal(inner, &fields) != nil {
		return p, ok
	}
	p.code, p.kind, p.param, p.message = text(fields.Code), text(fields.Type), text(fields.Param), text(fields.Message)
	if fields.InnerError.Code != "" {
		p.code = fields.InnerError.Code
	}
	if n, err := strconv.Atoi(p.code); err == nil && n >= 400 && n < 600 {
		p.status, p.code = n, ""
	}
	return p, ok || outer.Object == "error" || (p.message != "" && (p.code != "" || p.kind != "" || p.status != 0))
}

// text gives a JSON string or number as text, and nothing for the rest.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String()
	}
	return ""
}

// kinds are the codes and types that say more than the status.
var kinds = map[string]providers.Kind{
	"context_length_exceeded":      providers.KindContextLength,
	"exceed_context_size_error":    providers.KindContextLength, // llama.cpp
	"insufficient_quota":           providers.KindQuota,
	"billing_hard_limit_reached":   providers.KindQuota,
	"billing_not_active":           providers.KindQuota,
	"content_filter":               providers.KindContentFilter,
	"content_policy_violation":     providers.KindContentFilter,
	"ResponsibleAIPolicyViolation": providers.KindContentFilter, // Azure
	"rate_limit_exceeded":          providers.KindRateLimited,
	"rate_limit_error":             providers.KindRateLimited,
	"model_not_found":              providers.KindNotFound,
	"DeploymentNotFound":           providers.KindNotFound, // Azure
	"invalid_api_key":              providers.KindAuth,
	"authentication_error":         providers.KindAuth,
	"permission_error":             providers.KindAuth,
	"invalid_request_error":        providers.KindInvalid,
	"BadRequestError":              providers.KindInvalid, // vLLM
	"server_error":                 providers.KindUnavailable,
	"overloaded_error":             providers.KindUnavailable,
}

// specific are the kinds that a code may set against the status: servers send them with 400, 403, 413,
// 422, 429 and 500 alike.
func specific(k providers.Kind) bool {
	switch k {
	case providers.KindContextLength, providers.KindQuota, providers.KindContentFilter, providers.KindNotFound:
		return true
	default:
		return false
	}
}

// apply makes e say what the problem says. With status 0 e came within a stream and has no kind of its own.
func (p problem) apply(e *providers.Error, status int) {
	if status == 0 {
		e.Kind = providers.KindUnavailable
		if p.status != 0 {
			e.Kind, e.Status = wire.StatusKind(p.status), p.status
		}
	}
	for _, word := range []string{p.kind, p.code} { // the code is the more exact and has the last word
		if k, known := kinds[word]; known && (specific(k) || (status == 0 && p.status == 0)) {
			e.Kind = k
		}
	}
	if e.Kind == providers.KindInvalid && tooLong(p.message) {
		e.Kind = providers.KindContextLength
	}
	if e.Code = providers.SafeCode(p.code); e.Code == "" {
		e.Code = providers.SafeCode(p.kind)
	}
	e.Param = providers.SafeCode(p.param)
}

// tooLong finds the refusals of prompts that have no code of their own, by the words of vLLM, SGLang,
// TGI and llama.cpp.
func tooLong(message string) bool {
	message = strings.ToLower(message)
	for _, words := range []string{"context length", "context window", "context size", "max_total_tokens", "maximum model length"} {
		if strings.Contains(message, words) {
			return true
		}
	}
	return false
}

// refused makes the error of a response that is no success.
func refused(call *wire.Call) *providers.Error {
	e := call.Refused()
	if e.Status >= 400 {
		p, _ := readProblem(call.ErrorBody())
		p.apply(e, e.Status)
	}
	if ended := call.Frame(); ended != nil {
		return ended
	}
	return e
}

package providertest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"fairlead/providers"
)

// runStatuses is about responses that are no success.
func runStatuses(t *testing.T, w *Wire) {
	f := w.format()
	noLeak(t)
	type refusal struct {
		status int
		body   string
		kind   providers.Kind
		code   string
	}
	plain := f.failed(secretWords, "some_code", "")
	cases := []refusal{
		{400, plain, providers.KindInvalid, "some_code"},
		{401, plain, providers.KindAuth, "some_code"},
		{402, plain, providers.KindQuota, "some_code"},
		{403, plain, providers.KindAuth, "some_code"},
		{404, plain, providers.KindNotFound, "some_code"},
		{405, plain, providers.KindInvalid, "some_code"},
		{408, plain, providers.KindTimeout, "some_code"},
		{413, plain, providers.KindContextLength, "some_code"},
		{422, plain, providers.KindInvalid, "some_code"},
		{429, plain, providers.KindRateLimited, "some_code"},
		{500, plain, providers.KindUnavailable, "some_code"},
		{502, "<html>" + secretWords, providers.KindUnavailable, ""},
		{503, "", providers.KindUnavailable, ""},
		{504, "{", providers.KindUnavailable, ""},
		{529, plain, providers.KindUnavailable, "some_code"},
		{204, "", providers.KindProtocol, ""},
		{400, f.failed(secretWords, "a code with words: moonlight", "and moonlight"), providers.KindInvalid, "invalid_request_error"},
	}
	if w.Dialect == OpenAI {
		long := `{"error":{"message":"This model's maximum context length is 4096 tokens. moonlight","type":"BadRequestError","code":400}}`
		cases = append(cases, []refusal{
			{400, f.failed("moonlight", "context_length_exceeded", "messages"), providers.KindContextLength, "context_length_exceeded"},
			{400, long, providers.KindContextLength, "BadRequestError"},
			{400, `{"object":"error","message":"maximum context length, moonlight","type":"BadRequestError","param":null,"code":400}`, providers.KindContextLength, "BadRequestError"},
			{400, `{"error":{"code":400,"message":"moonlight","type":"exceed_context_size_error","n_ctx":4096}}`, providers.KindContextLength, "exceed_context_size_error"},
			{400, f.failed("moonlight", "content_filter", "prompt"), providers.KindContentFilter, "content_filter"},
			{400, `{"error":{"message":"moonlight","code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation"}}}`, providers.KindContentFilter, "ResponsibleAIPolicyViolation"},
			{429, f.failed("moonlight", "insufficient_quota", ""), providers.KindQuota, "insufficient_quota"},
			{429, f.failed("moonlight", "rate_limit_exceeded", ""), providers.KindRateLimited, "rate_limit_exceeded"},
			{400, `{"error":"moonlight"}`, providers.KindInvalid, ""},
			{422, `{"detail":[{"loc":["body"],"msg":"moonlight"}]}`, providers.KindInvalid, ""},
		}...)
	} else {
		for i := range cases {
			cases[i].code = "" // the dialect has none
		}
		cases = append(cases, []refusal{
			{404, `{"error":"model 'asked-model' not found"}`, providers.KindNotFound, ""},
			{400, `{"error":"registry.ollama.ai/library/m:latest does not support tools"}`, providers.KindUnsupported, ""},
			{400, `{"error":"the input length exceeds the context length"}`, providers.KindContextLength, ""},
			{503, `{"error":"server busy, please try again. maximum pending requests exceeded"}`, providers.KindUnavailable, ""},
		}...)
	}
	for i, c := range cases {
		t.Run(fmt.Sprintf("%d case %d", c.status, i), func(t *testing.T) {
			r := call(t, w, Endpoint{}, func(x *exchange) { x.status(c.status, "application/json", c.body) })
			wantKind(t, r.err, c.kind)
			var e *providers.Error
			if errors.As(r.err, &e) && (e.Status != c.status || e.Code != c.code || e.MayBill || e.RetryAfter != 0) {
				t.Errorf("status %d, code %q (want %q), billed %v, retry after %v", e.Status, e.Code, c.code, e.MayBill, e.RetryAfter)
			}
			if len(r.chunks) != 0 {
				t.Errorf("chunks: %+v", r.chunks)
			}
		})
	}

	if w.Dialect == OpenAI {
		t.Run("param", func(t *testing.T) {
			r := call(t, w, Endpoint{}, func(x *exchange) {
				x.status(400, "application/json", f.failed("moonlight", "unsupported_value", "messages[0].content"))
			})
			var e *providers.Error
			if !errors.As(r.err, &e) || e.Param != "messages[0].content" {
				t.Errorf("%v", r.err)
			}
		})
	}

	t.Run("retry after", func(t *testing.T) {
		date := time.Now().UTC().Truncate(time.Second)
		for name, c := range map[string]struct {
			header map[string]string
			want   time.Duration
		}{
			"seconds":      {map[string]string{"Retry-After": "7"}, 7 * time.Second},
			"a fraction":   {map[string]string{"Retry-After": "0.5"}, 500 * time.Millisecond},
			"milliseconds": {map[string]string{"Retry-After-Ms": "1500", "Retry-After": "7"}, 1500 * time.Millisecond},
			"a date": {map[string]string{"Retry-After": date.Add(time.Hour).Format(http.TimeFormat),
				"Date": date.Add(59 * time.Minute).Format(http.TimeFormat)}, time.Minute},
			"the past":     {map[string]string{"Retry-After": date.Add(-time.Hour).Format(http.TimeFormat)}, 0},
			"below zero":   {map[string]string{"Retry-After": "-3"}, 0},
			"not a time":   {map[string]string{"Retry-After": "soon"}, 0},
			"not a number": {map[string]string{"Retry-After": "NaN"}, 0},
			"for ever":     {map[string]string{"Retry-After": "1e300"}, 24 * time.Hour},
		} {
			for _, status := range []int{429, 503} {
				r := call(t, w, Endpoint{}, func(x *exchange) {
					for k, v := range c.header {
						x.w.Header().Set(k, v)
					}
					x.status(status, "application/json", plain)
				})
				if got := providers.RetryAfter(r.err); got != c.want {
					t.Errorf("%s, status %d: %v, want %v", name, status, got, c.want)
				}
			}
		}
	})

	t.Run("a refusal without an end", func(t *testing.T) {
		r := call(t, w, Endpoint{}, func(x *exchange) {
			x.began = true
			x.w.WriteHeader(http.StatusInternalServerError)
			for x.send(secretWords) {
			}
		})
		wantKind(t, r.err, providers.KindUnavailable)
	})

	t.Run("the context ends within a refusal", func(t *testing.T) {
		s := newServer(t, f, func(x *exchange) {
			x.began = true
			x.w.WriteHeader(http.StatusTooManyRequests)
			x.send("{")
			x.hang()
		})
		g := w.generator(t, s, Endpoint{})
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Millisecond)
		defer cancel()
		wantKind(t, drain(t, g.Generate(ctx, chatRequest()), nil).err, providers.KindTimeout)
	})
}

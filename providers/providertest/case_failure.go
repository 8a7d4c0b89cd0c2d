package providertest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"fairlead/providers"
)

// failure is a stream that fails.
type failure struct {
	name  string
	reply func(*exchange)
	limit Endpoint
	kind  providers.Kind
	// text is what must have come before the error, and no more; when it is not empty the call may be
	// billed.
	text string
}

// runFailures is about streams that fail with the status of a success.
func runFailures(t *testing.T, w *Wire) {
	f := w.format()
	last, mark := f.end()
	noLeak(t)
	some := f.text("Do ")
	cases := []failure{
		{name: "nothing at all", reply: func(x *exchange) { x.begin() }, kind: providers.KindTruncated},
		{name: "cut cleanly after text", reply: func(x *exchange) { x.send(some) }, kind: providers.KindTruncated, text: "Do "},
		{name: "cut hard after text", reply: func(x *exchange) { x.send(some); x.abort() }, kind: providers.KindTruncated, text: "Do "},
		{name: "cut before text", reply: func(x *exchange) { x.begin(); x.abort() }, kind: providers.KindTruncated},
		{name: "reset", reply: func(x *exchange) { x.send(some); x.reset() }, kind: providers.KindTruncated, text: "Do "},
		{name: "cut cleanly within a frame", reply: func(x *exchange) { x.send(some + some[:len(some)/2]) }, kind: providers.KindTruncated, text: "Do "},
		{name: "cut hard within a frame", reply: func(x *exchange) { x.send(some + some[:len(some)/2]); x.abort() }, kind: providers.KindTruncated, text: "Do "},
		{name: "gzip that is cut", reply: func(x *exchange) { x.zipped(true, some) }, kind: providers.KindTruncated, text: "Do "},
		{name: "gzip that is none", reply: func(x *exchange) {
			x.w.Header().Set("Content-Encoding", "gzip")
			x.send(f.good())
		}, kind: providers.KindProtocol},
		{name: "an unknown encoding", reply: func(x *exchange) {
			x.w.Header().Set("Content-Encoding", "br")
			x.send(f.good())
		}, kind: providers.KindProtocol},
		{name: "an error first", reply: func(x *exchange) { x.send(f.failure(secretWords)) }, kind: providers.KindUnavailable},
		{name: "an error after text", reply: func(x *exchange) { x.send(some, f.failure(secretWords)) }, kind: providers.KindUnavailable, text: "Do "},
		{name: "an error after text, then the end", reply: func(x *exchange) { x.send(some + f.failure(secretWords) + last + mark) }, kind: providers.KindUnavailable, text: "Do "},
		{name: "garbage in the middle", reply: func(x *exchange) { x.send(some + f.garbage + f.text("delete.") + last + mark) }, kind: providers.KindProtocol, text: "Do "},
		{name: "garbage first", reply: func(x *exchange) { x.send(f.garbage + f.good()) }, kind: providers.KindProtocol},
		{name: "not UTF-8", reply: func(x *exchange) {
			// put in by hand: JSON encoders repair it
			x.send(some + strings.ReplaceAll(f.text("a_b"), "a_b", "a\xff\xfeb") + last + mark)
		}, kind: providers.KindProtocol, text: "Do "},
		{name: "a web page", reply: func(x *exchange) { x.status(200, "text/html", "<html>"+secretWords+"</html>") }, kind: providers.KindProtocol},
		{name: "plain text", reply: func(x *exchange) { x.status(200, "text/plain", f.good()) }, kind: providers.KindProtocol},
		{name: "a frame beyond any limit", reply: func(x *exchange) {
			x.send(some)
			x.send(f.text(strings.Repeat("x", providers.MaxFrame+1)) + last + mark)
		}, kind: providers.KindOverrun, text: "Do "},
		{name: "a frame without an end", limit: Endpoint{MaxAnswer: 64 << 20}, reply: func(x *exchange) {
			x.send(some)
			for x.send(strings.Repeat("x", 1<<16)) {
			}
		}, kind: providers.KindOverrun, text: "Do "},
		{name: "no end of keep-alives", limit: Endpoint{MaxAnswer: 8 << 10}, reply: func(x *exchange) {
			x.send(some)
			for x.send(strings.Repeat(f.idle, 4096)) {
			}
		}, kind: providers.KindOverrun, text: "Do "},
		{name: "a pause within the answer", limit: Endpoint{IdleTimeout: 30 * time.Millisecond}, reply: func(x *exchange) {
			x.send(some)
			x.hang()
		}, kind: providers.KindTimeout, text: "Do "},
		{name: "a drip of bytes that makes no frame", limit: Endpoint{IdleTimeout: 60 * time.Millisecond}, reply: func(x *exchange) {
			x.send(some)
			drip := time.NewTicker(10 * time.Millisecond)
			defer drip.Stop()
			for x.send(" ") {
				<-drip.C
			}
		}, kind: providers.KindTimeout, text: "Do "},
		{name: "keep-alives instead of an answer", limit: Endpoint{IdleTimeout: 60 * time.Millisecond}, reply: func(x *exchange) {
			x.send(some)
			drip := time.NewTicker(10 * time.Millisecond)
			defer drip.Stop()
			for x.send(f.idle) {
				<-drip.C
			}
		}, kind: providers.KindTimeout, text: "Do "},
	}
	for i, wrong := range f.wrong {
		cases = append(cases, failure{name: fmt.Sprintf("a wrong frame %d", i), reply: func(x *exchange) { x.send(some + wrong + f.text("delete.") + last + mark) },
			kind: providers.KindProtocol, text: "Do "})
	}
	cases = append(cases, dialectFailures(w, some)...)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := call(t, w, c.limit, c.reply)
			wantKind(t, r.err, c.kind)
			if got := r.answer().Text; got != c.text {
				t.Errorf("text %q came before the error, want %q", clip(got), c.text)
			}
			if providers.Billed(r.err) != (c.text != "") {
				t.Errorf("billed: %v", providers.Billed(r.err))
			}
			var e *providers.Error
			if errors.As(r.err, &e) && (e.Backend == "" || e.Model != "asked-model") {
				t.Errorf("the error does not say where: backend %q, model %q", e.Backend, e.Model)
			}
		})
	}

	t.Run("no end of text", func(t *testing.T) {
		const limit = 64 << 10
		r := call(t, w, Endpoint{MaxAnswer: limit}, func(x *exchange) {
			for x.send(strings.Repeat(f.text(strings.Repeat("x", 1000)), 8)) {
			}
		})
		wantKind(t, r.err, providers.KindOverrun)
		if n := len(r.answer().Text); n > limit || n < limit/2 {
			t.Errorf("%d bytes of text came, with a limit of %d", n, limit)
		}
	})

	t.Run("a slow reader is no pause", func(t *testing.T) {
		s := newServer(t, f, nil)
		g := w.generator(t, s, Endpoint{IdleTimeout: 20 * time.Millisecond})
		r := drain(t, g.Generate(lasting, chatRequest()), func(int, providers.Chunk) bool {
			<-time.After(45 * time.Millisecond)
			return true
		})
		wantGood(t, r)
	})
}

// dialectFailures are the failures that only one dialect knows.
func dialectFailures(w *Wire, some string) []failure {
	send := func(body string) func(*exchange) { return func(x *exchange) { x.send(body) } }
	if w.Dialect == Ollama {
		return []failure{
			{name: "done without a reason", reply: send(some + strings.ReplaceAll(ollamaEnd("stop"), `"done_reason":"stop",`, "")), kind: providers.KindTruncated, text: "Do "},
			{name: "done with an empty reason", reply: send(some + ollamaEnd("")), kind: providers.KindTruncated, text: "Do "},
			{name: "only loaded", reply: send(ollamaEnd("load")), kind: providers.KindProtocol},
			{name: "an unknown reason", reply: send(some + ollamaEnd("moon light")), kind: providers.KindProtocol, text: "Do "},
			{name: "an error of context", reply: send(some + `{"error":"the input length exceeds the context length"}` + "\n"), kind: providers.KindContextLength, text: "Do "},
		}
	}
	end := openaiChunk(`{}`, "stop")
	problem := func(fields string) string { return `data: {"error":{` + fields + `}}` + "\n\n" }
	return []failure{
		{name: "[DONE] without a reason", reply: send(some + openaiDone), kind: providers.KindTruncated, text: "Do "},
		{name: "only [DONE]", reply: send(openaiDone), kind: providers.KindTruncated},
		{name: "a reason, then a hard cut", reply: func(x *exchange) { x.send(some + end); x.abort() }, kind: providers.KindTruncated, text: "Do "},
		{name: "a reason, then a close that proves nothing", reply: func(x *exchange) { x.undelimited(some + end) }, kind: providers.KindTruncated, text: "Do "},
		{name: "a cut within [DONE]", reply: send(some + end + "data: [DON"), kind: providers.KindTruncated, text: "Do "},
		{name: "an unknown reason", reply: send(some + strings.ReplaceAll(end, "stop", "moon light") + openaiDone), kind: providers.KindProtocol, text: "Do "},
		{name: "the reason error", reply: send(some + strings.ReplaceAll(end, "stop", "error") + openaiDone), kind: providers.KindUnavailable, text: "Do "},
		{name: "the reason abort", reply: send(some + strings.ReplaceAll(end, "stop", "abort") + openaiDone), kind: providers.KindTruncated, text: "Do "},
		{name: "an error without data:", reply: send(some + `{"error":{"message":"moonlight"}}` + "\n\n"), kind: providers.KindUnavailable, text: "Do "},
		{name: "an error event", reply: send(some + "event: error\ndata: {\"message\":\"moonlight\",\"code\":429}\n\n"), kind: providers.KindRateLimited, text: "Do "},
		{name: "an error of text", reply: send(some + `data: {"error":"moonlight"}` + "\n\n" + openaiDone), kind: providers.KindUnavailable, text: "Do "},
		{name: "an error object", reply: send(some + `data: {"object":"error","message":"moonlight","type":"BadRequestError","code":400}` + "\n\n"), kind: providers.KindInvalid, text: "Do "},
		{name: "an error within a chunk", reply: send(some + `data: {"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}],"error":{"code":502,"message":"moonlight"}}` + "\n\n"), kind: providers.KindUnavailable, text: "Do "},
		{name: "an error of quota", reply: send(some + problem(`"message":"moonlight","code":"insufficient_quota"`)), kind: providers.KindQuota, text: "Do "},
		{name: "an error of rate", reply: send(some + problem(`"message":"moonlight","code":429`)), kind: providers.KindRateLimited, text: "Do "},
		{name: "an error of context", reply: send(some + problem(`"message":"moonlight","code":"context_length_exceeded"`)), kind: providers.KindContextLength, text: "Do "},
		{name: "an error of content", reply: send(some + problem(`"message":"moonlight","code":"content_filter"`)), kind: providers.KindContentFilter, text: "Do "},
		{name: "JSON instead of a stream", reply: func(x *exchange) {
			x.status(200, "application/json", `{"choices":[{"message":{"content":"moonlight"},"finish_reason":"stop"}]}`)
		}, kind: providers.KindProtocol},
		{name: "an error instead of a stream", reply: func(x *exchange) {
			x.status(200, "application/json", `{"error":{"message":"moonlight","code":"rate_limit_exceeded"}}`)
		}, kind: providers.KindRateLimited},
	}
}

func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}

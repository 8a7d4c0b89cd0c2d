package providertest

import (
	"context"
	"strings"
	"testing"
	"time"

	"fairlead/providers"
)

// runVectors is about answers with vectors.
func runVectors(t *testing.T, w *Wire) {
	f := w.format()
	noLeak(t)
	texts := []string{secretPrompt, "b"}
	// embed calls a server that answers with a status and a body.
	embed := func(t *testing.T, reply func(*exchange)) (*providers.Embeddings, error) {
		t.Helper()
		g := *f
		g.other = func(x *exchange) bool { reply(x); return true }
		s := newServer(t, &g, nil)
		out, err := w.embedder(t, s, Endpoint{}).Embed(lasting, &providers.EmbedRequest{Model: "asked-model", Texts: texts})
		if n := len(s.asked()); n != 1 {
			t.Errorf("the server was asked %d times", n)
		}
		keepsSecrets(t, err)
		return out, err
	}
	body := func(vectors ...string) string {
		return `{"model":"m","embeddings":[` + strings.Join(vectors, ",") + `]}`
	}
	if w.Dialect == OpenAI {
		body = func(vectors ...string) string {
			for i, v := range vectors {
				if !strings.Contains(v, "embedding") {
					vectors[i] = `{"object":"embedding","embedding":` + v + `,"index":` + string(rune('0'+i)) + `}`
				}
			}
			return `{"object":"list","model":"m","data":[` + strings.Join(vectors, ",") + `],"usage":{"prompt_tokens":1,"total_tokens":1}}`
		}
	}

	t.Run("dimensions", func(t *testing.T) {
		s := newServer(t, f, nil)
		out, err := w.embedder(t, s, Endpoint{}).Embed(lasting, &providers.EmbedRequest{Model: "asked-model", Texts: texts, Dimensions: 3})
		if err != nil || len(out.Vectors[0]) != 3 || out.Model != "wire-embed" || out.Usage.Input != 9 {
			t.Errorf("%+v, %v", out, err)
		}
	})

	t.Run("numbers", func(t *testing.T) {
		out, err := embed(t, func(x *exchange) { x.status(200, "application/json", body("[ 1, -2.5e-1 ,0]", "[1e2,3,-0.0]")) })
		if err != nil || out.Vectors[0][1] != -0.25 || out.Vectors[1][0] != 100 {
			t.Errorf("%+v, %v", out, err)
		}
	})

	wrong := map[string]string{
		"fewer than texts": body("[1,2]"),
		"more than texts":  body("[1,2]", "[1,2]", "[1,2]"),
		"other lengths":    body("[1,2]", "[1,2,3]"),
		"an empty one":     body("[1,2]", "[]"),
		"null":             body("[1,2]", "null"),
		"null in one":      body("[1,2]", "[1,null]"), // what llama.cpp writes for NaN
		"NaN":              body("[1,2]", "[1,NaN]"),
		"beyond float32":   body("[1,2]", "[1,1e39]"),
		"text":             body("[1,2]", `["1","2"]`),
		"base64":           body("[1,2]", `"AACAPwAAAEA="`),
		"none":             `{"model":"m"}`,
		"null itself":      `null`,
		"cut":              strings.TrimSuffix(body("[1,2]", "[1,2]"), "}"),
		"more than JSON":   body("[1,2]", "[1,2]") + "x",
	}
	if w.Dialect == OpenAI {
		wrong["one number twice"] = body(`{"embedding":[1,2],"index":0}`, `{"embedding":[1,2],"index":0}`)
		wrong["a number beyond"] = body(`{"embedding":[1,2],"index":0}`, `{"embedding":[1,2],"index":2}`)
		wrong["a number below"] = body(`{"embedding":[1,2],"index":-1}`, `{"embedding":[1,2],"index":0}`)
		wrong["a number missing"] = body(`{"embedding":[1,2],"index":1}`, `{"embedding":[1,2]}`)
	}
	for name, text := range wrong {
		t.Run(name, func(t *testing.T) {
			out, err := embed(t, func(x *exchange) { x.status(200, "application/json", text) })
			wantKind(t, err, providers.KindProtocol)
			if out != nil {
				t.Errorf("vectors came with the error: %+v", out)
			}
		})
	}

	t.Run("a web page", func(t *testing.T) {
		_, err := embed(t, func(x *exchange) { x.status(200, "text/html", "<html>") })
		wantKind(t, err, providers.KindProtocol)
	})
	t.Run("a hard cut", func(t *testing.T) {
		_, err := embed(t, func(x *exchange) {
			x.w.Header().Set("Content-Type", "application/json")
			x.send(body("[1,2]", "[1,2]"))
			x.abort()
		})
		wantKind(t, err, providers.KindTruncated)
	})
	t.Run("refused", func(t *testing.T) {
		for status, want := range map[int]providers.Kind{400: providers.KindInvalid, 401: providers.KindAuth, 404: providers.KindNotFound, 429: providers.KindRateLimited, 500: providers.KindUnavailable} {
			_, err := embed(t, func(x *exchange) {
				x.w.Header().Set("Retry-After", "2")
				x.status(status, "application/json", f.failed(secretWords, "", ""))
			})
			wantKind(t, err, want)
			if providers.RetryAfter(err) != 2*time.Second {
				t.Errorf("retry after %v", providers.RetryAfter(err))
			}
		}
	})
	t.Run("the context ends", func(t *testing.T) {
		g := *f
		reached := make(chan struct{}, 1)
		g.other = func(x *exchange) bool {
			x.w.Header().Set("Content-Type", "application/json")
			x.send("{")
			reached <- struct{}{}
			x.hang()
			return true
		}
		e := w.embedder(t, newServer(t, &g, nil), Endpoint{})
		for range 10 {
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-reached; cancel() }()
			_, err := e.Embed(ctx, &providers.EmbedRequest{Model: "m", Texts: texts})
			wantKind(t, err, providers.KindCanceled)
		}
	})
}

// runModels is about adapters that are Listers.
func runModels(t *testing.T, w *Wire) {
	noLeak(t)
	s := newServer(t, w.format(), nil)
	l, ok := w.adapter(t, s, Endpoint{}).(providers.Lister)
	if !ok {
		t.Skip("the adapter is no Lister")
	}
	models, err := l.Models(lasting)
	if err != nil {
		t.Fatal(err)
	}
	if len(models) != 2 || models[0].Name != "wire-model" || models[1].Name != "wire-embed" || models[0].Context != 4096 {
		t.Errorf("models: %+v", models)
	}
	for _, want := range []providers.Kind{providers.KindCanceled, providers.KindTimeout} {
		_, err := l.Models(endedContext(t, want))
		wantKind(t, err, want)
	}
}

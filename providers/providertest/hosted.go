package providertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"fairlead/providers"
)

// Hosted says how to test what an adapter tells of its server beside calls: how models stand, how busy it is, whether it
// is there.
type Hosted struct {
	// New makes the adapter. Of providers.Lifecycle, Lister, LoadReporter, Prober, Puller and Warmer, those that it
	// implements are tested. Endpoint.URL is the server's address and Base. Required.
	New func(t testing.TB, e Endpoint) any
	// Base follows the server's address, such as "/v1".
	Base string
	// Handler answers as a server does that is well. Required.
	Handler http.Handler
	// Ready is a model that would answer. Required. Missing is one that the server does not have; empty: it serves any name.
	Ready, Missing string
	// Unsupported names what the server cannot be asked, of "list", "versions of all", "load", "pull", "warm" and "warm of a
	// missing model": KindUnsupported.
	Unsupported []string
}

// asking is one of the things that an adapter is asked.
type asking struct {
	name string
	ask  func(ctx context.Context) error
}

// askings gives what an adapter can be asked about a model.
func askings(adapter any, model string) []asking {
	var all []asking
	if a, ok := adapter.(providers.Lifecycle); ok {
		all = append(all,
			asking{"ready", func(ctx context.Context) error { return a.Ready(ctx, model, "") }},
			asking{"versions", func(ctx context.Context) error { _, err := a.Versions(ctx, model); return err }},
			asking{"versions of all", func(ctx context.Context) error { _, err := a.Versions(ctx, ""); return err }})
	}
	if a, ok := adapter.(providers.Lister); ok {
		all = append(all, asking{"list", func(ctx context.Context) error { _, err := a.Models(ctx); return err }})
	}
	if a, ok := adapter.(providers.LoadReporter); ok {
		all = append(all, asking{"load", func(ctx context.Context) error { _, err := a.Load(ctx, model); return err }})
	}
	if a, ok := adapter.(providers.Prober); ok {
		all = append(all, asking{"probe", func(ctx context.Context) error { return a.Probe(ctx) }})
	}
	if a, ok := adapter.(providers.Warmer); ok {
		all = append(all, asking{"warm", func(ctx context.Context) error { return a.Warm(ctx, model, "") }})
	}
	if a, ok := adapter.(providers.Puller); ok {
		all = append(all, asking{"pull", func(ctx context.Context) error { return a.Pull(ctx, model, nil) }})
	}
	return all
}

// RunHosted runs the suite.
func RunHosted(t *testing.T, h Hosted) {
	t.Helper()
	// At a server like this, everything is asked; each gets an adapter of its own, which knows nothing yet.
	each := func(t *testing.T, handler http.Handler, check func(t *testing.T, a asking)) {
		noLeak(t)
		for _, a := range askings(h.New(t, Endpoint{URL: "http://127.0.0.1:1" + h.Base}), h.Ready) {
			t.Run(a.name, func(t *testing.T) {
				adapter := h.New(t, Endpoint{URL: hosted(t, handler) + h.Base, Key: secretKey, MaxAnswer: 1 << 20})
				again := askings(adapter, h.Ready)
				check(t, again[slices.IndexFunc(again, func(b asking) bool { return b.name == a.name })])
			})
		}
	}
	t.Run("well", func(t *testing.T) {
		each(t, h.Handler, func(t *testing.T, a asking) {
			err := a.ask(lasting)
			if slices.Contains(h.Unsupported, a.name) {
				wantKind(t, err, providers.KindUnsupported)
			} else if err != nil {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("what it tells", func(t *testing.T) { h.tells(t) })
	t.Run("missing", func(t *testing.T) {
		if h.Missing == "" {
			t.Skip("the server serves any name")
		}
		adapter := h.New(t, Endpoint{URL: hosted(t, h.Handler) + h.Base, Key: secretKey})
		for _, a := range askings(adapter, h.Missing) {
			if a.name == "ready" || a.name == "versions" || a.name == "warm" {
				want := providers.KindNotFound
				if a.name == "warm" && slices.Contains(h.Unsupported, "warm of a missing model") {
					want = providers.KindUnsupported
				}
				t.Run(a.name, func(t *testing.T) { wantKind(t, a.ask(lasting), want) })
			}
		}
	})
	t.Run("gone", func(t *testing.T) {
		noLeak(t)
		s := httptest.NewServer(h.Handler)
		address := s.URL
		s.Close()
		for _, a := range askings(h.New(t, Endpoint{URL: address + h.Base, Key: secretKey}), h.Ready) {
			if slices.Contains(h.Unsupported, a.name) {
				continue // some know without asking
			}
			t.Run(a.name, func(t *testing.T) {
				err := a.ask(lasting)
				wantKind(t, err, providers.KindUnavailable)
				clean(t, err)
			})
		}
	})
	for kind, name := range map[providers.Kind]string{providers.KindCanceled: "hung and canceled", providers.KindTimeout: "hung until the deadline"} {
		t.Run(name, func(t *testing.T) { h.hung(t, kind) })
	}
	for _, status := range []int{302, 401, 403, 404, 429, 500, 501, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			elsewhere := hosted(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				t.Errorf("%s: a redirect was followed, with key: %v", r.URL.Path, r.Header.Get("Authorization") != "")
			}))
			each(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", elsewhere+r.URL.Path)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				_, _ = fmt.Fprintf(w, `{"error":{"message":%q},"message":%q}`, secretWords, secretWords)
			}), func(t *testing.T, a asking) {
				err := a.ask(lasting)
				if err == nil {
					t.Fatalf("status %d was a success", status)
				}
				clean(t, err)
			})
		})
	}
	t.Run("hostile", func(t *testing.T) { h.hostile(t, each) })
}

// hosted starts a server that ends with the test.
func hosted(t *testing.T, handler http.Handler) string {
	s := httptest.NewServer(handler)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// tells checks what a server that is well is said to tell.
func (h Hosted) tells(t *testing.T) {
	adapter := h.New(t, Endpoint{URL: hosted(t, h.Handler) + h.Base, Key: secretKey})
	if a, ok := adapter.(providers.Lifecycle); ok {
		for _, model := range []string{h.Ready, ""} {
			if model == "" && slices.Contains(h.Unsupported, "versions of all") {
				continue
			}
			versions, err := a.Versions(lasting, model)
			if err != nil || len(versions) == 0 {
				t.Fatalf("versions of %q: %+v, %v", model, versions, err)
			}
			for _, v := range versions {
				if v.Model == "" || v.State == "" || v.Bytes < 0 {
					t.Errorf("versions of %q: %+v", model, v)
				}
			}
		}
	}
	if a, ok := adapter.(providers.LoadReporter); ok && !slices.Contains(h.Unsupported, "load") {
		before := time.Now()
		l, err := a.Load(lasting, h.Ready)
		if err != nil || l.Running < 0 || l.Waiting < 0 || l.Slots < 0 || l.Cache < 0 || l.Cache > 1 || l.At.Before(before) {
			t.Errorf("load: %+v, %v", l, err)
		}
	}
	if a, ok := adapter.(providers.Lister); ok && !slices.Contains(h.Unsupported, "list") {
		models, err := a.Models(lasting)
		if err != nil || len(models) == 0 {
			t.Errorf("models: %+v, %v", models, err)
		}
		for _, m := range models {
			if m.Name == "" || m.Context < 0 {
				t.Errorf("model %+v", m)
			}
		}
	}
}

// hung is about a server that takes requests and says nothing.
func (h Hosted) hung(t *testing.T, kind providers.Kind) {
	noLeak(t)
	asked := make(chan struct{}, 16)
	closing, stop := context.WithCancel(context.Background())
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server sees that its client has left once the body was read
		asked <- struct{}{}
		select {
		case <-r.Context().Done():
		case <-closing.Done():
		}
	}))
	t.Cleanup(func() {
		stop()
		s.CloseClientConnections()
		s.Close()
	})
	for _, a := range askings(h.New(t, Endpoint{URL: s.URL + h.Base, Key: secretKey}), h.Ready) {
		t.Run(a.name, func(t *testing.T) {
			ctx, end := ending(t, kind)
			done := make(chan error, 1)
			go func() { done <- a.ask(ctx) }()
			select {
			case err := <-done:
				if !slices.Contains(h.Unsupported, a.name) {
					t.Fatalf("it did not ask: %v", err)
				}
				return
			case <-asked:
			}
			end()
			err := <-done
			wantKind(t, err, kind)
			clean(t, err)
		})
	}
}

// hostile is about answers that are none.
func (h Hosted) hostile(t *testing.T, each func(*testing.T, http.Handler, func(*testing.T, asking))) {
	secret := fmt.Sprintf("%q", secretWords)
	bodies := map[string]string{
		"nothing":              "",
		"null":                 "null",
		"an array":             "[]",
		"an empty object":      "{}",
		"a text":               secret,
		"HTML":                 "<html>" + secretWords + "</html>",
		"other types":          `{"data":{"id":1},"models":"x","model_version_status":5,"name":[],"total_slots":"x","status":[]}`,
		"lists of other types": `{"data":[1,null,"x"],"models":[[],null,5],"model_version_status":[{}],"versions":[{}]}`,
		"numbers too large":    `{"data":[{"id":"m","max_model_len":1e400,"meta":{"n_ctx_train":-5}}],"total_slots":1e308,"models":[{"name":"m","size":99999999999999999999}]}`,
		"deep":                 strings.Repeat(`{"data":[`, 100_000),
		"cut":                  `{"data":[{"id":"` + secretWords,
		"not UTF-8":            "{\"data\":[{\"id\":\"\xff\xfe\"}],\"error\":\"" + secretWords + "\"}",
		"an error with 200":    `{"error":` + secret + `,"status":` + secret + `}`,
		"many models":          `{"data":[` + strings.Repeat("{},", 200_000) + `{}],"models":[` + strings.Repeat("{},", 200_000) + `{}]}`,
		"metrics of nothing":   strings.Repeat("x_total{a=\"b\"} 1\n", 1000),
		"metrics of no number": "vllm:num_requests_running NaN\nsglang:num_running_reqs -1\ntgi_queue_size +Inf\nllamacpp:requests_processing -5\n",
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			each(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", map[bool]string{true: "text/plain", false: "application/json"}[strings.HasSuffix(r.URL.Path, "metrics")])
				_, _ = io.WriteString(w, body)
			}), func(t *testing.T, a asking) {
				if err := a.ask(lasting); err != nil {
					clean(t, err)
				} else if a.name == "pull" && body != "" && strings.Contains(body, secretWords) {
					t.Error("a pull that did not succeed was a success")
				}
			})
		})
	}
	t.Run("endless", func(t *testing.T) {
		piece := []byte(strings.Repeat("x", 64<<10))
		each(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for {
				if _, err := w.Write(piece); err != nil {
					return
				}
			}
		}), func(t *testing.T, a asking) {
			if err := a.ask(lasting); err != nil { // that it ends is what counts
				clean(t, err)
			}
		})
	})
}

// clean checks that a failure is of ours and gives nothing away.
func clean(t testing.TB, err error) {
	t.Helper()
	var e *providers.Error
	if !errors.As(err, &e) {
		t.Errorf("got %v, want a *providers.Error", err)
		return
	}
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		for _, secret := range []string{secretKey, secretWords, "moonlight"} {
			if strings.Contains(fmt.Sprintf("%v %+v", cause, cause), secret) {
				t.Errorf("the error gives %q away", secret)
			}
		}
	}
}

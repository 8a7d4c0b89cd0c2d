package openai_test

import (
	"errors"
	"net/http"
	"os"
	"testing"

	"fairlead/providers"
	"fairlead/providers/openai"
)

// FuzzServerPages gives one body for every page of every program: what comes out is an error of ours, or figures that may be.
func FuzzServerPages(f *testing.F) {
	for _, name := range []string{"vllm-0.10/v1/models", "vllm-0.10/metrics", "sglang-0.5/server_info", "tgi-3/info", "llamacpp-b11669/props",
		"llamacpp-b11669/slots", "llamacpp-router/v1/models", "lmstudio-0.3/api/v0/models", "lmstudio-0.4/api/v1/models"} {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"data":[{"id":"","max_model_len":-1e300,"meta":{"n_ctx_train":1e300},"status":{"value":""}}],"total_slots":-5,"model_id":"m","max_total_tokens":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p := &pages{folder: "nothing", change: func(string, string) (int, string) { return http.StatusOK, string(body) }}
		for _, server := range []string{openai.ServerAuto, openai.ServerVLLM, openai.ServerSGLang, openai.ServerTGI, openai.ServerLlamaCPP, openai.ServerLMStudio} {
			c, err := openai.New(openai.Config{BaseURL: "http://memory/v1", Server: server, HTTPClient: &http.Client{Transport: handled{p}}})
			if err != nil {
				t.Fatal(err)
			}
			models, err := c.Models(t.Context())
			ours(t, err)
			for _, m := range models {
				if m.Context < 0 {
					t.Fatalf("%s: %+v", server, m)
				}
			}
			load, err := c.Load(t.Context(), "m")
			ours(t, err)
			if load.Running < 0 || load.Waiting < 0 || load.Slots < 0 || !(load.Cache >= 0 && load.Cache <= 1) {
				t.Fatalf("%s: %+v", server, load)
			}
			versions, err := c.Versions(t.Context(), "")
			ours(t, err)
			for _, v := range versions {
				if v.State == "" {
					t.Fatalf("%s: %+v", server, v)
				}
			}
			ours(t, c.Ready(t.Context(), "m", ""))
		}
	})
}

// ours checks that a failure is of the vocabulary.
func ours(t *testing.T, err error) {
	t.Helper()
	var e *providers.Error
	if err != nil && !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
}

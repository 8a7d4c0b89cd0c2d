package openinference

import (
	"io"
	"net/http"
	"testing"

	"fairlead/providers/providertest"
)

func TestConformanceOfHosting(t *testing.T) {
	// TorchServe, with its management at the same address.
	torchServe := http.NewServeMux()
	for path, text := range map[string]string{
		"GET /ping":            `{"status":"Healthy"}`,
		"GET /models":          `{"models":[{"modelName":"lang","modelUrl":"lang.mar"}]}`,
		"GET /models/lang":     `[{"modelName":"lang","modelVersion":"1.0","minWorkers":1,"workers":[{"id":"9000","status":"READY"}]}]`,
		"GET /models/lang/all": `[{"modelName":"lang","modelVersion":"1.0","minWorkers":1,"workers":[{"id":"9000","status":"READY"}]}]`,
	} {
		torchServe.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
	}
	unsupported := map[string][]string{TorchServe: {"warm of a missing model"}} // only its management gives a model workers
	for variant, handler := range map[string]http.Handler{V2: newServer(), TorchServe: torchServe} {
		t.Run(variant, func(t *testing.T) {
			providertest.RunHosted(t, providertest.Hosted{Handler: handler, Ready: "lang", Missing: "other", Unsupported: unsupported[variant],
				New: func(t testing.TB, e providertest.Endpoint) any {
					cfg := Config{Name: "fake", URL: e.URL, APIKey: e.Key, Variant: variant}
					if variant == TorchServe {
						cfg.ManagementURL, cfg.ManagementKey = e.URL, e.Key
					}
					c, err := New(cfg)
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(c.CloseIdle)
					return c
				}})
		})
	}
}

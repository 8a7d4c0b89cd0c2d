package main

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/internal/config"
	"fairlead/providers"
)

// TestAServerMayHaveAnAuthorityOfItsOwn: with ca the certificate of a server that no authority of the system knows is taken,
// by each kind of backend, and without it, or with another, it is not.
func TestAServerMayHaveAnAuthorityOfItsOwn(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"version":"0.17.4","status":"Healthy","model_version_status":[{"version":"1","state":"AVAILABLE","status":{}}]}`)
	}))
	s.Config.ErrorLog = nil
	s.StartTLS()
	defer s.Close()
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	own := write("own.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	for _, b := range []config.Backend{
		{Kind: config.KindOpenAI, URL: s.URL + "/v1", Server: "vllm"}, {Kind: config.KindOllama, URL: s.URL}, {Kind: config.KindTFServing, URL: s.URL},
		{Kind: config.KindOpenInference, URL: s.URL}, {Kind: config.KindTorchServe, URL: s.URL},
	} {
		t.Run(b.Kind, func(t *testing.T) {
			b.Timeouts.Call = time.Minute
			f := &fleet{}
			defer func() { _ = f.close() }()
			asked := func(ca string) error {
				b.CA = ca
				made, err := f.newBackend("b", b)
				if err != nil {
					t.Fatal(err)
				}
				if p, ok := made.server.(providers.Prober); ok {
					return p.Probe(t.Context())
				}
				_, err = made.server.(providers.Lifecycle).Versions(t.Context(), "m")
				return err
			}
			if err := asked(own); err != nil {
				t.Errorf("with its authority: %v", err)
			}
			if err := asked(""); providers.KindOf(err) != providers.KindUnavailable || !strings.Contains(err.Error(), "not trusted") {
				t.Errorf("without: %v", err)
			}
			for path, want := range map[string]string{
				filepath.Join(folder, "none.pem"):                         "backends.b.ca: ",
				write("text.pem", "not a certificate"):                    "holds no certificate",
				write("large.pem", strings.Repeat("x", 2*maxAuthorities)): "too large",
			} {
				b.CA = path
				if _, err := f.newBackend("b", b); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v", path, err)
				}
			}
		})
	}
}

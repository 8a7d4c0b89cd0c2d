package ollama_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fairlead/internal/testmodel"
	"fairlead/providers"
	"fairlead/providers/ollama"
)

// registry is a place where models are pulled from, over TLS as an Ollama wants it. It begins to give the model's file and
// waits until it is let.
type registry struct {
	*httptest.Server
	let chan struct{}
	// certificate is the path of what its clients must trust.
	certificate string
}

func newRegistry(t *testing.T) *registry {
	t.Helper()
	blobs := map[string][]byte{}
	part := func(mediaType string, data []byte) map[string]any {
		digest := fmt.Sprintf("sha256:%x", sha256.Sum256(data))
		blobs[digest] = data
		return map[string]any{"mediaType": mediaType, "digest": digest, "size": len(data)}
	}
	config := []byte(`{"model_format":"gguf","model_family":"llama","model_families":["llama"],"model_type":"0.1M","file_type":"F32","architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`)
	model := part("application/vnd.ollama.image.model", testmodel.Model(1))
	manifest, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
		"config": part("application/vnd.docker.container.image.v1+json", config),
		"layers": []any{model, part("application/vnd.ollama.image.template", []byte(template))}})
	if err != nil {
		t.Fatal(err)
	}
	r := &registry{let: make(chan struct{}), certificate: filepath.Join(t.TempDir(), "registry.pem")}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, digest, isBlob := strings.Cut(req.URL.Path, "/v2/team/tiny/blobs/")
		switch {
		case req.URL.Path == "/v2/team/tiny/manifests/latest":
			_, _ = w.Write(manifest)
		case !isBlob || blobs[digest] == nil:
			http.NotFound(w, req)
		default:
			w.Header().Set("Location", req.URL.Path) // where an Ollama fetches the parts
			http.ServeContent(w, req, "", time.Time{}, &waiting{bytes.NewReader(blobs[digest]), req.Context(), r.let})
		}
	}))
	r.Config.ErrorLog = log.New(&bytes.Buffer{}, "", 0)
	r.StartTLS()
	t.Cleanup(r.Close)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw})
	if err := os.WriteFile(r.certificate, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// waiting reads the first half of a large file, and the rest once it is let.
type waiting struct {
	*bytes.Reader
	ctx context.Context
	let chan struct{}
}

func (w *waiting) Read(p []byte) (int, error) {
	if read := w.Size() - int64(w.Len()); w.Size() > 64<<10 {
		if half := w.Size() / 2; read < half {
			p = p[:min(int64(len(p)), half-read)]
		} else {
			select {
			case <-w.let:
			case <-w.ctx.Done():
				return 0, w.ctx.Err()
			}
		}
	}
	return w.Reader.Read(p)
}

// A model is pulled from a registry, with word of how far it is, and answers then. A pull that is broken off, or of what is
// not there, is an error, and the next one goes well.
func TestLivePull(t *testing.T) {
	from := newRegistry(t)
	s := testmodel.Ollama(t, "SSL_CERT_FILE="+from.certificate)
	c := clientOf(t, s, ollama.Config{})
	name := strings.TrimPrefix(from.URL, "https://") + "/team/tiny"

	ignore := func(providers.Pulled) error { return nil }
	if err := c.Pull(t.Context(), name+"-not", ignore); providers.KindOf(err) != providers.KindNotFound {
		t.Errorf("a model that is not there: %v", err)
	}
	enough := errors.New("enough")
	if err := c.Pull(t.Context(), name, func(p providers.Pulled) error {
		if p.Done > 0 {
			return enough
		}
		return nil
	}); !errors.Is(err, enough) {
		t.Errorf("a pull that is broken off: %v", err)
	}
	if err := c.Ready(t.Context(), name, ""); providers.KindOf(err) != providers.KindNotFound {
		t.Errorf("half a model: %v", err)
	}
	close(from.let)
	var last providers.Pulled
	err := c.Pull(t.Context(), name, func(p providers.Pulled) error {
		if p.Done > p.Total || p.Total < last.Total || p.Status == "" {
			t.Errorf("%+v after %+v", p, last)
		}
		last = p
		return nil
	})
	if err != nil || last.Done < int64(len(testmodel.Model(1))) || last.Done != last.Total {
		t.Fatalf("%v after %+v", err, last)
	}
	if err := c.Ready(t.Context(), name, ""); err != nil {
		t.Error(err)
	}
	req := asking(10, "Say hello.")
	req.Model = name
	if a := whole(t, c, req); a.Usage.Output != 10 {
		t.Errorf("%+v", a)
	}
}

package testmodel

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheModelIsTheSameForTheSameSeed(t *testing.T) {
	one := Model(1)
	if !bytes.Equal(one, Model(1)) || bytes.Equal(one, Model(2)) || !bytes.HasPrefix(one, []byte("GGUF\x03\x00\x00\x00")) || len(one) > 1<<20 {
		t.Errorf("%d bytes", len(one))
	}
}

// A server that was killed is gone, and the one that is started in its place answers at its address.
func TestKillAndStart(t *testing.T) {
	s := Llama(t, "--alias", "again")
	models := func() (string, error) {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Get(s.URL + "/v1/models")
		if err != nil {
			return "", err
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		return string(text), err
	}
	for range 3 {
		if text, err := models(); err != nil || !strings.Contains(text, `"again"`) {
			t.Errorf("%s, %v", text, err)
		}
		s.Kill()
		s.Kill()
		if text, err := models(); err == nil {
			t.Errorf("without a server: %s", text)
		}
		s.Start()
	}
	s.Stop()
}

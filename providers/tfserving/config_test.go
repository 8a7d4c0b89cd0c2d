package tfserving_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"fairlead/providers"
	"fairlead/providers/tensor"
	"fairlead/providers/tfserving"
)

func TestTLS(t *testing.T) {
	// httptest has a certificate and those who trust it.
	server := httptest.NewTLSServer(office())
	t.Cleanup(server.Close)
	trusted := x509.NewCertPool()
	trusted.AddCert(server.Certificate())
	address, _ := office().GRPC(t, grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: server.TLS.Certificates})))
	for _, url := range []string{"grpcs://" + address, server.URL} {
		good := client(t, tfserving.Config{URL: url, TLS: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}})
		if _, err := good.Predict(t.Context(), question()); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		for _, wrong := range []*tls.Config{nil, {RootCAs: x509.NewCertPool()}, {RootCAs: trusted, ServerName: "elsewhere.example"}} {
			_, err := client(t, tfserving.Config{URL: url, TLS: wrong}).Predict(t.Context(), question())
			quiet(t, err, providers.KindUnavailable)
			if err == nil || !strings.Contains(err.Error(), "TLS") {
				t.Errorf("%s: the error does not say that it is TLS: %v", url, err)
			}
		}
	}
	_, err := client(t, tfserving.Config{URL: "grpc://" + address}).Predict(t.Context(), question())
	quiet(t, err, providers.KindUnavailable)
}

func TestConfig(t *testing.T) {
	for _, cfg := range []tfserving.Config{
		{}, {URL: "labels:8500"}, {URL: "ftp://labels"}, {URL: "grpc://"}, {URL: "grpc://user:secret@labels:8500"}, {URL: "grpc://labels:8500/path"},
		{URL: "grpc://labels", Timeout: -1}, {URL: "grpc://labels", KeepAlive: time.Second}, {URL: "grpc://labels", Labels: []string{"1"}},
		{URL: "grpc://labels", APIKey: "a\nb"}, {URL: "grpc://labels", Header: http.Header{"Grpc-Timeout": {"1"}}},
		{URL: "grpc://labels", Header: http.Header{"X": {"a\r\nb"}}}, {URL: "grpc://labels", Limits: tensor.Limits{Rank: -1}},
	} {
		if _, err := tfserving.New(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		} else if strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
	}
	for _, url := range []string{"grpc://labels", "grpc://[::1]:1", "grpcs://labels:1", "http://labels:8501", "https://labels/tf"} {
		c, err := tfserving.New(tfserving.Config{URL: url, APIKey: "hush"})
		if err != nil {
			t.Error(err)
			continue
		}
		c.CloseIdle()
	}
	if s := fmt.Sprintf("%v", tfserving.Config{URL: "grpc://labels", APIKey: "hush"}); strings.Contains(s, "hush") {
		t.Error(s)
	}
}

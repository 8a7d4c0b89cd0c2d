package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// asking is a program that serves and asks for keys, with keys for the tenants default and acme.
func asking(t *testing.T) (s *served, key func(args ...string) string) {
	t.Helper()
	folder, do := inFolder(t)
	do("tenants", "create", "acme")
	key = func(args ...string) string {
		t.Helper()
		return wholeKey.FindString(do(append([]string{"keys", "create", "k"}, args...)...))
	}
	return serve(t, "--data", folder, "--config", playground(t), "--set", "auth.keys=true"), key
}

// call sends a request with headers, and gives status and body.
func call(t *testing.T, method, url, body string, header ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := httpClient(t).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(data)
}

func TestAServerThatAsksForKeys(t *testing.T) {
	s, key := asking(t)
	if strings.Contains(s.log.String(), "no caller has to prove") {
		t.Error("the log says that nobody is asked")
	}
	chatter, searcher, operator := key("--tenant", "acme"), key("--scope", "search"), key("--scope", "operator")
	const (
		chat   = `{"model":"auto","messages":[{"role":"user","content":"hi"}]}`
		listed = "/fairlead.v1.RetrievalService/ListCollections"
	)
	for _, c := range []struct {
		method, path, body, key string
		want                    int
	}{
		{"GET", "/healthz", "", "", 200},
		{"GET", "/readyz", "", "", 200},
		{"POST", "/v1/chat/completions", chat, "", 401},
		{"GET", "/v1/models", "", "", 401},
		{"GET", "/v1/nothing", "", "", 401},
		{"POST", listed, "{}", "", 401},
		{"GET", "/metrics", "", "", 401},
		{"POST", listed, "{}", chatter[:len(chatter)-1] + "x", 401},
		{"POST", listed, "{}", "eyJhbGciOiJub25lIn0.e30.", 401},
		{"POST", listed, "{}", chatter, 200},
		{"GET", "/v1/models", "", chatter, 200},
		{"GET", "/metrics", "", chatter, 403},
		{"GET", "/metrics", "", operator, 200},
		{"GET", "/v1/models", "", searcher, 403},
		{"POST", listed, "{}", searcher, 200},
		{"POST", "/fairlead.v1.AdminService/ListTenants", "{}", operator, 200},
		{"POST", "/fairlead.v1.AdminService/ListTenants", "{}", chatter, 403},
		{"POST", "/fairlead.v1.AdminService/ListKeys", "{}", operator, 200},
		{"POST", listed, "{}", operator, 403},
	} {
		header := []string{"X-Tenant", "default", "Fairlead-Tenant", "default", "X-Forwarded-User", "root"}
		if c.key != "" {
			header = append(header, "Authorization", "Bearer "+c.key)
		}
		status, h, body := call(t, c.method, s.address+c.path, c.body, header...)
		if status != c.want || (status == 401) != (h.Get("Www-Authenticate") == "Bearer") {
			t.Errorf("%s %s: %d, want %d: %s", c.method, c.path, status, c.want, body)
		}
	}
	for _, secret := range []string{chatter, searcher, operator} {
		if strings.Contains(s.log.String(), secret[20:]) {
			t.Error("the log holds a key")
		}
	}
	// The same over the command line, which sends the key.
	if out := succeed(t, "tenants", "list", "--server", s.address, "--key", operator); !strings.Contains(out, "acme") {
		t.Errorf("tenants:\n%s", out)
	}
	if e := command(t, "", "collections", "--server", s.address); e.status != 1 || !strings.Contains(e.err, "Authorization: Bearer KEY") {
		t.Errorf("without a key: %d %s", e.status, e.err)
	}
	succeed(t, "keys", "revoke", searcher[3:19], "--server", s.address, "--key", operator)
	if status, _, body := call(t, "POST", s.address+listed, "{}", "Authorization", "Bearer "+searcher); status != 401 {
		t.Errorf("a revoked key: %d %s", status, body)
	}
}

func TestAKeyOfOneModel(t *testing.T) {
	s, key := asking(t)
	limited := []string{"Authorization", "Bearer " + key("--model", "echo")}
	if _, _, body := call(t, "GET", s.address+"/v1/models", "", limited...); strings.Count(body, `"object":"model"`) != 1 || !strings.Contains(body, `"id":"echo"`) {
		t.Errorf("models: %s", body)
	}
	for model, want := range map[string]int{"echo": 200, "auto": 404, "cut": 404, "chain/broken": 404, "policy/default": 404, "nothing": 404} {
		body := fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"hi"}]}`, model)
		if status, _, answer := call(t, "POST", s.address+"/v1/chat/completions", body, limited...); status != want {
			t.Errorf("%s: %d, want %d: %s", model, status, want, answer)
		}
	}
}

func TestAServerThatAsksNobodySaysSo(t *testing.T) {
	s := serve(t)
	s.log.await(t, "level=INFO msg=\"no caller has to prove who it is")
	e := command(t, "", "serve", "--data", t.TempDir(), "--set", "server.listen=0.0.0.0:0")
	if e.status == 0 || !strings.Contains(e.err, "auth.keys") {
		t.Errorf("beyond loopback: %d %s", e.status, e.err)
	}
}

func TestAServerBeginsWithoutItsProvider(t *testing.T) {
	s := serve(t, "--set", "auth.oidc.issuer=http://127.0.0.1:1", "--set", "auth.oidc.audience=fairlead")
	// A token that is said to be the provider's cannot be judged; rubbish can.
	token := "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJpc3MiOiJodHRwOi8vMTI3LjAuMC4xOjEifQ.AAAA"
	for presented, want := range map[string]int{token: 503, "rubbish": 401, "fl_rubbish": 401} {
		status, _, body := call(t, "GET", s.address+"/v1/models", "", "Authorization", "Bearer "+presented)
		if status != want || unreadable.MatchString(body) {
			t.Errorf("%s: %d %s", presented, status, body)
		}
	}
	if status, _, _ := call(t, "GET", s.address+"/readyz", ""); status != 200 {
		t.Errorf("ready: %d", status)
	}
}

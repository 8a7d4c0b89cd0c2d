package openaihttp

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
)

// needed is the scope of each pattern, written down a second time on purpose.
var needed = map[string]auth.Scopes{
	"/v1/": auth.Chat, "/v1/chat/completions": auth.Chat, "/v1/embeddings": auth.Chat, "/v1/models": auth.Chat, "/v1/models/": auth.Chat,
}

func TestEveryRouteNeedsItsScope(t *testing.T) {
	h := New(Config{Engine: plainRun, Logger: slog.New(slog.DiscardHandler)})
	if len(Patterns()) != len(needed) {
		t.Errorf("%d routes, and scopes of %d", len(Patterns()), len(needed))
	}
	for _, pattern := range Patterns() {
		need, ok := needed[pattern]
		if !ok {
			t.Errorf("nobody has said which scope %s needs", pattern)
			continue
		}
		for _, path := range []string{pattern, strings.TrimSuffix(pattern, "/") + "/x", strings.TrimSuffix(pattern, "/") + "/"} {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete} {
				for set := range auth.AllScopes + 1 {
					w := httptest.NewRecorder()
					r := httptest.NewRequestWithContext(auth.With(t.Context(), auth.Principal{Tenant: "a", Ceiling: label.Internal, Scopes: set}), method, path, strings.NewReader("{"))
					h.ServeHTTP(w, r)
					if refused := w.Code == http.StatusForbidden; refused == set.Has(need) {
						t.Errorf("%s %s with %q: %d %s", method, path, set, w.Code, w.Body)
					} else if refused && (!strings.Contains(w.Body.String(), need.String()) || !strings.Contains(w.Body.String(), `"permission_error"`)) {
						t.Errorf("%s %s with %q: %s", method, path, set, w.Body)
					}
				}
			}
		}
	}
}

func TestModelsAreThoseOfTheCaller(t *testing.T) {
	e := newEngine(t)
	h := New(Config{Engine: e, Logger: slog.New(slog.DiscardHandler)})
	get := func(p auth.Principal, path string) (int, string) {
		p.Tenant, p.Ceiling, p.Scopes = "default", label.Internal, auth.Chat
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(auth.With(t.Context(), p), http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	for name, c := range map[string]struct {
		p    auth.Principal
		want []string
	}{
		"listed":      {auth.Principal{Models: []string{"fixed", "chain/wrapped", "policy/default", "nothing"}}, []string{"policy/default", "chain/wrapped", "fixed"}},
		"none":        {auth.Principal{Models: []string{}}, nil},
		"by a policy": {auth.Principal{Policies: []string{"failover"}}, []string{"auto", "policy/failover", "chain/answer", "chain/wrapped"}},
	} {
		_, body := get(c.p, "/v1/models")
		var list struct {
			Data []struct {
				ID string `json:"id"`
			} `json:"data"`
		}
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range list.Data {
			got = append(got, m.ID)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	limited := auth.Principal{Models: []string{"fixed"}}
	for id, want := range map[string]int{"fixed": 200, "priced": 404, "nothing": 404, "chain/wrapped": 404} {
		if code, _ := get(limited, "/v1/models/"+id); code != want {
			t.Errorf("%s: %d", id, code)
		}
	}
	_, there := get(limited, "/v1/models/priced")
	_, absent := get(limited, "/v1/models/nothing")
	if there != absent {
		t.Errorf("what may not be used is told from what is not there: %s, %s", there, absent)
	}
	for _, body := range []string{ask + `}`, strings.Replace(ask, "auto", "priced", 1) + `}`, strings.Replace(ask, "auto", "chain/answer", 1) + `,"stream":true}`} {
		limited.Tenant, limited.Ceiling, limited.Scopes = "default", label.Internal, auth.Chat
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(auth.With(t.Context(), limited), http.MethodPost, "/v1/chat/completions", strings.NewReader(body)))
		if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "model_not_found") {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
}

func TestARefusalToLetInHasTheDialectsForm(t *testing.T) {
	w := httptest.NewRecorder()
	Refuse(w, nil, fault.New(fault.Unauthenticated, fault.ReasonUnauthenticated, "authenticating the call"))
	if w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), `"code":"invalid_api_key"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

package openinference

import (
	"testing"

	"fairlead/providers/providertest"
)

func TestConformanceOfHosting(t *testing.T) {
	providertest.RunHosted(t, providertest.Hosted{Handler: newServer(), Ready: "lang", Missing: "other",
		New: func(t testing.TB, e providertest.Endpoint) any {
			c, err := New(Config{Name: "fake", URL: e.URL, APIKey: e.Key})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.CloseIdle)
			return c
		}})
}

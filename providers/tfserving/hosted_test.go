package tfserving_test

import (
	"testing"

	"fairlead/providers/providertest"
	"fairlead/providers/tfserving"
)

func TestConformanceOfHosting(t *testing.T) {
	providertest.RunHosted(t, providertest.Hosted{Handler: office(), Ready: "intent", Missing: "other", Unsupported: []string{"versions of all"},
		New: func(t testing.TB, e providertest.Endpoint) any {
			return client(t, tfserving.Config{Name: "fake", URL: e.URL, APIKey: e.Key})
		}})
}

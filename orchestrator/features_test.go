package orchestrator_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/auth"
	"fairlead/internal/label"
	"fairlead/orchestrator"
)

// Features are made of the question alone, and of none that is more sensitive than is said.
func TestFeaturesOfPrompts(t *testing.T) {
	for name, c := range map[string]struct {
		limit, of label.Label
		kept      bool
	}{
		"the limit that is not said is internal":        {label.Unset, label.Internal, true},
		"above it nothing is kept":                      {label.Unset, label.Confidential, false},
		"a limit that is said":                          {label.Confidential, label.Confidential, true},
		"above that":                                    {label.Confidential, label.Restricted, false},
		"what is public where nothing else may be kept": {label.Public, label.Public, true},
		"what is internal there":                        {label.Public, label.Internal, false},
	} {
		t.Run(name, func(t *testing.T) {
			var read []string
			one := target("a", 0.4, says("yes"))
			one.Clearance = label.Restricted
			e := engine(t, setup{targets: []orchestrator.Target{one}, config: func(c0 *orchestrator.Config) {
				c0.FeaturesLabel = c.limit
				c0.Features = func(prompt string) []byte { read = append(read, prompt); return []byte("features") }
			}})
			req := chat("what is it?")
			req.Label = c.of
			var got []byte
			for ev, err := range e.Chat(t.Context(), auth.Local(), req) {
				if err != nil {
					t.Fatal(err)
				}
				if b, ok := ev.Body.(*orchestrator.RouteDecided); ok {
					got = b.Features
				}
			}
			var want []string
			if c.kept {
				want = []string{"what is it?"}
			}
			if diff := cmp.Diff(want, read); diff != "" || (string(got) == "features") != c.kept {
				t.Errorf("kept %q; read (-want +got):\n%s", got, diff)
			}
		})
	}
}

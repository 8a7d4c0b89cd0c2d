package openinference

import (
	"testing"
	"time"

	"fairlead/orchestrator/health"
	"fairlead/providers"
)

// heard passes on what is answered about targets.
type heard chan answered

type answered struct {
	target string
	ready  bool
	state  providers.ModelState
}

func (h heard) Probed(target string, a health.Answer) {
	select {
	case h <- answered{target, a.Ready(), a.State}:
	default: // the test has heard enough
	}
}
func (heard) Loaded(string, providers.Load, time.Duration) {}
func (heard) Resolved(string, string)                      {}

// await waits for an answer.
func (h heard) await(t *testing.T, want answered) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		select {
		case got := <-h:
			if got == want {
				return
			}
		case <-limit:
			t.Fatalf("%+v was never heard", want)
		}
	}
}

// Over both forms of the protocol, with and without an index of the repository.
func TestWatched(t *testing.T) {
	for _, noIndex := range []bool{false, true} {
		both(t, func(t *testing.T, s *server, c *Client) {
			s.noIndex = noIndex
			if err := c.Probe(t.Context()); err != nil {
				t.Error(err)
			}
			h := make(heard, 16)
			w := health.New(h, nil)
			w.Watch([]health.Backend{{Name: "b", Every: 10 * time.Millisecond, Timeout: 5 * time.Second, Prober: c,
				Targets: []health.Target{{Name: "warm", Model: "lang", Lifecycle: c}, {Name: "cold", Model: "cold", Lifecycle: c}, {Name: "none", Model: "nobody", Lifecycle: c}}}})
			defer w.Stop()
			h.await(t, answered{"warm", true, providers.ModelReady})
			h.await(t, answered{"cold", false, providers.ModelAbsent})
			h.await(t, answered{"none", false, providers.ModelBroken})
			if err := s.set("cold", true); err != nil {
				t.Fatal(err)
			}
			h.await(t, answered{"cold", true, providers.ModelReady})
		})
	}
}

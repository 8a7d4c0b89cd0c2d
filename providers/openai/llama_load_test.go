package openai_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"fairlead/providers"
	"fairlead/providers/openai"
)

// What a real llama-server tells of itself is found out without being told what it is.
func TestLlamaDiscovered(t *testing.T) {
	for _, server := range []string{openai.ServerLlamaCPP, openai.ServerAuto} {
		c, s := onLlama(t, openai.Config{Server: server}, "--ctx-size", "2048", "--alias", "small")
		if err := c.Probe(t.Context()); err != nil {
			t.Error(err)
		}
		models, err := c.Models(t.Context())
		if err != nil || len(models) != 1 || models[0].Name != "small" || models[0].Context != 2048 ||
			!models[0].Does.Has(providers.Chat|providers.JSON|providers.Tools) || models[0].Does.Has(providers.Vision) {
			t.Errorf("models: %+v, %v", models, err)
		}
		if err := c.Ready(t.Context(), "small", ""); err != nil {
			t.Error(err)
		}
		versions, err := c.Versions(t.Context(), "small")
		if err != nil || len(versions) != 1 || versions[0].State != providers.ModelReady {
			t.Errorf("versions: %+v, %v", versions, err)
		}
		s.Kill()
		if err := c.Probe(t.Context()); providers.KindOf(err) != providers.KindUnavailable {
			t.Errorf("without a server: %v", err)
		}
		if _, err := c.Load(t.Context(), "small"); providers.KindOf(err) != providers.KindUnavailable {
			t.Errorf("without a server: %v", err)
		}
	}
}

// A server of two slots that is asked for eight answers works on two and lets six wait, and says so, by its metrics; without
// metrics it tells of its slots alone. At the end it is idle.
func TestLlamaLoad(t *testing.T) {
	for name, flags := range map[string][]string{"metrics": {"--metrics"}, "slots": {"--slots"}} {
		t.Run(name, func(t *testing.T) {
			c, _ := onLlama(t, openai.Config{Server: openai.ServerLlamaCPP}, append(flags, "--parallel", "2")...)
			load := func() providers.Load {
				l, err := c.Load(t.Context(), "tiny")
				if err != nil {
					t.Fatal(err)
				}
				if l.Slots != 2 || l.Running < 0 || l.Running > 2 || l.Waiting < 0 || l.Waiting > 6 || l.At.IsZero() {
					t.Fatalf("%+v", l)
				}
				return l
			}
			// until asks again and again until the load is as it should be.
			until := func(what string, is func(providers.Load) bool) {
				limit := time.After(time.Minute)
				for l := load(); !is(l); l = load() {
					select {
					case <-time.After(time.Millisecond):
					case <-limit:
						t.Fatalf("%s: the load stays %+v", what, l)
					}
				}
			}
			until("before", func(l providers.Load) bool { return l.Running+l.Waiting == 0 })
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error)
			for range 8 {
				go func() {
					// Short answers, one after the other, until all is seen: the queue stays as it is.
					for {
						if _, err := providers.Collect(c.Generate(ctx, asking(1000, strings.Repeat("word ", 20)))); err != nil {
							ended <- err
							return
						}
					}
				}()
			}
			until("under load", func(l providers.Load) bool { return l.Running == 2 && (name == "slots" || l.Waiting >= 4) })
			stop()
			for range 8 {
				if err := <-ended; providers.KindOf(err) != providers.KindCanceled {
					t.Error(err)
				}
			}
			until("after", func(l providers.Load) bool { return l.Running+l.Waiting == 0 })
		})
	}
	t.Run("neither", func(t *testing.T) {
		c, _ := onLlama(t, openai.Config{Server: openai.ServerLlamaCPP}, "--no-slots")
		if _, err := c.Load(t.Context(), ""); providers.KindOf(err) != providers.KindUnsupported {
			t.Error(err)
		}
	})
}

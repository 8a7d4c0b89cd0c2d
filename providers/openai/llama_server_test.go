package openai_test

import (
	"strings"
	"testing"
	"time"

	"fairlead/providers"
	"fairlead/providers/openai"
)

// TestWhatARealLlamaServerTells asks a real llama-server what it tells beside answers, as what it is and found out.
func TestWhatARealLlamaServerTells(t *testing.T) {
	for _, server := range []string{openai.ServerLlamaCPP, openai.ServerAuto} {
		for _, flags := range []string{"--parallel 2 --metrics", "--parallel 2", "--parallel 2 --no-slots"} {
			t.Run(server+" "+flags, func(t *testing.T) {
				c, s := onLlama(t, openai.Config{Server: server}, strings.Fields(flags)...)
				if err := c.Probe(t.Context()); err != nil {
					t.Fatal(err)
				}
				models, err := c.Models(t.Context())
				if err != nil || len(models) != 1 || models[0].Context <= 0 || !models[0].Does.Has(providers.Chat|providers.JSON|providers.Tools) {
					t.Errorf("%+v, %v", models, err)
				}
				versions, err := c.Versions(t.Context(), "")
				if err != nil || len(versions) != 1 || versions[0].State != providers.ModelReady {
					t.Errorf("%+v, %v", versions, err)
				}
				if err := c.Ready(t.Context(), "m", ""); err != nil {
					t.Error(err)
				}
				load, err := c.Load(t.Context(), "m")
				if strings.Contains(flags, "--no-slots") {
					if providers.KindOf(err) != providers.KindUnsupported {
						t.Errorf("%+v, %v", load, err)
					}
				} else if err != nil || load.Running != 0 || load.Waiting != 0 || load.Slots != 2 {
					t.Errorf("%+v, %v", load, err)
				}
				many := 2000
				for chunk, err := range c.Generate(t.Context(), &providers.Request{Model: "m", MaxTokens: &many, Messages: []providers.Message{providers.Text(providers.User, "hi")}}) {
					if err != nil {
						t.Fatal(err)
					}
					if chunk.Text == "" {
						continue
					}
					if !strings.Contains(flags, "--no-slots") { // while it works on this very answer
						if load, err := c.Load(t.Context(), "m"); err != nil || load.Running != 1 {
							t.Errorf("while it answers: %+v, %v", load, err)
						}
					}
					break
				}
				s.Kill()
				if err := c.Probe(t.Context()); providers.KindOf(err) != providers.KindUnavailable {
					t.Errorf("gone: %v", err)
				}
			})
		}
	}
}

// TestARealLlamaServerFallsAsleep although it is asked how busy it is, and is woken by a call alone.
func TestARealLlamaServerFallsAsleep(t *testing.T) {
	c, _ := onLlama(t, openai.Config{Server: openai.ServerLlamaCPP}, "--metrics", "--parallel", "2", "--sleep-idle-seconds", "1")
	var now providers.ModelState
	for until := time.Now().Add(20 * time.Second); now != providers.ModelAbsent && time.Now().Before(until); {
		if load, err := c.Load(t.Context(), "m"); err != nil || load.Running != 0 || load.Slots != 2 {
			t.Fatalf("%+v, %v", load, err)
		}
		versions, err := c.Versions(t.Context(), "m")
		if err != nil {
			t.Fatal(err)
		}
		now = versions[0].State
	}
	if now != providers.ModelAbsent {
		t.Fatalf("it does not sleep: %s", now)
	}
	if err := c.Ready(t.Context(), "m", ""); err != nil {
		t.Errorf("its next call wakes it: %v", err)
	}
	if err := c.Probe(t.Context()); err != nil {
		t.Error(err)
	}
	few := 3
	if _, err := providers.Collect(c.Generate(t.Context(), &providers.Request{Model: "m", MaxTokens: &few, Messages: []providers.Message{providers.Text(providers.User, "hi")}})); err != nil {
		t.Error(err)
	}
	if versions, err := c.Versions(t.Context(), "m"); err != nil || versions[0].State != providers.ModelReady {
		t.Errorf("%+v, %v", versions, err)
	}
}

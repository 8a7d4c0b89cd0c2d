package config

import (
	"strings"
	"testing"
	"time"
)

func TestCallsMadeTogetherAndAnswersKept(t *testing.T) {
	c, r, err := loadText(t, `
backends: { tf: { kind: tfserving, url: "grpc://127.0.0.1:1" }, far: { kind: openai, url: "http://127.0.0.1:1/v1" }, in: { kind: hashing } }
targets:
  net: { backend: tf, model: m, batch: {} }
  topics: { backend: tf, model: m, input: { batch: 8, text: { tensor: x } }, output: { classes: { tensor: s, labels: [a, b] } }, batch: { max: 16, delay: 0s } }
  words: { backend: far, model: e, does: [embed], cache: 30s }
  chat: { backend: far, model: e }
  hash: { backend: in }
`)
	if err != nil {
		t.Fatal(err)
	}
	if b := c.Targets["net"].Batch; b == nil || b.Max != 32 || b.Delay != 5*time.Millisecond || strings.Join(c.Targets["net"].Does, ",") != "predict" {
		t.Errorf("%+v", c.Targets["net"])
	}
	for name, want := range map[string]time.Duration{"net": 0, "topics": 10 * time.Minute, "words": 30 * time.Second, "chat": 0, "hash": 0} {
		target := c.Targets[name]
		if got := target.CacheTime(c.Backends[target.Backend].Kind); got != want {
			t.Errorf("%s keeps answers for %s, want %s", name, got, want)
		}
	}
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0].Text, "set input.batch to 16") {
		t.Errorf("warnings %v", r.Warnings)
	}
}

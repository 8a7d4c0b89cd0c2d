package config

import (
	"strings"
	"testing"
	"time"
)

func TestSettingsOfModelServers(t *testing.T) {
	c, warnings, err := loadText(t, `
backends:
  oi: { kind: openinference, url: "https://models:8000", ca: certs/own.pem, check: inputs, timeouts: { call: 5s } }
  ts: { kind: torchserve, url: "https://models:8080", management_url: "http://models:8081", management_key: "${K:-secret}" }
  own: { kind: openai, url: "https://gpu:8000/v1", ca: /etc/own.pem, server: vllm }
`)
	if err != nil {
		t.Fatal(err)
	}
	oi, ts, own := c.Backends["oi"], c.Backends["ts"], c.Backends["own"]
	if !strings.HasSuffix(oi.CA, "/certs/own.pem") || oi.Check != "inputs" || oi.Timeouts.Call != 5*time.Second {
		t.Errorf("%+v", oi)
	}
	if ts.ManagementURL != "http://models:8081" || !ts.ManagementKey.Set() || ts.Timeouts.Call != time.Minute || own.Server != "vllm" {
		t.Errorf("%+v %+v", ts, own)
	}
	if len(warnings.Warnings) != 1 || warnings.Warnings[0].Path != "backends.ts.management_url" {
		t.Errorf("warnings: %v", warnings)
	}
	for text, want := range map[string]string{
		`b: { kind: openai, url: "http://h/v1", ca: f }`:                                                           "backends.b.ca: is for servers that are reached over https or grpcs",
		`b: { kind: tfserving, url: "grpc://h:1", ca: f }`:                                                         "backends.b.ca: is for servers that are reached over https or grpcs",
		`b: { kind: hashing, ca: f }`:                                                                              "backends.b.ca: is for servers",
		`b: { kind: torchserve, url: "http://h:1", check: inputs }`:                                                "backends.b.check: is for kind openinference",
		`b: { kind: openinference, url: "http://h:1", check: outputs }`:                                            "backends.b.check: ",
		`b: { kind: openinference, url: "http://h:1", management_url: "http://h:2" }`:                              "backends.b.management_url: is for kind torchserve",
		`b: { kind: torchserve, url: "http://h:1", management_url: "grpc://h:2" }`:                                 "backends.b.management_url: want an address",
		`b: { kind: torchserve, url: "http://h:1", management_key: "${K:-secret}" }`:                               "backends.b.management_key: has no management_url",
		`b: { kind: torchserve, url: "http://h:1", timeouts: { call: 0s } }`:                                       "backends.b.timeouts.call: ",
		`b: { kind: torchserve, url: "http://h:1", management_url: "https://user:canary@h:2" }`:                    "backends.b.management_url: ",
		`b: { kind: ollama, server: vllm }`:                                                                        "backends.b.server: is for kind openai",
		`b: { kind: openai, url: "http://h/v1", server: ollama }`:                                                  "backends.b.server: ",
		`b: { kind: torchserve, url: "https://h:1", management_url: "http://h:2", ca: f, management_key: "a\nb" }`: "backends.b.management_key: has characters",
	} {
		if _, _, err := loadText(t, "backends:\n  "+text+"\n"); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s\n%v, want %q", text, err, want)
		}
	}
}

package config

import (
	"strings"
	"testing"
)

const serving = `
backends:
  s: { kind: tfserving, url: "http://127.0.0.1:8501" }
  few: { kind: tfserving, url: "http://127.0.0.1:8501", limits: { per_minute: 19 } }
  o: { kind: ollama }
targets:
`

func TestVariantsOfTargets(t *testing.T) {
	const classifies = "model: m, version: stable, input: { text: { tensor: t } }, output: { classes: { tensor: p, labels: [a, b] } }"
	const embeds = "model: m, version: stable, input: { text: { tensor: t } }, output: { embedding: { tensor: v } }"
	c, _, err := loadText(t, serving+"  a: { backend: s, "+classifies+", canary: { version: canary }, shadow: { model: other, percent: 12.5, timeout: 2s } }\n"+
		"  b: { backend: s, "+embeds+", shadow: { version: \"2\" } }\n  c: { backend: o, model: m, canary: { model: n, percent: 0.5 } }\n")
	if err != nil {
		t.Fatal(err)
	}
	if a := c.Targets["a"]; *a.Canary != (Canary{Version: "canary", Percent: 5}) || a.Shadow.Model != "other" || a.Shadow.Percent != 12.5 || a.Shadow.Timeout.Seconds() != 2 {
		t.Errorf("canary %+v, shadow %+v", a.Canary, a.Shadow)
	}
	if b := c.Targets["b"]; b.Shadow.Percent != 100 || b.Shadow.Timeout.Seconds() != 30 {
		t.Errorf("shadow %+v", b.Shadow)
	}
	for text, want := range map[string]string{
		"a: { backend: s, " + classifies + ", canary: {} }":                                "targets.a.canary: must differ from the target: set version, or model",
		"a: { backend: s, " + classifies + ", canary: { version: stable } }":               "targets.a.canary: must differ",
		"a: { backend: s, " + classifies + ", shadow: { version: stable, model: m } }":     "targets.a.shadow: must differ",
		"a: { backend: s, " + classifies + ", canary: { version: \"2\", percent: 101 } }":  "targets.a.canary.percent: ",
		"a: { backend: s, " + classifies + ", canary: { version: \"2\", percent: -1 } }":   "targets.a.canary.percent: ",
		"a: { backend: s, " + classifies + ", canary: { version: \"2\", percent: .nan } }": "targets.a.canary.percent: ",
		"a: { backend: s, " + embeds + ", canary: { version: \"2\" } }":                    "targets.a.canary: is not for targets that embed, because vectors of two versions cannot be compared",
		"a: { backend: few, " + classifies + ", shadow: { version: \"2\" } }":              "targets.a.shadow: backend few takes 19 calls a minute",
		"a: { backend: o, model: m, canary: { version: \"2\" } }":                          "targets.a.canary.model: must be set, to another than the target's: backends of kind ollama know models by name alone",
		"a: { backend: o, model: m, shadow: { model: m } }":                                "targets.a.shadow.model: must be set",
		"a: { backend: h, does: [embed], shadow: { version: \"2\" } }":                     "targets.a.shadow: is for models on servers: kind hashing works inside the process",
		"a: { backend: x, does: [extract], canary: { model: n } }":                         "targets.a.canary: is for models on servers: kind extractive works inside the process",
		"a@canary: { backend: o, model: m }":                                               "targets.a@canary: a target's name has no @",
		"a@2: { backend: o, model: m }":                                                    "targets.a@2: a target's name has no @",
	} {
		_, _, err := loadText(t, strings.Replace(serving, "targets:", "  h: { kind: hashing }\n  x: { kind: extractive }\ntargets:", 1)+"  "+text+"\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n%v, want %q", text, err, want)
		}
	}
}

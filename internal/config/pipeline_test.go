package config

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/label"
)

// served is a configuration of model servers with every kind of input and output.
const served = `
database: { url: "sqlite:/d.db" }
backends:
  tf: { kind: tfserving, url: "grpc://labels:8500", clearance: restricted, api_key: "${KEY}" }
  triton: { kind: openinference, url: "http://triton:8000", cost: { gpu_hour_usd: 1.2 } }
  torch: { kind: torchserve, url: "https://torch:8443" }
targets:
  intent:
    backend: tf
    model: intent
    version: stable
    signature: serving_default
    input: { text: { tensor: text } }
    output: { classes: { tensor: scores, labels: [billing, travel], activation: softmax, temperature: 1.3, top: 5, threshold: 0.5 } }
    price: { per_call: 0.0001 }
  mood: { backend: torch, model: mood, signature: json, input: { text: { tensor: data } }, output: { classes: { tensor: probabilities, names: classes } } }
  topics: { backend: tf, model: topics, input: { example: {} } }
  minilm:
    backend: triton
    model: minilm
    input:
      batch: 8
      tokens: { tokenizer: models/tokenizer.json, ids: input_ids, mask: attention_mask, types: token_type_ids, max: 128, pad: max, type: INT32 }
    output: { embedding: { tensor: last_hidden_state, pooling: mean, normalize: true } }
  photos:
    backend: triton
    model: resnet
    input: { image: { tensor: x, size: [224, 224], resize: shorter, shorter: 256, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], scale: 1/255, type: FP16 } }
    output: { classes: { tensor: y, labels_file: labels.txt } }
  churn:
    backend: triton
    model: churn
    does: [classify]
    input: { features: { tensor: x, list: [{ name: age }, { name: income, default: 0.5 }, { name: "a \"b\"", type: INT64 }] } }
    output: { classes: { tensor: y, names: n } }
`

func TestModelServers(t *testing.T) {
	c, _, err := loadText(t, served, "KEY=k")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"intent": "classify,predict", "topics": "classify,predict", "minilm": "embed,predict",
		"photos": "classify,predict", "churn": "classify"} { // churn says so itself
		if got := strings.Join(c.Targets[name].Does, ","); got != want {
			t.Errorf("%s does %v, want %s", name, got, want)
		}
	}
	tokens, photo, churn := c.Targets["minilm"].Input.Tokens, c.Targets["photos"].Input.Image, c.Targets["churn"].Input.Features
	if tokens.Tokenizer != "/etc/fairlead/models/tokenizer.json" || c.Targets["photos"].Output.Classes.LabelsFile != "/etc/fairlead/labels.txt" {
		t.Errorf("%s is not relative to the file", tokens.Tokenizer)
	}
	if math.Abs(photo.Scale-1.0/255) > 1e-15 || !cmp.Equal(photo.Size, []int{224, 224}) || !cmp.Equal(photo.Std, []float64{0.229, 0.224, 0.225}) || !photo.Antialias {
		t.Errorf("%+v", photo)
	}
	if half := 0.5; !cmp.Equal(churn.List, []Feature{{Name: "age"}, {Name: "income", Default: &half}, {Name: `a "b"`, Type: "INT64"}}) {
		t.Errorf("%+v", churn)
	}
	if b := c.Backends["tf"]; b.Clearance != label.Restricted || c.Backends["triton"].Clearance != label.Internal || c.Targets["intent"].Input.Batch != 32 {
		t.Errorf("%+v", b)
	}
	dump := c.Dump(nil)
	again, _, err := loadText(t, strings.ReplaceAll(dump, Mask, "${KEY}"), "KEY=k")
	if err != nil {
		t.Fatalf("%v\n%s", err, dump)
	}
	if d := cmp.Diff(c, again); d != "" {
		t.Errorf("(-dumped +loaded):\n%s\n%s", d, dump)
	}
	if err := against(t, compileSchema(t), served); err != nil {
		t.Error(err)
	}
}

func TestMistakesOfModelServers(t *testing.T) {
	const backends = "backends: { tf: { kind: tfserving, url: \"grpc://h:1\" }, oi: { kind: openinference, url: \"http://h:1\" }, ts: { kind: torchserve, url: \"http://h:1\" }, chat: { kind: scripted } }\n"
	target := func(text string) string { return backends + "targets: { t: { model: m, " + text + " } }\n" }
	const out = "output: { classes: { tensor: s, labels: [a, b] } }"
	for text, want := range map[string]string{
		"backends: { b: { kind: tfserving } }":                                                                                 "backends.b.url: must be set: want the server's address, such as grpc://",
		"backends: { b: { kind: tfserving, url: \"localhost:8500\" } }":                                                        "backends.b.url: want an address such as grpc://",
		"backends: { b: { kind: tfserving, url: \"grpc://h:8500/v1\" } }":                                                      "backends.b.url: want grpc://HOST:PORT, without a path",
		"backends: { b: { kind: torchserve, url: \"grpc://h:8500\" } }":                                                        "backends.b.url: want an address such as http://",
		"backends: { b: { kind: kserve } }":                                                                                    "backends.b.kind: KServe is called kind openinference here",
		target("backend: chat, input: { text: { tensor: x } }"):                                                                "targets.t.input: is for model servers",
		target("backend: chat, signature: x"):                                                                                  "targets.t.signature: is for model servers",
		target("backend: oi, signature: x, input: { text: { tensor: x } }, " + out):                                            "targets.t.signature: is not for kind openinference",
		target("backend: tf, " + out):                                                                                          "targets.t.input: must be set",
		target("backend: tf, input: { text: { tensor: x } }"):                                                                  "targets.t.output: must be set",
		target("backend: tf, input: { text: { tensor: x }, tokens: { ids: i, tokenizer: f } }, " + out):                        "targets.t.input: want exactly one",
		target("backend: tf, input: { batch: 3 }, " + out):                                                                     "targets.t.input: want exactly one",
		target("backend: tf, input: { text: {} }, " + out):                                                                     "targets.t.input.text.tensor: must be set",
		target("backend: tf, input: { tokens: { tokenizer: f } }, " + out):                                                     "targets.t.input.tokens.ids: must be set",
		target("backend: tf, input: { tokens: { ids: i } }, " + out):                                                           "targets.t.input.tokens.tokenizer: must be set",
		target("backend: tf, input: { tokens: { ids: i, mask: i, tokenizer: f } }, " + out):                                    "targets.t.input.tokens: ids, mask and types",
		target("backend: tf, input: { image: { tensor: x, size: [224] } }, " + out):                                            "targets.t.input.image.size: want [height, width]",
		target("backend: tf, input: { image: { tensor: x, size: [224, 1.5] } }, " + out):                                       "targets.t.input.image.size: want a list of whole numbers",
		target("backend: tf, input: { image: { tensor: x, size: 224 } }, " + out):                                              "targets.t.input.image.size: want a list of whole numbers",
		target("backend: tf, input: { image: { tensor: x, size: [224, 224], shorter: 256 } }, " + out):                         "targets.t.input.image.shorter: is for resize",
		target("backend: tf, input: { image: { tensor: x, size: [224, 224], resize: shorter, shorter: 200 } }, " + out):        "targets.t.input.image.shorter: want 224 or more",
		target("backend: tf, input: { image: { tensor: x, size: [224, 224], std: [0] } }, " + out):                             "targets.t.input.image.std: want numbers above 0",
		target("backend: tf, input: { image: { tensor: x, size: [224, 224], mean: [a] } }, " + out):                            "targets.t.input.image.mean: want a list of numbers",
		target("backend: tf, input: { image: { tensor: x, size: [224, 224], scale: 1/0 } }, " + out):                           "targets.t.input.image.scale: want a number, or a fraction",
		target("backend: tf, input: { image: { tensor: x, size: [224, 224], scale: x } }, " + out):                             "targets.t.input.image.scale: want a number, or a fraction",
		target("backend: tf, input: { features: { tensor: x } }, " + out):                                                      "targets.t.input.features.list: must be set",
		target("backend: tf, input: { features: { tensor: x, list: [{ nam: a }] } }, " + out):                                  "targets.t.input.features.list.0.nam: unknown key; did you mean name?",
		target("backend: tf, input: { features: { tensor: x, list: [a] } }, " + out):                                           "targets.t.input.features.list.0: want settings",
		target("backend: tf, input: { features: { tensor: x, list: a } }, " + out):                                             "targets.t.input.features.list: want a list of settings",
		target("backend: tf, input: { text: { tensor: x } }, output: { classes: { tensor: s } }"):                              "targets.t.output.classes: want exactly one of labels",
		target("backend: tf, input: { text: { tensor: x } }, output: { classes: { labels: [a, b] } }"):                         "targets.t.output.classes.tensor: must be set",
		target("backend: tf, input: { text: { tensor: x } }, output: { classes: { tensor: s, labels: [a], temperature: 2 } }"): "targets.t.output.classes.temperature: is for logits",
		target("backend: tf, input: { text: { tensor: x } }, output: { embedding: {} }"):                                       "targets.t.output.embedding.tensor: must be set",
		target("backend: tf, input: { text: { tensor: x } }, does: [embed], " + out):                                           "targets.t.does: a target with this output does [classify, predict]",
		target("backend: tf, does: [classify]"):                                                                                "targets.t.does: a target with this output does [predict]",
		target("backend: tf, input: { text: { tensor: x } }"):                                                                  "targets.t.output: must be set: want one of classes and embedding; without input and output the target only predicts",
		target("backend: chat, does: [predict]"):                                                                               "targets.t.does: kind scripted does not predict",
		target("backend: chat, batch: { max: 4 }"):                                                                             "targets.t.batch: is for targets on servers that classify",
		target("backend: tf, cache: 1m"):                                                                                       "targets.t.cache: is for targets that classify or embed",
		target("backend: tf, batch: { max: 1 }"):                                                                               "targets.t.batch.max",
		target("backend: tf, batch: { delay: 2s }"):                                                                            "targets.t.batch.delay",
		target("backend: ts, input: { features: { list: [{ name: a }] } }, " + out):                                            "targets.t.input: TorchServe takes no tensors",
		target("backend: oi, input: { example: {} }"):                                                                          "targets.t.input.example: is for kind tfserving",
		target("backend: tf, input: { example: {} }, " + out):                                                                  "targets.t.output: is not for input.example",
	} {
		_, _, err := loadText(t, text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nwithout %q: %v", text, want, err)
		}
	}
	_, r, err := loadText(t, "backends: { b: { kind: tfserving, url: \"grpc://h:1\", api_key: \"${K}\" } }", "K=x")
	if err != nil || len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0].Text, "use grpcs") {
		t.Error(r.Warnings, err)
	}
	// A flag sets a list of numbers too, and no list of settings.
	if _, _, err := load(Options{Path: "/f.yaml", Environ: []string{"KEY=k"}, Set: map[string]string{"targets.photos.input.image.size": "4,5", "targets.churn.input.features.list": "x"}}, []byte(served)); err == nil ||
		!strings.Contains(err.Error(), "cannot be written as one text") || strings.Contains(err.Error(), "size") {
		t.Error(err)
	}
}

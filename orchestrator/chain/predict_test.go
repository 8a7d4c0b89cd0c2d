package chain

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/providers/tensor"
)

const (
	pictureStep = `  - { id: photo, classify: { target: photos, image: "{{q}}", unknown_below: 0.5 } }`
	recordStep  = `  - { id: churn, classify: { target: churn, features: { age: "{{o.age}}", income: 52000.5, member: true } } }`
	predictStep = `  - { id: score, policy: p, predict: { target: net, signature: s, inputs: { x: [["{{o.a}}", -2, 1.5], "{{o.row}}"], name: "{{q}}", empty: [] }, types: { x: FP32, name: BYTES }, outputs: [y, "z:0"] } }
  - { id: after, when: "steps.score.outputs['z:0'][0][1] > 0.5", embed: { text: "{{steps.score.outputs.y.0.0}} {{steps.score.version}}" } }`
)

func TestPicturesRecordsAndTensorsAreRead(t *testing.T) {
	c, err := Parse("c.yaml", []byte(file(pictureStep, recordStep, predictStep)))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(t, compiledSchema(t), file(pictureStep, recordStep, predictStep)); err != nil {
		t.Error(err)
	}
	photo, churn, score := c.Steps[0], c.Steps[1], c.Steps[2]
	if photo.Target != "photos" || photo.Classify.Image.Source() != "{{q}}" || photo.Classify.Text != nil || photo.Classify.UnknownBelow != 0.5 {
		t.Errorf("%+v", photo.Classify)
	}
	scope := &Scope{Input: map[string]any{"q": "a {{ b", "o": map[string]any{"age": 41.0, "a": 7.0, "row": []any{1.0, 2.0, 3.0}}}}
	var record []string
	for _, f := range churn.Classify.Features {
		text, err := f.Value.Render(scope)
		if err != nil {
			t.Fatal(err)
		}
		record = append(record, f.Name+"="+text)
	}
	if got := strings.Join(record, " "); got != "age=41 income=52000.5 member=true" {
		t.Errorf("record %s", got)
	}
	p := score.Predict
	if score.Target != "net" || score.Policy != "p" || p.Signature != "s" || !cmp.Equal(p.Outputs, []string{"y", "z:0"}) || !score.CallsModel() {
		t.Errorf("%+v", p)
	}
	if p.Inputs[0].Type != tensor.Float32 || p.Inputs[1].Type != tensor.String || p.Inputs[2].Type != tensor.Invalid {
		t.Errorf("types %+v", p.Inputs)
	}
	values := map[string]any{}
	for _, in := range p.Inputs {
		if values[in.Name], err = in.Value.Render(scope); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]any{"x": []any{[]any{7.0, int64(-2), 1.5}, []any{1.0, 2.0, 3.0}}, "name": "a {{ b", "empty": []any{}}
	if diff := cmp.Diff(want, values); diff != "" {
		t.Error(diff)
	}
	if _, err := p.Inputs[0].Value.Render(&Scope{Input: map[string]any{}}); err == nil {
		t.Error("a tensor with a gap is rendered")
	}
}

func TestMistakesOfPicturesRecordsAndTensors(t *testing.T) {
	s := compiledSchema(t)
	for source, want := range map[string]string{
		`  - { id: a, classify: { target: t } }`:                                        "7:24: classify has no text: it needs one, or an image, or features",
		`  - { id: a, classify: { target: t, text: x, image: y } }`:                     "7:46: classify has both text and image: give one",
		`  - { id: a, classify: { target: t, features: {} } }`:                          "7:47: features is empty",
		`  - { id: a, classify: { target: t, features: { a: [1] } } }`:                  "7:52: features.a must be text, not a list",
		`  - { id: a, classify: { target: t, features: { a: "{{o.b}} {{x}}" } } }`:      `7:61: there is no input "x"`,
		`  - { id: a, classify: { target: t, image: "{{steps.b.text}}" } }`:             `7:45: there is no step "b"`,
		`  - { id: a, predict: { inputs: { x: 1 } } }`:                                  "7:23: predict has no target",
		`  - { id: a, predict: { target: t } }`:                                         "7:23: predict has no inputs",
		`  - { id: a, predict: { target: t, inputs: {} } }`:                             "7:44: inputs is empty",
		`  - { id: a, target: t, predict: { target: t, inputs: { x: 1 } } }`:            "7:14: step a names its target within predict",
		`  - { id: a, predict: { target: t, inputs: { x: [[1, {a: 1}]] } } }`:           "7:54: inputs.x must be text, not a mapping",
		`  - { id: a, predict: { target: t, inputs: { x: [[[[[[[[[1]]]]]]]]] } } }`:     "lists are nested deeper than 8",
		`  - { id: a, predict: { target: t, inputs: { x: [1, null] } } }`:               "7:53: inputs.x must be text",
		`  - { id: a, predict: { target: t, inputs: { x: 1 }, types: { x: float } } }`:  `7:66: there is no type "float"`,
		`  - { id: a, predict: { target: t, inputs: { x: 1 }, types: { y: FP32 } } }`:   `7:63: types: there is no input "y"`,
		`  - { id: a, predict: { target: t, inputs: { x: 1 }, outputs: [""] } }`:        "outputs: the name of a tensor has from 1 to 256 bytes",
		`  - { id: a, predict: { target: t, inputs: { x: "{{o.x}}", y: ["{{p}}"] } } }`: `7:65: there is no input "p"`,
		`  - { id: a, predict: { target: t, inputs: { x: 1 } } }
  - { id: b, embed: { text: "{{steps.a.label}}" } }`: `8:30: step a (predict) makes no "label": use one of outputs, target, version`,
	} {
		_, err := Parse("c.yaml", []byte(file(source)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nwithout %q: %v", source, want, err)
		}
		if !strings.Contains(source, "{{") && !strings.Contains(want, "nested") && !strings.Contains(want, "no input") && !strings.Contains(want, "within") && validate(t, s, file(source)) == nil {
			t.Errorf("%s: the schema lets it through", source)
		}
	}
	long := `  - { id: a, predict: { target: t, inputs: { x: [` + strings.Repeat("1,", maxElements) + `1] } } }`
	if _, err := Parse("c.yaml", []byte(file(long))); err == nil || !strings.Contains(err.Error(), "more than 10000 elements") {
		t.Errorf("%v", err)
	}
}

func TestAPredictStepsTargetMustPredict(t *testing.T) {
	c, err := Parse("c.yaml", []byte(file(`  - { id: a, predict: { target: t, inputs: { x: 1 } } }`)))
	if err != nil {
		t.Fatal(err)
	}
	refs := Refs{Target: func(string) bool { return true }, Predicts: func(name string) bool { return name == "other" }}
	if _, err := c.Check(refs); err == nil || !strings.Contains(err.Error(), "c.yaml:7:5: step a: target t does not predict") {
		t.Errorf("%v", err)
	}
}

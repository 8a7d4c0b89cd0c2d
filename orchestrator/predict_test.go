package orchestrator_test

import (
	"testing"

	"fairlead/orchestrator"
	"fairlead/providers"
)

// Tensors have no tokens, neither read nor written, so what a prediction may cost is the price of its call.
func TestAPredictionHasNoTokens(t *testing.T) {
	const text = `
chain: c
version: 1
steps:
  - { id: a, predict: { target: press, inputs: { x: [[1, 2]] } } }
output: "{{steps.a.outputs.y}}"
`
	target := pressed(&press{first: 1}, orchestrator.Batch{}, nil)
	target.Price = &providers.Price{Input: 1, Output: 2, PerCall: 0.001}
	e := engine(t, setup{targets: []orchestrator.Target{target}, chains: []string{text}})
	events, err := run(e, t, "c", nil, orchestrator.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	plan := find[*orchestrator.RouteDecided](events)[0].Plan
	if r := plan.Records[0]; plan.PromptTokens != 0 || plan.OutputTokens != 0 || r.Cost != providers.USD(0.001) {
		t.Errorf("%d tokens, at most %v", plan.PromptTokens, r.Cost)
	}
}

package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestABaseHoldsWhereTheFileSaysNothing(t *testing.T) {
	base, _, err := load(Options{Path: "/etc/fairlead/base.yaml", Environ: []string{}}, []byte(`
log: { level: debug }
backends: { a: { kind: scripted } }
targets: { x: { backend: a, model: echo }, y: { backend: a, model: echo } }
policies: { default: { prefer: cheapest }, careful: { attempts: 5 } }
`))
	if err != nil {
		t.Fatal(err)
	}
	before := *base
	over, _, err := load(Options{Path: "/etc/fairlead/over.yaml", Environ: []string{}, Base: base}, []byte(`
targets: { y: { backend: a, model: "slow?tps=5" } }
policies: { default: { prefer: fastest } }
`))
	if err != nil {
		t.Fatal(err)
	}
	if over.Log.Level != "debug" || len(over.Targets) != 2 || over.Targets["x"].Model != "echo" || over.Targets["y"].Model != "slow?tps=5" ||
		over.Policies["default"].Prefer != "fastest" || over.Policies["careful"].Attempts != 5 {
		t.Errorf("%+v", over)
	}
	if base.Targets["y"].Model != "echo" || base.Policies["default"].Prefer != "cheapest" {
		t.Error("the base was changed")
	}
	if diff := cmp.Diff(before.Backends, base.Backends, cmp.AllowUnexported(Secret{})); diff != "" {
		t.Errorf("the base was changed:\n%s", diff)
	}
}

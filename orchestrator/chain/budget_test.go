package chain

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead/internal/fault"
	"fairlead/providers"
)

func TestStepBudgets(t *testing.T) {
	c, err := Parse("x.yaml", []byte(file(
		`  - { id: a, budget: { share: 0.3, time: 2s }, embed: { text: x } }`,
		`  - { id: b, budget: { usd: 0.002 }, generate: { user: x } }`,
		`  - { id: d, budget: { usd: 0 }, summarize: { text: x } }`,
		`  - { id: e, generate: { user: x } }`)))
	if err != nil {
		t.Fatal(err)
	}
	want := []*Budget{{Share: 0.3, Time: 2 * time.Second}, {Money: providers.USD(0.002), Limited: true}, {Limited: true}, nil}
	for i, s := range c.Steps {
		if diff := cmp.Diff(want[i], s.Budget); diff != "" {
			t.Errorf("%s: %s", s.ID, diff)
		}
		if got, says := s.Budget.Says(), i < 3; got != says {
			t.Errorf("%s says something about money: %v", s.ID, got)
		}
	}
	if got := c.Steps[0].Budget.Amount(1000); got != 300 {
		t.Errorf("0.3 of 1000 is %d", got)
	}
}

func TestStepBudgetMistakes(t *testing.T) {
	share := func(id, budget string) string {
		return `  - { id: ` + id + `, budget: ` + budget + `, embed: { text: x } }`
	}
	for _, c := range []struct{ name, source, want string }{
		{"share and usd", file(share("a", "{ share: 0.5, usd: 1 }")), "7:36: budget has both share and usd: give one"},
		{"no share", file(share("a", "{ share: 0 }")), "7:31: budget.share must be above 0"},
		{"more than all", file(share("a", "{ share: 1.5 }")), "7:31: budget.share must be from 0 to 1"},
		{"nothing", file(share("a", "{}")), "7:14: budget says nothing: give it share or usd, or time"},
		{"unknown key", file(share("a", "{ eur: 1 }")), `7:24: budget has no key "eur": use one of share, usd, time`},
		{"bad time", file(share("a", "{ time: soon }")), "7:30: budget.time must be a time span from 1ns to 24h"},
		{"a number", file(share("a", "0.5")), "7:22: budget must be a mapping (key: value), not a number"},
		{"no model", file(`  - { id: a, budget: { share: 1 }, retrieve: { collection: x, query: y } }`), "7:14: step a calls no model: budget is for steps that do"},
		{"too much together", file(share("a", "{ share: 0.5 }"), share("b", "{ share: 0.4 }"), share("c", "{ share: 0.2 }"), share("d", "{ share: 0.2 }")),
			"9:5: the shares of the steps a, b, c are 1.1 together: 1 is all there is"},
		{"too much in a branch", file(`  - id: pick`, `    choose:`, `      - { when: "true", steps: [ { id: x, budget: { share: 0.6 }, embed: { text: y } }, { id: z, budget: { share: 0.6 }, embed: { text: y } } ] }`),
			"the shares of the steps x, z are 1.2 together"},
		{"too much side by side", file(`  - id: all`, `    parallel:`, `    `+share("a", "{ share: 0.6 }"), `    `+share("b", "{ share: 0.6 }")),
			"10:9: the shares of the steps a, b are 1.2 together"},
		{"more than the chain has", file(share("a", "{ usd: 0.6 }"), share("b", "{ usd: 0.6 }")) + "budget: { usd: 1 }\n",
			"8:5: the steps a, b may spend $1.200000 together, and the chain's budget is $1.000000"},
		{"more time than the chain has", file(share("a", "{ time: 6s }"), share("b", "{ time: 6s }")) + "budget: { deadline: 10s }\n",
			"8:5: the time of the steps a, b is 12s together, and the chain's deadline is 10s"},
	} {
		_, err := Parse("x.yaml", []byte(c.source))
		if fault.ReasonOf(err) != fault.ReasonBadChain || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for name, source := range map[string]string{
		"tenths":   file(share("a", "{ share: 0.1 }"), share("b", "{ share: 0.2 }"), share("c", "{ share: 0.7 }")),
		"optional": strings.ReplaceAll(file(share("a", "{ share: 1 }"), share("b", "{ share: 1 }")), "id: a,", "id: a, optional: true,"),
	} {
		if _, err := Parse("x.yaml", []byte(source)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package evals

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"fairlead/evals/score"
	"fairlead/internal/fault"
	"fairlead/providers"
)

func TestRunCounts(t *testing.T) {
	s := suiteOf(t, 10, "  gate: {min: 0.5}\n")
	answer := func(q *Question) (*Answer, error) {
		switch q.Case.ID {
		case "c001":
			return nil, errTape
		case "c002":
			a := said("", 500)
			a.Err = errUpstream
			return a, nil
		default:
			return right("c003")(q)
		}
	}
	r := mustRun(t, s, &fake{answer: answer}, Options{})
	sc := r.Scorers[0]
	if sc.Cases != 9 || sc.Failed != 1 || fmt.Sprintf("%.4f", sc.Estimate.Mean) != "0.7778" {
		t.Errorf("%d cases, %d failed, mean %.4f: a failed run is a bad outcome, and one without an outcome is none", sc.Cases, sc.Failed, sc.Estimate.Mean)
	}
	if r.Green() {
		t.Error("a case could not be measured, and the gate is green")
	}
	if r.Totals.Runs != 10 || r.Totals.Missing != 1 || r.Totals.Failed != 1 || r.Totals.CostNano != 8500 || r.Totals.Input != 27 || r.Totals.P50 != 20 {
		t.Errorf("totals %+v", r.Totals)
	}
	if got := r.Cases[1].Runs[0]; got.Error == "" || !strings.Contains(got.Error, "cassette") {
		t.Errorf("case without an outcome: %+v", got)
	}
	s.Scorers[0].Gate.MaxFailed = 1
	if r = mustRun(t, s, &fake{answer: answer}, Options{}); !r.Green() {
		t.Errorf("the gate lets one case be unmeasured, and is red: %+v", r.Scorers[0].Verdict)
	}
}

func TestRepetitionsHaveTheirOwnSeeds(t *testing.T) {
	s := suiteOf(t, 3, "repeat: 4\n")
	f := &fake{answer: noisy(.5, 1)}
	r := mustRun(t, s, f, Options{})
	seeds := map[int64]bool{}
	for _, q := range f.asked {
		seeds[q.Seed] = true
		if q.Seed < 0 {
			t.Errorf("seed %d", q.Seed)
		}
	}
	if len(f.asked) != 12 || len(seeds) != 12 {
		t.Errorf("%d runs with %d seeds, want 12 and 12", len(f.asked), len(seeds))
	}
	if r.Scorers[0].Cases != 3 || r.Scorers[0].Steady == nil || r.Scorers[0].Steady.Cases != 3 {
		t.Errorf("scorer %+v", r.Scorers[0])
	}
}

func TestTheSameRunHasTheSameBytes(t *testing.T) {
	s := suiteOf(t, 50, "repeat: 3\nconcurrency: 16\nseed: 7\n")
	var first []byte
	for range 3 {
		data, err := mustRun(t, s, &fake{answer: noisy(.7, 3)}, Options{Played: true}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = data
		}
		if !bytes.Equal(first, data) {
			t.Fatal("the same run has two reports")
		}
	}
}

func TestTheBudgetEndsASuite(t *testing.T) {
	s := suiteOf(t, 40, "budget_usd: 0.00001\nconcurrency: 1\n") // ten runs of 1,000
	f := &fake{answer: right()}
	r := mustRun(t, s, f, Options{})
	if len(f.asked) != 10 || r.Totals.CostNano != 10_000 || r.Totals.Missing != 30 {
		t.Errorf("%d runs for %d, %d not made", len(f.asked), r.Totals.CostNano, r.Totals.Missing)
	}
	for _, q := range f.asked {
		if !q.Limited || q.Budget <= 0 || q.Budget > s.Budget {
			t.Errorf("a run may spend %d of %d", q.Budget, s.Budget)
		}
	}
	if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "budget") }) {
		t.Errorf("notes %q", r.Notes)
	}
}

// judging is a system whose scorers cost something.
type judging struct {
	*fake
	each  providers.Money
	known bool
}

func (j *judging) Spent(context.Context) (providers.Money, bool) { return j.each, j.known }

// What judges cost is not the runs' own, and is of the suite's budget all the same.
func TestJudgesArePaidFromTheBudget(t *testing.T) {
	s := suiteOf(t, 40, "budget_usd: 0.00001\nconcurrency: 1\n")
	f := &judging{&fake{answer: right()}, 4000, true} // two runs of 5,000
	r, err := Run(t.Context(), s, f, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(f.asked) != 2 || r.Totals.CostNano != 2000 || r.Totals.JudgedNano != 8000 || r.Totals.Missing != 38 {
		t.Errorf("%d runs, %+v", len(f.asked), r.Totals)
	}
}

func TestACanceledRunHasNoReport(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := suiteOf(t, 40, "concurrency: 1\n")
	n := 0
	_, err := Run(ctx, s, &fake{answer: func(q *Question) (*Answer, error) {
		if n++; n == 5 {
			cancel()
		}
		return said("", 0), nil
	}}, Options{})
	if fault.CodeOf(err) != fault.Canceled {
		t.Errorf("got %v", err)
	}
}

func TestAScorerThatBreaksDownIsNoScore(t *testing.T) {
	s := suiteOf(t, 2, "")
	s.Scorers[0].Scorer = score.Func(func(context.Context, *score.Case, *score.Outcome) (score.Score, error) { panic("broken") })
	r := mustRun(t, s, &fake{answer: right()}, Options{})
	if r.Scorers[0].Failed != 2 || r.Scorers[0].Cases != 0 || strings.Contains(r.Cases[0].Runs[0].Scores[0].Error, "broken") {
		t.Errorf("%+v, %+v", r.Scorers[0], r.Cases[0].Runs[0].Scores[0])
	}
}

// TestCompareFindsAPlantedDrop: 400 cases of which 20 turn from right to wrong are five points.
func TestCompareFindsAPlantedDrop(t *testing.T) {
	s := suiteOf(t, 40, "")
	base := mustRun(t, s, &fake{answer: right("c007")}, Options{})
	planted := []string{"c003", "c011", "c019", "c020", "c031", "c038"}
	worse := mustRun(t, s, &fake{answer: right(append([]string{"c007"}, planted...)...)}, Options{})
	r, err := Compare(base, worse)
	if err != nil {
		t.Fatal(err)
	}
	if r.Green() {
		t.Errorf("six of forty cases were lost, and it is green: %+v", r.Scorers[0].Verdict)
	}
	var named []string
	for _, c := range r.Scorers[0].Verdict.Lost {
		named = append(named, c.Case)
	}
	for _, id := range named {
		if !slices.Contains(planted, id) {
			t.Errorf("it names %s, where nothing changed", id)
		}
	}
	if len(named) < 5 {
		t.Errorf("it names %q", named)
	}
	if again, err := Compare(base, base); err != nil || !again.Green() {
		t.Error("a report is worse than itself", err)
	}
}

// TestFivePointsInFortyCases: each of 40 cases loses on average 5 points of a graded score.
func TestFivePointsInFortyCases(t *testing.T) {
	graded := func(drop float64) *Report {
		s := suiteOf(t, 40, "")
		s.Scorers[0].Scorer = score.Func(func(_ context.Context, c *score.Case, _ *score.Outcome) (score.Score, error) {
			value := 0.6 + 0.3*float64(c.ID[3]-'0')/10
			return score.Score{Value: value - drop*float64(c.ID[2]-'0'+1)/2.5}, nil
		})
		return mustRun(t, s, &fake{answer: right()}, Options{})
	}
	r, err := Compare(graded(0), graded(.05))
	if err != nil || r.Green() {
		t.Errorf("five points were lost, and it is green: %v %+v", err, r.Scorers[0].Against)
	}
	if d := r.Scorers[0].Against.Difference.Mean; d > -.049 || d < -.051 {
		t.Errorf("the difference is %.4f", d)
	}
}

func TestCompareIsGreenOnNoise(t *testing.T) {
	s := suiteOf(t, 40, "repeat: 3\n")
	green := 0
	for seed := range uint64(100) {
		base := mustRun(t, s, &fake{answer: noisy(.8, 2*seed)}, Options{})
		run := mustRun(t, s, &fake{answer: noisy(.8, 2*seed+1)}, Options{})
		r, err := Compare(base, run)
		if err != nil {
			t.Fatal(err)
		}
		if r.Green() {
			green++
		}
	}
	if green < 94 {
		t.Errorf("green in %d of 100 pairs of runs between which nothing changed", green)
	}
	t.Logf("green in %d of 100", green)
}

func TestBaselines(t *testing.T) {
	s := suiteOf(t, 20, "  gate: {no_worse_than: 0}\nbaseline: base.json\n")
	base := BaselineOf(mustRun(t, s, &fake{answer: right()}, Options{}))
	data, err := base.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	file := t.TempDir() + "/sub/base.json"
	if err := WriteFile(file, data); err != nil {
		t.Fatal(err)
	}
	if base, err = LoadBaseline(file); err != nil {
		t.Fatal(err)
	}
	if none, err := LoadBaseline(file + ".none"); none != nil || err != nil {
		t.Error("a baseline that is not there", none, err)
	}
	if r := mustRun(t, s, &fake{answer: right()}, Options{Baseline: base}); !r.Green() {
		t.Errorf("nothing changed: %+v", r.Scorers[0].Verdict)
	}
	bad := right("c001", "c002", "c003", "c004", "c005", "c006", "c007")
	if r := mustRun(t, s, &fake{answer: bad}, Options{Baseline: base}); r.Green() {
		t.Error("seven of twenty were lost, and it is green")
	}
	if r := mustRun(t, s, &fake{answer: right()}, Options{}); r.Green() {
		t.Error("a gate speaks of a baseline that is not there, and is green")
	}
	// Cases that were changed are not compared, whatever they give now.
	for i := range 7 {
		s.Cases[i+1].Digest = "other"
	}
	r := mustRun(t, s, &fake{answer: bad}, Options{Baseline: base})
	if r.Scorers[0].Against.Cases != 13 || !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "7 cases have changed") }) {
		t.Errorf("%+v, notes %q", r.Scorers[0].Against, r.Notes)
	}
}

func TestFrontier(t *testing.T) {
	s := suiteOf(t, 10, "")
	at := func(under string, cost int64, wrong ...string) *Report {
		var err error
		if s.Under, err = ParseUnder(under); err != nil {
			t.Fatal(err)
		}
		return mustRun(t, s, &fake{answer: func(q *Question) (*Answer, error) {
			a, err := right(wrong...)(q)
			a.Cost = providers.Money(cost)
			return a, err
		}}, Options{})
	}
	points, err := Frontier([]*Report{at("target/small", 10, "c001", "c002"), at("target/large", 100), at("policy/default", 50, "c001"), at("target/worse", 60, "c001", "c002")})
	if err != nil {
		t.Fatal(err)
	}
	var best []string
	for _, p := range points {
		if p.Best {
			best = append(best, p.Under)
		}
	}
	if !slices.Equal(best, []string{"target/small", "target/large", "policy/default"}) {
		t.Errorf("the frontier is %q", best)
	}
}

func TestBadSuites(t *testing.T) {
	whole := "suite: s\nunder: {chain: answer}\ncases: c.jsonl\nscorers: [{score: exact}]\n"
	for change, want := range map[string]string{
		"":                             "",
		"suite: s/x":                   "suite",
		"under: {chain: a, policy: b}": "exactly one",
		"under: {}":                    "exactly one",
		"cases: ../c.jsonl":            "leads out",
		"cases: /etc/passwd":           "leads out",
		"cassette: ../x":               "leads out",
		"repeat: -1":                   "repeat",
		"timeout: fast":                "timeout",
		"budget_usd: -1":               "budget_usd",
		"label: secret":                "label",
		"record: some":                 "record",
		"input: " + strings.Repeat("[", 300) + strings.Repeat("]", 300): "too deep",
		"color: red":                "color",
		"scorers: []":               "scorers",
		"scorers: [{score: exakt}]": "4:19",
		"scorers: [{score: exact, gate: {min: 2}}]":           "min",
		"scorers: [{score: exact, gate: {no_worse_than: 0}}]": "baseline",
		"scorers: [{score: exact}, {score: exact}]":           "two of the name",
		"scorers: [{name: x}]":                                "scorer",
		"documents: [{path: x}]":                              "collection",
	} {
		file := whole
		if key, _, ok := strings.Cut(change, ":"); ok {
			var lines []string
			for line := range strings.Lines(whole) {
				if !strings.HasPrefix(line, key+":") {
					lines = append(lines, line)
				}
			}
			file = strings.Join(lines, "") + change + "\n"
		}
		_, err := Load(fstest.MapFS{"d/s.yaml": {Data: []byte(file)}, "d/c.jsonl": {Data: []byte(`{"id":"1","input":"x"}`)}}, "d/s.yaml")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "d/s.yaml")) {
			t.Errorf("%s: got %v, want it to speak of %q", change, err, want)
		}
	}
}

func TestBadCases(t *testing.T) {
	for line, want := range map[string]string{
		`{"id":"1","input":"x"}`:                  "",
		`{"id":"1","input":{"a":1}}`:              "",
		`{"id":"","input":"x"}`:                   "id",
		`{"id":"1"}`:                              "input",
		`{"id":"1","input":3}`:                    "input",
		`{"id":"1","input":"x","label":"secret"}`: "label",
		`{"id":"1","input":"x","color":"red"}`:    "color",
		`{"id":1,"input":"x"}`:                    "id",
		`{"id":"1","input":"x"} {}`:               "more than one",
		`[]`:                                      "",
	} {
		_, err := parseCases(strings.NewReader("\n"+line), &Suite{})
		if line == "[]" {
			if err == nil {
				t.Error("a list is a case")
			}
			continue
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "line 2")) {
			t.Errorf("%s: got %v, want line 2 and %q", line, err, want)
		}
	}
}

func FuzzSuite(f *testing.F) {
	f.Add([]byte("suite: s\nunder: {chain: answer}\ncases: c.jsonl\nscorers: [{score: {rouge_l: {min: .4}}, gate: {min: 0.5}}]\nbudget_usd: 1\n"))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _, _ = parse(data) })
}

func FuzzCases(f *testing.F) {
	f.Add([]byte(`{"id":"1","input":{"question":"x"},"expected":{"text":["a"]},"tags":["t"],"label":"public","tools":[{"name":"f","parameters":{}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		cases, err := parseCases(bytes.NewReader(data), &Suite{})
		for _, c := range cases {
			if err == nil && (c.ID == "" || c.Digest == "" || c.Input == nil) {
				t.Error("a case lacks what every case has")
			}
		}
	})
}

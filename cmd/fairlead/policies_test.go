package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"fairlead/internal/config"
	"fairlead/internal/label"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// What the guide to policies says of its examples is what the policy engine decides: each plan that it shows
// begins with the request, and goes on with the summary and with targets that are out, or in all the same.
func TestThePlansOfTheGuideAreMade(t *testing.T) {
	const page = "docs/guides/policies.md"
	var text strings.Builder
	for _, b := range blocks(t, page, "yaml") {
		text.WriteString(b.text)
	}
	file := write(t, filepath.Join(t.TempDir(), "policies.yaml"), joined(text.String()))
	c, _, err := config.Load(config.Options{Path: file, Environ: environ("OPENAI_API_KEY=key")})
	if err != nil {
		t.Fatal(err)
	}
	f, err := muster(t.Context(), nil, c, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	defer f.closeIdle()
	policies := map[string]*routing.Policy{}
	for i := range f.config.Policies {
		policies[f.config.Policies[i].Name] = &f.config.Policies[i]
	}
	var candidates []routing.Candidate
	for i := range f.config.Targets {
		candidates = append(candidates, routing.Candidate{Target: &f.config.Targets[i].Target})
	}
	shown := map[string]bool{}
	for _, b := range blocks(t, page, "text") {
		var plan *routing.Plan
		summed := false
		for line := range strings.Lines(b.text) {
			line = strings.TrimRight(line, "\n")
			said, indented := strings.CutPrefix(line, "  ")
			switch {
			case !indented:
				name, req, now := askedFor(t, line)
				if policies[name] == nil {
					t.Fatalf("%s:%d: there is no policy %s", page, b.line, name)
				}
				shown[name] = true
				plan, summed = routing.Decide(req, candidates, policies[name], now), false
			case !summed:
				if got := plan.Summary(); got != said {
					t.Errorf("%s:%d: the plan is\n  %s\nnot\n  %s", page, b.line, got, said)
				}
				summed = true
			default:
				if details := details(plan); !details[said] {
					t.Errorf("%s:%d: nothing says %q of\n%v", page, b.line, said, details)
				}
			}
		}
	}
	for name := range policies {
		if !shown[name] && name != config.DefaultPolicyName {
			t.Errorf("%s: no plan is shown of policy %s", page, name)
		}
	}
	if len(shown) < 8 {
		t.Errorf("plans of %d policies only", len(shown))
	}
}

// joined puts the parts of a configuration that stand in several blocks into one: a section that comes again
// goes on.
func joined(text string) string {
	sections, order := map[string]string{}, []string(nil)
	section := ""
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, " ") && strings.HasSuffix(strings.TrimSpace(line), ":") {
			if section = line; sections[section] == "" {
				order = append(order, section)
			}
			continue
		}
		sections[section] += line
	}
	var b strings.Builder
	for _, s := range order {
		b.WriteString(s + sections[s])
	}
	return b.String()
}

// details gives what a plan says of each target.
func details(p *routing.Plan) map[string]bool {
	all := map[string]bool{}
	for i := range p.Records {
		r := &p.Records[i]
		all[r.Target.Name+": "+r.Detail()] = true
		if r.Scored {
			all[fmt.Sprintf("%s: score %.2f", r.Target.Name, r.Score)] = true
		}
	}
	return all
}

// askedFor reads a request such as "policy quick, internal, 2000 + 300 tokens, documents".
func askedFor(t *testing.T, line string) (policy string, req *routing.Request, now time.Time) {
	t.Helper()
	now = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC) // a Monday
	req = &routing.Request{Label: label.Internal, Needs: providers.Chat}
	for part := range strings.SplitSeq(line, ", ") {
		word, rest, _ := strings.Cut(part, " ")
		var err error
		switch word {
		case "policy":
			policy = rest
		case "documents":
			req.Documents = true
		case "locale":
			req.Locale = rest
		case "at":
			now, err = time.Parse(time.RFC3339, rest)
		case "budget":
			var usd float64
			usd, err = strconv.ParseFloat(strings.TrimPrefix(rest, "$"), 64)
			req.Left = routing.Left{Limited: true, Money: providers.USD(usd)}
		case "class":
			name, found, _ := strings.Cut(rest, "=")
			var class routing.Class
			_, err = fmt.Sscanf(found, "%s %f", &class.Label, &class.Probability)
			req.Classes = map[string]routing.Class{name: class}
		case "public", "internal", "confidential", "restricted":
			req.Label, err = label.Parse(word)
		default:
			_, err = fmt.Sscanf(part, "%d + %d tokens", &req.PromptTokens, &req.MaxOutput)
		}
		if err != nil {
			t.Fatalf("%q: %q: %v", line, part, err)
		}
	}
	return policy, req, now
}

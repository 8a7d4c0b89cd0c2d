package routing

import (
	"strings"
	"sync"
	"testing"
	"time"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/providers"
)

func asked() (*Request, *Target) {
	return &Request{Step: "answer/draft", Tenant: "acme", Label: label.Internal, Needs: providers.Chat | providers.Tools, PromptTokens: 900,
			Left: Left{Money: providers.USD(0.02), Limited: true}, Locale: "de-AT", At: time.Date(2026, 11, 22, 1, 30, 0, 0, time.FixedZone("", 2*3600)),
			Classes: map[string]Class{"intent": {"billing", 0.9}}},
		&Target{Name: "frontier", Backend: "openai", Kind: "openai", Model: "gpt-5-mini", Version: "1", Clearance: label.Restricted, Quality: 0.86, Context: 400000}
}

func TestConditions(t *testing.T) {
	for text, want := range map[string]bool{
		"label <= internal || target.clearance == 'restricted'": true,
		"label < internal": false,
		"label == internal && internal < confidential":      true,
		"target.clearance in ['confidential','restricted']": true,
		"target.kind == 'ollama'":                           false,
		"target.name.startsWith('front') && target.backend == 'openai' && target.model.matches('^gpt-') && target.version == '1'": true,
		"'tools' in needs && !('vision' in needs)":                              true,
		"size(needs) == 2":                                                      true,
		"prompt_tokens > 500 && max_output == 1024":                             true,
		"left_usd < 0.05 && left_usd > 0":                                       true,
		"tenant == 'acme' && step == 'answer/draft'":                            true,
		"target.quality > 0.8 && target.context >= prompt_tokens":               true,
		"locale.startsWith('de') && locale != 'de'":                             true,
		"hour == 23 && weekday == 'saturday'":                                   true, // of UTC
		"hour >= 8 && hour < 18 && !(weekday in ['saturday', 'sunday'])":        false,
		"classes.intent.label == 'billing' && classes.intent.probability > 0.8": true,
		"'intent' in classes && !('tone' in classes)":                           true,
		"'tone' in classes && classes.tone.label == 'angry'":                    false,
		"classes['intent'].label.size() == 7 && size(classes) == 1":             true,
		"tenant == 'other' ? target.kind == 'ollama' : target.kind != 'none'":   true,
	} {
		c, err := CompileCondition(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		req, target := asked()
		if got, err := c.Holds(req, target); err != nil || got != want {
			t.Errorf("%q = %v, %v", text, got, err)
		}
	}
}

func TestConditionsWithUnknowns(t *testing.T) {
	for text, want := range map[string]bool{"left_usd > 1000000.0": true, "target.quality == -1.0": true, "target.context == 0": true, "max_output == 7": true} {
		c, err := CompileCondition(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Holds(&Request{MaxOutput: 7}, &Target{Quality: -1}); err != nil || got != want {
			t.Errorf("%q = %v, %v", text, got, err)
		}
	}
}

func TestConditionsWithSignals(t *testing.T) {
	req := &Request{Locale: "de-AT", Classes: map[string]Class{"intent": {Label: "simple", Probability: 0.9}, "guard": {Label: "unknown"}}}
	for text, want := range map[string]bool{
		"classes.intent.label == 'simple' && classes.intent.probability > 0.8":      true,
		"classes['intent'].label in ['hard', 'odd']":                                false,
		"!('other' in classes) || classes.other.label == 'x'":                       true,
		"'guard' in classes && classes.guard.label == 'unknown'":                    true,
		"locale.startsWith('de')":                                                   true,
		"classes.intent.label != 'simple' || target.quality < 0.5 && locale != 'x'": true,
	} {
		c, err := CompileCondition(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Holds(req, &Target{Quality: 0.2}); err != nil || got != want {
			t.Errorf("%q = %v, %v", text, got, err)
		}
		if UsesLocale(c) != strings.Contains(text, "locale") {
			t.Errorf("%q uses the locale: %v", text, UsesLocale(c))
		}
	}
	c, err := CompileCondition("tenant == 'locale' || classes.none.label == 'x'")
	if err != nil {
		t.Fatal(err)
	}
	if holds, err := c.Holds(req, &Target{}); err == nil || holds || UsesLocale(c) || UsesLocale(nil) {
		t.Errorf("a class that is not there: %v, %v", holds, err)
	}
}

func TestConditionMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "1:1: it is empty",
		strings.Repeat("(", 1001):        "1:1: it is longer than 1000 characters",
		"label <=":                       "1:9: Syntax error",
		"true &&\n target.nam == 'x'":    "2:2: undeclared reference to 'target' (in container ''): there are label, target.{",
		"target.clearance == restricted": "1:18: found no matching overload for '_==_' applied to '(string, int)': a clearance is text",
		"label == 'internal'":            "1:7: found no matching overload for '_==_' applied to '(int, string)': labels are names without quotes",
		"prompt_tokens + 1":              "1:1: it must be true or false, and this is int",
		"needs.exists(n, n == 'tools')":  "1:13: undeclared reference to 'exists'",
	} {
		_, err := CompileCondition(text)
		if err == nil || !strings.HasPrefix(err.Error(), "reading a policy's condition: "+want) || fault.ReasonOf(err) != fault.ReasonBadConfig {
			t.Errorf("%q: %v\nwant …%s…", text, err, want)
		}
	}
}

func TestConditionFailures(t *testing.T) {
	c, err := CompileCondition("1 / (prompt_tokens - 900) > 0")
	if err != nil {
		t.Fatal(err)
	}
	req, target := asked()
	if _, err := c.Holds(req, target); fault.ReasonOf(err) != fault.ReasonBadConfig {
		t.Errorf("%v", err)
	}
	c, err = CompileCondition("int(tenant) > 0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Holds(req, target); err == nil || strings.Contains(fault.Cause(err), "acme") {
		t.Errorf("%v", err)
	}
	for _, text := range []string{"classes.tone.label == 'angry'", "classes.intent.lable == 'billing'", "classes.intent.label > 1.0"} {
		if c, err = CompileCondition(text); err != nil {
			t.Fatal(err)
		}
		if holds, err := c.Holds(req, target); holds || err == nil {
			t.Errorf("%s: %v, %v", text, holds, err)
		}
	}
}

func TestConditionConcurrently(t *testing.T) {
	c, err := CompileCondition("target.name == tenant")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		wg.Go(func() {
			for range 1000 {
				if ok, err := c.Holds(&Request{Tenant: name}, &Target{Name: name}); !ok || err != nil {
					t.Errorf("%v %v", ok, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func FuzzCompileCondition(f *testing.F) {
	for _, s := range []string{"true", "label <= internal || target.clearance == 'restricted'", "'a' in needs", "1/0 > 1", "(("} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := CompileCondition(text)
		if err != nil {
			if fault.ReasonOf(err) != fault.ReasonBadConfig {
				t.Fatal(err)
			}
			return
		}
		req, target := asked()
		first, _ := c.Holds(req, target)
		if second, _ := c.Holds(req, target); first != second {
			t.Fatalf("%q is not the same twice", text)
		}
	})
}

func BenchmarkCondition(b *testing.B) {
	for name, text := range map[string]string{
		"design": "label <= internal || target.clearance == 'restricted'",
		"both":   "label > internal || target.clearance == 'restricted'",
		"five":   "tenant == 'acme' && prompt_tokens > 500 && target.quality > 0.8 && left_usd > 0.001 && target.kind != 'ollama'",
		"needs":  "'tools' in needs",
	} {
		c, err := CompileCondition(text)
		if err != nil {
			b.Fatal(err)
		}
		req, target := asked()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if ok, err := c.Holds(req, target); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

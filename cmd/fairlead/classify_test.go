package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// sorting is a configuration whose policy asks for what a classifier found and for the caller's language.
const sorting = `
backends:
  play: { kind: scripted }
  labels: { kind: scripted, clearance: restricted }
targets:
  intent: { backend: labels, model: "MODEL", does: [classify], price: {} }
  large: { backend: play, model: echo, quality: 0.9 }
  small: { backend: play, model: echo, quality: 0.3 }
  german: { backend: play, model: echo, quality: 0.1 }
policies:
  default: { prefer: best }
  frugal:
    prefer: best
    require:
      when: "classes.intent.label == 'simple' ? target.name == 'small' : locale == 'de' ? target.name == 'german' : target.name == 'large'"
chat: { languages: [de, en] }
chains: { dir: chains }
discover: { ollama: false, openai: false }
`

const sorted = `
chain: sorted
version: 1
input: { question: string }
steps:
  - { id: intent, optional: true, timeout: 200ms, classify: { target: intent, text: "{{question}}", unknown_below: 0.6 } }
  - { id: say, policy: frugal, generate: { user: "{{question}}" } }
output: "{{steps.intent.label}} {{run.locale}} {{steps.say.target}}"
`

func TestPoliciesSeeClassesAndTheLocale(t *testing.T) {
	for _, k := range []struct{ model, question, want string }{
		{"classify?label=simple&other=hard", "How many days of vacation do I have?", "simple en small"},
		{"classify?label=hard&other=simple", "How many days of vacation do I have?", "hard en large"},
		{"classify?label=hard&other=simple", "Wie viele Urlaubstage habe ich?", "hard de german"},
		{"classify?label=simple&other=hard&p=0.5", "Wie viele Urlaubstage habe ich?", "unknown de german"},
		{"status?code=503", "How many days of vacation do I have?", " en large"},
		{"hang", "How many days of vacation do I have?", " en large"},
	} {
		t.Chdir(t.TempDir())
		config := write(t, "fairlead.yaml", strings.Replace(sorting, "MODEL", k.model, 1))
		write(t, filepath.Join("chains", "sorted.yaml"), sorted)
		e := command(t, "", "ask", "--config", config, "--chain", "sorted", k.question)
		if e.status != 0 || !strings.Contains(e.out, k.want) {
			t.Errorf("%s: status %d, without %q:\n%s%s", k.model, e.status, k.want, e.out, e.err)
		}
	}
}

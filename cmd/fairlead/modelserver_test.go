package main

import (
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	tensorflow "fairlead/gen/thirdparty/tensorflow"
	serving "fairlead/gen/thirdparty/tensorflow/serving"
	"fairlead/orchestrator/chain"
	"fairlead/providers/pipeline"
	"fairlead/providers/tfserving/tfservingtest"
)

// triage is a chain that sorts a question with a model server, and answers what is about money at home alone.
const triage = `
chain: triage
version: 1
input: { question: string }
steps:
  - id: topic
    optional: true
    timeout: 2s
    classify: { target: topics, text: "{{question}}", labels: { billing: confidential, unknown: confidential } }
  - id: route
    choose:
      - name: unsorted
        when: "!has(steps.topic.label)"
        steps: [{ id: a, policy: safe, generate: { user: "{{question}}" } }]
      - name: unknown
        when: steps.topic.unknown
        steps: [{ id: b, generate: { user: "{{question}}" } }]
      - name: billing
        when: steps.topic.label == 'billing'
        steps: [{ id: c, generate: { user: "{{question}}" } }]
      - else: [{ id: d, generate: { user: "{{question}}" } }]
output: "<{{steps.route.case}}> <{{steps.topic.label}}> <{{steps.a.target}}{{steps.b.target}}{{steps.c.target}}{{steps.d.target}}>"
`

const triageConfig = `
backends:
  labels: { kind: tfserving, url: "URL", clearance: restricted }
  home: { kind: scripted, clearance: restricted }
  away: { kind: scripted, clearance: internal }
targets:
  topics:
    backend: labels
    model: topics
    input: { text: { tensor: text } }
    output: { classes: OUTPUT }
    price: { per_call: 0.0001 }
  local: { backend: home, model: echo, quality: 0.4, price: {} }
  external: { backend: away, model: echo, quality: 0.9, price: {} }
policies:
  default: { prefer: best }
  safe: { prefer: best, require: { targets: [local] } }
chains: { dir: chains }
discover: { ollama: false, openai: false }
`

// asked runs the chain once against a model server, with a question.
func asked(t *testing.T, url, output, question string) ending {
	t.Helper()
	t.Chdir(t.TempDir())
	config := write(t, "fairlead.yaml", strings.NewReplacer("URL", url, "OUTPUT", output).Replace(triageConfig))
	write(t, filepath.Join("chains", "triage.yaml"), triage)
	write(t, "labels.txt", "billing\ntechnical\ntravel\n")
	return command(t, "", "ask", "--config", config, "--chain", "triage", "--explain", question)
}

func modelServer(t *testing.T) *tfservingtest.Server {
	t.Helper()
	s := &tfservingtest.Server{}
	s.Put("topics", 1, &tfservingtest.Version{Regressor: tfservingtest.Train(tfservingtest.Corpus()), Input: "text"})
	return s
}

const byName = "{ tensor: scores, names: classes }"

func TestTriageWithAModelServer(t *testing.T) {
	if pipeline.Unknown != chain.Unknown {
		t.Errorf("what is unknown is %q in pipelines and %q in chains", pipeline.Unknown, chain.Unknown)
	}
	for name, k := range map[string]struct{ output, question, want string }{
		"billing":         {byName, "my invoice is wrong, please refund the payment", "<billing> <billing> <local>"},
		"travel":          {byName, "when does the ferry leave and is there a bus", "<else> <travel> <external>"},
		"labels":          {"{ tensor: scores, labels_file: labels.txt }", "I was charged twice on the invoice", "<billing> <billing> <local>"},
		"below threshold": {"{ tensor: scores, names: classes, threshold: 0.99999 }", "hello", "<unknown> <unknown> <local>"},
	} {
		t.Run(name, func(t *testing.T) {
			address, _ := modelServer(t).GRPC(t)
			if e := asked(t, "grpc://"+address, k.output, k.question); e.status != 0 || !strings.Contains(e.out, k.want) {
				t.Errorf("status %d, without %q:\n%s%s", e.status, k.want, e.out, e.err)
			}
		})
	}
	t.Run("over REST", func(t *testing.T) {
		server := modelServer(t).REST(t)
		if e := asked(t, server.URL, byName, "I need a hotel in Rome"); e.status != 0 || !strings.Contains(e.out, "<else> <travel> <external>") {
			t.Errorf("status %d:\n%s%s", e.status, e.out, e.err)
		}
	})
}

// Whatever is wrong with the classifier, the chain takes the branch that was written for it, and says why.
func TestTriageWithAClassifierThatFails(t *testing.T) {
	held := make(chan struct{})
	alter := func(change func(scores *tensorflow.TensorProto)) func(s *tfservingtest.Server) {
		return func(s *tfservingtest.Server) {
			s.Alter = func(r *serving.PredictResponse) { change(r.GetOutputs()["scores"]) }
		}
	}
	for name, k := range map[string]struct {
		output string
		broken func(s *tfservingtest.Server)
		why    string
	}{
		"down": {byName, nil, "unavailable"},
		"slow": {byName, func(s *tfservingtest.Server) {
			s.Fault = func(string) error { <-held; return nil }
		}, "timed out"},
		"failing": {byName, func(s *tfservingtest.Server) {
			s.Fault = func(string) error { return status.Error(codes.Internal, "secret") }
		}, "unavailable"},
		"no such model": {byName, func(s *tfservingtest.Server) { s.Put("topics", 1, nil) }, "has no such model"},
		"wrong type": {byName, alter(func(scores *tensorflow.TensorProto) {
			scores.Dtype, scores.Int64Val, scores.FloatVal = tensorflow.DataType_DT_INT64, make([]int64, len(scores.FloatVal)), nil
		}), "protocol"},
		"no probabilities": {byName, alter(func(scores *tensorflow.TensorProto) { scores.FloatVal[0] = 7 }), "no probability"},
		"other labels":     {"{ tensor: scores, labels: [yes, no] }", nil, "3 classes, and there are 2 labels"},
		"no such output":   {"{ tensor: logits, labels: [a, b, c], activation: softmax }", nil, "logits"},
	} {
		t.Run(name, func(t *testing.T) {
			s := modelServer(t)
			if k.broken != nil {
				k.broken(s)
			}
			address, stop := s.GRPC(t)
			switch name {
			case "down":
				stop()
			case "slow":
				t.Cleanup(func() { close(held) })
			}
			e := asked(t, "grpc://"+address, k.output, "my invoice is wrong")
			if e.status != 0 || !strings.Contains(e.out, "<unsorted> <> <local>") || !strings.Contains(e.out+e.err, k.why) || strings.Contains(e.out+e.err, "secret") {
				t.Errorf("status %d, without %q:\n%s%s", e.status, k.why, e.out, e.err)
			}
		})
	}
}

func TestMistakesOfPipelinesAreToldWithTheirPlace(t *testing.T) {
	t.Chdir(t.TempDir())
	for target, want := range map[string]string{
		"input: { tokens: { tokenizer: none.json, ids: i } }, output: { embedding: { tensor: e } }":                  "targets.t.input.tokens: reading a tokenizer",
		"input: { text: { tensor: x } }, output: { classes: { tensor: s, labels_file: none.txt } }":                  "targets.t.output.classes: reading labels",
		"input: { text: { tensor: x } }, output: { classes: { tensor: s, labels: [a, a] } }":                         "targets.t.output.classes: label 1 is there twice",
		"input: { features: { tensor: x, list: [{ name: a }, { name: a }] } }, output: { embedding: { tensor: e } }": "targets.t.input.features: feature a is there twice",
		"input: { image: { tensor: x, size: [8, 8], mean: [1, 2] } }, output: { embedding: { tensor: e } }":          "targets.t.input.image: mean has 2 numbers",
	} {
		config := write(t, "f.yaml", "backends: { b: { kind: openinference, url: \"grpc://127.0.0.1:1\" } }\ntargets: { t: { backend: b, model: m, "+target+" } }\n")
		if e := command(t, "", "config", "check", config); e.status == 0 || !strings.Contains(e.err, want) {
			t.Errorf("%s: status %d, without %q: %s", target, e.status, want, e.err)
		}
	}
	config := write(t, "f.yaml", `backends:
  b: { kind: openinference, url: "grpcs://127.0.0.1:1" }
  c: { kind: openai, url: "https://127.0.0.1:1", ca: f.yaml }
  d: { kind: openai, url: "https://127.0.0.1:1", ca: none.pem }
targets:
  t: { backend: b, model: m, input: { tokens: { tokenizer: none.json, ids: i } }, output: { embedding: { tensor: e } } }
  u: { backend: c, model: m }
`)
	e := command(t, "", "config", "check", config)
	for _, want := range []string{"f.yaml:3:54: backends.c.ca: ", "f.yaml:4:54: backends.d.ca: ", "f.yaml:6:47: targets.t.input.tokens: "} {
		if strings.Count(e.err, want) != 1 {
			t.Errorf("without %q: %s", want, e.err)
		}
	}
	if s := command(t, "", "serve", "--config", config); s.status != 1 || s.err != e.err {
		t.Errorf("serve: status %d: %s", s.status, s.err)
	}
}

package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"fairlead/internal/label"
	"fairlead/providers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// loadText loads a text as if it stood in /etc/fairlead/f.yaml.
func loadText(t *testing.T, text string, environ ...string) (*Config, *Report, error) {
	t.Helper()
	if environ == nil {
		environ = []string{}
	}
	return load(Options{Path: "/etc/fairlead/f.yaml", Environ: environ}, []byte(text))
}

func TestDefaultIsWhatAnEmptyFileGives(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "{}", "server:\ntargets:\n", "\xef\xbb\xbf"} {
		got, report, err := loadText(t, text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if diff := cmp.Diff(Default(), got); text != "server:\ntargets:\n" && diff != "" {
			t.Errorf("%q (-default +got):\n%s", text, diff)
		}
		if len(report.Warnings) > 0 {
			t.Errorf("%q: warnings %v", text, report.Warnings)
		}
	}
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
}

const whole = `
server:
  listen: "[::1]:9000"
  read_limit: 8MiB
  header_timeout: 3s
  tls: { cert: tls/server.crt, key: /abs/server.key }
  cors_origins: [https://app.example.com, "http://localhost:3000"]
log: { level: debug, format: json }
telemetry:
  metrics: false
  sample_ratio: 0.25
  otlp: { endpoint: "https://collector:4318", headers: { Authorization: "Bearer ${OTLP_TOKEN}" } }
database: { url: "sqlite:data/fairlead.db" }
common: &none
`

func TestWholeFile(t *testing.T) {
	text := strings.Replace(whole, "common: &none\n", "", 1) + `
backends:
  workstation: &local { kind: ollama, url: "http://gpu.local:11434", clearance: restricted, limits: { concurrency: 4 }, keep_alive: 10m }
  second: { <<: *local, url: "http://gpu2.local:11434" }
  openai: { kind: openai, api_key: "${OPENAI_API_KEY}", headers: { X-Team: "${TEAM:-search}" }, timeouts: { connect: 1s } }
  quotes: { kind: extractive }
targets:
  "llama3.1": { backend: workstation, model: "llama3.1:8b", does: [chat, tools], context: 32768, quality: 0 }
  frontier:
    backend: openai
    model: gpt-5-mini
    does: [chat, tools, json, vision]
    context: ${WINDOW}
    price: { input: 0.25, cached_input: 0.025, output: 2 }
    quality: 0.86
    ttft: 400ms
    per_token: 12ms
  floor: { backend: quotes }
policies:
  careful:
    prefer: best
    on_none: extractive
    require: { quality: 0.6, cost_usd: 0.01, at: p99, ttft: 800ms, latency: 6s, when: "label <= internal", targets: [frontier, "llama3.1"] }
    attempts: 2
    midstream: restart
chains: { dir: chains, files: ["more/*.yaml"] }
prompts: { dir: prompts }
chat: { auto: policy/careful, default_policy: careful, default_label: confidential }
retrieval: { embedder: hashing, split: { target_bytes: 600, max_bytes: 1200B }, lexical_weight: 1 }
discover: { ollama: false }
`
	got, report, err := loadText(t, text, "OPENAI_API_KEY=sk-canary", "OTLP_TOKEN=otlp-canary", "WINDOW=400000")
	if err != nil {
		t.Fatal(err)
	}
	quality := func(q float64) *float64 { return &q }
	keep := 10 * time.Minute
	workstation := Backend{
		Kind: KindOllama, URL: "http://gpu.local:11434", Clearance: label.Restricted, Limits: Limits{Concurrency: 4}, KeepAlive: &keep,
		Timeouts: Timeouts{Connect: 5 * time.Second, FirstToken: 2 * time.Minute, Idle: time.Minute, Call: time.Minute}, Health: Health{Every: 10 * time.Second, Timeout: 2 * time.Second},
	}
	second := workstation
	second.URL = "http://gpu2.local:11434"
	want := &Config{
		Server: Server{
			Listen: "[::1]:9000", TLS: TLS{Cert: "/etc/fairlead/tls/server.crt", Key: "/abs/server.key"},
			ReadLimit: 8 << 20, HeaderTimeout: 3 * time.Second, ReadTimeout: 15 * time.Second,
			WriteTimeout: 15 * time.Second, IdleTimeout: 2 * time.Minute,
			RequestTimeout: 10 * time.Minute, DrainGrace: 25 * time.Second,
			CORSOrigins: []string{"https://app.example.com", "http://localhost:3000"},
		},
		Log: Log{Level: "debug", Format: "json"},
		Telemetry: Telemetry{
			ServiceName: "fairlead", SampleRatio: 0.25,
			OTLP: OTLP{Endpoint: "https://collector:4318", Headers: map[string]Secret{"Authorization": NewSecret("Bearer otlp-canary")}},
		},
		Database: Database{URL: NewAddress("sqlite:/etc/fairlead/data/fairlead.db"), Statement: 30 * time.Second,
			Vectors: Vectors{ExactRows: 20_000, EfSearch: 100, MaxScanTuples: 20_000, Canary: time.Hour}},
		Auth:   Auth{OIDC: OIDC{Tenant: "default", ScopesClaim: "scope", Ceiling: label.Internal}},
		Record: Record{Decisions: true, Keep: 7 * 24 * time.Hour, FeaturesLabel: label.Internal, Usage: true, UsageKeep: 30 * 24 * time.Hour},
		Backends: map[string]Backend{
			"workstation": workstation,
			"second":      second,
			"openai": {
				Kind: KindOpenAI, URL: defaultOpenAIURL, APIKey: NewSecret("sk-canary"), Clearance: label.Internal,
				Headers:  map[string]Secret{"X-Team": NewSecret("search")},
				Timeouts: Timeouts{Connect: time.Second, FirstToken: 2 * time.Minute, Idle: time.Minute, Call: time.Minute}, Health: Health{Every: 10 * time.Second, Timeout: 2 * time.Second},
			},
			"quotes": {Kind: KindExtractive, Clearance: label.Restricted, Timeouts: workstation.Timeouts, Health: workstation.Health},
		},
		Targets: map[string]Target{
			"llama3.1": {Backend: "workstation", Model: "llama3.1:8b", Does: []string{"chat", "tools"}, Context: 32768, Quality: quality(0)},
			"frontier": {
				Backend: "openai", Model: "gpt-5-mini", Does: []string{"chat", "tools", "json", "vision"}, Context: 400000,
				Price: &Price{Input: 0.25, CachedInput: quality(0.025), Output: 2}, Quality: quality(0.86),
				TTFT: 400 * time.Millisecond, PerToken: 12 * time.Millisecond,
			},
			"floor": {Backend: "quotes", Does: []string{"extract"}, Price: &Price{}},
		},
		Policies: map[string]Policy{
			"default": {Prefer: "best", Attempts: 3, Midstream: "fail"},
			"careful": {
				Prefer: "best", Attempts: 2, Midstream: "restart", OnNone: "extractive",
				Require: Require{
					Quality: 0.6, CostUSD: 0.01, At: "p99", TTFT: 800 * time.Millisecond, Latency: 6 * time.Second,
					When: "label <= internal", Targets: []string{"frontier", "llama3.1"},
				},
			},
		},
		Chains:    Chains{Dir: "/etc/fairlead/chains", Files: []string{"/etc/fairlead/more/*.yaml"}},
		Prompts:   Prompts{Dir: "/etc/fairlead/prompts"},
		Chat:      Chat{Auto: "policy/careful", DefaultPolicy: "careful", DefaultLabel: label.Confidential},
		Retrieval: Retrieval{Embedder: "hashing", Split: Split{600, 1200}, LexicalWeight: 1},
		Discover:  Discover{OpenAI: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(report.Warnings) > 0 {
		t.Errorf("warnings: %v", report.Warnings)
	}

	frontier := got.Targets["frontier"]
	cached := 0.025
	wantPrice := &providers.Price{Input: 0.25, CachedInput: &cached, Output: 2}
	if diff := cmp.Diff(wantPrice, frontier.Price.Providers()); diff != "" || (*Price)(nil).Providers() != nil {
		t.Errorf("price (-want +got):\n%s", diff)
	}
	if does := frontier.Capabilities(); does != providers.Chat|providers.Tools|providers.JSON|providers.Vision {
		t.Errorf("frontier does %s", does)
	}
}

func TestEveryMistakeIsReportedWithItsPlace(t *testing.T) {
	tests := []struct {
		name, text string
		environ    []string
		want       []string
	}{
		{
			name: "unknown keys, all of them",
			text: "server: { listn: x }\nlogg: {}\n",
			want: []string{
				"/etc/fairlead/f.yaml:1:11: server.listn: unknown key; did you mean listen? (allowed: listen, allow_unauthenticated, hosts, tls, cors_origins, read_limit, max_in_flight, header_timeout, read_timeout, write_timeout, idle_timeout, request_timeout, drain_delay, drain_grace)",
				"/etc/fairlead/f.yaml:2:1: logg: unknown key; did you mean log? (allowed: server, log, telemetry, database, auth, record, backends, targets, policies, router, chains, prompts, chat, retrieval, discover)",
			},
		},
		{
			name: "wrong types",
			text: "server: [a]\nlog: { level: true }\ntelemetry: { metrics: \"yes\", sample_ratio: many }\nretrieval: { lexical_weight: null }\nchains: { files: x, dir: 5 }\nbackends: 7\n",
			want: []string{
				"f.yaml:1:9: server: want settings (listen,",
				"f.yaml:2:15: log.level: want one of debug, info, warn, error, got a truth value",
				"f.yaml:3:23: telemetry.metrics: want true or false, got text",
				"f.yaml:3:44: telemetry.sample_ratio: want a number, got text",
				"f.yaml:4:30: retrieval.lexical_weight: want a number, got nothing",
				"f.yaml:5:18: chains.files: want a list, such as [a, b]",
				"f.yaml:5:26: chains.dir: want text, got a number: put it in quotes",
				"f.yaml:6:11: backends: want named entries",
			},
		},
		{
			name: "values out of range",
			text: "server:\n  read_limit: 2GiB\n  idle_timeout: 0s\n  header_timeout: soon\nlog: { level: warning }\ntelemetry: { sample_ratio: 1.5 }\npolicies: { p: { attempts: 0, require: { quality: -1 } } }\nchat: { default_label: secret }\n",
			want: []string{
				`f.yaml:2:15: server.read_limit: want from 1KiB to 1GiB, got "2GiB"`,
				`f.yaml:3:17: server.idle_timeout: want 1ms or more, got "0s"`,
				`f.yaml:4:19: server.header_timeout: want a duration such as 800ms, 30s or 5m, got "soon"`,
				`f.yaml:5:15: log.level: want one of debug, info, warn, error, got "warning"`,
				`f.yaml:6:28: telemetry.sample_ratio: want from 0 to 1, got "1.5"`,
				`f.yaml:7:28: policies.p.attempts: want from 1 to 20, got "0"`,
				`f.yaml:7:51: policies.p.require.quality: want from 0 to 1, got "-1"`,
				`f.yaml:8:24: chat.default_label: want one of public, internal, confidential, restricted, got "secret"`,
			},
		},
		{
			name: "written twice",
			text: "log: { level: info, level: debug }\nlog: {}\n",
			want: []string{
				"f.yaml:1:21: log.level: written twice: leave one of them out",
				"f.yaml:2:1: log: written twice: leave one of them out",
			},
		},
		{
			name:    "the environment",
			text:    "backends:\n  a: { kind: openai, api_key: \"${NOPE}\", url: \"${BAD URL}\" }\n  b: { kind: openai, api_key: \"${OPEN\", limits: { concurrency: \"${N}\" } }\n",
			environ: []string{"N=canary"},
			want: []string{
				"f.yaml:2:31: backends.a.api_key: the environment variable NOPE is not set: set it, or write ${NOPE:-text} to fall back to a text",
				"f.yaml:2:47: backends.a.url: ${…} wants the name of an environment variable",
				"f.yaml:3:31: backends.b.api_key: ${ without its }",
				"f.yaml:3:64: backends.b.limits.concurrency: want a whole number",
			},
		},
		{
			name: "references",
			text: "backends: { gpu: { kind: ollama } }\ntargets:\n  a: { backend: gpuu, model: m }\n  b: { backend: gpu }\n  policy/c: { backend: gpu, model: m }\npolicies: { p: { require: { targets: [a, bb] } } }\nchat: { default_policy: q, auto: chain/ }\nretrieval: { embedder: a }\ndiscover: { openai: false }\n",
			want: []string{
				`f.yaml:3:17: targets.a.backend: no backend has the name "gpuu"; did you mean gpu? (there are: gpu)`,
				`f.yaml:4:3: targets.b.model: must be set: want the model as backend gpu calls it`,
				`f.yaml:5:3: targets.policy/c: the name means something else in a request`,
				`f.yaml:6:38: policies.p.require.targets: no target has the name "bb"; did you mean b?`,
				`f.yaml:7:25: chat.default_policy: no policy has the name "q"; did you mean p?`,
				`f.yaml:7:34: chat.auto: want the name of a chain after chain/`,
				`f.yaml:8:24: retrieval.embedder: target a does not embed: its does has no embed`,
			},
		},
		{
			name:    "what backends may hold",
			text:    "backends:\n  a: { url: http://h }\n  b: { kind: openai }\n  c: { kind: openai, url: \"https://user:canary@h/v1\" }\n  d: { kind: ollama, url: \"h:11434\", headers: { \"b d\": \"${X}\" } }\n  e: { kind: hashing, url: http://h, api_key: \"${X}\", keep_alive: 5m }\n  \"f g\": { kind: hashing }\n",
			environ: []string{"X=two\nlines"},
			want: []string{
				"f.yaml:2:3: backends.a.kind: must be set: want one of openai, ollama, tfserving, openinference, torchserve, scripted, extractive, hashing",
				"f.yaml:3:3: backends.b.api_key: must be set for https://api.openai.com/v1",
				"f.yaml:4:27: backends.c.url: must hold no user or password: use api_key or headers",
				"f.yaml:5:27: backends.d.url: want an address such as http://127.0.0.1:11434",
				"f.yaml:5:49: backends.d.headers.b d: is not the name of a header",
				"f.yaml:5:49: backends.d.headers.b d: has characters that a header cannot carry",
				"f.yaml:6:28: backends.e.url: kind hashing has no address: leave it out",
				"f.yaml:6:47: backends.e.api_key: kind hashing wants no key: leave it out",
				"f.yaml:6:47: backends.e.api_key: has characters that a header cannot carry",
				"f.yaml:6:67: backends.e.keep_alive: is for kind ollama: leave it out",
				"f.yaml:7:3: backends.f g: a name is made of letters",
			},
		},
		{
			name: "on the way",
			text: "database: { url: \"mysql://u:canary@h/db\" }\nbackends: { a: { kind: triton, cost: { gpu_day_usd: 1 } }, b: { kind: scripted, cost: {} }, c: { kind: hashing, cost: { amortised: true } } }\npolicies: { p: { prefer: { cost: 0 }, require: { at: p42 } }, q: { prefer: { speed: 1 } }, r: { prefer: { cost: -1 } }, s: { prefer: [cost] }, t: { prefer: {} } }\n",
			want: []string{
				"f.yaml:1:18: database.url: want sqlite:FILE, such as sqlite:fairlead.db, or postgres://USER:PASSWORD@HOST/DATABASE",
				"f.yaml:2:24: backends.a.kind: Triton is called kind openinference here",
				"f.yaml:2:40: backends.a.cost.gpu_day_usd: unknown key (allowed: gpu_hour_usd, amortised)",
				"f.yaml:2:87: backends.b.cost.gpu_hour_usd: must be set: want US dollars for an hour, or amortised: true",
				"f.yaml:2:119: backends.c.cost: kind hashing works inside the process, for nothing: leave it out",
				"f.yaml:3:26: policies.p.prefer: want a weight over 0 for cost, latency or quality",
				"f.yaml:3:54: policies.p.require.at: want one of p50, p90, p95, p99, got \"p42\"",
				"f.yaml:3:76: policies.q.prefer: want a weight over 0 for cost, latency or quality",
				"f.yaml:3:78: policies.q.prefer.speed: unknown key (allowed: cost, latency, quality)",
				"f.yaml:3:105: policies.r.prefer: want a weight over 0 for cost, latency or quality",
				"f.yaml:3:113: policies.r.prefer.cost: want from 0 to 1000000, got \"-1\"",
				"f.yaml:3:134: policies.s.prefer: want one of cheapest, fastest, best, got a list",
				"f.yaml:3:157: policies.t.prefer: want a weight over 0 for cost, latency or quality",
			},
		},
		{
			name: "the rest of the server",
			text: "server:\n  listen: 8080x\n  tls: { cert: a }\n  cors_origins: [app.example.com]\nretrieval: { split: { target_bytes: 4KiB } }\nchains: { files: [\"[\"] }\ntelemetry: { service_name: \"\", otlp: { endpoint: collector } }\n",
			want: []string{
				"f.yaml:2:11: server.listen: want HOST:PORT",
				"f.yaml:3:8: server.tls: want both cert and key, or neither",
				"f.yaml:4:17: server.cors_origins: want origins such as https://app.example.com",
				"f.yaml:5:21: retrieval.split.max_bytes: want 4KiB or more, as target_bytes",
				"f.yaml:6:18: chains.files: ",
				"f.yaml:7:28: telemetry.service_name: must not be empty",
				"f.yaml:7:50: telemetry.otlp.endpoint: want an address",
			},
		},
		{
			name: "beyond loopback", text: "server: { listen: 0.0.0.0:8080 }\n",
			want: []string{"f.yaml:1:19: server.listen: callers need not prove who they are, so only loopback"},
		},
		{
			name:    "who calls",
			environ: []string{"SHORT=canary", "P=postgres://u:canary@h/db"},
			text:    "database: { url: \"${P}\" }\nauth:\n  keys: true\n  oidc:\n    issuer: http://login.example\n    tenant: A B\n    scopes_claim: \"\"\n    scopes: { reader: \"chat, search\", root: \"chat;operator\" }\n    ceiling: \"\"\n",
			want: []string{
				"f.yaml:3:3: auth.pepper: must be set where keys are kept in PostgreSQL",
				"f.yaml:5:5: auth.oidc.audience: must be set",
				"f.yaml:5:13: auth.oidc.issuer: want https://",
				"f.yaml:6:13: auth.oidc.tenant: want the name of a tenant",
				"f.yaml:7:19: auth.oidc.scopes_claim: must not be empty",
				"f.yaml:8:39: auth.oidc.scopes.root: want chat, ingest, search, admin or operator",
				"f.yaml:9:14: auth.oidc.ceiling: want one of public",
			},
		},
		{
			name: "a short pepper", environ: []string{"SHORT=canary"},
			text: "auth: { keys: true, pepper: \"${SHORT}\", oidc: { issuer: \"https://a:canary@h\", audience: a } }\n",
			want: []string{"f.yaml:1:29: auth.pepper: want 32 bytes or more", "f.yaml:1:57: auth.oidc.issuer: want an address"},
		},
		{name: "no mapping", text: "- a\n", want: []string{"f.yaml:1:1: want settings (server, log,"}},
		{name: "no YAML", text: "server: {\nlog: [", want: []string{"f.yaml:2:6: reading YAML: "}},
		{name: "two documents", text: "log: {}\n---\nlog: {}\n", want: []string{"f.yaml:3:1: a second document"}},
		{name: "a tag", text: "log: !!map {}\n", want: []string{"f.yaml:1:6: log: tags such as"}},
		{name: "an alias of nothing", text: "log: *base\n", want: []string{"f.yaml:1:6: log: "}},
		{name: "an alias of itself", text: "log: &a { <<: *a }\n", want: []string{"f.yaml:1:15: log: too many merges"}},
		{name: "too many words", text: strings.Repeat("a: b\n", 20000), want: []string{"f.yaml:16667:4: reading YAML: more than 50000"}},
		{name: "a key that is a number", text: "5: {}\n", want: []string{"f.yaml:1:1: a key must be text"}},
		{name: "deep", text: "log: " + strings.Repeat("[", 100000), want: []string{"f.yaml:1:38: reading YAML: nested deeper than 32"}},
		{name: "deep in one line", text: strings.Repeat("- ", 100000), want: []string{"f.yaml:1:65: reading YAML: nested deeper than 32"}},
		{name: "too long", text: strings.Repeat("#", maxFileBytes+1), want: []string{"f.yaml: reading YAML: the file has 262145 bytes"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _, err := loadText(t, tt.text, tt.environ...)
			var got *Error
			if c != nil || !errors.As(err, &got) {
				t.Fatalf("config %v, error %v", c, err)
			}
			lines := strings.Split(err.Error(), "\n")
			for i := range max(len(lines), len(tt.want)) {
				var line, want string
				if i < len(lines) {
					line = lines[i]
				}
				if i < len(tt.want) {
					want = tt.want[i]
				}
				if want == "" || !strings.HasPrefix(strings.TrimPrefix(line, "/etc/fairlead/"), strings.TrimPrefix(want, "/etc/fairlead/")) {
					t.Errorf("problem %d:\n got %s\nwant %s…", i, line, want)
				}
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("a value that may be secret is repeated:\n%v", err)
			}
		})
	}
}

// TestMergesDoNotMultiply merges ten of ten of ten … mappings: ten million merges in ten lines.
func TestMergesDoNotMultiply(t *testing.T) {
	var b strings.Builder
	b.WriteString("backends:\n  a0: &a0 { kind: hashing }\n")
	for i := 1; i <= 7; i++ {
		alias := fmt.Sprintf("*a%d", i-1)
		fmt.Fprintf(&b, "  a%d: &a%d { <<: [%s] }\n", i, i, strings.Repeat(alias+", ", 9)+alias)
	}
	if _, _, err := loadText(t, b.String()); err == nil || !strings.Contains(err.Error(), "too many merges") {
		t.Errorf("error %v", err)
	}
}

func TestLayersWinInOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.yaml")
	text := "server: { listen: 127.0.0.1:1, idle_timeout: 1s, header_timeout: 1s }\nbackends: { gpu: { kind: ollama } }\ntargets: { \"llama3.1\": { backend: gpu, model: m } }\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, r, err := Load(Options{
		Path:    path,
		Environ: []string{"FAIRLEAD_SERVER_LISTEN=127.0.0.1:2", "FAIRLEAD_SERVER_IDLE_TIMEOUT=2s", "FAIRLEAD_SERVER_CORS_ORIGINS=http://a, http://b", "FAIRLEAD_PORT=tcp://10.0.0.1:80"},
		Set: map[string]string{
			"server.listen":               "127.0.0.1:3",
			"targets.llama3.1.quality":    "0.5",
			`targets."qwen2.5".backend`:   "gpu",
			`targets."qwen2.5".model`:     "q",
			"backends.gpu.headers.X-Team": "canary",
			"policies.default.attempts":   "5",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if c.Server.Listen != "127.0.0.1:3" || c.Server.IdleTimeout != 2*time.Second || c.Server.HeaderTimeout != time.Second || c.Server.DrainGrace != 25*time.Second {
		t.Errorf("server %+v", c.Server)
	}
	if diff := cmp.Diff([]string{"http://a", "http://b"}, c.Server.CORSOrigins); diff != "" {
		t.Error(diff)
	}
	if q := c.Targets["llama3.1"].Quality; q == nil || *q != 0.5 || c.Targets["llama3.1"].Model != "m" || c.Targets["qwen2.5"].Model != "q" {
		t.Errorf("targets %+v", c.Targets)
	}
	if p := c.Policies["default"]; p.Attempts != 5 || p.Prefer != "best" {
		t.Errorf("policy %+v", p)
	}
	if len(r.Warnings) > 0 {
		t.Errorf("warnings %v", r.Warnings)
	}
	for path, want := range map[string]string{
		"server.listen": "flag", "server.idle_timeout": "$FAIRLEAD_SERVER_IDLE_TIMEOUT", "server.header_timeout": path + ":1:66",
		"server.drain_grace": "default", `targets."llama3.1".quality`: "flag", `targets."llama3.1".model`: path + ":3:47",
	} {
		if got := r.Origin(path).String(); got != want {
			t.Errorf("origin of %s: got %s, want %s", path, got, want)
		}
	}
	dump := c.Dump(r)
	for _, want := range []string{"listen: \"127.0.0.1:3\"  # flag\n", "idle_timeout: 2s  # $FAIRLEAD_SERVER_IDLE_TIMEOUT\n", "X-Team: \"********\"  # flag\n"} {
		if !strings.Contains(dump, want) {
			t.Errorf("the dump has no %q:\n%s", want, dump)
		}
	}
}

func TestMistakesInTheEnvironmentAndInFlags(t *testing.T) {
	_, r, err := Load(Options{
		Environ: []string{"FAIRLEAD_LOG_LEVEL=canary", "FAIRLEAD_SERVER_LISTN=:1", "FAIRLEAD_SERVER_SERVICE_HOST=10.0.0.1"},
		Set:     map[string]string{"server.lisen": ":1", "server": "x", "log.format.x": "y", "backends.a.api_key.x": "canary", "server.tls.cert": "c", "targets.t": "x"},
	})
	want := []string{
		"$FAIRLEAD_LOG_LEVEL: log.level: want one of debug, info, warn, error",
		"flag: backends.a.api_key.x: is one value and has nothing below it",
		"flag: log.format.x: is one value and has nothing below it",
		"flag: server: is not one value: name one of its settings",
		"flag: server.lisen: unknown key; did you mean listen? (allowed: listen, allow_unauthenticated, hosts, tls, cors_origins, read_limit, max_in_flight, header_timeout, read_timeout, write_timeout, idle_timeout, request_timeout, drain_delay, drain_grace)",
		"flag: targets.t: is not one value: name one of its settings",
		"server.tls: want both cert and key, or neither",
	}
	got := strings.Split(err.Error(), "\n")
	// The check as a whole has no origin for a setting whose part came from a flag.
	if diff := cmp.Diff(want, append(got[1:], got[0])); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(r.Warnings) != 1 || r.Warnings[0].String() != "$FAIRLEAD_SERVER_LISTN: no setting has this name; did you mean FAIRLEAD_SERVER_LISTEN?" {
		t.Errorf("warnings %v", r.Warnings)
	}
	if _, _, err := Load(Options{Path: filepath.Join(t.TempDir(), "none.yaml")}); err == nil || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestTargetsThatMayBeDiscovered holds while a kind is not configured that is looked for.
func TestTargetsThatMayBeDiscovered(t *testing.T) {
	text := "backends: { gpu: { kind: ollama } }\ntargets: { small: { backend: gpu, model: m } }\nchat: { auto: smal }\npolicies: { p: { require: { targets: [gpt-5-mini] } } }\n"
	_, r, err := loadText(t, text)
	want := `/etc/fairlead/f.yaml:3:15: chat.auto: no target "smal" is written here, so it must be discovered; did you mean small?`
	if err != nil || len(r.Warnings) != 1 || r.Warnings[0].String() != want {
		t.Errorf("error %v, warnings %v", err, r.Warnings)
	}
	if _, _, err := loadText(t, text+"discover: { openai: false }\n"); err == nil || strings.Count(err.Error(), "no target has the name") != 2 {
		t.Errorf("error %v", err)
	}
}

func TestWarnings(t *testing.T) {
	_, r, err := loadText(t, "server: { listen: :8080, allow_unauthenticated: true, cors_origins: [\"*\"] }\nbackends: { gpu: { kind: openai, url: http://gpu-1:8000/v1, api_key: sk-canary } }\n")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range r.Warnings {
		got = append(got, strings.TrimPrefix(w.String(), "/etc/fairlead/"))
	}
	want := []string{
		"f.yaml:1:49: server.allow_unauthenticated: everyone who reaches the port may use the server and read what it holds: let only trusted networks reach it",
		"f.yaml:1:69: server.cors_origins: * lets every web page that a user opens call the API",
		"f.yaml:2:39: backends.gpu.url: the api_key goes over the network in the clear: use https where you can",
		"f.yaml:2:70: backends.gpu.api_key: a secret written out in the file: write ${NAME} and set NAME in the environment",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestChainFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"chains/b.yaml", "chains/a.yml", "chains/notes.md", "chains/.hidden.yaml", "more/c.yaml"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := Default()
	c.Chains = Chains{Dir: filepath.Join(dir, "chains"), Files: []string{filepath.Join(dir, "*/*.yaml"), filepath.Join(dir, "none/*.yaml")}}
	got, err := c.ChainFiles()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"chains/.hidden.yaml", "chains/a.yml", "chains/b.yaml", "more/c.yaml"}
	for i := range want {
		want[i] = filepath.Join(dir, want[i])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c.Chains = Chains{Dir: filepath.Join(dir, "none"), Files: []string{filepath.Join(dir, "gone.yaml")}}
	if _, err := c.ChainFiles(); err == nil || !strings.Contains(err.Error(), "chains.dir") || !strings.Contains(err.Error(), "gone.yaml") {
		t.Errorf("error %v", err)
	}
}

// A preference is a word or a mapping of weights, in the file, behind an alias, and in a flag.
func TestAPreferenceByWeights(t *testing.T) {
	const file = `
policies:
  a: { prefer: &w { cost: 0.2, latency: 0.7, quality: 0.1 }, scales: { latency: 500ms } }
  b: { prefer: *w }
  c: { prefer: fastest }
`
	c, report, err := loadText(t, file)
	if err != nil {
		t.Fatal(err)
	}
	want := &Weights{Cost: 0.2, Latency: 0.7, Quality: 0.1}
	for name, p := range map[string]Policy{"a": c.Policies["a"], "b": c.Policies["b"]} {
		if diff := cmp.Diff(want, p.Weights); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if diff := cmp.Diff(&Scales{CostUSD: 0.01, Latency: 500 * time.Millisecond}, c.Policies["a"].Scales); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if p := c.Policies["c"]; p.Weights != nil || p.Prefer != "fastest" || p.Scales != nil {
		t.Errorf("%+v", p)
	}
	if got := report.Origin("policies.a.prefer.latency"); got.Line != 3 {
		t.Errorf("the weight comes from %v", got)
	}
	again, _, err := loadText(t, c.Dump(nil))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c.Policies, again.Policies); diff != "" {
		t.Errorf("(-dumped +loaded):\n%s", diff)
	}
	set := func(path, text string) Policy {
		t.Helper()
		c, _, err := load(Options{Path: "/etc/fairlead/f.yaml", Set: map[string]string{path: text}}, []byte(file))
		if err != nil {
			t.Fatal(err)
		}
		return c.Policies["a"]
	}
	if p := set("policies.a.prefer.cost", "0.5"); p.Weights == nil || p.Weights.Cost != 0.5 || p.Weights.Latency != 0.7 {
		t.Errorf("%+v", p.Weights)
	}
	if p := set("policies.a.prefer", "best"); p.Weights != nil || p.Prefer != "best" {
		t.Errorf("a word does not take the place of the weights: %+v", p)
	}
}

func TestABackendsTimeJoinsThePricesOfItsTargets(t *testing.T) {
	hour := Backend{Cost: &Cost{GPUHourUSD: 1.2}}
	paid := Backend{Cost: &Cost{GPUHourUSD: 1.2, Amortised: true}}
	for name, tt := range map[string]struct {
		b    Backend
		p    *Price
		want *providers.Price
	}{
		"none":      {Backend{}, nil, nil},
		"time":      {hour, nil, &providers.Price{GPUHour: 1.2}},
		"both":      {hour, &Price{Output: 2, PerImage: 0.01}, &providers.Price{Output: 2, PerImage: 0.01, GPUHour: 1.2}},
		"amortised": {paid, nil, &providers.Price{}},
	} {
		if diff := cmp.Diff(tt.want, tt.b.Price(tt.p)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestCallersMayProveWhoTheyAre(t *testing.T) {
	for name, text := range map[string]string{
		"keys":             "server: { listen: 0.0.0.0:8080 }\nauth: { keys: true }\n",
		"tokens":           "server: { listen: 0.0.0.0:8080 }\nauth: { oidc: { issuer: \"https://login.example\", audience: fairlead } }\n",
		"tokens from here": "auth: { oidc: { issuer: \"http://127.0.0.1:9000\", audience: fairlead, tenant: \"\", tenant_claim: org } }\n",
	} {
		c, _, err := loadText(t, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !c.Auth.On() {
			t.Errorf("%s: nobody has to prove anything", name)
		}
	}
	if Default().Auth.On() {
		t.Error("the default asks for keys")
	}
	c, r, err := loadText(t, "server: { listen: 0.0.0.0:8080, allow_unauthenticated: true }\nauth: { keys: true }\n")
	if err != nil || !c.Auth.On() {
		t.Fatal(err)
	}
	var warned []string
	for _, w := range r.Warnings {
		warned = append(warned, w.String())
	}
	if got := strings.Join(warned, "\n"); !strings.Contains(got, "all the same") || !strings.Contains(got, "in the clear") {
		t.Errorf("warnings: %s", got)
	}
}

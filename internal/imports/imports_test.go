// Package imports holds no code: its test keeps the rules of who may import whom. A new edge is a decision;
// it is made here, with its reason, or not at all.
package imports

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// allowed lists, for each package of the domain and its prefix, the project's packages that it may import.
// A prefix ends with "/": it covers what lies below. What is not listed here may import anything.
var allowed = []struct {
	pkg    string
	may    []string
	reason string
}{
	{"internal/label", nil, "every package speaks of labels, so labels know none"},
	{"internal/fault", nil, "every package speaks of errors, so errors know none"},
	{"internal/wholefile", nil, "a file is written whole whatever is in it"},
	{"internal/yamldepth", nil, "how deep a text goes does not depend on who asks"},
	{"internal/auth", []string{"internal/label", "internal/fault"}, "who calls is known without stores and transports"},
	{"internal/auth/", []string{"internal/auth", "internal/auth/", "internal/label", "internal/fault"}, "who calls is proved without transports, and stores know the proof and not the other way round"},
	{"prompts", []string{"internal/fault"}, "templates are text; they know nothing of what uses them"},
	{"providers/tensor", nil, "tensors know no protocol"},
	{"providers", []string{"providers/tensor", "internal/fault", "internal/label"}, "the vocabulary of a model call is below all that speaks it"},
	{"providers/internal/", []string{"providers"}, "what adapters share"},
	{"providers/providertest", []string{"providers", "internal/fault"}, "the suite knows the contract, not the adapters"},
	{"providers/tokens", []string{"providers"}, "counting knows what a prompt is, and nothing that answers it"},
	{"providers/pipeline", []string{"providers", "providers/tensor", "providers/pipeline/"}, "what becomes of texts and pictures before a model is the same for every protocol"},
	{"providers/pipeline/", nil, "tokenizers and pictures know no model call"},
	{"providers/openinference", []string{"gen/thirdparty/inference", "providers", "providers/tensor", "providers/internal/"}, "the messages of its protocol are generated"},
	{"providers/tfserving/tfservingtest", []string{"gen/thirdparty/"}, "a fake server shares the messages with what calls it, and no code"},
	{"providers/tfserving/wiretest", nil, "a peer of others' code shares none of ours"},
	{"providers/tfserving", []string{"providers", "providers/tensor", "providers/internal/", "gen/thirdparty/", "internal/fault", "internal/label"}, "an adapter of a described protocol knows its description too"},
	{"providers/", []string{"providers", "providers/tensor", "providers/internal/", "internal/fault", "internal/label"}, "an adapter knows the vocabulary and one SDK, never another adapter"},
	{"retrieval", []string{"retrieval/", "providers", "internal/locale", "internal/fault", "internal/label"}, "finding passages needs no engine, database or transport"},
	{"retrieval/retrievaltest", []string{"retrieval", "retrieval/", "providers", "providers/", "internal/store/", "internal/fault", "internal/label"}, "what tests build on the real store and embedder"},
	{"retrieval/", []string{"retrieval", "retrieval/", "internal/fault", "internal/label"}, "readers and splitters serve retrieval alone"},
	{"orchestrator/routing", []string{"providers", "internal/label", "internal/fault"}, "deciding is pure: it knows the vocabulary and nothing that acts"},
	{"orchestrator/routing/observe", []string{"orchestrator/routing", "providers", "internal/label", "internal/fault"}, "watching targets needs to know what they are, and not what calls them"},
	{"orchestrator/record", []string{"orchestrator", "orchestrator/routing", "evals/stat", "providers", "internal/auth", "internal/label", "internal/fault"}, "what is kept of runs is made of their events, and the engine does not know it"},
	{"orchestrator/usage", []string{"orchestrator", "orchestrator/routing", "providers", "internal/auth", "internal/label", "internal/fault"}, "what was used is made of the runs' events, and the engine does not know it"},
	{"orchestrator/routing/learned", []string{"orchestrator/routing", "providers", "internal/label", "internal/fault"}, "what was learned is a value to decide with: it calls and reads nothing"},
	{"orchestrator/health", []string{"providers", "internal/fault"}, "asking backends how they are needs no engine: it is told"},
	{"orchestrator/traffic", []string{"internal/fault"}, "what operators decide is kept without knowing the engine that heeds it"},
	{"evals/stat", nil, "figures are worth the same whatever they are of"},
	{"evals/score", []string{"internal/yamldepth", "prompts", "providers", "retrieval/analysis", "internal/locale", "internal/label", "internal/fault"}, "an outcome is judged by what it is, not by what made it"},
	{"evals", []string{"internal/wholefile", "internal/yamldepth", "evals/", "orchestrator", "orchestrator/", "retrieval", "prompts", "providers", "providers/tensor", "internal/auth", "internal/label", "internal/fault"}, "evals run what users run, and nothing of that knows evals"},
	{"evals/", []string{"internal/wholefile", "evals", "evals/", "orchestrator", "orchestrator/", "retrieval", "prompts", "providers", "providers/tensor", "internal/auth", "internal/label", "internal/fault"}, "evals run what users run, and nothing of that knows evals"},
	{"internal/locale", nil, "a guess about a text knows nothing of what depends on it"},
	{"orchestrator/ledger", []string{"providers", "internal/fault"}, "money knows no targets"},
	{"orchestrator/chain", []string{"internal/yamldepth", "providers/tensor", "prompts", "providers", "retrieval", "internal/fault", "internal/label"}, "the form of a chain does not run it"},
	{"orchestrator/langchain", []string{"prompts", "providers", "retrieval", "internal/fault", "internal/label"}, "the engine uses langchaingo, and not the other way round"},
	{"orchestrator", []string{"orchestrator/", "internal/locale", "providers", "providers/tensor", "providers/tokens", "prompts", "retrieval", "internal/fault", "internal/label", "internal/auth"}, "the engine knows no store, transport or configuration"},
	{"internal/config", []string{"internal/auth", "internal/auth/tenants", "internal/label", "internal/fault", "providers", "orchestrator/routing"}, "settings are plain values; wiring is cmd's"},
	{"internal/store", []string{"retrieval", "orchestrator", "orchestrator/feedback", "orchestrator/record", "orchestrator/usage", "orchestrator/traffic", "internal/auth/"}, "what a database does is the sum of what its users ask"},
	{"internal/store/storetest", []string{"internal/store", "internal/store/", "retrieval", "retrieval/analysis", "orchestrator", "orchestrator/feedback", "orchestrator/record", "orchestrator/usage", "orchestrator/traffic", "orchestrator/routing", "providers", "providers/hashing", "internal/auth", "internal/auth/", "internal/fault", "internal/label"}, "the suite embeds what it stores"},
	{"internal/store/", []string{"internal/store", "internal/store/", "retrieval", "retrieval/analysis", "orchestrator", "orchestrator/feedback", "orchestrator/record", "orchestrator/usage", "orchestrator/traffic", "orchestrator/routing", "providers", "internal/auth", "internal/auth/", "internal/fault", "internal/label"}, "a store knows the interfaces that it satisfies"},
	{"internal/telemetry", []string{"orchestrator", "orchestrator/", "providers", "internal/auth", "internal/fault", "internal/label"}, "telemetry watches runs, and nothing of the domain knows it"},
	{"internal/server/rpc", []string{"gen/", "internal/server", "orchestrator", "orchestrator/", "providers", "providers/tensor", "retrieval", "internal/auth", "internal/auth/", "internal/fault", "internal/label"}, "handlers translate, and never reach past the domain"},
	{"internal/server/openaihttp", []string{"orchestrator", "orchestrator/", "providers", "retrieval", "internal/auth", "internal/fault", "internal/label"}, "handlers translate, and never reach past the domain"},
	{"internal/server", []string{"internal/server/", "gen/", "internal/auth", "internal/fault", "internal/label"}, "the mux knows its handlers and no domain"},
	{"internal/faultproxy", nil, "what breaks streams must share no code with what reads them"},
	{"internal/torture", nil, "tests of the whole, from outside"},
	{"gen/", []string{"gen/"}, "generated"},
}

// owners lists the only packages that may import an SDK: prefixes on both sides.
var owners = []struct {
	sdk    string
	by     []string
	reason string
}{
	{"github.com/sashabaranov/go-openai", []string{"providers/openai"}, "one adapter, one SDK"},
	{"github.com/ollama/ollama", []string{"providers/ollama"}, "one adapter, one SDK"},
	{"github.com/tmc/langchaingo", []string{"orchestrator/langchain"}, "its build list and its faults stay in one room"},
	{"modernc.org/sqlite", []string{"internal/store/sqlite"}, "one driver, one store"},
	{"github.com/jackc/pgx", []string{"internal/store/postgres", "internal/testdb"}, "one driver, one store"},
	{"github.com/pgvector/pgvector-go", []string{"internal/store/postgres"}, "one driver, one store"},
	{"github.com/coreos/go-oidc", []string{"internal/auth/oidc"}, "tokens are checked in one place"},
	{"github.com/blevesearch/snowballstem", []string{"retrieval/analysis"}, "words are stemmed in one place"},
	{"connectrpc.com/", []string{"internal/server", "gen", "cmd"}, "only transports know the transport"},
	{"go.opentelemetry.io/otel/sdk", []string{"internal/telemetry"}, "one place sets telemetry up"},
	{"github.com/prometheus/client_golang", []string{"internal/telemetry"}, "one place sets telemetry up"},
	{"github.com/spf13/cobra", []string{"cmd"}, "only the program has a command line"},
	{"github.com/goccy/go-yaml", []string{"internal/config", "orchestrator/chain", "prompts", "retrieval/read", "evals", "cmd"}, "files are read where their format is owned"},
	{"github.com/failsafe-go/failsafe-go", []string{"orchestrator"}, "dispatch alone breaks circuits"},
	{"github.com/tiktoken-go/tokenizer", []string{"providers/tokens"}, "vocabularies are large, and are in memory only where tokens are counted"},
	{"github.com/abadojack/whatlanggo", []string{"internal/locale"}, "one place guesses languages"},
	{"golang.org/x/image", []string{"providers/pipeline/picture"}, "what opens files of strangers is in one place, behind its checks"},
	{"cel.dev/cel-go", []string{"orchestrator/chain", "orchestrator/routing"}, "conditions are compiled where they are owned"},
	{"github.com/DataDog/sketches-go", []string{"orchestrator/routing/observe"}, "quantiles are kept in one place, and read from its tables"},
	{"text/template", nil, "a template engine that evaluates must never meet a caller's text"},
	{"html/template", []string{"evals/report"}, "a template engine that evaluates must never meet a caller's text but as data of a page of ours"},
}

type listed struct {
	ImportPath string
	Imports    []string
}

func list(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "fairlead/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var l listed
		if err := d.Decode(&l); err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	return all
}

// covers says whether a rule's name covers a package.
func covers(rule, pkg string) bool {
	return pkg == rule || strings.HasSuffix(rule, "/") && strings.HasPrefix(pkg, rule)
}

func TestWhoMayImportWhom(t *testing.T) {
	packages := list(t)
	if len(packages) < 20 {
		t.Fatalf("go list gave %d packages: the test sees too little", len(packages))
	}
	for _, p := range packages {
		pkg := strings.TrimPrefix(p.ImportPath, "fairlead/")
		for _, imported := range p.Imports {
			if own, ok := strings.CutPrefix(imported, "fairlead/"); ok {
				checkEdge(t, pkg, own)
			} else {
				checkOwner(t, pkg, imported)
			}
		}
	}
}

func checkEdge(t *testing.T, pkg, imported string) {
	for _, rule := range allowed {
		if !covers(rule.pkg, pkg) {
			continue
		}
		for _, may := range rule.may {
			if covers(may, imported) {
				return
			}
		}
		t.Errorf("%s imports %s, and may not: %s", pkg, imported, rule.reason)
		return // the first rule that covers a package is its rule
	}
	if strings.HasPrefix(imported, "cmd/") {
		t.Errorf("%s imports %s: nothing imports the program", pkg, imported)
	}
}

func checkOwner(t *testing.T, pkg, imported string) {
	for _, rule := range owners {
		if imported != rule.sdk && !strings.HasPrefix(imported, strings.TrimSuffix(rule.sdk, "/")+"/") {
			continue
		}
		owned := false
		for _, by := range rule.by {
			owned = owned || pkg == by || strings.HasPrefix(pkg, by+"/")
		}
		if !owned {
			t.Errorf("%s imports %s, and may not: %s", pkg, imported, rule.reason)
		}
	}
}

// The table itself: every rule is about a package that exists, so that a rename does not leave a rule
// that watches nothing.
func TestEveryRuleCoversSomething(t *testing.T) {
	packages := list(t)
	for _, rule := range allowed {
		found := false
		for _, p := range packages {
			found = found || covers(rule.pkg, strings.TrimPrefix(p.ImportPath, "fairlead/"))
		}
		if !found {
			t.Errorf("rule %q covers no package", rule.pkg)
		}
	}
}

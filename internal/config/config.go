package config

import (
	"strings"
	"time"

	"fairlead/internal/label"
	"fairlead/providers"
)

// Config is the whole configuration. Its fields are described by their doc tags, which are also what
// docs/configuration.md and the JSON Schema say. Load gives a valid one; it does not change afterwards.
type Config struct {
	Server    Server             `yaml:"server" doc:"The listener that callers reach."`
	Log       Log                `yaml:"log" doc:"What the program writes about itself, to standard error."`
	Telemetry Telemetry          `yaml:"telemetry" doc:"Traces and metrics. Neither ever carries content of requests or documents."`
	Database  Database           `yaml:"database" doc:"Where documents, vectors, conversations, keys and usage are kept."`
	Auth      Auth               `yaml:"auth" doc:"How callers prove who they are. Without it every caller is the local one, and the server listens on loopback only."`
	Record    Record             `yaml:"record" doc:"What is kept of decisions, to try other policies on, and of what calls took and cost. It holds no content."`
	Backends  map[string]Backend `yaml:"backends" doc:"Servers that serve models, by a name of your choice."`
	Targets   map[string]Target  `yaml:"targets" doc:"Models on backends, by a name of your choice: what routing chooses between. The answerers inside the process (extractive, hashing) and discovered models join them by themselves."`
	Policies  map[string]Policy  `yaml:"policies" doc:"What steps demand of a target and prefer, by a name of your choice. Without one named default there is a built-in default that prefers the best."`
	Router    Router             `yaml:"router" doc:"What was learned of how well the targets answer which prompts."`
	Chains    Chains             `yaml:"chains" doc:"Where chains are read from."`
	Prompts   Prompts            `yaml:"prompts" doc:"Where prompts are read from, in addition to those that come with the program."`
	Chat      Chat               `yaml:"chat" doc:"What requests mean that do not say it themselves."`
	Retrieval Retrieval          `yaml:"retrieval" doc:"How documents are split, embedded and searched."`
	Discover  Discover           `yaml:"discover" doc:"Which model servers join by themselves when they are found."`
}

// Server is the listener.
type Server struct {
	Listen               string        `yaml:"listen" default:"127.0.0.1:8080" doc:"Host and port to listen on. Port 0 takes a free one; an empty host listens on every address."`
	AllowUnauthenticated bool          `yaml:"allow_unauthenticated" default:"false" doc:"Listen beyond this machine although callers need not prove who they are: whoever reaches the port may then read and send everything."`
	Hosts                []string      `yaml:"hosts" doc:"Names, without port, under which the server may be addressed. Empty: any; on loopback only loopback's own, so that no web page reaches it through a name of its own."`
	TLS                  TLS           `yaml:"tls" doc:"With a certificate the server speaks TLS; without one, HTTP/1.1 and HTTP/2 in the clear. The files are read again when they change."`
	CORSOrigins          []string      `yaml:"cors_origins" doc:"Origins of web pages that may call the API, such as https://app.example.com. Empty: none but the server's own."`
	ReadLimit            Size          `yaml:"read_limit" default:"4MiB" min:"1KiB" max:"1GiB" doc:"The most bytes of a request's body. Ingest takes 64MiB, and Classify and Predict 32MiB at least, whatever this says."`
	MaxInFlight          int           `yaml:"max_in_flight" default:"0" min:"0" doc:"The most calls at once; more are refused as resource_exhausted. 0: no limit."`
	HeaderTimeout        time.Duration `yaml:"header_timeout" default:"5s" min:"1ms" doc:"The most time for a request's headers."`
	ReadTimeout          time.Duration `yaml:"read_timeout" default:"15s" min:"1ms" doc:"The most time for each piece of a request's body."`
	WriteTimeout         time.Duration `yaml:"write_timeout" default:"15s" min:"1ms" doc:"The most time to send each piece of a response: a caller that does not read is cut off after it."`
	IdleTimeout          time.Duration `yaml:"idle_timeout" default:"2m" min:"1ms" doc:"How long a connection without requests stays open."`
	RequestTimeout       time.Duration `yaml:"request_timeout" default:"10m" min:"0s" doc:"The most time that one request may take, streams included, whatever its caller and chain allow. 0s: no limit."`
	DrainDelay           time.Duration `yaml:"drain_delay" default:"0s" min:"0s" doc:"How long calls are still accepted after readiness went off, for load balancers that notice late."`
	DrainGrace           time.Duration `yaml:"drain_grace" default:"25s" min:"1ms" doc:"How long calls in progress may go on after the program was told to stop."`
}

// TLS is the server's certificate.
type TLS struct {
	Cert string `yaml:"cert" path:"true" doc:"File of the certificate chain, in PEM."`
	Key  string `yaml:"key" path:"true" doc:"File of the private key, in PEM."`
}

// Log is what the program logs.
type Log struct {
	Level  string `yaml:"level" default:"info" enum:"debug,info,warn,error" doc:"The least level that is written."`
	Format string `yaml:"format" default:"text" enum:"text,json" doc:"One line of text or one JSON object for each record."`
}

// Telemetry is where traces and metrics go.
type Telemetry struct {
	Metrics     bool    `yaml:"metrics" default:"true" doc:"Serve Prometheus metrics at /metrics."`
	ServiceName string  `yaml:"service_name" default:"fairlead" doc:"The service's name in traces. OTEL_SERVICE_NAME wins over it."`
	SampleRatio float64 `yaml:"sample_ratio" default:"1" min:"0" max:"1" doc:"The share of traces that are recorded, where the caller has not decided already. OTEL_TRACES_SAMPLER wins over it."`
	OTLP        OTLP    `yaml:"otlp" doc:"Where traces are sent, by OTLP over HTTP (protobuf)."`
}

// OTLP is a collector of traces.
type OTLP struct {
	Endpoint string            `yaml:"endpoint" doc:"The collector's address, such as http://127.0.0.1:4318; /v1/traces is added where it has no path. Empty: what OTEL_EXPORTER_OTLP_ENDPOINT says, and without that no traces are sent."`
	Headers  map[string]Secret `yaml:"headers" doc:"Headers sent to the collector, such as credentials."`
}

// Database is where things are kept.
type Database struct {
	URL       Address       `yaml:"url" default:"sqlite:fairlead.db" doc:"sqlite:FILE, which is made when it is not there; or postgres://USER:PASSWORD@HOST/DATABASE with pgvector, whose user is neither a superuser nor the owner of the tables: fairlead db migrate makes both."`
	OwnerURL  Address       `yaml:"owner_url" doc:"PostgreSQL: the same database for a user that may make tables and roles. Only the fairlead db commands use it; give it to nothing that serves."`
	Pool      int           `yaml:"pool" default:"0" min:"0" max:"1000" doc:"PostgreSQL: the most connections of this process. 0: four for each processor, from 8 to 64."`
	PgBouncer bool          `yaml:"pgbouncer" default:"false" doc:"PostgreSQL: the URL leads to a PgBouncer in transaction mode, so nothing may be prepared that outlives a transaction."`
	Statement time.Duration `yaml:"statement_timeout" default:"30s" min:"1ms" doc:"PostgreSQL: the most time for one statement of a call. Storing and deleting take as long as they take."`
	Vectors   Vectors       `yaml:"vectors" doc:"PostgreSQL: how vectors are searched."`
}

// Postgres says whether the URL leads to PostgreSQL.
func (d *Database) Postgres() bool { return strings.HasPrefix(d.URL.Reveal(), "postgres") }

// Vectors is how vectors are searched on PostgreSQL.
type Vectors struct {
	ExactRows     int           `yaml:"exact_rows" default:"20000" min:"0" max:"10000000" doc:"Up to how many passages, after the filter and labels, all are compared; above it the HNSW index is asked."`
	EfSearch      int           `yaml:"ef_search" default:"100" min:"1" max:"1000" doc:"How many candidates the HNSW index keeps while it searches: more finds more of the nearest and takes longer."`
	Canary        time.Duration `yaml:"canary" default:"1h" min:"0s" doc:"How often a sample of queries is compared with what comparing all vectors finds: the metric fairlead_retrieval_recall_ratio, and a warning below 0.95. 0s: never, and no sample is kept."`
	MaxScanTuples int           `yaml:"max_scan_tuples" default:"20000" min:"1" max:"100000000" doc:"How many rows the HNSW index goes through before it gives up on a filter. What it gave up on is compared exactly, or the answer says that it is incomplete."`
}

// Auth is how callers prove who they are.
type Auth struct {
	Keys   bool   `yaml:"keys" default:"false" doc:"Callers send a key that fairlead keys create made, as Authorization: Bearer KEY."`
	Pepper Secret `yaml:"pepper" doc:"What the hashes of keys are made with, 32 bytes or more, best written as ${NAME}: openssl rand -hex 32. Whoever loses it makes all keys anew. Empty with SQLite: made once, in a file beside the store."`
	OIDC   OIDC   `yaml:"oidc" doc:"Callers send a token (JWT) that an OpenID Connect provider signed."`
}

// OIDC is a provider of tokens.
type OIDC struct {
	Issuer       string            `yaml:"issuer" doc:"The provider's address, as it stands in its tokens, such as https://login.example.com. Its keys are fetched from where its configuration says. Empty: no tokens are taken."`
	Audience     string            `yaml:"audience" doc:"What the tokens must be meant for. It must be set."`
	TenantClaim  string            `yaml:"tenant_claim" doc:"The claim that names the tenant, which must exist. Empty: every caller belongs to tenant."`
	Tenant       string            `yaml:"tenant" default:"default" doc:"The tenant of callers, where no claim names it."`
	ScopesClaim  string            `yaml:"scopes_claim" default:"scope" doc:"The claim that lists what the caller may do: text parted by spaces, or a list."`
	Scopes       map[string]string `yaml:"scopes" doc:"What a value of the claim means: chat, ingest, search, admin or operator, parted by commas. Values that are not listed mean nothing. Empty: the scopes' own names, but never operator."`
	CeilingClaim string            `yaml:"ceiling_claim" doc:"The claim that holds the highest label of the caller. A token without it has ceiling."`
	Ceiling      label.Label       `yaml:"ceiling" default:"internal" doc:"The highest label of callers, where no claim says it."`
}

// Record is what is kept of decisions, and of what calls took and cost.
type Record struct {
	Decisions     bool          `yaml:"decisions" default:"true" doc:"Keep, for each model step of a server's runs, what routing knew, what it decided and what came of it. Commands that run on their own keep nothing."`
	Keep          time.Duration `yaml:"keep" default:"168h" min:"1s" doc:"How long decisions are kept, and what callers said of their answers with them. Of each tenant no more than the newest 100,000 are."`
	Features      bool          `yaml:"features" default:"false" doc:"Keep with each decision the features of its prompt that a router is trained on: hashed words and the shape of the text, and no text. Who has the database can try which words give these hashes, so it is off where you do not ask for it."`
	FeaturesLabel label.Label   `yaml:"features_label" default:"internal" doc:"The highest label of steps of whose prompts features are kept."`
	Usage         bool          `yaml:"usage" default:"true" doc:"Keep what each call of a server to a model took and cost, and who made it, for fairlead usage. Commands that run on their own keep nothing."`
	UsageKeep     time.Duration `yaml:"usage_keep" default:"720h" min:"1h" doc:"How long the record of each single call is kept. The sums by day are kept for ever."`
	UsageFolder   string        `yaml:"usage_folder" path:"true" defaultdoc:"the store's folder with SQLite, the working folder with PostgreSQL" doc:"A folder for what the database does not take while the server stops: a file that the next start with the same folder reads back."`
}

// Backend is a server that serves models. A map of them is keyed by name.
type Backend struct {
	Kind      string            `yaml:"kind" required:"true" enum:"openai,ollama,tfserving,openinference,torchserve,scripted,extractive,hashing" doc:"openai speaks the OpenAI API (also vLLM, SGLang, TGI, llama.cpp); ollama is Ollama; tfserving is TensorFlow Serving, openinference whatever speaks the Open Inference Protocol (Triton, KServe, MLServer, OpenVINO), torchserve TorchServe's own API: their targets declare input and output; extractive quotes its sources and hashing embeds n-grams, both inside the process; scripted behaves as its model's name says, for tests and demos."`
	URL       string            `yaml:"url" defaultdoc:"openai: https://api.openai.com/v1; ollama: http://127.0.0.1:11434" doc:"The server's address. For kind openai it ends with the path that /chat/completions follows, usually /v1. Kinds tfserving and openinference take grpc://HOST:PORT and grpcs://HOST:PORT as well, torchserve http and https."`
	APIKey    Secret            `yaml:"api_key" doc:"The key that the server wants, best written as ${NAME}."`
	Clearance label.Label       `yaml:"clearance" defaultdoc:"internal; restricted inside the process" doc:"The highest label of data that the server may see."`
	Headers   map[string]Secret `yaml:"headers" doc:"Further headers for each request."`
	Limits    Limits            `yaml:"limits" doc:"What the server can take."`
	KeepAlive *time.Duration    `yaml:"keep_alive" defaultdoc:"the server's own" doc:"Kind ollama: how long a model stays in memory after its last call. A negative one keeps it for ever."`
	Cost      *Cost             `yaml:"cost" doc:"What the server's own time costs, for servers that are paid by the hour. It is added to the prices of its targets; a target without a price then costs its time alone."`
	Timeouts  Timeouts          `yaml:"timeouts" doc:"How long to wait for the server, within the time that the run has left."`
	Server    string            `yaml:"server" enum:"none,auto,vllm,sglang,tgi,llamacpp,lmstudio" defaultdoc:"none" doc:"Kind openai: the program behind the URL, where it is your own: it is asked what its models can do, whether it is there and how busy it is, which routing reckons with. auto finds out which it is. none asks for nothing but answers."`
	Health    Health            `yaml:"health" doc:"How a server is asked whether it is there, while nobody calls it. Servers inside the process, and those of kind openai without server, are not asked."`

	CA            string `yaml:"ca" path:"true" defaultdoc:"the system's authorities" doc:"A file with the certificates, in PEM, of the authorities that may vouch for the server, in the place of the system's: for https and grpcs to a server whose certificate your own authority has signed."`
	ManagementURL string `yaml:"management_url" doc:"Kind torchserve: the address of its management, which TorchServe has on a port of its own (8081). With it models are listed, loaded and readied; without it they are not."`
	ManagementKey Secret `yaml:"management_key" doc:"Kind torchserve: the key that the management wants."`
	Check         string `yaml:"check" enum:"all,inputs,none" defaultdoc:"all" doc:"Kind openinference: what is held to what the server tells of its models. inputs leaves outputs out, for servers whose description of them is not exact. none asks for no description."`
}

// Cost is what a backend's time costs.
type Cost struct {
	GPUHourUSD float64 `yaml:"gpu_hour_usd" default:"0" min:"0" max:"1000000" doc:"US dollars for an hour in which the server works. A call pays for the time that it took, divided by the calls that the server worked for meanwhile; before the call the predicted time at the policy's quantile is reckoned with, undivided. While that time is not known (give the target ttft and per_token, or let it be observed), neither is the cost, and the target is out wherever cost is limited."`
	Amortised  bool    `yaml:"amortised" default:"false" doc:"The server is paid for whether it works or not: its time adds nothing to the cost of a call."`
}

// Limits is what a backend can take.
type Limits struct {
	Concurrency int `yaml:"concurrency" default:"0" min:"0" max:"100000" doc:"The most calls at one time. 0: no limit."`
	PerMinute   int `yaml:"per_minute" default:"0" min:"0" max:"10000000" doc:"The most calls that begin in a minute, of which a tenth may begin at once. A target without headroom is out until it has some. 0: no limit."`
}

// Timeouts is how long to wait for a backend.
type Timeouts struct {
	Connect    time.Duration `yaml:"connect" default:"5s" min:"1ms" doc:"The most time to open a connection."`
	FirstToken time.Duration `yaml:"first_token" default:"2m" min:"0s" doc:"The most time to the first token of an answer; then another target is tried. A model that is being loaded needs it. 0s: as long as the run lasts."`
	Call       time.Duration `yaml:"call" default:"1m" min:"1ms" doc:"Model servers: the most time for one call."`
	Idle       time.Duration `yaml:"idle" default:"1m" min:"1ms" doc:"The most time between two pieces of an answer, once it has begun."`
}

// Target is one model on one backend. A map of them is keyed by name.
type Target struct {
	Backend string   `yaml:"backend" required:"true" doc:"The name of the backend."`
	Model   string   `yaml:"model" doc:"The model as the backend calls it. Needed but for kinds extractive and hashing."`
	Version string   `yaml:"version" doc:"The model's version. Model servers (tfserving, openinference, torchserve) are asked for it, by number or by label such as stable, and without one for their default; other backends are not told, and it is for records."`
	Does    []string `yaml:"does" enum:"chat,tools,json,vision,embed,classify,extract,predict" defaultdoc:"[chat]; extractive: [extract]; hashing: [embed]; model servers: what output says, and predict" doc:"What the model can do."`

	Signature string  `yaml:"signature" defaultdoc:"the server's own" doc:"Kind tfserving: the way of calling the model, as saved_model_cli shows it. Kind torchserve: what a body is, json, text or bytes."`
	Input     *Input  `yaml:"input" doc:"Model servers: what becomes of a text or a picture before the model. Exactly one of text, tokens, image, features and example. Without input and output the target only predicts: callers and chains give it tensors."`
	Output    *Output `yaml:"output" doc:"Model servers: what becomes of the model's numbers. Exactly one of classes and embedding."`

	Batch  *Batch         `yaml:"batch" doc:"Calls for classes, vectors and tensors that come at the same time are made as one, which servers with a fixed cost per call thank with many times the throughput. Without it each is made by itself."`
	Cache  *time.Duration `yaml:"cache" min:"0s" defaultdoc:"10m for targets on servers that classify or embed; 0s for others" doc:"How long classes and vectors are kept in memory, for the same text, picture or record of the same tenant and the same version of the model. All of them together take 64 MiB at most. Passages that are indexed are not kept. 0s: nothing is."`
	Canary *Canary        `yaml:"canary" doc:"Another version that a share of the callers get, each always the same one."`
	Shadow *Shadow        `yaml:"shadow" doc:"Another version that is asked beside, whose answers are compared and given to nobody. Callers do not pay for it."`

	Context  int           `yaml:"context" default:"0" min:"0" doc:"The context window in tokens. 0: unknown, and then no reason to be out."`
	Price    *Price        `yaml:"price" defaultdoc:"unknown; nothing inside the process" doc:"What it costs. A target without a price is out wherever a policy limits cost."`
	Quality  *float64      `yaml:"quality" min:"0" max:"1" defaultdoc:"unknown" doc:"How good its answers are, in [0,1], as you measured it. Unknown is out wherever a policy demands a quality."`
	TTFT     time.Duration `yaml:"ttft" default:"0s" min:"0s" doc:"The expected time to the first token, until it has been observed. 0s: unknown."`
	PerToken time.Duration `yaml:"per_token" default:"0s" min:"0s" doc:"The expected time for each further token, until it has been observed. 0s: unknown."`
}

// Price is what a target costs, in US dollars.
type Price struct {
	Input       float64  `yaml:"input" default:"0" min:"0" doc:"US dollars for a million input tokens."`
	CachedInput *float64 `yaml:"cached_input" min:"0" defaultdoc:"as input" doc:"US dollars for a million input tokens that the backend had cached."`
	Output      float64  `yaml:"output" default:"0" min:"0" doc:"US dollars for a million output tokens."`
	PerCall     float64  `yaml:"per_call" default:"0" min:"0" doc:"US dollars for each call."`
	PerImage    float64  `yaml:"per_image" default:"0" min:"0" doc:"US dollars for each picture in the request."`
}

// Policy is what a step demands of its target, and prefers. A map of them is keyed by name.
type Policy struct {
	Prefer string `yaml:"prefer" default:"cheapest" enum:"cheapest,fastest,best" doc:"What to prefer among the targets that qualify."`
	// Weights take the place of Prefer where the file has a mapping for it. Nil: a word.
	Weights   *Weights  `yaml:"prefer" doc:"In the place of a word: how much each property counts. A target's score is the sum of its scores, weighed, and what is unknown of it counts as 0. Only the proportions matter."`
	Scales    *Scales   `yaml:"scales" doc:"What scores of cost and latency are measured against: a cost or latency x scores v/(x+v), which is 1 for nothing and one half for v. They do not depend on the targets, so that scores can be compared between requests."`
	Require   Require   `yaml:"require" doc:"What a target must satisfy. Its clearance and capabilities are always demanded and need not be written."`
	Attempts  int       `yaml:"attempts" default:"3" min:"1" max:"20" doc:"The most calls for one step."`
	Midstream string    `yaml:"midstream" default:"fail" enum:"fail,restart" doc:"When a call fails after its first text has gone out: fail the run, or withdraw the text and restart on the next target where the caller's protocol can withdraw."`
	OnNone    string    `yaml:"on_none" enum:"fail,cheapest,extractive" defaultdoc:"fail" doc:"When no target qualifies: fail; or take the cheapest that misses nothing but quality, cost_usd, ttft or latency; or the same among the targets that only quote documents. Clearances, capabilities, windows, conditions, lists of targets, budgets and deadlines always hold."`
	Hedge     *Hedge    `yaml:"hedge" doc:"Ask a second target when the first token is late; the first to speak answers, and the other call is ended and paid for. Calls that offer tools are never made twice. Without it there is no hedging."`
	Escalate  *Escalate `yaml:"escalate" doc:"Ask another target, once, when an answer does not do. Where the caller's protocol cannot withdraw text that it has seen, the answer stands."`
}

// Escalate says when another target is asked for a better answer.
type Escalate struct {
	When string `yaml:"when" required:"true" doc:"A condition in CEL that an answer which does not do fulfils, over text, finish, tokens, citations and target, such as finish == 'length' || citations == 0."`
	To   string `yaml:"to" default:"best" enum:"cheapest,fastest,best" doc:"What to prefer for the second answer."`
}

// Hedge says when a second target is asked.
type Hedge struct {
	After  string  `yaml:"after" default:"p95" enum:"p50,p90,p95,p99" doc:"The quantile of the time to the first token after which it is late, as observed; there is no hedge on a guess."`
	Budget float64 `yaml:"budget" default:"0.05" min:"0" max:"1" doc:"The most hedges, as a share of the policy's steps."`
}

// Weights say how much each property of a target counts.
type Weights struct {
	Cost    float64 `yaml:"cost" default:"0" min:"0" max:"1000000" doc:"How much it counts what a call is expected to cost."`
	Latency float64 `yaml:"latency" default:"0" min:"0" max:"1000000" doc:"How much it counts how long the whole answer is expected to take."`
	Quality float64 `yaml:"quality" default:"0" min:"0" max:"1000000" doc:"How much the target's quality counts, which is its own score."`
}

// Scales are the values that score one half.
type Scales struct {
	CostUSD float64       `yaml:"cost_usd" default:"0.01" min:"0.000001" max:"1000000" doc:"US dollars for a call that score one half."`
	Latency time.Duration `yaml:"latency" default:"1s" min:"1ms" doc:"The time for a whole answer that scores one half."`
}

// Require is what a target must satisfy.
type Require struct {
	Quality float64       `yaml:"quality" default:"0" min:"0" max:"1" doc:"The least quality. 0: none demanded."`
	CostUSD float64       `yaml:"cost_usd" default:"0" min:"0" max:"1000000" doc:"The most that a call may be expected to cost, in US dollars. 0: no limit."`
	TTFT    time.Duration `yaml:"ttft" default:"0s" min:"0s" doc:"The most predicted time to the first token, the wait for a place included. 0s: no limit. A target whose time is unknown, or only guessed from its backend's kind, is not out."`
	Latency time.Duration `yaml:"latency" default:"0s" min:"0s" doc:"The most predicted time for the whole answer, the wait for a place included. 0s: no limit. A target whose time is unknown, or only guessed from its backend's kind, is not out."`
	At      string        `yaml:"at" enum:"p50,p90,p95,p99" defaultdoc:"p95" doc:"The quantile at which ttft and latency are predicted: p95 is the time that 95 of 100 calls keep."`
	When    string        `yaml:"when" doc:"A condition in CEL over the request and the target that must hold as well."`
	Targets []string      `yaml:"targets" doc:"The only targets that may be chosen, by name. Empty: all."`
}

// Router is what was learned of the targets.
type Router struct {
	Model string `yaml:"model" path:"true" doc:"A file that fairlead router train wrote: the quality that it expects of a target for a prompt takes the place of the target's own. A file whose test was not passed is refused. It is read again when it changes."`
}

// Chains is where chains are read from.
type Chains struct {
	Dir   string   `yaml:"dir" path:"true" doc:"A folder whose files *.yaml and *.yml are chains."`
	Files []string `yaml:"files" path:"true" doc:"Further files, or patterns such as chains/*.yaml."`
}

// Prompts is where prompts are read from.
type Prompts struct {
	Dir string `yaml:"dir" path:"true" doc:"A folder of prompts."`
}

// Chat is what requests mean that do not say it themselves.
type Chat struct {
	Auto          string      `yaml:"auto" defaultdoc:"the default policy" doc:"What the model auto means: policy/NAME, chain/NAME or a target's name."`
	DefaultPolicy string      `yaml:"default_policy" default:"default" doc:"The policy of steps that name none."`
	DefaultLabel  label.Label `yaml:"default_label" default:"internal" doc:"The label of requests that state none."`
	Languages     []string    `yaml:"languages" enum:"ar,da,de,el,en,es,fi,fr,he,hi,hu,it,ja,ko,nl,pl,pt,ro,ru,sv,tr,uk,zh" defaultdoc:"[en, de, fr, es, ar, zh]" doc:"The languages that are told apart where a condition asks for the locale and the caller states none. The fewer, the surer."`
}

// Retrieval is how documents are split, embedded and searched.
type Retrieval struct {
	Embedder      string  `yaml:"embedder" default:"hashing" doc:"The target that embeds new collections that name none."`
	Split         Split   `yaml:"split" doc:"How long passages are."`
	LexicalWeight float64 `yaml:"lexical_weight" default:"0.8" min:"0" max:"1" doc:"How much the words count against the vectors in new collections that do not say: 1 is words alone, 0 vectors alone."`
}

// Split is how long passages are.
type Split struct {
	TargetBytes Size `yaml:"target_bytes" default:"1000B" min:"64B" max:"64KiB" doc:"The length that passages aim at."`
	MaxBytes    Size `yaml:"max_bytes" default:"2000B" min:"64B" max:"256KiB" doc:"The most that one passage may hold."`
}

// Discover is which model servers join by themselves.
type Discover struct {
	Ollama bool `yaml:"ollama" default:"true" doc:"An Ollama at OLLAMA_HOST or on 127.0.0.1:11434, when it answers at the start and no backend of that kind is configured. Its clearance is restricted on this machine and internal elsewhere. Models that it sends on to another host stay out."`
	OpenAI bool `yaml:"openai" default:"true" doc:"OpenAI, with clearance internal, when OPENAI_API_KEY is set and no backend of that kind is configured."`
}

// Capabilities gives what the target does as a set.
func (t *Target) Capabilities() providers.Capability {
	var set providers.Capability
	for _, name := range t.Does {
		if c, err := providers.ParseCapability(name); err == nil { // Load has checked the names
			set |= c
		}
	}
	return set
}

// Providers gives the price as the vocabulary of model calls has it; nil is unknown.
func (p *Price) Providers() *providers.Price {
	if p == nil {
		return nil
	}
	return &providers.Price{Input: p.Input, CachedInput: p.CachedInput, Output: p.Output, PerCall: p.PerCall, PerImage: p.PerImage}
}

// Price gives what a target of the backend costs: its own price, which may be nil, and the backend's time.
func (b *Backend) Price(p *Price) *providers.Price {
	out := p.Providers()
	if b.Cost == nil {
		return out
	}
	if out == nil {
		out = &providers.Price{}
	}
	if !b.Cost.Amortised {
		out.GPUHour = b.Cost.GPUHourUSD
	}
	return out
}

// The kinds of backends.
const (
	KindOpenAI     = "openai"
	KindOllama     = "ollama"
	KindScripted   = "scripted"
	KindExtractive = "extractive"
	KindHashing    = "hashing"
	// KindTFServing, KindOpenInference and KindTorchServe serve models over tensors.
	KindTFServing     = "tfserving"
	KindOpenInference = "openinference"
	KindTorchServe    = "torchserve"
)

// The targets that are always there, unless the file names a target so itself.
const (
	BuiltInExtractive = "extractive"
	BuiltInHashing    = "hashing"
)

// DefaultPolicyName is the name of the policy that exists without being written.
const DefaultPolicyName = "default"

package config

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Validate checks what types and ranges cannot say: addresses, what goes together, and that every name
// that is used is there. The error is an *Error. Load calls it; conditions in CEL, chains and prompts are
// checked where they are compiled.
func (c *Config) Validate() error {
	if problems := c.check().list; len(problems) > 0 {
		return &Error{Problems: problems}
	}
	return nil
}

// checker collects problems.
type checker struct {
	c    *Config
	list []Problem
	// unsure is what may be wrong: warnings.
	unsure []Problem
}

func (k *checker) wrong(path, format string, args ...any) {
	k.list = append(k.list, Problem{Path: path, Text: fmt.Sprintf(format, args...)})
}

func (c *Config) check() *checker {
	k := &checker{c: c}
	k.server()
	k.rest()
	for _, name := range slices.Sorted(maps.Keys(c.Backends)) {
		k.backend(under("backends", name), c.Backends[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.Targets)) {
		k.target(under("targets", name), name, c.Targets[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.Policies)) {
		k.policy(under("policies", name), c.Policies[name])
	}
	return k
}

func (k *checker) server() {
	s := &k.c.Server
	if _, port, err := net.SplitHostPort(s.Listen); err != nil {
		k.wrong("server.listen", "want HOST:PORT, such as 127.0.0.1:8080 or :8080")
	} else if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		k.wrong("server.listen", "want a port from 0 to 65535 after the last colon")
	} else if !isLoopback(s.Listen) && !s.AllowUnauthenticated && !k.c.Auth.On() {
		k.wrong("server.listen", "callers need not prove who they are, so only loopback may be listened on: set auth.keys or auth.oidc, or server.allow_unauthenticated where none but trusted callers reach the port")
	}
	if (s.TLS.Cert == "") != (s.TLS.Key == "") {
		k.wrong("server.tls", "want both cert and key, or neither")
	}
	for _, origin := range s.CORSOrigins {
		u, err := url.Parse(origin)
		if origin != "*" && (err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || origin != u.Scheme+"://"+u.Host) {
			k.wrong("server.cors_origins", "want origins such as https://app.example.com, without a path, or *")
		}
	}
}

func (k *checker) rest() {
	c := k.c
	if c.Telemetry.ServiceName == "" {
		k.wrong("telemetry.service_name", "must not be empty")
	}
	if c.Telemetry.OTLP.Endpoint != "" {
		k.address("telemetry.otlp.endpoint", c.Telemetry.OTLP.Endpoint)
	}
	k.headers("telemetry.otlp.headers", c.Telemetry.OTLP.Headers)
	k.database()
	k.auth()
	for _, pattern := range c.Chains.Files {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			k.wrong("chains.files", "%s is not a file or a pattern such as chains/*.yaml", quote(pattern))
		}
	}
	if _, ok := c.Policies[c.Chat.DefaultPolicy]; !ok {
		k.unknown("chat.default_policy", "policy", c.Chat.DefaultPolicy, slices.Sorted(maps.Keys(c.Policies)))
	}
	k.auto()
	if r := c.Retrieval; r.Split.MaxBytes < r.Split.TargetBytes {
		k.wrong("retrieval.split.max_bytes", "want %s or more, as target_bytes", r.Split.TargetBytes)
	}
	k.embedder()
}

func (k *checker) database() {
	d := &k.c.Database
	k.databaseURL("database.url", d.URL, true)
	if d.OwnerURL.Set() {
		k.databaseURL("database.owner_url", d.OwnerURL, false)
	}
}

// databaseURL checks an address without ever saying it: it has a password.
func (k *checker) databaseURL(at string, url Address, file bool) {
	switch scheme, rest, _ := strings.Cut(url.Reveal(), ":"); {
	case (scheme == "postgres" || scheme == "postgresql") && strings.HasPrefix(rest, "//"):
	case file && (scheme != "sqlite" || rest == "" || strings.HasPrefix(rest, "//")):
		k.wrong(at, "want sqlite:FILE, such as sqlite:fairlead.db, or postgres://USER:PASSWORD@HOST/DATABASE")
	case !file:
		k.wrong(at, "want postgres://USER:PASSWORD@HOST/DATABASE")
	}
}

func (k *checker) auto() {
	auto := k.c.Chat.Auto
	policy, isPolicy := strings.CutPrefix(auto, "policy/")
	chain, isChain := strings.CutPrefix(auto, "chain/")
	switch {
	case auto == "":
	case isPolicy:
		if _, ok := k.c.Policies[policy]; !ok {
			k.unknown("chat.auto", "policy", policy, slices.Sorted(maps.Keys(k.c.Policies)))
		}
	case isChain && chain == "":
		k.wrong("chat.auto", "want the name of a chain after chain/")
	case isChain: // chains are read later, and the engine checks the name
	default:
		k.knownTarget("chat.auto", auto)
	}
}

func (k *checker) embedder() {
	name := k.c.Retrieval.Embedder
	k.knownTarget("retrieval.embedder", name)
	if t, ok := k.c.Targets[name]; ok && !slices.Contains(t.Does, "embed") {
		k.wrong("retrieval.embedder", "target %s does not embed: its does has no embed", name)
	}
}

func (k *checker) backend(at string, b Backend) {
	tensors := servesTensors(b.Kind)
	remote := b.Kind == KindOpenAI || b.Kind == KindOllama || tensors
	switch {
	case b.Kind == "":
		k.wrong(at+".kind", "must be set: want one of %s", strings.Join(backendKinds(), ", "))
		return
	case b.URL == "" && tensors:
		k.wrong(at+".url", "must be set: want the server's address, such as %s", exampleURL[b.Kind])
	case b.URL != "" && remote:
		k.address(at+".url", b.URL, schemes[b.Kind]...)
	case b.URL != "":
		k.wrong(at+".url", "kind %s has no address: leave it out", b.Kind)
	}
	if b.Kind == KindOpenAI && b.URL == defaultOpenAIURL && !b.APIKey.Set() {
		k.wrong(at+".api_key", "must be set for %s: write ${OPENAI_API_KEY}, or set url for a server of your own", defaultOpenAIURL)
	}
	if b.APIKey.Set() && !remote {
		k.wrong(at+".api_key", "kind %s wants no key: leave it out", b.Kind)
	}
	if !httpguts.ValidHeaderFieldValue(b.APIKey.Reveal()) {
		k.wrong(at+".api_key", "has characters that a header cannot carry, such as an end of line")
	}
	if len(b.Headers) > 0 && !remote {
		k.wrong(at+".headers", "kind %s sends no headers: leave them out", b.Kind)
	}
	k.headers(at+".headers", b.Headers)
	switch {
	case b.Cost == nil:
	case inProcess(b.Kind):
		k.wrong(at+".cost", "kind %s works inside the process, for nothing: leave it out", b.Kind)
	case b.Cost.GPUHourUSD == 0 && !b.Cost.Amortised:
		k.wrong(at+".cost.gpu_hour_usd", "must be set: want US dollars for an hour, or amortised: true where the time is paid for already")
	}
	if b.KeepAlive != nil && b.Kind != KindOllama {
		k.wrong(at+".keep_alive", "is for kind ollama: leave it out")
	}
	if b.Server != "" && b.Kind != KindOpenAI {
		k.wrong(at+".server", "is for kind openai: leave it out")
	}
	secure := strings.HasPrefix(b.URL, "https:") || strings.HasPrefix(b.URL, "grpcs:") || strings.HasPrefix(b.ManagementURL, "https:")
	if b.CA != "" && (!remote || !secure) {
		k.wrong(at+".ca", "is for servers that are reached over https or grpcs: leave it out")
	}
	if b.Check != "" && b.Kind != KindOpenInference {
		k.wrong(at+".check", "is for kind openinference: leave it out")
	}
	k.management(at, b)
}

// management checks the second address of TorchServe.
func (k *checker) management(at string, b Backend) {
	if b.Kind != KindTorchServe {
		if b.ManagementURL != "" || b.ManagementKey.Set() {
			k.wrong(at+".management_url", "is for kind torchserve: leave it out, and its key")
		}
		return
	}
	if b.ManagementURL != "" {
		k.address(at+".management_url", b.ManagementURL, "http", "https")
	} else if b.ManagementKey.Set() {
		k.wrong(at+".management_key", "has no management_url to go to: set it, or leave the key out")
	}
	if !httpguts.ValidHeaderFieldValue(b.ManagementKey.Reveal()) {
		k.wrong(at+".management_key", "has characters that a header cannot carry, such as an end of line")
	}
}

func (k *checker) target(at, name string, t Target) {
	if name == "auto" || strings.HasPrefix(name, "policy/") || strings.HasPrefix(name, "chain/") {
		k.wrong(at, "the name means something else in a request: take one that is not auto and does not start with policy/ or chain/")
	}
	b, ok := k.c.Backends[t.Backend]
	switch {
	case t.Backend == "":
		k.wrong(at+".backend", "must be set: want the name of a backend")
	case !ok:
		k.unknown(at+".backend", "backend", t.Backend, slices.Sorted(maps.Keys(k.c.Backends)))
	case t.Model == "" && b.Kind != KindExtractive && b.Kind != KindHashing:
		k.wrong(at+".model", "must be set: want the model as backend %s calls it", t.Backend)
	case b.Kind == KindExtractive && !slices.Equal(t.Does, []string{"extract"}):
		k.wrong(at+".does", "kind extractive does [extract] and nothing else")
	case b.Kind == KindHashing && !slices.Equal(t.Does, []string{"embed"}):
		k.wrong(at+".does", "kind hashing does [embed] and nothing else")
	case servesTensors(b.Kind): // checked below
	case b.Kind != KindScripted && slices.Contains(t.Does, "classify"):
		k.wrong(at+".does", "kind %s does not classify", b.Kind)
	}
	if ok {
		k.tensors(at, b, t)
		k.together(at, b, t)
		k.traffic(at, name, b, t)
	}
}

func (k *checker) policy(at string, p Policy) {
	if w := p.Weights; w != nil && w.Cost+w.Latency+w.Quality == 0 {
		k.wrong(at+".prefer", "want a weight over 0 for cost, latency or quality")
	}
	for _, name := range p.Require.Targets {
		k.knownTarget(at+".require.targets", name)
	}
}

// knownTarget checks the name of a target. What may be discovered is not known yet: then a name that is
// not here is a warning at most, and the engine decides when it knows all targets.
func (k *checker) knownTarget(at, name string) {
	if _, ok := k.c.Targets[name]; ok || name == BuiltInExtractive || name == BuiltInHashing {
		return
	}
	known := append(slices.Sorted(maps.Keys(k.c.Targets)), BuiltInExtractive, BuiltInHashing)
	if !k.c.discovers() {
		k.unknown(at, "target", name, known)
		return
	}
	if near, ok := suggest(name, known); ok {
		k.unsure = append(k.unsure, Problem{Path: at, Text: fmt.Sprintf("no target %s is written here, so it must be discovered; did you mean %s?", quote(name), near)})
	}
}

// discovers says whether targets may join by themselves: a kind that is configured is not looked for.
func (c *Config) discovers() bool {
	written := map[string]bool{}
	for _, b := range c.Backends {
		written[b.Kind] = true
	}
	return (c.Discover.Ollama && !written[KindOllama]) || (c.Discover.OpenAI && !written[KindOpenAI])
}

func (k *checker) unknown(at, what, name string, known []string) {
	text := fmt.Sprintf("no %s has the name %s", what, quote(name))
	if near, ok := suggest(name, known); ok {
		text += fmt.Sprintf("; did you mean %s?", near)
	}
	switch {
	case len(known) == 0:
		text += fmt.Sprintf(" (there are no %ss)", what)
	case len(known) <= 20:
		text += " (there are: " + strings.Join(known, ", ") + ")"
	}
	k.wrong(at, "%s", text)
}

// schemes are what addresses of a kind may begin with, beside http and https.
var schemes = map[string][]string{KindTFServing: {"grpc", "grpcs"}, KindOpenInference: {"grpc", "grpcs"}}

// exampleURL is an address of each kind that has no default.
var exampleURL = map[string]string{
	KindTFServing: "grpc://127.0.0.1:8500 or http://127.0.0.1:8501", KindOpenInference: "grpc://127.0.0.1:8001 or http://127.0.0.1:8000",
	KindTorchServe: "http://127.0.0.1:8080",
}

// address checks a URL. It is not repeated in the message, because it may hold credentials. further are schemes that it
// may have beside http and https.
func (k *checker) address(at, text string, further ...string) {
	u, err := url.Parse(text)
	known := err == nil && (u.Scheme == "http" || u.Scheme == "https" || slices.Contains(further, u.Scheme))
	switch {
	case !known || u.Host == "":
		want := "http://127.0.0.1:11434"
		if further != nil {
			want = "grpc://127.0.0.1:8500 or http://127.0.0.1:8501"
		}
		k.wrong(at, "want an address such as %s", want)
	case strings.HasPrefix(u.Scheme, "grpc") && u.Path != "":
		k.wrong(at, "want grpc://HOST:PORT, without a path")
	case u.User != nil:
		k.wrong(at, "must hold no user or password: use api_key or headers")
	case u.RawQuery != "" || u.Fragment != "":
		k.wrong(at, "must end with the path: no ? and no #")
	}
}

func (k *checker) headers(at string, headers map[string]Secret) {
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if !httpguts.ValidHeaderFieldName(name) {
			k.wrong(under(at, name), "is not the name of a header")
		}
		if !httpguts.ValidHeaderFieldValue(headers[name].Reveal()) {
			k.wrong(under(at, name), "has characters that a header cannot carry, such as an end of line")
		}
	}
}

func backendKinds() []string { return schema().field("backends").elem.field("kind").enum }

// warnings gives what works but is unwise.
func (c *Config) warnings() []Problem {
	var list []Problem
	warn := func(path, text string) { list = append(list, Problem{Path: path, Text: text}) }
	if c.Server.AllowUnauthenticated && c.Auth.On() {
		warn("server.allow_unauthenticated", "callers have to prove who they are all the same, because auth says so: leave it out")
	} else if c.Server.AllowUnauthenticated && !isLoopback(c.Server.Listen) {
		warn("server.allow_unauthenticated", "everyone who reaches the port may use the server and read what it holds: let only trusted networks reach it")
	}
	if c.Auth.On() && c.Server.TLS.Cert == "" && !isLoopback(c.Server.Listen) {
		warn("server.tls", "keys and tokens come over the network in the clear, unless something before this server ends TLS")
	}
	if slices.Contains(c.Server.CORSOrigins, "*") {
		warn("server.cors_origins", "* lets every web page that a user opens call the API")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Backends)) {
		b := c.Backends[name]
		u, err := url.Parse(b.URL)
		if err == nil && (u.Scheme == "http" || u.Scheme == "grpc") && b.APIKey.Set() && !isLoopback(u.Host) {
			warn(under("backends", name)+".url", fmt.Sprintf("the api_key goes over the network in the clear: use %ss where you can", u.Scheme))
		}
		if u, err := url.Parse(b.ManagementURL); err == nil && u.Scheme == "http" && b.ManagementKey.Set() && !isLoopback(u.Host) {
			warn(under("backends", name)+".management_url", "the management_key goes over the network in the clear: use https where you can")
		}
	}
	return list
}

// isLoopback says whether a host, with or without a port, is this machine alone.
func isLoopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"

	"fairlead/internal/config"
	"fairlead/internal/label"
	"fairlead/orchestrator"
	"fairlead/orchestrator/routing"
	"fairlead/providers"
	"fairlead/providers/ollama"
	"fairlead/providers/openai"
	"fairlead/providers/tokens"
)

// discover adds what is found without being configured: an Ollama on its usual port, and OpenAI when
// there is a key.
func (f *fleet) discover(ctx context.Context, c *config.Config, getenv func(string) string) error {
	kinds := map[string]bool{}
	for _, b := range c.Backends {
		kinds[b.Kind] = true
	}
	if c.Discover.Ollama && !kinds[config.KindOllama] {
		if err := f.findOllama(ctx, getenv); err != nil {
			return err
		}
	}
	if c.Discover.OpenAI && !kinds[config.KindOpenAI] {
		return f.findOpenAI(getenv)
	}
	return nil
}

func (f *fleet) findOllama(ctx context.Context, getenv func(string) string) error {
	address := ollamaAddress(getenv("OLLAMA_HOST"))
	client, err := ollama.New(ollama.Config{Name: "ollama", BaseURL: address, HTTPClient: f.outbound(probeTime, nil)})
	if err != nil {
		f.notes = append(f.notes, "OLLAMA_HOST cannot be read, so Ollama was not looked for")
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	models, err := client.Models(ctx)
	if err != nil {
		f.notes = append(f.notes, "no Ollama answered at "+address)
		return nil
	}
	if len(models) == 0 {
		f.notes = append(f.notes, "Ollama answers at "+address+" and has no model: pull one, such as `ollama pull qwen3:8b`")
	}
	f.asked["ollama"] = askable{server: client, health: config.Health{Every: foundEvery, Timeout: foundTimeout}, lazy: true}
	// What runs on this machine lets nothing out; another machine is not known to us.
	clearance := label.Internal
	if u, err := url.Parse(address); err == nil && isLoopback(u.Hostname()) {
		clearance = label.Restricted
	}
	for _, m := range models {
		if m.Host != "" {
			// This Ollama passes what it gets on to a host that nobody has cleared for anything.
			f.notes = append(f.notes, fmt.Sprintf("%s was found and left out: Ollama sends it on to %s; write it into the configuration to use it", m.Name, m.Host))
			continue
		}
		does := m.Does
		if does == 0 {
			does = providers.Chat
		}
		f.found(orchestrator.Target{Generator: client, Embedder: client, Cache: config.DefaultCache, Encoding: encoding(config.KindOllama, m.Name), Server: client, Lazy: true, Target: routing.Target{
			Name: strings.ReplaceAll(m.Name, "/", "-"), Backend: "ollama", Kind: config.KindOllama, Model: m.Name, Does: does, Context: m.Context,
			Clearance: clearance, Price: &providers.Price{}, Quality: qualityOllama, Origin: "found",
		}}, "found: Ollama answers at "+address)
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// ollamaAddress reads OLLAMA_HOST as Ollama's own programs do: a host, with or without scheme and port.
func ollamaAddress(host string) string {
	if host == "" {
		return "http://127.0.0.1:11434"
	}
	if !strings.Contains(host, "://") {
		host = "http://" + host
	}
	u, err := url.Parse(host)
	if err != nil {
		return host
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), "11434")
	}
	if u.Hostname() == "0.0.0.0" || u.Hostname() == "" { // where a server listens, not where it is reached
		u.Host = net.JoinHostPort("127.0.0.1", u.Port())
	}
	return u.String()
}

// findOpenAI adds two models of OpenAI, at the prices that were published when this was written; a
// configuration says it better.
func (f *fleet) findOpenAI(getenv func(string) string) error {
	key := getenv("OPENAI_API_KEY")
	if key == "" {
		f.notes = append(f.notes, "OPENAI_API_KEY is not set")
		return nil
	}
	client, err := openai.New(openai.Config{Name: "openai", APIKey: key, HTTPClient: f.outbound(0, nil)})
	if err != nil {
		return fmt.Errorf("backend openai: %w", err)
	}
	cached := 0.025
	why := "found: OPENAI_API_KEY is set; it may see data up to internal"
	f.found(orchestrator.Target{Generator: client, Encoding: tokens.For("gpt-5-mini"), Target: routing.Target{
		Name: "gpt-5-mini", Backend: "openai", Kind: config.KindOpenAI, Model: "gpt-5-mini", Context: 400_000, Quality: qualityOpenAI, Origin: "found",
		Does: providers.Chat | providers.Tools | providers.JSON | providers.Vision, Clearance: label.Internal,
		Price: &providers.Price{Input: 0.25, CachedInput: &cached, Output: 2},
	}}, why)
	f.found(orchestrator.Target{Embedder: client, Cache: config.DefaultCache, Encoding: tokens.For("text-embedding-3-small"), Target: routing.Target{
		Name: "text-embedding-3-small", Backend: "openai", Kind: config.KindOpenAI, Model: "text-embedding-3-small", Context: 8191, Quality: -1,
		Origin: "found", Does: providers.Embed, Clearance: label.Internal, Price: &providers.Price{Input: 0.02},
	}}, why)
	return nil
}

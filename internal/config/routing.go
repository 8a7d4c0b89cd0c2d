package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fairlead/orchestrator/routing"
	"fairlead/providers"
)

// OriginConfig is the routing.Target.Origin of targets that are written in the configuration.
const OriginConfig = "config"

// RoutingTargets gives the configured targets as routing knows them, by name.
func (c *Config) RoutingTargets() []routing.Target {
	targets := make([]routing.Target, 0, len(c.Targets))
	for _, name := range slices.Sorted(maps.Keys(c.Targets)) {
		t, b := c.Targets[name], c.Backends[c.Targets[name].Backend]
		out := routing.Target{
			Name: name, Backend: t.Backend, Kind: b.Kind, Model: t.Model, Version: t.Version,
			Context: t.Context, Clearance: b.Clearance, Quality: -1, TTFT: t.TTFT, PerToken: t.PerToken,
			Origin: OriginConfig,
		}
		for _, does := range t.Does {
			if capability, err := providers.ParseCapability(does); err == nil { // checked by the enum
				out.Does |= capability
			}
		}
		if t.Quality != nil {
			out.Quality = *t.Quality
		}
		if p := t.Price; p != nil {
			out.Price = &providers.Price{Input: p.Input, CachedInput: p.CachedInput, Output: p.Output, PerCall: p.PerCall}
		}
		targets = append(targets, out)
	}
	return targets
}

// RoutingPolicies gives the policies as routing knows them, by name. When is nil: compile WhenText.
func (c *Config) RoutingPolicies() []routing.Policy {
	policies := make([]routing.Policy, 0, len(c.Policies))
	for _, name := range slices.Sorted(maps.Keys(c.Policies)) {
		p := c.Policies[name]
		policies = append(policies, routing.Policy{
			Name: name, Prefer: p.Prefer, MinQuality: p.Require.Quality,
			MaxCost: providers.USD(p.Require.CostUSD), MaxTTFT: p.Require.TTFT, MaxLatency: p.Require.Latency,
			Targets: p.Require.Targets, WhenText: p.Require.When, Attempts: p.Attempts, Midstream: p.Midstream,
		})
	}
	return policies
}

// ChainFiles gives the files that chains.dir and chains.files name, each once, by path. A folder or a
// file that is not there is an error; a pattern that matches nothing is none.
func (c *Config) ChainFiles() ([]string, error) {
	var files []string
	var errs []error
	if c.Chains.Dir != "" {
		entries, err := os.ReadDir(c.Chains.Dir)
		if err != nil {
			errs = append(errs, fmt.Errorf("reading chains.dir: %w", err))
		}
		for _, e := range entries {
			ext := filepath.Ext(e.Name())
			// Kubernetes keeps versions of a mounted folder in hidden folders beside the links.
			if !e.IsDir() && !strings.HasPrefix(e.Name(), ".") && (ext == ".yaml" || ext == ".yml") {
				files = append(files, filepath.Join(c.Chains.Dir, e.Name()))
			}
		}
	}
	for _, pattern := range c.Chains.Files {
		matches, err := filepath.Glob(pattern)
		if err == nil && len(matches) == 0 && !strings.ContainsAny(pattern, `*?[`) {
			err = fmt.Errorf("%s: %w", pattern, fs.ErrNotExist)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("reading chains.files: %w", err))
		}
		files = append(files, matches...)
	}
	slices.Sort(files)
	return slices.Compact(files), errors.Join(errs...)
}

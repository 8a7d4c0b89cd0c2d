package config

import (
	"slices"
	"strings"
)

// leastShadowed is the fewest calls a minute of a backend whose targets can have a shadow: a tenth of them may begin at
// once, and shadows take only what callers leave of these.
const leastShadowed = 20

// traffic checks the canary and the shadow of a target.
func (k *checker) traffic(at, name string, b Backend, t Target) {
	if strings.Contains(name, "@") {
		k.wrong(at, "a target's name has no @: %s@canary is what its canary is called in records", strings.ReplaceAll(name, "@", "-"))
	}
	if t.Canary != nil {
		k.variant(at+".canary", b, t, t.Canary.Model, t.Canary.Version)
		if slices.Contains(t.Does, "embed") {
			k.wrong(at+".canary", "is not for targets that embed, because vectors of two versions cannot be compared: write another target, and reindex collections with it")
		}
	}
	if t.Shadow != nil {
		k.variant(at+".shadow", b, t, t.Shadow.Model, t.Shadow.Version)
		if n := b.Limits.PerMinute; n > 0 && n < leastShadowed {
			k.wrong(at+".shadow", "backend %s takes %d calls a minute, which leaves none over for a shadow: want limits.per_minute of %d or more", t.Backend, n, leastShadowed)
		}
	}
}

// variant checks that another version is one.
func (k *checker) variant(at string, b Backend, t Target, model, version string) {
	switch {
	case inProcess(b.Kind):
		k.wrong(at, "is for models on servers: kind %s works inside the process and has one version", b.Kind)
	case !servesTensors(b.Kind) && (model == "" || model == t.Model):
		k.wrong(at+".model", "must be set, to another than the target's: backends of kind %s know models by name alone, and no versions", b.Kind)
	case (model == "" || model == t.Model) && (version == "" || version == t.Version):
		k.wrong(at, "must differ from the target: set version, or model")
	}
}

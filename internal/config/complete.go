package config

import (
	"path/filepath"
	"strings"

	"fairlead/internal/label"
)

const (
	defaultOpenAIURL = "https://api.openai.com/v1"
	defaultOllamaURL = "http://127.0.0.1:11434"

	sqliteScheme = "sqlite:"
)

// complete gives backends and targets the defaults that depend on the backend's kind.
func (c *Config) complete() {
	for name, b := range c.Backends {
		switch {
		case b.URL != "":
		case b.Kind == KindOpenAI:
			b.URL = defaultOpenAIURL
		case b.Kind == KindOllama:
			b.URL = defaultOllamaURL
		}
		if b.Clearance == label.Unset {
			b.Clearance = label.Internal
			if inProcess(b.Kind) {
				b.Clearance = label.Restricted
			}
		}
		c.Backends[name] = b
	}
	for name, t := range c.Targets {
		kind := c.Backends[t.Backend].Kind
		if len(t.Does) == 0 {
			switch kind {
			case KindExtractive:
				t.Does = []string{"extract"}
			case KindHashing:
				t.Does = []string{"embed"}
			case KindTFServing, KindOpenInference, KindTorchServe:
				t.Does = t.can()
			default:
				t.Does = []string{"chat"}
			}
		}
		if t.Price == nil && inProcess(kind) {
			t.Price = &Price{}
		}
		c.Targets[name] = t
	}
}

// inProcess says whether a kind answers inside the process, for nothing, and lets no data out. A scripted
// backend is inside too, but it stands for a server in tests and demos, so it is treated as one.
func inProcess(kind string) bool { return kind == KindExtractive || kind == KindHashing }

// resolveDatabase makes the file of a URL that stands in the file relative to it.
func (c *Config) resolveDatabase(d *decoder) {
	file, ok := strings.CutPrefix(c.Database.URL.Reveal(), sqliteScheme)
	if !ok || file == "" || file == ":memory:" || filepath.IsAbs(file) {
		return
	}
	if d.report.origins["database.url"].Kind == OriginFile {
		c.Database.URL = NewAddress(sqliteScheme + filepath.Join(d.dir, file))
	}
}

// Package retrievaltest holds what tests of retrieval share: a service over a real database and the hashing
// embedder, and the folder of public data. It refuses to be used by the program.
package retrievaltest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/store/sqlite"
	"fairlead/providers"
	"fairlead/providers/hashing"
	"fairlead/retrieval"
)

// Hashing gives the hashing embedder under its name, which is the default too.
type Hashing struct{ Dimensions int }

// Embedder implements retrieval.Embedders.
func (h Hashing) Embedder(name string) (retrieval.Embedder, error) {
	e, err := hashing.New(hashing.Config{Dimensions: h.Dimensions})
	if err != nil {
		return retrieval.Embedder{}, err
	}
	if name != "" && name != hashing.Name {
		return retrieval.Embedder{}, fault.New(fault.NotFound, fault.ReasonUnknownTarget, "there is no embedder of that name")
	}
	return retrieval.Embedder{
		Name: hashing.Name, Identity: e.Identity(),
		Embed: func(ctx context.Context, _ label.Label, texts []string) ([][]float32, error) {
			out, err := e.Embed(ctx, &providers.EmbedRequest{Texts: texts})
			if err != nil {
				return nil, fault.From(err)
			}
			return out.Vectors, nil
		},
	}, nil
}

// Store opens a database of the test's own.
func Store(t testing.TB) retrieval.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Service gives a service over Store and Hashing.
func Service(t testing.TB, c retrieval.Config) *retrieval.Service {
	t.Helper()
	return retrieval.NewService(Store(t), Hashing{}, c)
}

// Data gives a folder of the public data, and skips the test where FAIRLEAD_DATA is not set. A relative
// one counts from the project's root.
func Data(t testing.TB, name string) string {
	t.Helper()
	folder := os.Getenv("FAIRLEAD_DATA")
	if folder == "" {
		t.Skip("FAIRLEAD_DATA is not set: it names the folder of public data, such as ../shared/data")
	}
	if !filepath.IsAbs(folder) {
		at, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
				break
			}
			if at == filepath.Dir(at) {
				t.Fatal("the project's root was not found")
			}
			at = filepath.Dir(at)
		}
		folder = filepath.Join(at, folder)
	}
	return filepath.Join(folder, name)
}

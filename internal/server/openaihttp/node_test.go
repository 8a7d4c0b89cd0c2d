package openaihttp

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestNodeClient drives the handler with OpenAI's own client for Node, pinned in npmtest.
func TestNodeClient(t *testing.T) {
	if testing.Short() {
		t.Skip("needs node and a package registry: left out of -short")
	}
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is not there, and in CI it must be", tool)
			}
			t.Skipf("%s is not there: install Node 20 or later to run OpenAI's client for Node", tool)
		}
	}
	dir := installed(t)
	script, err := filepath.Abs("npmtest/client.mjs")
	if err != nil {
		t.Fatal(err)
	}
	// Node finds packages from where a module stands, so it must stand beside node_modules.
	source, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.CreateTemp(dir, "client-*.mjs")
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(file.Name())
	if _, err := file.Write(source); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", file.Name(), serveEngine(t).URL, cutServer(t).URL)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	} else if bytes.Count(out, []byte("ok ")) < 9 {
		t.Errorf("checks were left out:\n%s", out)
	}
}

// installed gives a folder with the pinned packages. It is made once for each lock file, in the user's
// cache.
func installed(t *testing.T) string {
	t.Helper()
	lock, err := os.ReadFile("npmtest/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err == nil {
		err = os.MkdirAll(cache, 0o755)
	}
	if err != nil {
		cache = t.TempDir()
	}
	dir := filepath.Join(cache, fmt.Sprintf("fairlead-npmtest-%.8x", sha256.Sum256(lock)))
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "openai", "package.json")); err == nil {
		return dir
	}
	making, err := os.MkdirTemp(cache, "fairlead-npmtest-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(making)
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc"} {
		data, err := os.ReadFile(filepath.Join("npmtest", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(making, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = making
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	// Another process may have been faster; what it made is as good.
	if err := os.Rename(making, dir); err != nil && !os.IsExist(err) {
		if _, again := os.Stat(filepath.Join(dir, "node_modules", "openai", "package.json")); again != nil {
			t.Fatal(err)
		}
	}
	return dir
}

package config

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// applied is one call of Apply.
type applied struct {
	c   *Config
	err error
}

// watching starts a watcher on a file and gives its calls. It ends with the test.
func watching(t *testing.T, path string, poll time.Duration) (*Watcher, <-chan applied) {
	t.Helper()
	o := Options{Path: path, Environ: []string{}}
	c, _, err := Load(o)
	if err != nil {
		t.Fatal(err)
	}
	calls := make(chan applied, 100)
	w := NewWatcher(o, c, func(c *Config, _ *Report, err error) { calls <- applied{c, err} })
	w.Debounce, w.Poll = time.Millisecond, poll
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-w.ready
	return w, calls
}

// until reads calls to the first that fits: between two writes a reader may see a file half written.
func until(t *testing.T, calls <-chan applied, fits func(applied) bool) applied {
	t.Helper()
	for {
		select {
		case a := <-calls:
			if fits(a) {
				return a
			}
		case <-t.Context().Done():
			t.Fatal("no such call")
		}
	}
}

func level(want string) func(applied) bool {
	return func(a applied) bool { return a.err == nil && a.c.Log.Level == want }
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// replace writes beside the file and renames over it, as editors do.
func replace(t *testing.T, path, text string) {
	t.Helper()
	write(t, path+".new", text)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestWatchSeesWritesRenamesAndBadFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.yaml")
	write(t, path, "log: { level: info }\n")
	w, calls := watching(t, path, time.Hour)

	write(t, path, "log: { level: debug }\n")
	until(t, calls, level("debug"))
	replace(t, path, "log: { level: warn }\n")
	until(t, calls, level("warn"))
	replace(t, path, "log: { level: loud }\n")
	bad := until(t, calls, func(a applied) bool { return a.err != nil })
	if bad.c != nil || !strings.Contains(bad.err.Error(), "f.yaml:1:15: log.level") {
		t.Errorf("got %+v", bad)
	}
	replace(t, path, "\n")
	if empty := until(t, calls, func(a applied) bool { return a.err != nil }); !strings.Contains(empty.err.Error(), "became empty") {
		t.Errorf("got %v", empty.err)
	}
	replace(t, path, "log: { level: error }\n") // and renames are still seen
	until(t, calls, level("error"))

	// What is not the configuration, such as the database beside it, is no reason to load. Trigger is,
	// and its call is the next one.
	write(t, filepath.Join(filepath.Dir(path), "fairlead.db-wal"), "x")
	w.Trigger()
	select {
	case a := <-calls:
		if !level("error")(a) {
			t.Errorf("got %+v", a)
		}
	case <-t.Context().Done():
		t.Fatal("Trigger did nothing")
	}
	if len(calls) > 0 {
		t.Errorf("another call: %+v", <-calls)
	}
}

// TestWatchSeesKubernetes turns the link that a mounted ConfigMap's files go through.
func TestWatchSeesKubernetes(t *testing.T) {
	dir := t.TempDir()
	version := func(name, text string) {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name, "f.yaml"), text)
		if err := os.Symlink(name, filepath.Join(dir, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	version("..1", "log: { level: info }\n")
	path := filepath.Join(dir, "f.yaml")
	if err := os.Symlink("..data/f.yaml", path); err != nil {
		t.Fatal(err)
	}
	_, calls := watching(t, path, time.Hour)
	version("..2", "log: { level: debug }\n")
	until(t, calls, level("debug"))
	if err := os.RemoveAll(filepath.Join(dir, "..1")); err != nil {
		t.Fatal(err)
	}
	version("..3", "log: { level: warn }\n")
	until(t, calls, level("warn"))
}

func TestWatchSeesChainsAndPrompts(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"chains", "prompts/shop"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "f.yaml")
	write(t, path, "chains: { dir: chains }\nprompts: { dir: prompts }\n")
	_, calls := watching(t, path, time.Hour)
	loaded := func(a applied) bool { return a.err == nil }
	write(t, filepath.Join(dir, "chains", "a.yaml"), "chain: a\n")
	until(t, calls, loaded)
	write(t, filepath.Join(dir, "prompts", "shop", "p@1.md"), "hello\n")
	until(t, calls, loaded)
}

// TestWatchPolls removes the watches, as a file system does that tells nothing.
func TestWatchPolls(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "conf")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "f.yaml")
	write(t, path, "log: { level: info }\n")
	_, calls := watching(t, path, 5*time.Millisecond)
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	until(t, calls, func(a applied) bool { return a.err != nil })
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, "log: { level: debug }\n")
	until(t, calls, level("debug"))
}

func TestTriggerWithoutAFile(t *testing.T) {
	w, calls := watching(t, "", time.Hour)
	w.Trigger()
	w.Trigger()
	until(t, calls, level("info"))
}

package config

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// How a Watcher waits, unless its fields say otherwise.
const (
	// DefaultDebounce is how long the files must be quiet before they are read: an editor writes in
	// several steps.
	DefaultDebounce = 100 * time.Millisecond
	// DefaultPoll is how often the files are looked at without being told: network file systems and files
	// that are mounted one by one tell nothing.
	DefaultPoll = 30 * time.Second
)

// Watcher loads the configuration again when its file, its chains or its prompts change, and when Trigger
// is called. It watches folders, not files, because editors and Kubernetes replace a file by renaming
// another one over it, or by turning a link. Make one with NewWatcher.
type Watcher struct {
	// Apply is called from Run, one call at a time: with a new configuration and its report, or with an
	// error when the new one is bad and the last good one stays. A change of chains or prompts alone gives
	// the configuration anew as well.
	Apply func(*Config, *Report, error)
	// Debounce and Poll are DefaultDebounce and DefaultPoll when 0.
	Debounce, Poll time.Duration

	options Options
	current *Config
	digest  [sha256.Size]byte
	hadText bool
	trigger chan struct{}
	// ready is closed when the folders are watched, for tests.
	ready chan struct{}
}

// NewWatcher makes a watcher of what Load gave for the same options. Nothing is watched before Run.
func NewWatcher(o Options, current *Config, apply func(*Config, *Report, error)) *Watcher {
	w := &Watcher{
		Apply: apply, options: o, current: current,
		trigger: make(chan struct{}, 1), ready: make(chan struct{}),
	}
	data, _ := w.read() // a file that went away since Load is found by Run
	w.digest = w.fingerprint(data)
	w.hadText = len(bytes.TrimSpace(data)) > 0
	return w
}

// Trigger asks for a reload, whether anything changed or not: what SIGHUP does. It never blocks.
func (w *Watcher) Trigger() {
	select {
	case w.trigger <- struct{}{}:
	default: // one is waiting already
	}
}

// Run watches until the context ends. The error is that of setting up the watch; later failures only mean
// that changes are found by Poll. Call it once.
func (w *Watcher) Run(ctx context.Context) error {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching the configuration: %w", err)
	}
	defer func() { _ = notify.Close() }() // nothing is left to be lost
	w.watch(notify)
	close(w.ready)

	debounce, poll := w.Debounce, w.Poll
	if debounce == 0 {
		debounce = DefaultDebounce
	}
	if poll == 0 {
		poll = DefaultPoll
	}
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	quiet := time.NewTimer(debounce) // the first look closes the gap between Load and here
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.trigger:
			w.reload(true)
			w.watch(notify)
		case event, ok := <-notify.Events:
			if ok && w.concerns(event) {
				quiet.Reset(debounce)
			}
		case _, ok := <-notify.Errors: // such as an overflow: look for ourselves
			if ok {
				quiet.Reset(debounce)
			}
		case <-ticker.C:
			w.reload(false)
			w.watch(notify)
		case <-quiet.C:
			w.reload(false)
			w.watch(notify)
		}
	}
}

// reload loads and applies, when something changed or when it must.
func (w *Watcher) reload(must bool) {
	data, err := w.read()
	digest := w.fingerprint(data)
	if !must && digest == w.digest {
		return
	}
	w.digest = digest
	if err != nil {
		w.Apply(nil, nil, &Error{Problems: []Problem{{Text: fmt.Sprintf("reading the configuration: %v", err)}}})
		return
	}
	hasText := len(bytes.TrimSpace(data)) > 0
	if w.hadText && !hasText {
		// An empty file is a valid one, but one that became empty is most likely being written.
		w.Apply(nil, nil, &Error{Problems: []Problem{{
			Origin: Origin{Kind: OriginFile, Name: w.options.Path}, Text: "the file became empty, so it was not taken over",
		}}})
		return
	}
	c, report, err := load(w.options, data)
	if err != nil {
		w.Apply(nil, report, err)
		return
	}
	w.hadText, w.current = hasText, c
	w.digest = w.fingerprint(data) // over the folders that the new one names
	w.Apply(c, report, nil)
}

func (w *Watcher) read() ([]byte, error) {
	if w.options.Path == "" {
		return nil, nil
	}
	return os.ReadFile(w.options.Path)
}

// fingerprint sums up the file's bytes, the router's model and all that chains and prompts consist of. What cannot be read
// counts as not there.
func (w *Watcher) fingerprint(data []byte) [sha256.Size]byte {
	h := sha256.New()
	add := func(name string, content []byte) {
		fmt.Fprintf(h, "%q %d\n", name, len(content))
		h.Write(content)
	}
	add("", data)
	files, _ := w.current.ChainFiles()
	if model := w.current.Router.Model; model != "" {
		files = append(files, model)
	}
	if dir := w.current.Prompts.Dir; dir != "" {
		_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() && isSource(path) {
				files = append(files, path)
			}
			return nil
		})
	}
	for _, file := range files {
		if content, err := os.ReadFile(file); err == nil {
			add(file, content)
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// isSource says whether a file can be a chain or a prompt. The database may lie in the same folder and
// changes all the time.
func isSource(path string) bool {
	ext := filepath.Ext(path)
	return ext == ".yaml" || ext == ".yml" || ext == ".md"
}

// concerns says whether an event can mean a change of the configuration.
func (w *Watcher) concerns(e fsnotify.Event) bool {
	if e.Op == fsnotify.Chmod {
		return false
	}
	base := filepath.Base(e.Name)
	return isSource(base) || base == filepath.Base(w.options.Path) || w.current.Router.Model != "" && base == filepath.Base(w.current.Router.Model) ||
		filepath.Ext(base) == "" || // a folder, or Kubernetes's link to the current version
		strings.HasPrefix(base, "..")
}

// watch adds the folders of all that the current configuration consists of. Adding one again is nothing;
// one that cannot be watched is left to Poll.
func (w *Watcher) watch(notify *fsnotify.Watcher) {
	dirs := map[string]bool{}
	if path := w.options.Path; path != "" {
		dirs[filepath.Dir(path)] = true
		if target, err := filepath.EvalSymlinks(path); err == nil {
			dirs[filepath.Dir(target)] = true
		}
	}
	if model := w.current.Router.Model; model != "" {
		dirs[filepath.Dir(model)] = true
	}
	if dir := w.current.Chains.Dir; dir != "" {
		dirs[dir] = true
	}
	for _, pattern := range w.current.Chains.Files {
		dirs[filepath.Dir(pattern)] = true
	}
	if dir := w.current.Prompts.Dir; dir != "" {
		_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				dirs[path] = true
			}
			return nil
		})
	}
	for _, watched := range notify.WatchList() {
		if !dirs[watched] {
			_ = notify.Remove(watched) // it may be gone already
		}
	}
	for dir := range dirs {
		_ = notify.Add(dir)
	}
}

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// readable lists the endings that a folder is searched for. A file that is named outright is always tried.
var readable = []string{".md", ".markdown", ".txt", ".text", ".rst", ".html", ".htm", ".pdf", ".docx", ".csv", ".tsv", ".jsonl", ".ndjson"}

// entry is a document to ingest, and the name that it gets: a file, or an address where path is empty.
type entry struct {
	path, uri string
	// size is 0 where it is not known.
	size int64
}

// findFiles gives the documents behind the arguments, each once, by name.
func findFiles(args []string, all bool) ([]entry, error) {
	return (&ingestOptions{all: all}).find(args, nil)
}

// find gives the documents behind the arguments and the list, each once, by name. A file within a folder is named by
// the folder's name and its path below it; hidden files and folders are left out. An address is its own name.
func (o *ingestOptions) find(args []string, in io.Reader) ([]entry, error) {
	args, err := o.withList(args, in)
	if err != nil {
		return nil, err
	}
	f := finder{all: o.all, byPath: map[string]entry{}}
	for _, arg := range args {
		if err := f.add(arg); err != nil {
			return nil, err
		}
	}
	o.roots = f.roots
	entries := make([]entry, 0, len(f.byPath))
	for _, e := range f.byPath {
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.path+a.uri, b.path+b.uri) })
	byURI := map[string]string{}
	for _, e := range entries {
		// One would silently take the other's place.
		if other, ok := byURI[e.uri]; ok {
			return nil, fmt.Errorf("naming %q: %q would be stored under the same name, %s: name a folder above both, or use two collections", e.path, other, e.uri)
		}
		byURI[e.uri] = e.path
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.uri, b.uri) })
	if len(entries) == 0 {
		return nil, fmt.Errorf("looking in %s: no file ends with %s (--all tries every file)", strings.Join(args, ", "), strings.Join(readable, ", "))
	}
	return entries, nil
}

// withList adds the lines of the list to the arguments. Empty lines, and those that begin with #, are left out.
func (o *ingestOptions) withList(args []string, in io.Reader) ([]string, error) {
	if o.list == "" {
		return args, nil
	}
	if o.list != "-" {
		file, err := os.Open(o.list)
		if err != nil {
			return nil, fmt.Errorf("reading the list %q: %w", o.list, plain(err))
		}
		defer file.Close()
		in = file
	}
	args = slices.Clone(args)
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "#") {
			args = append(args, line)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the list %q: %w", o.list, err)
	}
	if len(args) == 0 {
		return nil, fmt.Errorf("reading the list %q: there is nothing in it", o.list)
	}
	return args, nil
}

// finder gathers what arguments name.
type finder struct {
	all    bool
	byPath map[string]entry
	roots  []root
}

// root is a folder that was named: the name that documents below it begin with, and where it is.
type root struct{ name, path string }

// isAddress says whether an argument is to be fetched.
func isAddress(arg string) bool {
	return strings.HasPrefix(arg, "http://") || strings.HasPrefix(arg, "https://")
}

func (f *finder) add(arg string) error {
	if isAddress(arg) {
		u, err := url.Parse(arg)
		if err != nil || u.Host == "" {
			return fmt.Errorf("reading the address %q: write one such as https://example.com/handbook.html", arg)
		}
		if u.User != nil {
			return fmt.Errorf("reading the address of %s: leave the user and password out: the address would become the document's name", u.Host)
		}
		u.Fragment = "" // a place within the same document
		f.byPath["\x00"+u.String()] = entry{uri: u.String()}
		return nil
	}
	paths := []string{arg}
	if strings.ContainsAny(arg, "*?[") {
		matches, err := filepath.Glob(arg)
		if err != nil {
			return fmt.Errorf("reading the pattern %q: %w", arg, err)
		}
		if paths = matches; len(matches) == 0 {
			return fmt.Errorf("looking for %q: no file has such a name", arg)
		}
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("looking for %q: %w", path, plain(err))
		}
		if !info.IsDir() {
			f.file(path, nameOf(path), info)
		} else if err := f.folder(path); err != nil {
			return err
		}
	}
	return nil
}

func (f *finder) file(path, uri string, info fs.FileInfo) {
	f.byPath[path] = entry{path: path, uri: filepath.ToSlash(uri), size: info.Size()}
}

// folder gathers what lies below a folder.
func (f *finder) folder(path string) error {
	name, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("looking for %q: %w", path, err)
	}
	// A folder that was named is walked also where its name is a link; links found within it are not followed.
	walked, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("looking for %q: %w", path, plain(err))
	}
	f.roots = append(f.roots, root{filepath.Base(name) + "/", walked})
	err = filepath.WalkDir(walked, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(d.Name(), ".") && file != walked:
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case !d.Type().IsRegular() || !f.all && !slices.Contains(readable, strings.ToLower(filepath.Ext(file))):
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		below, err := filepath.Rel(walked, file)
		if err != nil {
			return err
		}
		f.file(file, filepath.Join(filepath.Base(name), below), info)
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the folder %q: %w", path, plain(err))
	}
	return nil
}

// nameOf names a file that was given outright: its path as it was written, without what leads out of the
// working folder.
func nameOf(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Base(path)
	}
	path = filepath.ToSlash(filepath.Clean(path))
	for strings.HasPrefix(path, "../") {
		path = path[len("../"):]
	}
	return path
}

// plain gives what the system says about a file, without the call and the path, which the message has.
func plain(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

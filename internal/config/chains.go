package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

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

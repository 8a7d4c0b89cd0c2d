package main

import "path/filepath"

// shipped gives the file of a suite of this project.
func shipped(suite string) string {
	return filepath.Join(repository, "evals", "suites", suite+".yaml")
}

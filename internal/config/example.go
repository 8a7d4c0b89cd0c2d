package config

import _ "embed" // for the starter file

//go:embed example.yaml
var example string

// Example gives the starter file, with comments. It loads without a warning.
func Example() string { return example }

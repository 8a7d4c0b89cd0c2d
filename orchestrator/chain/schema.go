package chain

import (
	_ "embed"
	"slices"
)

//go:embed schema.json
var schema []byte

// Schema gives the JSON Schema of chain files, for editors. Parse checks more than it can say.
func Schema() []byte { return slices.Clone(schema) }

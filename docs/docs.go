// Package docs holds the project's documentation for users, so that the program can answer questions
// about itself. It owns no code.
package docs

import "embed"

// Files holds the pages, by their paths below docs/.
//
//go:embed *.md guides/*.md
var Files embed.FS

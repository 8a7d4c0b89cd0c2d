// Package prompts holds prompt templates: named, versioned, with variants by locale. It owns their file
// format, the library we ship and rendering; it refuses to evaluate anything: a template is text with
// {{name}} in it, and what is put there is never looked at again.
package prompts

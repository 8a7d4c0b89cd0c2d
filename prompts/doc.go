// Package prompts holds prompt templates: named, versioned, with variants by locale. It owns their file
// format, the library we ship, rendering, and the small template language that chains share. It refuses
// to evaluate anything: a template is text with {{name}} in it, and what is put there is never looked at
// again.
//
// # Files
//
// A prompt is one file, NAME@VERSION.md, or NAME@VERSION.LOCALE.md for its variant in a language:
//
//	---
//	name: answer
//	version: 2
//	description: Answers a question from numbered documents.
//	inputs:
//	  question: { description: The question. }
//	  tone: { description: How to sound., optional: true }
//	---
//	## system
//	You answer questions. {{tone}}
//	## user
//	{{question}}
//
// The front matter between the two lines "---" is strict YAML: an unknown key, a wrong type or a key
// that is there twice is an error with file, line and column. Its keys are name, version, locale,
// description and inputs; name, version and locale must say what the file's name says. A name is made of
// lower-case letters, digits and "-"; a version is a number from 1; a locale is a language tag such as
// "de" or "pt-BR".
//
// The body has the parts "## user", which must be there, and "## system". A line that consists of one of
// these headings begins a part; "\## user" writes such a line as text. Blank lines around a part are not
// part of it.
//
// A file without a locale is the default variant. It declares the inputs for all variants; the others
// declare none and use the same. Every declared input must be used by every variant, and everything used
// must be declared, so that a misspelled name is an error when the file is read and not a hole in a
// prompt.
//
// # Templates
//
// {{name}} is a placeholder: two braces, a path of names joined by dots, two braces; spaces within the
// braces do not matter. Everything else is text: {{.}}, {% include %}, ${x} and a lone {{ too. "\{{"
// writes "{{"; before a "{{", "\\" writes one backslash; any other backslash is itself. Prompts use plain
// names only; longer paths are for chains.
//
// # Versions
//
// A version never changes what it says, because chains pin it. Folders given to Load are laid over one
// another, ours first: a later folder may add prompts, versions and locales, and may hold an exact copy
// of a file that is there, but a file that says something else under the same name, version and locale
// is an error that asks for a new version.
package prompts

package prompts

// Library holds prompts by name and version.
type Library struct{}

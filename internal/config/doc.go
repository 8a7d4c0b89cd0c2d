// Package config is the program's configuration: one file, strict, with a place for every mistake. It
// owns the Config struct, the order in which values win (defaults, then the file, then the environment,
// then flags), the checks of types, ranges and references, the masked dump, the JSON Schema, the
// reference page and the reload on change. It refuses to build anything: what a backend, a policy or a
// chain means is decided where it is wired, and conditions in CEL are compiled there.
//
// # One description
//
// The struct tags of Config are the only description of a setting: yaml is its key, doc its sentence,
// default, enum, min and max its values. Defaults, decoding, names in the environment, the schema and
// docs/configuration.md are all read from them, so they cannot say different things. Nothing is in the
// struct that no code honours.
//
// # Values in the file
//
// ${NAME} in a value reads the environment and ${NAME:-text} falls back to the text; $${ is a plain ${.
// What was put in is not looked at again. Secrets are of a type that prints masked; one that is written
// out in the file is a warning. Paths in the file are relative to the file, paths from elsewhere to the
// working directory.
//
// # Mistakes
//
// Everything wrong is reported at once, as an *Error: an unknown key, a key written twice, a wrong type,
// a value out of range, a name that nothing bears. A value that came out of the environment is never
// repeated in a message, because it may be a secret.
package config

package config

import (
	"fmt"
	"strings"
)

// Keys and values that people will try because they are on the way or have another name here, with what to do. The
// segment * stands for any name.
var (
	laterKeys   = map[string]string{}
	laterValues = map[string]string{
		"backends.*.kind=triton": "Triton is called kind openinference here",
		"backends.*.kind=kserve": "KServe is called kind openinference here",
		"backends.*.kind=vllm":   "vLLM is called kind openai here",
	}
)

// unknownKey says what to do about a key that a struct does not have.
func unknownKey(s *setting, path, key string) string {
	if later, ok := laterKeys[general(under(path, key))]; ok {
		return later
	}
	text := "unknown key"
	if near, ok := suggest(key, s.keys()); ok {
		text += fmt.Sprintf("; did you mean %s?", near)
	}
	return text + fmt.Sprintf(" (allowed: %s)", strings.Join(s.keys(), ", "))
}

func notYetValue(path, text string) (string, bool) {
	later, ok := laterValues[general(path)+"="+text]
	return later, ok
}

// general puts * in the place of names.
func general(path string) string {
	segments := splitPath(path)
	if len(segments) > 1 {
		switch segments[0] {
		case "backends", "targets", "policies":
			segments[1] = "*"
		}
	}
	return strings.Join(segments, ".")
}

package config

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Keys and values that people will try because they are on the way, with what to do until then. The
// segment * stands for any name.
var (
	laterKeys = map[string]string{
		"policies.*.hedge":      "hedging is not supported yet: leave it out",
		"policies.*.require.at": "choosing the quantile is not supported yet: leave it out",
		"backends.*.cost":       "prices by time are not supported yet: give its targets a price",
	}
	laterValues = map[string]string{
		"backends.*.kind=tfserving":     "kind tfserving is not supported yet",
		"backends.*.kind=openinference": "kind openinference is not supported yet",
	}
)

const laterWeights = "preferring by weights is not supported yet: write cheapest, fastest or best"

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
	if ok {
		later += ": use one that the reference lists"
	}
	return later, ok
}

// notYet catches a known key whose value has a form that is on the way.
func (d *decoder) notYet(path string, value ast.Node) (string, bool) {
	if general(path) != "policies.*.prefer" {
		return "", false
	}
	switch value.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return laterWeights, true
	}
	return "", false
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

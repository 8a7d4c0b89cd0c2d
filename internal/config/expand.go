package config

import (
	"fmt"
	"strings"
)

// expand puts the environment into a text: ${NAME} is the variable's value, ${NAME:-text} is text where
// the variable is not set or empty, $${ is a plain ${. What was put in is not looked at again. It says
// whether anything was put in, and gives one message for each thing that is wrong.
func expand(text string, lookup func(string) (string, bool)) (expanded string, used bool, wrong []string) {
	if !strings.Contains(text, "${") {
		return text, false, nil
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		if !found {
			b.WriteString(text)
			return b.String(), used, wrong
		}
		if strings.HasSuffix(before, "$") {
			b.WriteString(before[:len(before)-1] + "${")
			text = rest
			continue
		}
		b.WriteString(before)
		inside, after, closed := strings.Cut(rest, "}")
		if !closed {
			return b.String(), used, append(wrong, "${ without its }: write $${ for a plain ${")
		}
		text = after
		name, fallback, hasFallback := strings.Cut(inside, ":-")
		if !isVariable(name) {
			wrong = append(wrong, "${…} wants the name of an environment variable (letters, digits and _): write $${ for a plain ${")
			continue
		}
		used = true
		value, set := lookup(name)
		switch {
		case set && (value != "" || !hasFallback):
			b.WriteString(value)
		case hasFallback:
			b.WriteString(fallback)
		default:
			wrong = append(wrong, fmt.Sprintf("the environment variable %s is not set: set it, or write ${%s:-text} to fall back to a text", name, name))
		}
	}
}

// escape is the way back: a text that expand turns into s.
func escape(s string) string { return strings.ReplaceAll(s, "${", "$${") }

func isVariable(name string) bool {
	for i, r := range name {
		switch {
		case r == '_', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z':
		case r >= '0' && r <= '9' && i > 0:
		default:
			return false
		}
	}
	return name != ""
}

package scripted

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"fairlead/providers"
)

// order is something to obey: a tool to call, or a text to say.
type order struct {
	tool, args string
	text       string
}

// The groups are: the tool's name, the reveal, the say, the ignore. The grammar is in the package's
// documentation.
var orders = regexp.MustCompile(`(?i)(?:[\n.!?:;>]|\b(?:and|then|please|now|instead|must|to)\s)\s*(?:` +
	"(?:call|invoke|use|run)\\s+(?:the\\s+)?(?:tool|function)\\s+[\"'`“]?([a-z0-9_.:-]+)[\"'`”]?" +
	`|((?:reveal|repeat|print|output|show)\s+(?:me\s+)?(?:your|the)\s+(?:system\s+)?(?:prompt|instructions|message)\b)` +
	`|((?:say|print|output|(?:reply|respond|answer)\s+with)\b[ \t]*:?)` +
	`|((?:ignore|disregard|forget)\b[^\n.!?]{0,60}?\b(?:instructions|rules|prompts?)\b(?:[\s,.:;]|\b(?:and|then|instead)\b)*)` +
	`)`)

var arguments = regexp.MustCompile(`(?i)^\s*(?:with\b)?\s*(?:arguments|args|input)?\s*:?\s*$`)

// obey finds what the model does.
func obey(req *providers.Request) order {
	var found []order
	for _, m := range req.Messages {
		for _, part := range m.Parts {
			found = append(found, findOrders(req, part.Text)...)
		}
	}
	for _, d := range req.Documents {
		found = append(found, findOrders(req, d.Text)...)
	}
	if found == nil {
		return order{text: lastUser(req)}
	}
	for _, o := range slices.Backward(found) {
		if o.tool == "" || !called(req, o) {
			return o
		}
	}
	return order{text: "Done."}
}

// findOrders finds the orders in a text, in their order.
func findOrders(req *providers.Request, text string) []order {
	var found []order
	text = "\n" + text // a line begins here
	for {
		m := orders.FindStringSubmatchIndex(text)
		if m == nil {
			return found
		}
		rest := text[m[1]:]
		next := text[m[1]-1:] // the last character may open the next order
		switch {
		case m[2] >= 0:
			found = append(found, order{tool: strings.TrimRight(text[m[2]:m[3]], ".:-"), args: objectAfter(rest)})
		case m[4] >= 0:
			found = append(found, order{text: systemText(req)})
		case m[8] >= 0:
			// To ignore and then obey one of the other orders is to obey that one.
			next = "\n" + rest
			if follows := orders.FindStringIndex(next); follows != nil && follows[0] == 0 {
				break
			}
			fallthrough
		default:
			if what := sentence(rest); what != "" {
				found = append(found, order{text: what})
			}
		}
		text = next
	}
}

// objectAfter gives the JSON object that follows, or "{}".
func objectAfter(rest string) string {
	brace := strings.IndexByte(rest, '{')
	if brace < 0 || !arguments.MatchString(rest[:brace]) {
		return "{}"
	}
	var object json.RawMessage
	if err := json.NewDecoder(strings.NewReader(rest[brace:])).Decode(&object); err != nil {
		return "{}"
	}
	return string(object)
}

var quotes = map[rune]string{'"': `"`, '\'': "'", '“': "”", '„': "“", '«': "»", '`': "`"}

// sentence gives the text in quotes that s begins with, or s up to the end of its first sentence.
func sentence(s string) string {
	s = strings.TrimLeft(s, " \t\n")
	for open, shut := range quotes {
		if inner, ok := strings.CutPrefix(s, string(open)); ok {
			if inner, _, ok = strings.Cut(inner, shut); ok {
				return inner
			}
		}
	}
	for i, r := range s {
		if r == '\n' || (strings.ContainsRune(".!?", r) && (i+1 == len(s) || s[i+1] == ' ' || s[i+1] == '\n')) {
			if r != '\n' {
				i++
			}
			return strings.TrimSpace(s[:i])
		}
	}
	return strings.TrimSpace(s)
}

func systemText(req *providers.Request) string {
	var texts []string
	for _, m := range req.Messages {
		if m.Role == providers.System {
			texts = append(texts, m.TextContent())
		}
	}
	return strings.Join(texts, "\n")
}

// called says whether the conversation holds this very call.
func called(req *providers.Request, o order) bool {
	for _, m := range req.Messages {
		for _, c := range m.ToolCalls {
			if c.Name == o.tool && c.Arguments == o.args {
				return true
			}
		}
	}
	return false
}

package prompts

import (
	"regexp"
	"strconv"
	"strings"
)

// Document is a source as a prompt shows it.
type Document struct {
	// Title and Heading say where the text stands. Both may be empty.
	Title   string
	Heading []string
	Text    string
}

// Documents writes documents for a prompt's input "documents": each under its number from 1, between a
// <document> tag and its end. A tag of that name within a document is written with "&lt;", so that no
// document can end itself and speak as the prompt.
func Documents(docs []Document) string {
	var b strings.Builder
	for i, d := range docs {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(`<document number="`)
		b.WriteString(strconv.Itoa(i + 1))
		b.WriteByte('"')
		attribute(&b, "title", d.Title)
		attribute(&b, "section", strings.Join(d.Heading, " > "))
		b.WriteString(">\n")
		b.WriteString(fence.ReplaceAllString(strings.TrimSpace(d.Text), "&lt;$1"))
		b.WriteString("\n</document>")
	}
	return b.String()
}

// fence finds what a model could read as one of our tags, also "< / Documents".
var fence = regexp.MustCompile(`(?i)<(\s*/?\s*documents?)`)

var attributeEscaper = strings.NewReplacer(`&`, "&amp;", `"`, "&quot;", "<", "&lt;", ">", "&gt;")

func attribute(b *strings.Builder, name, value string) {
	value = strings.Join(strings.Fields(value), " ")
	if value == "" {
		return
	}
	b.WriteString(" " + name + `="` + attributeEscaper.Replace(value) + `"`)
}

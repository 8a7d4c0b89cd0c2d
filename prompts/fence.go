package prompts

import "regexp"

// tags finds what a model could read as one of the tags by which the shipped prompts fence data, also
// "< / Text".
var tags = regexp.MustCompile(`(?i)<(\s*/?\s*(?:documents?|text|part|summar(?:y|ies))\b)`)

// Fence writes the tags by which the shipped prompts fence data with "&lt;", so that no text can end its
// fence and speak as the prompt.
func Fence(text string) string { return tags.ReplaceAllString(text, "&lt;$1") }

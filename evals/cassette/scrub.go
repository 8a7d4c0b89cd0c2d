package cassette

import "regexp"

// Blot stands for what looked like a credential.
const Blot = "[scrubbed]"

// secrets are the forms of credentials that are known by their look.
var secrets = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----` +
	`|\bsk-[A-Za-z0-9_-]{16,}` + // OpenAI and those who copy its form
	`|\bfl_[A-Za-z0-9]{8,}_[A-Za-z0-9]{16,}` + // ours
	`|\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})` +
	`|\bxox[abeprs]-[A-Za-z0-9-]{10,}` +
	`|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b` +
	`|\bAIza[A-Za-z0-9_-]{35}` +
	`|\bhf_[A-Za-z0-9]{30,}` +
	`|\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}` + // a JSON Web Token
	`|(?i:\bbearer\s+)[A-Za-z0-9._~+/-]{16,}=*` +
	`|://[^/\s:@]+:[^/\s:@]+@`) // a password in an address

// Scrub blots out what looks like a credential. It knows forms and not meanings: what a suite's own texts hold that has
// no such form is kept as it is.
func Scrub(text string) string { return secrets.ReplaceAllString(text, Blot) }

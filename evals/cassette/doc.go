// Package cassette records what models answered, and gives it again: so that an eval runs offline, with no key, no GPU
// and no network, and twice the same. It owns the Tape, which is a file, and the wrapping of targets around it.
//
// An answer is kept under the case that asked, the repetition (so that repetitions stay independent of each other), the
// SHA-256 of the request in a canonical form, and the count of that same request within them: a call that failed and
// was made again is played so. What a request is made of is in Request; credentials never are, because they belong to
// adapters, and what looks like one within texts is blotted out before it is written (see Scrub).
//
// It refuses to call a model when it plays: a request that was not recorded fails, with the case's name, and is noted
// in the Session, so that nobody takes it for a model's failure. It refuses to keep pictures: of them it keeps the hash.
package cassette

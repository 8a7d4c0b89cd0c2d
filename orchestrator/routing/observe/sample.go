package observe

import (
	"time"

	"fairlead/providers"
)

// Outcome is how an attempt ended, as far as it says something about its target.
type Outcome uint8

// The outcomes. The zero value is none of them: a sample without an outcome is dropped.
const (
	_ Outcome = iota
	// OK: the answer came whole.
	OK
	// Failed: the target failed.
	Failed
	// TimedOut: the time for the attempt, or for its next piece, ran out.
	TimedOut
	// Canceled: our side left, or what went wrong was not the target's doing.
	Canceled
	// Truncated: the answer broke off.
	Truncated
)

// OutcomeOf gives the outcome of an attempt that ended with err; nil is OK. A request that any target would
// have refused is not held against this one, and a demand to slow down is the pause's business.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return OK
	}
	switch providers.KindOf(err) {
	case providers.KindTimeout:
		return TimedOut
	case providers.KindTruncated:
		return Truncated
	case providers.KindCanceled, providers.KindInvalid, providers.KindContextLength, providers.KindContentFilter,
		providers.KindUnsupported, providers.KindRateLimited:
		return Canceled
	default:
		return Failed
	}
}

// Sample is what one attempt showed.
type Sample struct {
	// Target is the target's name.
	Target string
	// Step is the path of the step.
	Step string
	// PromptTokens is the prompt's length as it was estimated before the attempt, since that is what
	// predictions are asked with.
	PromptTokens int
	// TTFT is from the attempt's own start to its first token. 0: there was none. For a call that
	// answers in one piece, such as an embedding, it is the Duration.
	TTFT time.Duration
	// Duration is from the attempt's own start to its end.
	Duration time.Duration
	// OutputTokens is what was written. 0: nothing, or unknown.
	OutputTokens int
	Outcome      Outcome
	// Now is when the attempt ended.
	Now time.Time
}

// MinOutput is the least output from which a time per token is taken: below it, a burst of the first
// tokens is most of what is measured.
const MinOutput = 8

// perToken gives the time for each token after the first, if the sample says it.
func (s *Sample) perToken() (time.Duration, bool) {
	if s.Outcome != OK || s.TTFT <= 0 || s.Duration < s.TTFT || s.OutputTokens < MinOutput {
		return 0, false
	}
	return (s.Duration - s.TTFT) / time.Duration(s.OutputTokens-1), true
}

// Classes is the number of classes of prompt length.
const Classes = 6

// bounds are the lengths at which classes end, in tokens; the last has no end.
var bounds = [Classes - 1]int{256, 1024, 4096, 16384, 65536}

// Class gives the class of a prompt length in tokens: 0 is under 256, then under 1k, 4k, 16k, 64k, and more.
func Class(promptTokens int) int {
	for i, b := range bounds {
		if promptTokens < b {
			return i
		}
	}
	return Classes - 1
}

package feedback

import (
	"context"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"fairlead/internal/fault"
	"fairlead/orchestrator/record"
)

// Feedback is what one caller said of the answer of one step.
type Feedback struct {
	// RunID and Seq name the decision that the answer came of.
	RunID string
	Seq   int64
	// Step is the step's path, and Target the one that answered it.
	Step, Target string
	// Principal is who said it. What it says of an answer again takes the place of what it said before.
	Principal string
	// Score is in [0,1]: 1 is good.
	Score float64
	// Reason is a short word, such as "thumbs_down". Empty: none was given.
	Reason string
	// At is when it was said.
	At time.Time
}

// MaxReason is the most bytes of a reason, maxName those of a name, and MaxOfRun how many words are kept of a run.
const (
	MaxReason = 64
	maxName   = 512
	MaxOfRun  = 1000
)

// Check says what is wrong with feedback: InvalidArgument, or nil. Stores refuse what it refuses.
func (f *Feedback) Check() error {
	const doing = "keeping feedback"
	bad := func(why string) error {
		return fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "%s: %s", doing, why)
	}
	switch {
	case f.RunID == "" || f.Principal == "" || f.Step == "" || f.Target == "":
		return bad("it names no run, step, target or principal")
	case math.IsNaN(f.Score) || f.Score < 0 || f.Score > 1:
		return bad("the score is no number from 0 to 1")
	case !wordy(f.Reason):
		return bad("the reason is no word of at most 64 of the characters a to z, 0 to 9, _ and -")
	case f.At.Year() < 1970 || f.At.Year() > 9999:
		return bad("it has no time")
	}
	for _, name := range []string{f.RunID, f.Step, f.Target, f.Principal} {
		if len(name) > maxName || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
			return bad("a name is too long, or not a text")
		}
	}
	return nil
}

// wordy says whether a text is a word that may be a reason.
func wordy(s string) bool {
	return len(s) <= MaxReason && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '-'
	})
}

// Store keeps feedback beside decisions, and deletes it with them. Errors are *fault.Error.
type Store interface {
	// DecisionsOfRun gives the decisions of a tenant's run in their order. None: there is no such run, or none any more.
	DecisionsOfRun(ctx context.Context, tenant, run string) ([]record.Decision, error)
	// FeedbackPut keeps what is said of a decision, in the place of what the same principal said of it before. NotFound with
	// ReasonUnknownRun when there is no such decision; ResourceExhausted when others have said most about the run.
	FeedbackPut(ctx context.Context, tenant string, f *Feedback, most int) error
	// RatedSince calls yield with the tenant's decisions from a time on of which something was said, the oldest first, with
	// the mean of the scores and how many they are. It ends with yield's first error.
	RatedSince(ctx context.Context, tenant string, since time.Time, yield func(d *record.Decision, score float64, voices int) error) error
}

// UnknownRun says that there is no such run: the same where it never was, belongs to another tenant, or was deleted.
func UnknownRun() error {
	return fault.New(fault.NotFound, fault.ReasonUnknownRun, "taking feedback: there is no such run, or nothing is known of it any more")
}

// TooMuch says that a run has all the feedback that is kept of one.
func TooMuch(most int) error {
	return fault.New(fault.ResourceExhausted, fault.ReasonTooLarge, "taking feedback: %d scores are kept of one run, and it has them", most)
}

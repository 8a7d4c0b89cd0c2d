package traffic

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"fairlead/internal/fault"
)

// Decision is one about a target's traffic.
type Decision struct {
	// Target is the name that callers use, not the canary's.
	Target string
	// RolledBack is true when every caller gets the stable version, false when the configuration counts again.
	RolledBack bool
	// By is who decided it, as TENANT/NAME, and Reason why, in their words.
	By, Reason string
	// At is when, to the microsecond.
	At time.Time
}

// The longest texts of a decision, in bytes.
const (
	mostTarget = 128
	mostBy     = 512
	mostReason = 4096 // 1024 characters
)

// Check says what is wrong with a decision.
func (d *Decision) Check() error {
	text := func(what, s string, most int) error {
		if len(s) > most || !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			return fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "deciding about traffic: its %s is longer than %d bytes, or not a text", what, most)
		}
		return nil
	}
	if d.Target == "" {
		return fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "deciding about traffic: it names no target")
	}
	for _, err := range []error{text("target", d.Target, mostTarget), text("author", d.By, mostBy), text("reason", d.Reason, mostReason)} {
		if err != nil {
			return err
		}
	}
	return nil
}

// Store keeps decisions. They belong to the server and to no tenant. Errors are *fault.Error.
type Store interface {
	// TrafficDecide keeps a decision, which is in force when it returns. A zero At is now. InvalidArgument when it fails
	// Decision.Check.
	TrafficDecide(ctx context.Context, d Decision) error
	// TrafficState gives the newest decision of each target that is rolled back, by the target's name.
	TrafficState(ctx context.Context) ([]Decision, error)
	// TrafficLog gives the newest decisions, at most limit, the newest first. An empty target is all.
	TrafficLog(ctx context.Context, target string, limit int) ([]Decision, error)
}

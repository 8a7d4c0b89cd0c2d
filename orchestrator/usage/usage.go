package usage

import (
	"context"
	"time"

	"fairlead/providers"
)

// Record is one settled attempt: a call that was made, whether it went well or not. It has no content.
type Record struct {
	Tenant string
	// Key is the name of the principal that is billed: a key's id or a subject. Empty: nobody named was there.
	Key string
	// RunID, Step and Attempt name the attempt, and are never twice in a tenant.
	RunID   string
	Step    string
	Attempt int
	// Time is when it was settled. It is kept to the microsecond, as are TTFT and Duration.
	Time time.Time
	// Chain is empty for a plain chat, and for calls outside runs.
	Chain   string
	Target  string
	Backend string
	// Model is what the backend says answered; what the target is configured with where it does not say.
	Model string
	Usage providers.Usage
	// Cost counts when CostKnown.
	Cost      providers.Money
	CostKnown bool
	// TTFT is the time to the first token; 0 when there was none.
	TTFT, Duration time.Duration
	// Failed is the reason of its failure. Empty: it did not fail.
	Failed string
}

// Dimension is what usage is summed by.
type Dimension string

// The dimensions.
const (
	ByTarget Dimension = "target"
	ByKey    Dimension = "key"
	ByChain  Dimension = "chain"
	ByDay    Dimension = "day"
)

// Query asks for sums over whole days, in UTC.
type Query struct {
	// From and Until are the first day and the one after the last, each by any time of it.
	From, Until time.Time
	// By are the dimensions, each once; none is one sum of all.
	By []Dimension
}

// Sum is what attempts took together. Dimensions that were not asked for are empty.
type Sum struct {
	Target, Key, Chain string
	// Day is the beginning of a day in UTC.
	Day time.Time

	// Attempts is how many there were, and Failed how many of them failed.
	Attempts, Failed int64
	Usage            providers.Usage
	Cost             providers.Money
	// Unpriced is how many attempts have no known cost, and Estimated how many counted tokens are ours.
	Unpriced, Estimated int64
	// Duration is the sum of all; 292 years at the most.
	Duration time.Duration
}

// Store keeps usage. Errors are *fault.Error. internal/store/storetest is the definition.
type Store interface {
	// UsageAppend keeps records, of any tenants, with their sums by day: of each tenant all or none. One that is
	// there already, by tenant, run, step and attempt, is left as it is and not summed again; so whoever does not
	// know whether all went well brings all again. Those of a tenant that is not there, which was deleted, are left
	// out. InvalidArgument when one fails Record.Check, and then none is kept, or when a sum of its day has no room.
	UsageAppend(ctx context.Context, records []Record) error
	// UsageSum gives a tenant's sums, by day and then by the other dimensions as they are asked. Without
	// dimensions there is one, also of nothing. InvalidArgument with ReasonTooLarge where one does not fit; no sum
	// is ever given but the right one.
	UsageSum(ctx context.Context, tenant string, q Query) ([]Sum, error)
	// UsageSince calls yield with a tenant's records from a time on, the oldest first, at most limit; 0 is all.
	// It ends with yield's first error.
	UsageSince(ctx context.Context, tenant string, since time.Time, limit int, yield func(*Record) error) error
	// UsageForget deletes the records of all tenants that are older than before. Their sums stay.
	UsageForget(ctx context.Context, before time.Time) error
}

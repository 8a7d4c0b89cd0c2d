package orchestrator

import "time"

// Batch is how calls that come at the same time are made as one.
type Batch struct {
	// Max is the most items of one call. 0 and 1: calls are made as they come.
	Max int
	// Delay is the most time that the first item waits for others.
	Delay time.Duration
}

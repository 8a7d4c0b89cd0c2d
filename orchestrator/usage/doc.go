// Package usage keeps what every settled attempt took and cost. It owns the record, its way from a run's events
// into a store off the runs' path, and the sums; it refuses to price, which a ledger has done by then.
package usage

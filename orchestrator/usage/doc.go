// Package usage keeps what every settled attempt took and cost. It owns the record, its way from a run's events
// into a store off the runs' path, and the sums; it refuses to price, which a ledger has done by then.
//
// # What is promised
//
// Every AttemptUsage event becomes one Record: of answers, of calls that failed or were overtaken and are billed
// all the same, of second answers, classes and vectors, in runs and outside of them. Run, step and attempt name it.
// A store counts a record once, however often it is brought, as long as it keeps it.
//
// A run never waits for the store. Its records go into a queue in memory, from where one goroutine writes them in
// batches, and tries again for as long as the store refuses. Only when the queue is full does a run wait at its
// end, and no longer than Config.Wait. Close writes what is queued; what the store does not take by Config.Drain
// goes into a file in Config.Spill, which the next New reads back.
//
// # What is not
//
// What is in the queue when the process is killed is lost, and nobody can count it: a moment's worth while the store
// answers, and all since it stopped to while it does not. What no queue had room for, no store took and no file could
// hold is lost too; it is counted and logged, by numbers alone. A file of a server that never starts again with the
// same folder stays where it is. Sums are as exact as costs are: where a price is not known, a sum says of how many
// attempts; where a backend reports no tokens, they are our count.
package usage

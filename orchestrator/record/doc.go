// Package record keeps what was decided about steps and what came of it, so that another policy can be tried
// on what really happened. It owns Decision, the observer that makes decisions out of a run's events, and
// Simulation, which decides recorded steps anew. It refuses to keep content: a decision has names, labels,
// counts, times and prices, and no word of a request, a document or an answer.
//
// # Never in the way
//
// A run only notes pointers to what it tells anyway. One goroutine makes decisions of them and writes them in
// batches. When it cannot keep up, what comes is dropped and counted; a run never waits for it.
package record

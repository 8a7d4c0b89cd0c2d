// Package routing is the policy engine. It owns Target, Policy, State and Plan, and the pure function
// Decide: filter → predict → score → order, with a record for every target of why it is in or out. It
// refuses to call anything, to read a clock, to keep state and to import more than the vocabulary of
// providers: the same input always gives the same plan, so a decision can be tested with a table,
// explained, recorded and simulated.
package routing

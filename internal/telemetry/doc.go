// Package telemetry says what the program does, to those who run it: logs, traces and metrics. It owns the
// logger with its guard, the set-up of OpenTelemetry (only traces; the SDK is imported here and nowhere
// else), the Prometheus registry, and the Observer that turns a run's events into one trace and a few
// series. It refuses to carry content: no text of a message, document, prompt or answer, no arguments of
// tools, no name of a caller and no free text of an error ever becomes an attribute or a label. What a
// failure is called is a stable word of package fault.
//
// # One run, one trace
//
//	invoke_workflow CHAIN          the run; "chat" where there is no chain
//	  generate answer/draft        a step, under the step that its path lies in
//	    chat MODEL                 an attempt, a CLIENT span with the gen_ai attributes
//	    chat MODEL                 the next one, after the first failed
//	  retrieval answer/context
//
// Spans have the times of the events they are made from. The names of gen_ai attributes are those of the
// OpenTelemetry semantic conventions for generative AI, which are still in development: they stand in
// names.go alone, so that a new version is one change.
//
// # Few series
//
// Labels of metrics are names from the configuration and closed lists: chain, target, policy, step kind,
// outcome. A tenant, a step's path, a session or a run is never a label. Names that clients choose, such as
// that of a chain that is not there, are counted as "other" beyond a bound.
//
// # What it costs
//
// The observer is called for every piece of every answer. A TextDelta costs it a type switch: no lock, no
// allocation. BenchmarkTextDelta measures it.
package telemetry

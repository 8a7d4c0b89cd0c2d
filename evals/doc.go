// Package evals tells whether prompts, retrieval, models and policies are as good as they were. It owns suites and
// their cases, the running of them, what a run is compared with, and the report. What a score means is evals/score's,
// what it is worth evals/stat's, what a cassette is evals/cassette's, and how a report looks evals/report's.
//
// It refuses to hide what could not be measured: a case without an outcome, and a scorer that failed, are counted and
// shown, and make a gate red unless it says otherwise. It refuses to call a model by itself: what is under test does,
// through a System, with its clearances, ledgers and deadlines.
package evals

// Package stat says what figures of evals are worth. It owns intervals of confidence, the test of a run against its
// baseline, the effect that a suite can find, how steady cases are, and the rules of gates. It refuses to know where
// values come from: it takes numbers and names of cases, reads nothing, calls nothing, and imports no package of ours.
//
// # Cases are the unit
//
// A case that was run several times is one case: its value is the mean of its runs, and resampling draws whole cases.
// Runs of one case are not independent, and counting them as if they were makes intervals too narrow (the cluster
// bootstrap; Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8). More runs of a case
// make its value steadier; only more cases make the suite say more.
//
// # Intervals and tests
//
// Intervals are percentile intervals of the bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993,
// chapter 13). BCa (chapter 14) was not chosen: where a few of many cases differ, all downwards, it moves the interval
// further down, which is where a gate must not be hasty.
//
// Whether a run is worse than its baseline is a matter of the sign-flip test on the differences of cases (Pitman,
// "Significance tests which may be applied to samples from any populations", 1937; for evaluations: Noreen,
// "Computer-Intensive Methods for Testing Hypotheses", 1989). Where nothing changed, each case's two values could as
// well have come the other way round, so the test is exact however few and however coarse the values are: four cases of
// forty that all turned from right to wrong have p = 1/16, where the percentile interval already leaves 0 out.
//
// Everything is deterministic: one seed, one result, on every machine.
package stat

// Package observe watches what targets do, and predicts what they will do next. It owns the Recorder, its
// Snapshots and the Prediction made from them. It refuses to decide (that is routing's), to call anything,
// to read a clock (the time is always given) and to start goroutines.
//
// # What is measured
//
// An attempt's TTFT and duration count from the attempt's own start, never from the request's: an answer
// that came late because another target failed first says nothing against the target that gave it, and a
// wait for a free slot is predicted apart. What an attempt says depends on how it ended:
//
//	OK         TTFT, time per token (from MinOutput tokens up), output length, service time; a success
//	Truncated  TTFT; a failure. Its speed and length are those of a piece of an answer
//	Failed     a failure, and nothing else: a fast refusal is not a fast answer
//	TimedOut   a failure. With a first token its TTFT; without one, that the TTFT is longer than its
//	           duration (a censored sample). Its duration is service time: it held a slot
//	Canceled   TTFT if there was one
//
// Time per token is (duration - TTFT) / (output tokens - 1).
//
// # How it is kept
//
// TTFT and time per token are kept for each target and class of prompt length, output length for each target
// and step, as DDSketches of 1 % relative accuracy (Masson, Rim, Lee: DDSketch, PVLDB 12(12), 2019).
//
// Samples age by forward decay (Cormode, Shkapenyuk, Srivastava, Xu: Forward Decay, ICDE 2009): a sample
// enters with the weight 2^((t-landmark)/half-life), and a weight is read divided by that of the present. So
// every sample ages exactly and continuously, at the cost of one weighted addition; quantiles do not change
// while nothing arrives, which lets a refresh skip what is quiet; and a sample that arrives late enters with
// the weight that it would have by now. (Two sketches rotated at every half-life, the usual other way, forget in
// steps, and need a merge to be read.) The landmark is moved, and weights are scaled back, before they grow past
// what a float64 adds without loss.
//
// Censored samples are kept in a sketch of their own, and quantiles of TTFT are those of the product-limit
// estimate (Kaplan, Meier: Nonparametric Estimation from Incomplete Observations, JASA 53, 1958): ignoring
// timeouts would make a target look faster the more often it hangs. Above the last first token that was seen the
// estimate does not say more; there, quantiles are the longest wait known, which is a lower bound, and that
// share of attempts does not count as finishing (see Prediction.PFinish).
//
// # How it is predicted
//
// A class of prompt length with less than PriorWeight samples borrows what it lacks from other classes, a sample
// of which is worth a quarter for each class between, and of each at most PriorWeight count; a step with few
// samples on a target borrows so from the same step on other targets. Observed and prior quantiles are then averaged, in the logarithm, in the proportion
// n : PriorWeight. For log-normal times of known spread that is the posterior mean of their location under a
// conjugate prior worth PriorWeight samples. The mixture of both distributions, which the same
// pseudo-counts also suggest (Ferguson 1973), was rejected: its p95 stays in the prior's tail until
// about PriorWeight/0.05 samples have come.
//
// A target's own TTFT and PerToken, where configured, are medians of log-normal priors; else its kind's,
// which are wide. A kind without a prior is unknown until it is observed, and unknown is never zero: Known says
// so. As observations age, a prediction goes back to its prior.
//
// A backend that tells of its own queue (Query.Queue) adds to the wait what its other callers have there: with the mean
// service time S, a call waits for min(others + ours - slots + 1, others) calls to end, each after S / slots. What our own
// calls wait for each other is in S already. A full cache counts as no free slot.
//
// The chance of finishing in time takes TTFT, time per token and output length as independent, each with its
// blended distribution, and sums over a grid of them.
//
// # What it does not know
//
// It is one process's view: replicas do not share observations. Cancels are ignored, although callers who wait
// long cancel more. A long output is often a slow one, and a loaded target is slow in all; independence
// misses that. The others in a backend's queue are taken to be as long as our calls, and to stay as many until the
// backend tells anew. A backend that gives its answer in one piece has its whole duration as TTFT. A configured TTFT
// holds for every prompt length until there are samples. A target's name is its identity: whoever gives the
// name to another model calls Forget.
package observe

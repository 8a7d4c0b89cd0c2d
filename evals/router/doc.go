// Package router trains routers on outcomes and says what they are worth. It owns the reading of outcomes, the fit, the
// metrics, the baselines and the test that a router must pass before it may decide. It refuses to judge a router by
// prompts that it was trained on, and to tune anything on them: what is fitted is fitted within each training
// fold, and nothing is chosen by looking at the others. What runs in production is in orchestrator/routing/learned.
//
// # Data
//
// An outcome is what one target made of one prompt: a score in [0,1], such as 0 for wrong and 1 for right. See Read.
//
// # The fit
//
// For each target, the chance that it does well is predicted by three members:
//
//   - words: a logistic regression over hashed words, pairs of neighbouring words and the ends of words, weighed by
//     rarity (tf-idf), with the shape of the text beside them. It is the mean of two that are held small unequally.
//   - shape: a logistic regression over how long the text is and what it is made of, each stat cut at its quantiles.
//     Subjects change; that long prompts with many numbers are hard does not.
//   - neighbours: the outcomes of the nearest prompts, weighed by the square of the cosine and shrunk to the target's
//     mean (kNN routers do as well as others: Li, "Rethinking Predictive Modeling for LLM Routing", arXiv:2505.12601).
//
// The three are blended in fixed shares, 0.4, 0.4 and 0.2 of the logit, and the blend is calibrated on what the members
// predict for prompts that they were not fitted on: a slope and an intercept (Platt 1999), held near 1 and 0 and the
// same for all targets. Shares that were fitted there (stacking) were worse on prompts held out, by 1 to 4 points of APGR
// on the MMLU outcomes of RouteLLM by subject, for each target alone the most: routing goes by the small difference of two qualities, in
// which what all of them get wrong alike cancels out only where all are blended alike. That equal weights beat fitted
// ones is an old finding (Smith and Wallis, "A Simple Explanation of the Forecast Combination Puzzle", 2009). A quality is
// shrunk to the target's mean by the number of outcomes.
//
// # Metrics
//
// As in RouteLLM (Ong et al., "RouteLLM: Learning to Route LLMs with Preference Data", arXiv:2406.18665): prompts are
// sorted by how much the strong target is predicted to do better. For each share of calls that goes to it, performance
// gap recovered (PGR) is how much of the way the quality has come from the weak target's to the strong one's. APGR is the
// mean of PGR over all shares: 0.5 is chance. CPT(p) is the least share at which PGR reaches p. Here every share is
// looked at instead of ten, prompts that a router cannot tell apart are taken in an order that favours nobody, and
// CPT is the first crossing.
//
// Intervals are 95 % percentile intervals of the bootstrap over prompts; those of differences are paired, for all rows
// see the same draws. They say how much the prompts matter, and not how other folds would have come out.
//
// # The test
//
// A router is worth having when it beats what money buys without one. At a given cost that is the best mix of single
// targets: sending a share of the prompts to the strong target, whichever ones, gives a quality on the straight line
// between the two (the "zero router" of RouterBench, Hu et al., arXiv:2403.12031); where the strong target is no better, it
// is the weak one alone. The advantage of a router is its quality less that of the mix at the same cost, as a mean over all costs,
// on prompts held out. A call costs its prompt's characters and a fixed number for its answer, because a router that
// sends the long prompts to the strong target buys more than its share of calls says; the advantage where every call
// costs the same is reckoned too. The router may be active when the lower ends of both intervals are above 0.
package router

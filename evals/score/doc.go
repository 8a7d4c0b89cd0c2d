// Package score says how good one outcome of one case is. It owns what cases and outcomes are to a scorer, the scorers and
// the measures that they rest on, how scorers are declared in files, and how well a judge agrees with people. It refuses
// to run anything but a user's own scoring command: it calls no model itself (a Judge and an Embedder are functions that
// others give it), reads no suite, and draws no conclusion over several cases, which is evals/stat's.
//
// # Scores and failures
//
// A Score is from 0 to 1, and may have a verdict. An outcome that is an error is 0, by every scorer that would have
// looked at it: what was asked for is not there. A scorer that cannot score returns an error, which is nobody's 0: a
// judge that does not answer, or answers nonsense twice, is a failed measurement, to be counted and shown. A case that
// expects nothing of the kind is skipped, with the reason.
//
// # What a case expects
//
// Case.Expected is a JSON value. Where it is a mapping, each scorer looks at its own key:
//
//	text          exact, f1, rouge_l, similarity, rubric, pairwise: a text, or a list of which any will do
//	contains      contains: texts that must all be in the answer
//	number        number
//	json          fields: the JSON, field by field
//	calls         calls: [{name: {argument: [accepted values]}}]
//	relevant      retrieval: ids of documents or passages, or a mapping of ids to grades
//	target        route: names of targets
//	unanswerable  grounded, citations: true where the documents do not hold the answer
//
// Where it is no mapping, it is what every scorer expects, but for route. "expected: PATH" in a scorer's settings
// names another place in it, and "of: PATH" a place in the answer's JSON: names and places of lists (from 0) joined by
// dots, or a JSON Pointer.
//
// # Declarations
//
// A scorer is declared by a mapping of its kind to its settings, which are those of the types of this package in snake
// case:
//
//   - exact: { ignore: [case, space, form, punctuation, articles] }
//   - contains: { all: [Bonn], none: [Berlin] }
//   - regex: { pattern: '^\d+$' }
//   - number: { relative: 0.01 }
//   - schema: { file: invoice.schema.json }
//   - fields: { paths: [total, items.0.name], tolerance: 0.005 }
//   - f1: { min: 0.5 }
//   - rouge_l: { min: 0.4, beta: 1 }
//   - similarity: { model: local-embed, min: 0.8 }
//   - calls: { loose_numbers: true }
//   - retrieval: { measure: ndcg@10, gain: exponential, by: passage }
//   - citations: { of: precision, by: words, threshold: 0.6, min: 0.9 }
//   - grounded: { by: judge, judge: large, min: 0.9 }
//   - rubric: { criteria: "...", choices: [{ name: right, value: 1, means: "..." }, { name: wrong, value: 0, means: "..." }] }
//   - pairwise: { criteria: "Which one answers the question?" }
//   - latency: { max: 2s, first: true }
//   - cost: { max_usd: 0.01 }
//   - route: { targets: [local], cleared: true }
//   - command: { run: [python3, score.py], timeout: 10s }
//   - composite: { min: 0.7, parts: [{ weight: 2, score: { f1: {} } }, { optional: true, score: { calls: {} } }] }
//
// # Judges
//
// What a judge reads was written by models, users and documents, any of which may want a good grade. So all of it comes
// fenced, in the user's message, under rules that say what a fence holds (see prompts.Fence); the answer must be one of
// the choices in JSON; comparisons are asked in both orders. None of this makes a judge right: Calibrate says how often
// it agrees with people.
package score

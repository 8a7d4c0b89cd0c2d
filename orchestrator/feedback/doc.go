// Package feedback keeps what callers say of answers: a score from 0 to 1 and a word. It owns who may speak of which run,
// which step and target a word is about, and the rated decisions that a router is trained on. It refuses content: there is no
// free text, and a decision has none. What is said of a run needs its decisions (orchestrator/record), and goes with them.
package feedback

//go:build !race

package ollama

// mutations is how many broken lines are read in a run.
const mutations = 1_000_000

//go:build !race

package gauge

// mutations is how many broken pages are read in a run.
const mutations = 1_000_000

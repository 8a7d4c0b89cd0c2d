//go:build !race

package wordpiece

// mutations is how many broken texts and files are read in a run.
const mutations = 1_000_000

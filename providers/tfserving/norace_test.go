//go:build !race

package tfserving

// mutations is how many broken answers each decoder sees in a run.
const mutations = 1_000_000

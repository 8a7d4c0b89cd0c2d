//go:build race

package ollama

// mutations is fewer where every access to memory is watched.
const mutations = 100_000

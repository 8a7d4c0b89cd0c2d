//go:build race

package wordpiece

// mutations is fewer where every access to memory is watched.
const mutations = 50_000

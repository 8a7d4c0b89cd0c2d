//go:build race

package learned

const raced = true

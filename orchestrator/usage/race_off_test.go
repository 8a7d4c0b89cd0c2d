//go:build !race

package usage_test

const raced = false

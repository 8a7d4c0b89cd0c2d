package chain

import (
	"fmt"
	"strings"
)

// suggest gives the end of a message about an unknown name: the name that was probably meant, or all.
func suggest(name string, known []string) string {
	best, distance := "", min(3, len(name)/2+1)
	for _, k := range known {
		if d := editDistance(strings.ToLower(name), strings.ToLower(k)); d < distance {
			best, distance = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf(": did you mean %q?", best)
	}
	if len(known) == 0 {
		return ": there are none"
	}
	return ": use one of " + strings.Join(known, ", ")
}

// editDistance is Levenshtein's distance in bytes (Wagner and Fischer 1974, one row at a time).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

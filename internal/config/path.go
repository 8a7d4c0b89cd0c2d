package config

import "strings"

// joinPath writes a path: segments with a dot in them, such as a model's name, are quoted.
func joinPath(segments []string) string {
	var b strings.Builder
	for i, s := range segments {
		if i > 0 {
			b.WriteByte('.')
		}
		if strings.ContainsAny(s, `."`) || s == "" {
			b.WriteString(`"` + s + `"`)
		} else {
			b.WriteString(s)
		}
	}
	return b.String()
}

// under gives the path of a key below a path.
func under(path, key string) string {
	if path == "" {
		return joinPath([]string{key})
	}
	return path + "." + joinPath([]string{key})
}

// splitPath reads what joinPath wrote. A quote that is not closed runs to the end.
func splitPath(path string) []string {
	var segments []string
	for {
		if rest, ok := strings.CutPrefix(path, `"`); ok {
			// The closing quote is the one before a dot or the end: names cannot hold quotes.
			end := strings.Index(rest, `".`)
			if end < 0 {
				return append(segments, strings.TrimSuffix(rest, `"`))
			}
			segments, path = append(segments, rest[:end]), rest[end+2:]
			continue
		}
		segment, rest, more := strings.Cut(path, ".")
		segments = append(segments, segment)
		if !more {
			return segments
		}
		path = rest
	}
}

// suggest gives the candidate closest to a word, if one is close enough to be meant.
func suggest(word string, candidates []string) (string, bool) {
	best, distance := "", 3
	for _, c := range candidates {
		d := editDistance(strings.ToLower(word), strings.ToLower(c))
		if d < distance && d <= max(1, len(c)/3) {
			best, distance = c, d
		}
	}
	return best, best != ""
}

// editDistance counts the insertions, deletions, replacements and swaps of neighbours between two words
// (optimal string alignment), in bytes.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64 // a typing mistake in a key is not that long, and the table is quadratic
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range len(b) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}

// Package yamldepth bounds how deep a YAML parser goes before one is asked: parsers descend, and a stack that overflows
// ends the process. It owns that bound, and refuses to parse.
package yamldepth

// Of gives an upper bound of how deep a parser may have to go: flow brackets, and lists within lists on a line.
func Of(data []byte) int {
	deepest, open, dashes := 0, 0, 0
	for i, c := range data {
		switch c {
		case '[', '{':
			open++
		case ']', '}':
			open = max(open-1, 0)
		case '-', '?':
			if i+1 < len(data) && data[i+1] == ' ' {
				dashes++
			}
		case ' ':
		default:
			dashes = 0
		}
		deepest = max(deepest, open, dashes)
	}
	return deepest
}

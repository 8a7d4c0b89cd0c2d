package tokens

import (
	"unicode"
	"unicode/utf8"
)

// class says what the patterns may take a character for.
type class uint8

const (
	upper   class = 1 << iota // what a word starts with: Lu, Lt, Lm, Lo, M
	lower                     // what it goes on with: Ll, Lm, Lo, M
	letter                    // L
	digit                     // N
	newline                   // CR, LF
	space                     // white space, ends of lines included
)

var ascii = func() (table [utf8.RuneSelf]class) {
	for r := range rune(utf8.RuneSelf) {
		table[r] = classOf(r)
	}
	return table
}()

func classOf(r rune) (c class) {
	switch {
	case unicode.Is(unicode.Ll, r):
		return lower | letter
	case unicode.In(r, unicode.Lu, unicode.Lt):
		return upper | letter
	case unicode.IsLetter(r): // Lm, Lo
		return upper | lower | letter
	case unicode.IsMark(r):
		return upper | lower
	case unicode.IsNumber(r):
		return digit
	case r == '\r' || r == '\n':
		return newline | space
	case unicode.IsSpace(r):
		return space
	}
	return 0
}

// at gives the class of the character at i and where the next starts. At the end the class is 0.
func at(s string, i int) (class, int) {
	if i >= len(s) {
		return 0, i
	}
	if b := s[i]; b < utf8.RuneSelf {
		return ascii[b], i + 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	return classOf(r), i + n
}

// run gives where the characters end that are of one of the classes.
func run(s string, i int, of class) int {
	for {
		c, next := at(s, i)
		if c&of == 0 {
			return i
		}
		i = next
	}
}

// cutO200k gives the length of the first piece of a text:
//
//	[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//	[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//	\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
func cutO200k(s string) int {
	first, second := at(s, 0)
	prefixed := first&(letter|digit|newline) == 0
	if prefixed {
		if end, ok := lowered(s, second); ok {
			return end + contraction(s[end:])
		}
	}
	if end, ok := lowered(s, 0); ok {
		return end + contraction(s[end:])
	}
	if prefixed {
		if end := run(s, second, upper); end > second {
			return end + contraction(s[end:])
		}
	}
	if end := run(s, 0, upper); end > 0 {
		return end + contraction(s[end:])
	}
	return cutRest(s, true)
}

// lowered gives where a word ends that ends with what words go on with. Some characters are both what it
// starts and what it goes on with: of those it may end with the last.
func lowered(s string, i int) (int, bool) {
	both := -1
	for {
		c, next := at(s, i)
		if c&upper == 0 {
			break
		}
		if c&lower != 0 {
			both = next
		}
		i = next
	}
	if end := run(s, i, lower); end > i {
		return end, true
	}
	return both, both >= 0
}

// cutCl100k gives the length of the first piece of a text:
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|
//	\s*[\r\n]+|\s+(?!\S)|\s+
func cutCl100k(s string) int {
	if n := contraction(s); n > 0 {
		return n
	}
	first, second := at(s, 0)
	if first&letter != 0 {
		return run(s, 0, letter)
	}
	if first&(digit|newline) == 0 {
		if end := run(s, second, letter); end > second {
			return end
		}
	}
	return cutRest(s, false)
}

// cutRest cuts what is no word: numbers, signs and white space. The slash is among the signs; slashes that
// follow the ends of lines that follow signs belong to them in one of the patterns.
func cutRest(s string, slashes bool) int {
	first, second := at(s, 0)
	if first&digit != 0 {
		end := second
		for range 2 {
			c, next := at(s, end)
			if c&digit == 0 {
				break
			}
			end = next
		}
		return end
	}
	if end := signs(s, 0, slashes); end > 0 {
		return end
	}
	if s[0] == ' ' {
		if end := signs(s, 1, slashes); end > 1 {
			return end
		}
	}
	end, last, line := 0, 0, 0
	for {
		c, next := at(s, end)
		if c&space == 0 {
			break
		}
		if c&newline != 0 {
			line = next
		}
		last, end = end, next
	}
	switch {
	case line > 0:
		return line
	case end < len(s) && last > 0: // the last space belongs to what follows
		return last
	case end > 0:
		return end
	}
	return second
}

// signs gives where the signs end that start at i, with the ends of lines after them.
func signs(s string, i int, slashes bool) int {
	start := i
	for i < len(s) {
		c, next := at(s, i)
		if c&(space|letter|digit) != 0 {
			break
		}
		i = next
	}
	if i == start {
		return i
	}
	for i < len(s) && (s[i] == '\r' || s[i] == '\n' || slashes && s[i] == '/') {
		i++
	}
	return i
}

// contraction gives the length of an English ending at the start of a text: 's 't 're 've 'm 'll 'd.
func contraction(s string) int {
	if len(s) < 2 || s[0] != '\'' {
		return 0
	}
	switch s[1] | 0x20 {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if len(s) > 2 && s[2]|0x20 == 'e' {
			return 3
		}
	case 'l':
		if len(s) > 2 && s[2]|0x20 == 'l' {
			return 3
		}
	case "ſ"[0] | 0x20: // the long s is an s whose case is ignored
		if len(s) > 2 && s[1:3] == "ſ" {
			return 3
		}
	}
	return 0
}

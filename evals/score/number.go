package score

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Number asks that the last number in the answer is the expected one ("number") within a tolerance: the larger of
// Absolute and Relative times the expected value. Where neither is set, they must be equal but for rounding (1e-9). How
// numbers are read is said at LastNumber.
type Number struct {
	Source   `yaml:",inline"`
	Absolute float64 `yaml:"absolute" json:"absolute,omitempty"`
	Relative float64 `yaml:"relative" json:"relative,omitempty"`
}

var _ Scorer = (*Number)(nil)

func (s *Number) check() error {
	if !(s.Absolute >= 0) || !(s.Relative >= 0) || math.IsInf(s.Absolute+s.Relative, 0) {
		return errors.New("absolute and relative must not be negative")
	}
	return s.Source.check()
}

// Score compares.
func (s *Number) Score(_ context.Context, c *Case, o *Outcome) (Score, error) {
	v, ok := c.expected("number", s.Expected)
	if !ok {
		return skipped("the case expects no number"), nil
	}
	want, ok := asNumber(v)
	if text, isText := v.(string); isText {
		want, ok = LastNumber(text, c.Locale)
	}
	if !ok {
		return skipped("the case expects no number"), nil
	}
	if l, ok := lost(o); ok {
		return l, nil
	}
	text, why := o.text(s.Of)
	if why != "" {
		return right(false, "%s", why), nil
	}
	got, ok := LastNumber(text, c.Locale)
	if !ok {
		return right(false, "there is no number in the answer"), nil
	}
	return right(s.near(got, want), "%v, and %v is expected", got, want), nil
}

func (s *Number) near(got, want float64) bool {
	relative := s.Relative
	if s.Absolute == 0 && relative == 0 {
		relative = 1e-9
	}
	return math.Abs(got-want) <= max(s.Absolute, relative*math.Abs(want))
}

// commas are the languages that write 0,5 for a half.
var commas = strings.Fields("af be bg bs ca cs da de el es et eu fi fr gl hr hu hy id is it ka kk lt lv mk nb nl nn no pl pt ro ru sk sl sq sr sv tr uk uz vi")

// against are the locales of those languages that do not, and the other way round.
var against = strings.Fields("de-CH de-LI it-CH es-DO es-GT es-HN es-MX es-NI es-PA es-PE es-PR es-SV es-US en-ZA")

func decimalComma(locale string) bool {
	return slices.Contains(commas, language(locale)) != slices.Contains(against, strings.ReplaceAll(locale, "_", "-"))
}

// LastNumber gives the last number in a text, and whether there is one.
//
// A number is digits of any script, with a sign before it ("-", "+" or "−", also before a currency's sign) where that
// follows no letter, digit or closing bracket, so that "3-5" ends in 5; with an exponent ("1.5e6"); and with separators. Units,
// currencies and "%" are ignored: "45 %" is 45. Digits within a word, as in GPT4 and H2O, are no number; in scripts
// without capitals a number may touch a letter.
//
//   - Spaces that do not break (U+00A0, U+202F, U+2009), "'", "’", "_" and "٬" group digits by three.
//   - "." and ",": where both are there, the last one is the decimal point. Where one is there several times, it groups,
//     and every group has three digits.
//   - "," once, before exactly three digits and after one to three that do not begin with 0, groups: 1,234 is 1234. It
//     is the decimal point otherwise, and always in locales that write it so (de, fr, es and others).
//   - "." once is the decimal point, except in those locales, where 1.234 is 1234.
//   - "٫" is always the decimal point.
//
// A number that no float64 holds is passed over.
func LastNumber(text, locale string) (float64, bool) {
	comma := decimalComma(locale)
	value, found := 0.0, false
	before := ' ' // the rune before the place where we are
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		if digit(r) < 0 {
			before = r
			i += size
			continue
		}
		within := unicode.IsUpper(before) || unicode.IsLower(before) || before == '_'
		literal, length := numeral(text[i:], comma)
		if v, err := strconv.ParseFloat(literal, 64); err == nil && !within {
			if value, found = v, true; negative(text[:i]) {
				value = -v
			}
		}
		before, _ = utf8.DecodeLastRuneInString(text[:i+length])
		i += length
	}
	return value, found
}

// negative says whether what stands before a number makes it negative.
func negative(before string) bool {
	r, size := utf8.DecodeLastRuneInString(before)
	if unicode.Is(unicode.Sc, r) {
		before = before[:len(before)-size]
		r, size = utf8.DecodeLastRuneInString(before)
	}
	if r != '-' && r != '−' {
		return false
	}
	// A dash after a word or a number parts two things.
	r, size = utf8.DecodeLastRuneInString(before[:len(before)-size])
	return size == 0 || !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != ')' && r != ']' && r != '-'
}

// digit gives the value of a digit of any script, or -1.
func digit(r rune) int {
	if r < utf8.RuneSelf {
		if r >= '0' && r <= '9' {
			return int(r - '0')
		}
		return -1
	}
	if !unicode.IsDigit(r) {
		return -1
	}
	for _, t := range unicode.Nd.R16 {
		if lo := rune(t.Lo); r >= lo && r <= rune(t.Hi) {
			return int(r-lo) % 10 // digits come in tens, from zero
		}
	}
	for _, t := range unicode.Nd.R32 {
		if lo := rune(t.Lo); r >= lo && r <= rune(t.Hi) {
			return int(r-lo) % 10
		}
	}
	return -1
}

// maxNumeral bounds how long a number is read, in bytes, and maxGroups in groups of digits: what is longer is none.
const (
	maxNumeral = 512
	maxGroups  = 24
)

// numeral reads the number at the start of a text, which is a digit. It gives the number as Go writes it, and its
// length in bytes.
func numeral(text string, comma bool) (literal string, length int) {
	if len(text) > maxNumeral {
		text = text[:maxNumeral]
	}
	// groups are the runs of digits, marks the separators between them, ends where each run ends.
	groups, marks, ends := []string{}, []rune{}, []int{}
	at := 0
	for {
		var run strings.Builder
		for at < len(text) {
			r, size := utf8.DecodeRuneInString(text[at:])
			d := digit(r)
			if d < 0 {
				break
			}
			run.WriteByte(byte('0' + d))
			at += size
		}
		groups, ends = append(groups, run.String()), append(ends, at)
		r, size := utf8.DecodeRuneInString(text[at:])
		next, _ := utf8.DecodeRuneInString(text[at+size:])
		if !strings.ContainsRune(".,'’_٬٫\u00a0\u202f\u2009", r) || r == utf8.RuneError || digit(next) < 0 || len(groups) == maxGroups {
			break
		}
		marks, at = append(marks, r), at+size
	}
	whole, used := wholePart(groups, marks, comma)
	literal = strings.Join(groups[:whole], "")
	if used > whole {
		literal += "." + groups[whole]
	}
	length = ends[used-1]
	exponent, size := exponentOf(text[length:])
	return literal + exponent, length + size
}

// wholePart says how many groups are the whole number, and how many are used in all: one more where the next is the
// fraction.
func wholePart(groups []string, marks []rune, comma bool) (whole, used int) {
	grouped := func(n int) bool { // the first n marks group by three
		if len(groups[0]) > 3 || groups[0][0] == '0' {
			return false
		}
		for i := range n {
			if len(groups[i+1]) != 3 || marks[i] != marks[0] {
				return false
			}
		}
		return true
	}
	n := len(marks)
	if n == 0 {
		return 1, 1
	}
	last := marks[n-1]
	point := last == '.' || last == ',' || last == '٫'
	switch {
	case n > 1 && point && last != marks[0] && grouped(n-1):
		return n, n + 1
	case n > 1 && grouped(n) && marks[0] != '٫':
		return n + 1, n + 1
	case n > 1: // not a number as a whole: a version, a date, an address. Its beginning is read, then the rest.
		return wholePart(groups[:2], marks[:1], comma)
	case !point:
		if grouped(1) {
			return 2, 2
		}
		return 1, 1
	case last == ',' && !comma && grouped(1), last == '.' && comma && grouped(1):
		return 2, 2
	}
	return 1, 2
}

// exponentOf reads an exponent such as "e-5" that nothing but a non-letter follows.
func exponentOf(text string) (exponent string, length int) {
	if len(text) < 2 || text[0] != 'e' && text[0] != 'E' {
		return "", 0
	}
	i := 1
	if text[1] == '+' || text[1] == '-' {
		i = 2
	}
	start := i
	for i < len(text) && text[i] >= '0' && text[i] <= '9' {
		i++
	}
	if r, _ := utf8.DecodeRuneInString(text[i:]); i == start || unicode.IsLetter(r) {
		return "", 0
	}
	return text[:i], i
}

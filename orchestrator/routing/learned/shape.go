package learned

import "math"

// The stats of a text's shape: how long it is and what it is made of, in any language.
const (
	statChars = iota
	statWords
	statNumbers
	statSentences
	statLines
	statLongest
	statMeanLine
	statItems
	statQuestions
	statSymbols
	statWordLength
	statDistinct
	statCapitals
	statDigits
	statMarks
	statForeign
	// ShapeSize is how many stats there are.
	ShapeSize
)

// shapeNames are the stats for people.
var shapeNames = [ShapeSize]string{
	"length", "words", "numbers", "sentences", "lines", "longest line", "mean line", "list items", "questions",
	"symbols", "word length", "distinct words", "capitals", "digits", "punctuation", "non-ascii",
}

// ShapeName is a stat's name for people.
func ShapeName(stat int) string { return shapeNames[stat] }

func (r *reader) shape(bytes int) {
	r.endLine()
	ln := func(n int) float32 { return float32(math.Log1p(float64(n))) }
	share := func(a, b int) float32 { return float32(a) / float32(max(b, 1)) }
	chars := r.chars
	if bytes > 2*window { // the middle was not read: what was read speaks for it
		chars = int(float64(r.chars) * float64(bytes) / (2 * window))
	}
	r.s.shape = [ShapeSize]float32{
		statChars: ln(chars), statWords: ln(r.words), statNumbers: ln(r.numbers), statSentences: ln(r.sentences),
		statLines: ln(r.lines), statLongest: ln(r.longest), statMeanLine: ln(r.chars / max(r.lines, 1)), statItems: ln(r.items),
		statQuestions: ln(r.questions), statSymbols: ln(r.symbols),
		statWordLength: share(r.letters, r.words), statDistinct: share(r.distinct, r.words), statCapitals: share(r.capitals, r.letters),
		statDigits: share(r.digits, r.chars), statMarks: share(r.marks, r.chars), statForeign: share(r.foreign, r.chars),
	}
}

package extractive

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// tokens gives the stems of a text's words. Scripts without spaces give pairs of neighbouring
// characters.
func tokens(text string) []string {
	var out []string
	var word []rune
	var near rune // the character before, of a script without spaces
	flush := func() {
		if len(word) > 0 {
			out = append(out, stem(string(word)))
			word = word[:0]
		}
	}
	for _, r := range text {
		switch {
		case spaceless(r):
			flush()
			if near != 0 {
				out = append(out, string([]rune{near, r}))
			} else {
				out = append(out, string(r))
			}
			near = r
			continue
		case r >= 0x64b && r <= 0x65f, r == 0x640, r == 0x670, r >= 0x300 && r <= 0x36f, r == 0xad:
			continue // marks that writers leave out or put in
		case unicode.IsLetter(r), unicode.IsNumber(r), unicode.IsMark(r):
			word = append(word, fold(unicode.ToLower(r)))
		case r == '\'' || r == '’':
			if len(word) == 0 {
				break
			}
			word = append(word, '\'')
		default:
			flush()
		}
		near = 0
	}
	flush()
	return out
}

// spaceless says whether r belongs to a script that is written without spaces between words.
func spaceless(r rune) bool {
	return r >= 0xe00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// fold makes one of letters that are written either way.
func fold(r rune) rune {
	switch r {
	case 'أ', 'إ', 'آ', 'ٱ':
		return 'ا'
	case 'ى':
		return 'ي'
	case 'ة':
		return 'ه'
	case 'á', 'à', 'â', 'ã', 'å':
		return 'a'
	case 'é', 'è', 'ê', 'ë':
		return 'e'
	case 'í', 'ì', 'î', 'ï':
		return 'i'
	case 'ó', 'ò', 'ô', 'õ':
		return 'o'
	case 'ú', 'ù', 'û':
		return 'u'
	case 'ç':
		return 'c'
	case 'ñ':
		return 'n'
	}
	return r
}

// stem takes off the commonest endings of English and the article and endings of Arabic. It need not be
// right, only the same for forms of one word; what it misses the common start of two words finds.
func stem(w string) string {
	w, _, _ = strings.Cut(strings.Trim(w, "'"), "'")
	if w == "" {
		return "'"
	}
	if w[0] >= utf8.RuneSelf {
		return stemArabic(w)
	}
	if base, ok := irregular[w]; ok {
		w = base
	}
	switch n := len(w); {
	case n > 4 && strings.HasSuffix(w, "ies"):
		w = w[:n-3] + "y"
	case n > 4 && (strings.HasSuffix(w, "sses") || strings.HasSuffix(w, "xes") || strings.HasSuffix(w, "ches") || strings.HasSuffix(w, "shes")):
		w = w[:n-2]
	case n > 3 && strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss") && !strings.HasSuffix(w, "us") && !strings.HasSuffix(w, "is"):
		w = w[:n-1]
	}
	switch n := len(w); {
	case n > 5 && strings.HasSuffix(w, "ing"):
		w = single(w[:n-3])
	case n > 4 && strings.HasSuffix(w, "ied"):
		w = w[:n-3] + "y"
	case n > 4 && strings.HasSuffix(w, "ed"):
		w = single(w[:n-2])
	case n > 5 && strings.HasSuffix(w, "ly"):
		w = w[:n-2]
	}
	if n := len(w); n > 3 && w[n-1] == 'e' {
		w = w[:n-1]
	}
	return w
}

// single undoes the doubling in "running".
func single(w string) string {
	if n := len(w); n > 3 && w[n-1] == w[n-2] && strings.IndexByte("bdgmnprt", w[n-1]) >= 0 {
		return w[:n-1]
	}
	return w
}

var arabicStarts = []string{"وال", "بال", "كال", "فال", "لل", "ال"}
var arabicEnds = []string{"ات", "ون", "ين", "ان", "ها", "هم", "يه", "ه"}

// stemArabic is after the light stemmer of Larkey, Ballesteros and Connell ("Improving Stemming for
// Arabic Information Retrieval", SIGIR 2002).
func stemArabic(w string) string {
	for _, p := range arabicStarts {
		if rest, ok := strings.CutPrefix(w, p); ok && utf8.RuneCountInString(rest) >= 3 {
			w = rest
			break
		}
	}
	for _, p := range arabicEnds {
		if rest, ok := strings.CutSuffix(w, p); ok && utf8.RuneCountInString(rest) >= 3 {
			w = rest
			break
		}
	}
	return w
}

var irregular = map[string]string{
	"won": "win", "wrote": "write", "written": "write", "began": "begin", "begun": "begin", "led": "lead",
	"built": "build", "made": "make", "held": "hold", "took": "take", "taken": "take", "gave": "give",
	"given": "give", "found": "find", "sent": "send", "ran": "run", "sold": "sell", "bought": "buy",
	"fought": "fight", "taught": "teach", "grew": "grow", "grown": "grow", "knew": "know", "known": "know",
	"came": "come", "went": "go", "gone": "go", "saw": "see", "seen": "see", "said": "say", "told": "tell",
	"kept": "keep", "left": "leave", "lost": "lose", "met": "meet", "paid": "pay", "became": "become",
	"chose": "choose", "chosen": "choose", "broke": "break", "broken": "break", "fell": "fall", "fallen": "fall",
	"drew": "draw", "drawn": "draw", "rose": "rise", "risen": "rise", "spoke": "speak", "spoken": "speak",
	"children": "child", "people": "person", "men": "man", "women": "woman", "died": "die", "dying": "die", "death": "die",
}

// synonyms are words of software's documentation that people use for one another when they ask: a short
// list, in English, and no more than that.
var synonyms = func() map[string]int {
	m := map[string]int{}
	for group, words := range []string{
		"start run launch serve boot", "add ingest import upload load insert", "delete remove erase forget drop",
		"stop end quit shutdown", "see access view", "configure setup set configuration settings", "error failure fail",
		"cost price expensive", "fast quick latency speed", "key token credential", "password secret",
		"install download build", "change modify edit update", "file document", "limit maximum budget",
		"allow permit clear cleared", "test check",
	} {
		for _, w := range tokens(words) {
			m[w] = group + 1
		}
	}
	return m
}()

// alike says how much two stems speak of the same, in [0,1].
func alike(a, b string) float64 {
	if a == b {
		return 1
	}
	if g := synonyms[a]; g != 0 && g == synonyms[b] {
		return 0.5
	}
	if len(a) > len(b) {
		a, b = b, a
	}
	n := 0
	for n < len(a) && a[n] == b[n] {
		n++
	}
	common := utf8.RuneCountInString(a[:n])
	short, long := utf8.RuneCountInString(a), utf8.RuneCountInString(b)
	switch {
	case common >= 4 && 4*common >= 3*short && 10*common >= 6*long:
		return 0.7
	case common >= 5 && common == short:
		return 0.5
	case short >= 6 && strings.HasSuffix(b, a): // the second half of a compound
		return 0.5
	}
	return 0
}

// lightWords are verbs that go with everything: they count, but less than what they go with.
var lightWords = func() map[string]struct{} {
	m := map[string]struct{}{}
	for _, w := range tokens("see get use make work need want go happen mean give have take let like own") {
		m[w] = struct{}{}
	}
	return m
}()

// stopWords say nothing about what a question is about. They are stemmed like all words.
var stopWords = func() map[string]struct{} {
	m := map[string]struct{}{}
	for _, w := range tokens(`
		a about an and any are as at be been being but by can could did do does for from had has have he her hers him his
		how i if in into is it its itself may me might mine more most must my no nor not of off on one or our ours out
		over shall she should so some such than that the their theirs them then there these they this those to too
		under until up upon us very was we were what when where which while who whom whose why will with would you your
		yours much many please tell explain describe
		aber als am an auf aus bei bin bis da das dass dem den der des die dies diese dieser dieses du durch ein eine
		einem einen einer eines er es für hat hatte ich ihr im in ist kann kein keine man mein mit nach nicht noch nur
		oder ohne sein sich sie sind so um und uns unter vom von vor war waren was weil welche welcher welches wenn wer
		werden wie wieviel wir wird wo woher wohin zu zum zur über warum wann wurde wurden
		au aux avec ce ces cette combien comme comment dans de des du elle en est et il je la le les leur lui ne nous
		on ou où par pas pour pourquoi quand que quel quelle quelles quels qui sa se ses son sont sur un une vous
		al como cómo con cual cuál cuando cuándo de del donde dónde el ella en es esta este la las lo los no o para por
		que qué quién se su sus un una y
		من في على إلى عن أن إن هذا هذه ذلك تلك التي الذي الذين كان كانت هو هي هم ما لا مع أو ثم قد لم لن بين بعد قبل هل
		كيف أين متى ماذا لماذا كم أي عند كل وهو وهي وما`) {
		m[w] = struct{}{}
	}
	return m
}()

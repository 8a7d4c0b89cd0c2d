package analysis

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"

	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/danish"
	"github.com/blevesearch/snowballstem/dutch"
	"github.com/blevesearch/snowballstem/english"
	"github.com/blevesearch/snowballstem/finnish"
	"github.com/blevesearch/snowballstem/french"
	"github.com/blevesearch/snowballstem/german"
	"github.com/blevesearch/snowballstem/hungarian"
	"github.com/blevesearch/snowballstem/irish"
	"github.com/blevesearch/snowballstem/italian"
	"github.com/blevesearch/snowballstem/norwegian"
	"github.com/blevesearch/snowballstem/portuguese"
	"github.com/blevesearch/snowballstem/romanian"
	"github.com/blevesearch/snowballstem/russian"
	"github.com/blevesearch/snowballstem/spanish"
	"github.com/blevesearch/snowballstem/swedish"
	"github.com/blevesearch/snowballstem/tamil"
	"github.com/blevesearch/snowballstem/turkish"
)

var stems = map[string]func(*snowballstem.Env) bool{
	"da": danish.Stem, "de": german.Stem, "en": english.Stem, "es": spanish.Stem, "fi": finnish.Stem, "fr": french.Stem,
	"ga": irish.Stem, "hu": hungarian.Stem, "it": italian.Stem, "nb": norwegian.Stem, "nl": dutch.Stem, "nn": norwegian.Stem,
	"no": norwegian.Stem, "pt": portuguese.Stem, "ro": romanian.Stem, "ru": russian.Stem, "sv": swedish.Stem, "ta": tamil.Stem,
	"tr": turkish.Stem,
}

// stemmer makes terms of words in one language. It is used by one goroutine at a time.
type stemmer struct {
	stem    func(*snowballstem.Env) bool // nil: none
	turkish bool
	arabic  bool // Arabic words are Arabic
	env     *snowballstem.Env
	word    []byte // in lower case
	// known are words met before, by their hash: a few words are most of a text.
	known [1 << 11]struct{ word, term string }
}

var (
	stemmers sync.Map // of language to *sync.Pool
	seed     = maphash.MakeSeed()
)

// withStemmer lends the stemmer of a language. What has none shares that of no language.
func withStemmer(language string, use func(*stemmer)) {
	if stems[language] == nil && !slices.Contains(borrowed, language) {
		language = ""
	}
	pool, ok := stemmers.Load(language)
	if !ok {
		pool, _ = stemmers.LoadOrStore(language, &sync.Pool{New: func() any {
			return &stemmer{stem: stems[language], turkish: language == "tr", arabic: !slices.Contains(borrowed, language),
				env: snowballstem.NewEnv("")}
		}})
	}
	p := pool.(*sync.Pool)
	s := p.Get().(*stemmer)
	use(s)
	p.Put(s) // not deferred: one that panicked is not used again
}

// term makes the term of a word, which may be "". Where exact, it is not stemmed.
func (s *stemmer) term(w string, exact bool) string {
	s.word = lower(s.word[:0], w, s.turkish && !exact)
	if exact {
		return finish(string(s.word), false)
	}
	slot := &s.known[maphash.Bytes(seed, s.word)%uint64(len(s.known))]
	if slot.word == string(s.word) && slot.word != "" {
		return slot.term
	}
	// Strings of their own: parts of a text would keep all of it.
	slot.word = string(s.word)
	stemmed := slot.word
	if s.stem != nil {
		s.env.SetCurrent(stemmed)
		s.stem(s.env)
		if stemmed = s.env.Current(); stemmed == "" {
			stemmed = slot.word
		}
	}
	slot.term = finish(stemmed, s.arabic)
	return slot.term
}

// finish folds a word in lower case.
func finish(w string, stemArabic bool) string {
	if strings.ContainsFunc(w, isArabic) {
		return arabic(w, stemArabic)
	}
	return fold(w)
}

package retrieval

import (
	"strings"

	"fairlead/internal/locale"
)

// LanguageOf gives the language of a document, ISO 639-1: the one that is stated, or the one in its metadata under
// "language" or "lang", or the one that its text is written in, or "" where none of them tells.
func LanguageOf(stated string, metadata map[string]any, text string) string {
	if stated != "" {
		return stated
	}
	for _, key := range []string{"language", "lang"} {
		tag, _ := metadata[key].(string)
		if code, _, _ := strings.Cut(locale.Clean(strings.TrimSpace(tag)), "-"); isLanguage(code) {
			return code
		}
	}
	return locale.Of(text)
}

// isLanguage says whether a code is one of ISO 639-1.
func isLanguage(code string) bool {
	return len(code) == 2 && strings.Contains(languages, " "+code+" ")
}

const languages = ` aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo es ` +
	`et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ` +
	`ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ` +
	`ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve ` +
	`vi vo wa wo xh yi yo za zh zu `

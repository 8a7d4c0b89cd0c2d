package locale_test

import (
	"strings"
	"testing"

	"fairlead/internal/locale"
)

func TestDetect(t *testing.T) {
	all, err := locale.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"How many days of vacation do I have?": "en", "What is the notice period?": "en", "Where is the office?": "en",
		"Reset my password please": "en", "who approves travel": "en", "Is lunch free in Berlin?": "en",
		"Wie viele Urlaubstage habe ich?": "de", "Was ist die Kündigungsfrist?": "de", "Wo ist das Büro?": "de",
		"Bitte mein Passwort zurücksetzen": "de", "Wer genehmigt Reisen?": "de", "Kostet der Lunch in Berlin etwas?": "de",
		"Combien de jours de congé ai-je ?": "fr", "Quel est le préavis ?": "fr", "Où se trouve le bureau ?": "fr",
		"Réinitialisez mon mot de passe": "fr", "Qui approuve les voyages ?": "fr",
		"¿Cuántos días de vacaciones tengo?": "es", "¿Cuál es el plazo de preaviso?": "es", "¿Dónde está la oficina?": "es",
		"Restablecer mi contraseña": "es", "¿Quién aprueba los viajes?": "es",
		"كم عدد أيام الإجازة لدي؟": "ar", "أين المكتب؟": "ar", "我有多少天假期？": "zh",
		// One of a language that was not asked for, and what is no language.
		"Сколько у меня дней отпуска?": "", "מתי החופשה שלי?": "", "12345": "", "": "", "\xff\xfe": "", "🙂🙂": "", "xyzzy": "",
	} {
		if got := all.Detect(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func TestOnlyLanguagesThatWereAskedFor(t *testing.T) {
	d, err := locale.New([]string{"it", "nl", "ru"})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"Quanti giorni di ferie ho?": "it", "Hoeveel vakantiedagen heb ik?": "nl", "Сколько у меня дней отпуска?": "ru", "我有多少天假期？": "",
	} {
		if got := d.Detect(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
	if _, err := locale.New([]string{"en", "xx"}); err == nil || !strings.Contains(err.Error(), `"xx"`) {
		t.Errorf("error %v", err)
	}
}

func TestClean(t *testing.T) {
	for stated, want := range map[string]string{"de": "de", "DE": "de", "de_AT": "de-AT", "zh-Hant-TW": "zh-Hant-TW", "": "", "x": "", "my secret words": "", "de-": ""} {
		if got := locale.Clean(stated); got != want {
			t.Errorf("%q is %q, want %q", stated, got, want)
		}
	}
}

func FuzzDetect(f *testing.F) {
	f.Add("Wie viele Urlaubstage habe ich?")
	f.Add("\xff\x00我")
	d, err := locale.New(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := d.Detect(text)
		if got != d.Detect(text) {
			t.Error("not the same twice")
		}
		if got != "" && !strings.Contains("en de fr es ar zh", got) {
			t.Errorf("%q was not asked for", got)
		}
	})
}

func BenchmarkDetect(b *testing.B) {
	d, err := locale.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	for name, text := range map[string]string{"words": "How many days of vacation do I have?", "letters": strings.Repeat("Vakantiegeld Urlaubsanspruch ", 100)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				d.Detect(text)
			}
		})
	}
}

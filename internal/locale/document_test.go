package locale_test

import (
	"strings"
	"testing"

	"fairlead/internal/locale"
)

func TestOf(t *testing.T) {
	for text, want := range map[string]string{
		"Connections are CLOSED when idle": "en", "What's the shaman's proclamation worth?": "en",
		"SELECT id FROM users WHERE id = 4 AND name IS NOT NULL": "en",
		"Die Katze sitzt auf dem Dach.":                          "de", "Urlaubsanträge werden von der Leitung genehmigt.": "de",
		"Les chevaux de l'armée sont dans le champ": "fr", "Il gatto è sul tetto e non vuole scendere": "it",
		"Jag har inte sett honom sedan i går och vet inte var han är":                                             "sv",
		"Nie wiem, gdzie jest ten dokument, bo nie był w tym biurze.":                                             "pl",
		"En kissa istuu katolla ja se on iloinen, koska nyt on kesä, mutta me emme tiedä, että hän ei ole siellä": "fi",
		"东京是日本的首都": "zh", "東京タワーは港区にあります": "ja", "서울에는 한강이 흐릅니다": "ko", "กรุงเทพมหานครเป็นเมืองหลวง": "th",
		"Привет, как дела? Что нового в городе?": "ru", "ذهب الطلاب إلى المدرسة في الصباح": "ar", "יש לנו חדשות טובות": "he",
		"Καλημέρα σε όλο τον κόσμο": "el",
		// Too little, no language, or none that is told from its neighbours: nothing rather than something wrong.
		"": "", "Vertrag": "", "Hello world": "", "ERR_CONN_4711 getUserName": "", "12 345": "", "\xff\xfe\x00": "", "🙂": "",
		"func main() { fmt.Println(x) } if err != nil { return err }": "",
		strings.Repeat("anber condra elfon grihal inka lemmo ", 40):   "",
	} {
		if got := locale.Of(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func FuzzOf(f *testing.F) {
	f.Add("Wie viele Urlaubstage habe ich?")
	f.Add("\xff\x00我")
	f.Fuzz(func(t *testing.T, text string) {
		got := locale.Of(text)
		if got != locale.Of(text) {
			t.Error("not the same twice")
		}
		if len(got) != 0 && len(got) != 2 {
			t.Errorf("%q is no code", got)
		}
	})
}

func BenchmarkOf(b *testing.B) {
	for name, text := range map[string]string{
		"words":   strings.Repeat("How many days of vacation do I have when I begin in the summer? ", 50),
		"letters": strings.Repeat("anber condra elfon grihal inka lemmo ", 80),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				locale.Of(text)
			}
		})
	}
}

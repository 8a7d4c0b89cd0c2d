package hashing

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"fairlead/providers"
	"fairlead/providers/providertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func embedder(t testing.TB) *Embedder {
	t.Helper()
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestConformance(t *testing.T) {
	for _, model := range []string{Name, Identity(384), Identity(64)} {
		providertest.Run(t, providertest.Harness{
			Does:       providers.Embed,
			Embedder:   func(t testing.TB) providers.Embedder { return embedder(t) },
			EmbedModel: model,
		})
	}
}

// embed gives the vectors of texts.
func embed(t testing.TB, texts ...string) [][]float32 {
	t.Helper()
	got, err := embedder(t).Embed(t.Context(), &providers.EmbedRequest{Texts: texts})
	if err != nil {
		t.Fatal(err)
	}
	return got.Vectors
}

func TestNearTextsAreNearerThanOthers(t *testing.T) {
	for _, tc := range []struct{ name, a, near, far string }{
		{"same words", "How do I start the server?", "Starting the server: run the server command.", "Bananas are yellow and sweet."},
		{"typo", "the configuration file", "the configuartion flie", "the weather tomorrow"},
		{"inflection", "policies require clearances", "a policy requires a clearance", "ships sail at noon"},
		{"accents", "café crème brûlée", "CAFE CREME BRULEE", "tea with lemon"},
		{"width", "ＡＰＩ ｋｅｙ １２", "api key 12", "door lock"},
		{"German compound", "Wie lange dauert die Datensicherung?", "Die Sicherung der Daten dauert eine Stunde.", "Der Zug fährt um neun Uhr ab."},
		{"German sharp s", "Straße", "STRASSE", "Hafen"},
		{"Arabic article and vowels", "كِتَابُ التَّارِيخِ", "الكتاب والتاريخ", "السيارة الحمراء سريعة"},
		{"Arabic alef", "أحمد إبراهيم", "احمد ابراهيم", "محمود خالد"},
		{"Japanese", "東京の天気はどうですか", "今日の東京の天気", "私は猫が好きです"},
		{"Chinese", "如何启动服务器", "启动服务器的方法", "今天晚上吃什么"},
		{"Korean", "서버를 시작하는 방법", "서버 시작 방법", "오늘 날씨가 좋다"},
		{"Thai", "วิธีเริ่มเซิร์ฟเวอร์", "เริ่มเซิร์ฟเวอร์อย่างไร", "อากาศดีมาก"},
		{"Hindi", "सर्वर कैसे शुरू करें", "सर्वर शुरू करना", "मौसम अच्छा है"},
		{"Greek", "Ο διακομιστής ξεκινά", "ο διακομιστησ ξεκινα", "η γάτα κοιμάται"},
		{"Russian", "запустить сервер", "запуск сервера", "красивая погода"},
	} {
		v := embed(t, tc.a, tc.near, tc.far)
		near, far := dot(v[0], v[1]), dot(v[0], v[2])
		if near < far+0.15 {
			t.Errorf("%s: near %.3f, far %.3f", tc.name, near, far)
		}
	}
}

func TestEqualForms(t *testing.T) {
	for a, b := range map[string]string{
		"Straße": "STRASSE", "café": "CAFE\u0301", "ﬁle": "file", "١٢": "١٢", "كتابٌ": "كتـاب", "ΣΊΣΥΦΟΣ": "σίσυφος", "a-b": "A b",
	} {
		if v := embed(t, a, b); !slices.Equal(v[0], v[1]) {
			t.Errorf("%q and %q differ: %.3f", a, b, dot(v[0], v[1]))
		}
	}
}

func TestEveryTextHasAVectorOfLengthOne(t *testing.T) {
	texts := []string{"", " ", "...", "—", "a", "x y", "🙂", "\xff\xfe", "\u0301", "字", "the", strings.Repeat("word ", 5000), strings.Repeat("ab", 50000)}
	for i, v := range embed(t, texts...) {
		if n := dot(v, v); math.Abs(n-1) > 1e-5 {
			t.Errorf("text %d: length² %g", i, n)
		}
	}
	if v := embed(t, "", "...", "🙂"); slices.Equal(v[0], v[1]) || slices.Equal(v[1], v[2]) {
		t.Error("texts without words have one vector")
	}
}

// TestTheFunctionIsFixed holds the function to what it was: vectors are stored, so a change needs a new
// Version.
func TestTheFunctionIsFixed(t *testing.T) {
	sum := fnv.New64a()
	for _, v := range embed(t, passage, "Der Dienst läuft. 東京の天気 الكتاب", "") {
		for _, x := range v {
			_ = binary.Write(sum, binary.LittleEndian, math.Float32bits(x)) // a hash's Write never fails
		}
	}
	if got := sum.Sum64(); got != 0xd571052b7a58cb7d || Version != 1 {
		t.Errorf("the vectors are others now: %#x; raise Version", got)
	}
}

func TestDimensionsAndModels(t *testing.T) {
	e := embedder(t)
	for _, tc := range []struct {
		req   providers.EmbedRequest
		model string
		kind  providers.Kind
	}{
		{providers.EmbedRequest{}, "hashing@1/384", 0},
		{providers.EmbedRequest{Model: "hashing"}, "hashing@1/384", 0},
		{providers.EmbedRequest{Model: "hashing@1/64"}, "hashing@1/64", 0},
		{providers.EmbedRequest{Dimensions: 128}, "hashing@1/128", 0},
		{providers.EmbedRequest{Model: "hashing@1/64", Dimensions: 128}, "hashing@1/128", 0},
		{providers.EmbedRequest{Model: "hashing@2/64"}, "", providers.KindNotFound},
		{providers.EmbedRequest{Model: "hashing@1/6e1"}, "", providers.KindNotFound},
		{providers.EmbedRequest{Model: "hashing@1/8"}, "", providers.KindNotFound},
		{providers.EmbedRequest{Model: "text-embedding-3"}, "", providers.KindNotFound},
		{providers.EmbedRequest{Dimensions: 8}, "", providers.KindInvalid},
		{providers.EmbedRequest{Dimensions: -1}, "", providers.KindInvalid},
		{providers.EmbedRequest{Dimensions: 1 << 20}, "", providers.KindInvalid},
	} {
		tc.req.Texts = []string{"one two", "three 東京"}
		got, err := e.Embed(t.Context(), &tc.req)
		if tc.model == "" {
			if providers.KindOf(err) != tc.kind {
				t.Errorf("%+v: %v", tc.req, err)
			}
			continue
		}
		if err != nil || got.Model != tc.model || Identity(len(got.Vectors[1])) != tc.model {
			t.Errorf("%+v: %v, %v", tc.req, got, err)
		} else if got.Usage != (providers.Usage{Input: 5}) {
			t.Errorf("usage %+v", got.Usage)
		}
	}
	for _, dims := range []int{-1, 15, 8193} {
		if _, err := New(Config{Dimensions: dims}); err == nil {
			t.Errorf("%d dimensions are no error", dims)
		}
	}
	if e.Identity() != "hashing@1/384" {
		t.Errorf("identity %s", e.Identity())
	}
}

func TestLogCount(t *testing.T) {
	for _, n := range []int{1, 2, 10, 16, 17, 31, 32, 100, 1000, 1 << 20} {
		want := one * (1 + math.Log(float64(n)))
		if got := float64(logCount(n)); math.Abs(got-want) > 0.04*want || logCount(n) < logCount(n-1) {
			t.Errorf("%d: %g, want about %g", n, got, want)
		}
	}
}

// FuzzEmbed holds that every text has a vector of length 1, the same each time.
func FuzzEmbed(f *testing.F) {
	for _, s := range []string{"a b", "Straße", "東京", "\xff", "ﷺ", "\u0301a", "สวัสดี", "각", "٣"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v := embed(t, text, "something else in between", text)
		if math.Abs(dot(v[0], v[0])-1) > 1e-5 || !slices.Equal(v[0], v[2]) {
			t.Fatalf("%q: length² %g", text, dot(v[0], v[0]))
		}
	})
}

// passage is about 100 words of English.
const passage = `A policy is what a step demands of its target and prefers among those that qualify. Policies are named,
and a chain refers to them by name. A step that names no policy uses the default one. A target that misses one
requirement is never called. Each run has one budget and one deadline for all of its steps. When the budget is used
up, the run ends with an error, and nothing that was reserved but not spent is charged. Backends that run on our own
machines are cleared for restricted data, external ones for internal data at most, unless an administrator changes it.`

func BenchmarkEmbed(b *testing.B) {
	e := embedder(b)
	for name, text := range map[string]string{
		"english": passage,
		"german":  strings.Repeat("Die Datenbank wird jede Nacht gesichert und für dreißig Tage aufbewahrt. ", 9),
		"arabic":  strings.Repeat("تُحفظ قاعدة البيانات كل ليلة وتبقى النسخ ثلاثين يومًا في القبو ", 9),
		"chinese": strings.Repeat("数据库每天晚上备份并保存三十天。", 7),
	} {
		b.Run(name, func(b *testing.B) {
			req := &providers.EmbedRequest{Texts: slices.Repeat([]string{text}, 64)}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Embed(b.Context(), req); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*64/b.Elapsed().Seconds(), "passages/s")
		})
	}
}

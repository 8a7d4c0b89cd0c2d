package tokens

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
	"github.com/tiktoken-go/tokenizer/codec"

	"fairlead/providers"
)

const prose = "The engine decides which target answers, and says why. func main() { x := 3 }\n"

var seeds = []string{
	"", " ", "a", "hello world", "Hello  World\n\n  next", "it's THEY'LL we'Re 'twas x'd don'", "12345 6789a", "a/b//c\n/d", "naïve café ÉCOLE",
	"中文分词ABC中文abc", "日本語のテキスト。です", "שלום עולם", "e\u0301a \u0301B", "tabs\t\tand\r\n\r\nlines \n x", "end   ", "!?...\n\n//x", "🙂🙂 👩‍👩‍👧",
	"ǅungla ʰA", "x'ſ 'ſa", "a\u00a0b\u2003c\u0085d\u2028e", "Ⅻ ½ ٣٤٥٦", "\x1c\x1d\x00\x7f", "0000\n \n", "{\"a\": [1,2,3]}", prose,
}

func TestTextsAreCutAndMergedAsTiktokenDoes(t *testing.T) {
	for _, s := range seeds {
		check(t, s)
	}
}

func FuzzTextsAreCutAndMergedAsTiktokenDoes(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(check)
}

// The patterns as tiktoken has them. In a group of their own, because the library's code for them drops DEL
// and does not go back over ends of lines; the interpreter does what the patterns say.
var (
	patternO200k = regexp2.MustCompile("(?:"+strings.Join([]string{
		`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?`,
		`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?`,
		`\p{N}{1,3}`, ` ?[^\s\p{L}\p{N}]+[\r\n/]*`, `\s*[\r\n]+`, `\s+(?!\S)`, `\s+`,
	}, "|")+")", regexp2.None)
	patternCl100k = regexp2.MustCompile("(?:"+strings.Join([]string{
		`(?i:'s|'t|'re|'ve|'m|'ll|'d)`, `[^\r\n\p{L}\p{N}]?\p{L}+`, `\p{N}{1,3}`, ` ?[^\s\p{L}\p{N}]+[\r\n]*`, `\s*[\r\n]+`, `\s+(?!\S)`, `\s+`,
	}, "|")+")", regexp2.None)
)

var theirs = map[Encoding]struct {
	pattern *regexp2.Regexp
	codec   *codec.Codec
}{O200k: {patternO200k, codec.NewO200kBase()}, Cl100k: {patternCl100k, codec.NewCl100kBase()}}

func check(t *testing.T, s string) {
	if !utf8.ValidString(s) || len(s) > longest {
		return // requests are valid UTF-8, and a piece over longest is cut
	}
	for e, their := range theirs {
		v := e.vocabulary()
		rest := s
		m, err := their.pattern.FindStringMatch(s)
		for ; m != nil && err == nil; m, err = their.pattern.FindNextMatch(m) {
			piece := m.String()
			if n := v.cut(rest); rest[:n] != piece {
				t.Fatalf("%s of %q: cut %q, want %q", e, s, rest[:n], piece)
			}
			rest = rest[len(piece):]
			if strings.ContainsAny(piece, "\r\n\x7f") {
				continue
			}
			if want, err := their.codec.Count(piece); err != nil || v.count(piece) != want {
				t.Fatalf("%s of %q: %d tokens, want %d, error %v", e, piece, v.count(piece), want, err)
			}
		}
		if err != nil || rest != "" {
			t.Fatalf("%s of %q: %q is left, error %v", e, s, rest, err)
		}
	}
}

func TestModelsHaveTheirEncoding(t *testing.T) {
	for model, want := range map[string]Encoding{
		"gpt-5-mini": O200k, "gpt-4o-2024-08-06": O200k, "gpt-4.1": O200k, "o3-mini": O200k, "openai/gpt-4o": O200k, "ft:gpt-4o:x": O200k, "qwen3:8b": O200k, "": O200k,
		"gpt-4": Cl100k, "gpt-4-turbo": Cl100k, "gpt-3.5-turbo": Cl100k, "gpt-35-turbo": Cl100k, "text-embedding-3-small": Cl100k, "ft:gpt-3.5-turbo": Cl100k,
	} {
		if got := For(model); got != want {
			t.Errorf("%q: %s", model, got)
		}
	}
}

func TestALongTextIsReckonedFromPartsOfIt(t *testing.T) {
	// Half prose, half digits: what is looked at must be spread over the text.
	text := strings.Repeat(prose, 4000) + strings.Repeat("0123456789 ", 28000)
	exact := O200k.vocabulary().count(text)
	if got := O200k.Count(text); got < exact*97/100 || got > exact*103/100 {
		t.Errorf("reckoned %d, counted %d", got, exact)
	}
	two := O200k.CountAll([]string{strings.Repeat(prose, 4000), strings.Repeat("0123456789 ", 28000)})
	if two < exact*97/100 || two > exact*103/100 {
		t.Errorf("reckoned %d of two texts, counted %d", two, exact)
	}
	if got := O200k.Count(strings.Repeat("中文", 100_000)); got == 0 {
		t.Error("nothing")
	}
}

func TestAWordWithoutEndIsCutAndCounted(t *testing.T) {
	if got := O200k.Count(strings.Repeat("q", Exact)); got < Exact/20 || got > Exact {
		t.Errorf("%d tokens", got)
	}
}

func TestAPromptCountsItsMessagesToolsAndPictures(t *testing.T) {
	plain := &providers.Request{Messages: []providers.Message{providers.Text(providers.System, "You are a helpful assistant."), providers.Text(providers.User, "Hello!")}}
	base := O200k.Prompt(plain)
	if base != perPrompt+2*perMessage+6+2 {
		t.Errorf("plain: %d", base)
	}
	more := *plain
	more.Tools = []providers.Tool{{Name: "find", Description: "finds a part", Parameters: []byte(`{"type":"object"}`)}}
	if got := O200k.Prompt(&more); got <= base+perTool {
		t.Errorf("with a tool: %d", got)
	}
	more = *plain
	more.Messages = append(more.Messages, providers.Message{Role: providers.User, Parts: []providers.Part{{Image: &providers.Image{URL: "x"}}}})
	if got := O200k.Prompt(&more); got != base+perMessage+PerImage {
		t.Errorf("with a picture: %d", got)
	}
	more = *plain
	more.Format.Schema = []byte(`{"type":"object"}`)
	if O200k.Prompt(&more) <= base {
		t.Error("a schema counts nothing")
	}
}

func benchmark(b *testing.B, text string) {
	req := &providers.Request{Messages: []providers.Message{providers.Text(providers.User, text)}}
	O200k.Prompt(req)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		O200k.Prompt(req)
	}
}

func BenchmarkPrompt2kB(b *testing.B)   { benchmark(b, strings.Repeat(prose, 26)) }
func BenchmarkPrompt64KiB(b *testing.B) { benchmark(b, strings.Repeat(prose, 840)) }
func BenchmarkPrompt1MiB(b *testing.B)  { benchmark(b, strings.Repeat(prose, 13443)) }
func BenchmarkPromptCJK(b *testing.B) {
	benchmark(b, strings.Repeat("中文分词是自然语言处理的基础任务。", 40))
}
func BenchmarkPromptOneWord(b *testing.B) { benchmark(b, strings.Repeat("q", Exact)) }
func BenchmarkVocabulary(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		ranksOf(codec.NewO200kBase(), 200_000)
	}
}

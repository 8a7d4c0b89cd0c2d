package wordpiece

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func load(t testing.TB, name string) *Tokenizer {
	t.Helper()
	tokenizer, err := Load(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return tokenizer
}

// golden holds what tokenizers 0.23.3 of Hugging Face gives for the texts, with encode_special_tokens; @6 is with
// enable_truncation(6).
func golden(t testing.TB) (g struct {
	Texts []string
	IDs   map[string][][]int64
}) {
	t.Helper()
	data, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func TestTokensAreThoseOfHuggingFace(t *testing.T) {
	g := golden(t)
	compared := 0
	for set, want := range g.IDs {
		name, cut, _ := strings.Cut(set, "@")
		limit := len(cut) * 6
		tokenizer := load(t, name)
		for i, ids := range want {
			got := tokenizer.Encode(g.Texts[i], limit)
			if d := cmp.Diff(ids, got.IDs); d != "" {
				t.Errorf("%s: %q (%+q): %v, want %v", set, g.Texts[i], g.Texts[i], got.IDs, ids)
			}
			if len(got.Types) != len(got.IDs) || slices.Max(append(got.Types, 0)) != 0 {
				t.Errorf("%s: %q: types %v", set, g.Texts[i], got.Types)
			}
			compared++
		}
	}
	if compared < 1000 {
		t.Errorf("only %d were compared", compared)
	}
}

func TestSequencesHaveTheirTypesAndSpecialTokens(t *testing.T) {
	const around = `{"model":{"type":"WordPiece","unk_token":"?","vocab":{"?":0,"a":1,"##b":2,"<":7,">":8}},"pre_tokenizer":{"type":"BertPreTokenizer"},"padding":{"pad_id":5,"pad_type_id":3},`
	template, err := Parse([]byte(around + `"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<","type_id":4}},{"Sequence":{"id":"A","type_id":2}},{"SpecialToken":{"id":">","type_id":6}}],"special_tokens":{"<":{"ids":[7,7]},">":{"ids":[8]}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := Encoding{IDs: []int64{7, 7, 1, 2, 0, 8}, Types: []int64{4, 4, 2, 2, 2, 6}}
	if d := cmp.Diff(want, template.Encode("ab x", 0)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(Encoding{IDs: []int64{7, 7, 1, 8}, Types: []int64{4, 4, 2, 6}}, template.Encode("ab x", 4)); d != "" {
		t.Error(d)
	}
	if id, typeID, ok := template.Pad(); id != 5 || typeID != 3 || !ok || template.Around() != 3 || template.Highest() != 8 {
		t.Error(id, typeID, ok, template.Around(), template.Highest())
	}
	bert, err := Parse([]byte(around + `"post_processor":{"type":"BertProcessing","sep":[">",8],"cls":["<",7]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := bert.Encode("a", 0); !slices.Equal(got.IDs, []int64{7, 1, 8}) {
		t.Error(got)
	}
	plain, err := Parse([]byte(around + `"post_processor":null}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := plain.Encode("A", 0); !slices.Equal(got.IDs, []int64{0}) { // without a normaliser case counts
		t.Error(got)
	}
}

func TestWhatIsNotSupportedIsSaid(t *testing.T) {
	data, err := os.ReadFile("testdata/uncased.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct{ old, new, want string }{
		{`"WordPiece"`, `"BPE"`, "its model is BPE, and only WordPiece"},
		{`"WordPiece"`, `"<b>&é"`, "its model is unknown"},
		{`"BertNormalizer"`, `"Precompiled"`, "its normalizer is Precompiled"},
		{`"BertPreTokenizer"`, `"ByteLevel"`, "its pre_tokenizer is ByteLevel"},
		{`"TemplateProcessing"`, `"RobertaProcessing"`, "its post_processor is RobertaProcessing"},
		{`"special": true`, `"special": false`, "added token that is not special"},
		{`"unk_token": "[UNK]"`, `"unk_token": "none"`, "does not have its unk_token"},
		{`"[SEP]": 3`, `"[SEP]": -3`, "the number -3"},
		{`"max_input_chars_per_word": 20`, `"max_input_chars_per_word": 1000000`, "words of 1000000 letters"},
		{`"id": 0,`, `"id": 9,`, "has the number 9 and another"},
		{`"model"`, `"module"`, "its model is not said"},
		{`{`, `[`, "not as tokenizers of Hugging Face are written"},
	} {
		text := strings.ReplaceAll(string(data), k.old, k.new)
		if text == string(data) {
			t.Fatalf("%s is not in the file", k.old)
		}
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), k.want) {
			t.Errorf("%s: %v", k.new, err)
		}
	}
	if _, err := Load("testdata/none.json"); err == nil {
		t.Error("a file that is not there is read")
	}
}

func FuzzEncode(f *testing.F) {
	for _, text := range golden(f).Texts {
		f.Add(text, 8)
	}
	f.Add("\xff\xfe\xc4", 2)
	tokenizers := []*Tokenizer{load(f, "uncased"), load(f, "cased"), load(f, "lower_accents")}
	f.Fuzz(func(t *testing.T, text string, limit int) {
		for _, tokenizer := range tokenizers {
			whole := tokenizer.Encode(text, 0)
			if limit = tokenizer.Around() + limit&0xff; limit == 0 {
				return
			}
			e := tokenizer.Encode(text, limit)
			if len(e.IDs) > limit || len(e.IDs) != len(e.Types) || len(e.IDs) < min(limit, len(whole.IDs)) {
				t.Fatalf("%d tokens and %d types of %d, the limit is %d", len(e.IDs), len(e.Types), len(whole.IDs), limit)
			}
			for i, id := range e.IDs[:len(e.IDs)-len(tokenizer.after)] {
				if id != whole.IDs[i] || id > tokenizer.Highest() {
					t.Fatalf("token %d is %d, and %d in the whole", i, id, whole.IDs[i])
				}
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"uncased", "cased"} {
		data, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"model":{"type":"WordPiece","unk_token":"?","vocab":{"?":0}},"pre_tokenizer":{"type":"BertPreTokenizer"},"post_processor":{"type":"BertProcessing","sep":[0,1],"cls":["a",1e99]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		tokenizer, err := Parse(data)
		if err != nil {
			return
		}
		for _, id := range tokenizer.Encode("The ferry, é 中 \u0130", 12).IDs {
			if id < 0 {
				t.Fatalf("a token has the number %d", id)
			}
		}
	})
}

// Long words and long texts cost what they are long, and no more.
func BenchmarkEncode(b *testing.B) {
	tokenizer := load(b, "uncased")
	for _, n := range []int{10, 100, 10_000} {
		text := strings.Repeat("The ferry leaves at nine, é. ", n/5)
		b.Run(strconv.Itoa(n)+" words", func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				tokenizer.Encode(text, 512)
			}
		})
	}
}

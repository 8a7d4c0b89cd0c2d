package wordpiece

import (
	"math/rand/v2"
	"testing"
)

func TestAMillionMutationsOfTexts(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	texts := []string{"The ferry, é.", "naïve \u0130 中文", "unaffable [SEP] x\u0301", "a\u200db\tc\x00d"}
	tokenizers := []*Tokenizer{load(t, "uncased"), load(t, "cased"), load(t, "lower_accents")}
	for range mutations {
		text := []byte(texts[random.IntN(len(texts))])
		for range 1 + random.IntN(3) {
			text[random.IntN(len(text))] = byte(random.IntN(256))
		}
		tokenizer := tokenizers[random.IntN(len(tokenizers))]
		limit := tokenizer.Around() + 1 + random.IntN(6)
		e := tokenizer.Encode(string(text), limit)
		if len(e.IDs) > limit || len(e.IDs) != len(e.Types) || len(e.IDs) < tokenizer.Around() {
			t.Fatalf("%q: %d tokens and %d types, the limit is %d", text, len(e.IDs), len(e.Types), limit)
		}
		for _, id := range e.IDs {
			if id < 0 || id > tokenizer.Highest() {
				t.Fatalf("%q: a token has the number %d", text, id)
			}
		}
	}
}

func TestAMillionMutationsOfFiles(t *testing.T) {
	const file = `{"added_tokens":[{"id":0,"content":"[A]","special":true}],"pre_tokenizer":{"type":"BertPreTokenizer"},` +
		`"post_processor":{"type":"BertProcessing","sep":["b",1],"cls":["[A]",0]},"model":{"type":"WordPiece","unk_token":"b","vocab":{"[A]":0,"b":1,"##c":2}}}`
	if _, err := Parse([]byte(file)); err != nil {
		t.Fatal(err)
	}
	random, read := rand.New(rand.NewPCG(3, 4)), 0
	for range mutations {
		data := []byte(file)
		for range 1 + random.IntN(2) {
			data[random.IntN(len(data))] = "{}[]\":,019e-#\\\x00\xff"[random.IntN(16)]
		}
		tokenizer, err := Parse(data)
		if err != nil {
			continue
		}
		read++
		for _, id := range tokenizer.Encode("bcc d", 12).IDs {
			if id < 0 {
				t.Fatalf("%s: a token has the number %d", data, id)
			}
		}
	}
	if read < mutations/100 {
		t.Errorf("only %d files were read", read)
	}
}

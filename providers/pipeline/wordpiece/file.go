package wordpiece

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
)

// maxFile is the most bytes of a tokenizer.json: those of models with a million tokens have less.
const maxFile = 64 << 20

// maxWord is the most letters of a word that is looked up: the effort grows with its square. Models have 100.
const maxWord = 1000

// file is the part of tokenizer.json that is understood. What is not in it is looked at by name alone.
type file struct {
	AddedTokens []struct {
		ID      int64  `json:"id"`
		Content string `json:"content"`
		Special bool   `json:"special"`
	} `json:"added_tokens"`
	Normalizer *struct {
		Type               string `json:"type"`
		CleanText          *bool  `json:"clean_text"`
		HandleChineseChars *bool  `json:"handle_chinese_chars"`
		StripAccents       *bool  `json:"strip_accents"`
		Lowercase          *bool  `json:"lowercase"`
	} `json:"normalizer"`
	PreTokenizer *struct {
		Type string `json:"type"`
	} `json:"pre_tokenizer"`
	PostProcessor *postProcessor `json:"post_processor"`
	Model         struct {
		Type                    string           `json:"type"`
		UnknownToken            string           `json:"unk_token"`
		ContinuingSubwordPrefix *string          `json:"continuing_subword_prefix"`
		MaxInputCharsPerWord    *int             `json:"max_input_chars_per_word"`
		Vocab                   map[string]int64 `json:"vocab"`
	} `json:"model"`
	Padding *struct {
		ID     int64 `json:"pad_id"`
		TypeID int64 `json:"pad_type_id"`
	} `json:"padding"`
}

type postProcessor struct {
	Type string `json:"type"`
	// BertProcessing.
	Sep []any `json:"sep"`
	Cls []any `json:"cls"`
	// TemplateProcessing.
	Single []struct {
		SpecialToken *struct {
			ID     string `json:"id"`
			TypeID int64  `json:"type_id"`
		} `json:"SpecialToken"`
		Sequence *struct {
			ID     string `json:"id"`
			TypeID int64  `json:"type_id"`
		} `json:"Sequence"`
	} `json:"single"`
	SpecialTokens map[string]struct {
		IDs []int64 `json:"ids"`
	} `json:"special_tokens"`
}

// Load reads a tokenizer.json.
func Load(path string) (*Tokenizer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading a tokenizer: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading a tokenizer: %w", err)
	case len(data) > maxFile:
		return nil, fmt.Errorf("reading tokenizer %s: it has more than %d bytes", path, maxFile)
	}
	t, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("reading tokenizer %s: %w", path, err)
	}
	return t, nil
}

// Parse reads the text of a tokenizer.json.
func Parse(data []byte) (*Tokenizer, error) {
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("it is not as tokenizers of Hugging Face are written (tokenizer.json): %w", err)
	}
	t := &Tokenizer{vocab: f.Model.Vocab, prefix: "##", maxChars: 100}
	for _, step := range []func(*file) error{t.readModel, t.readNormalizer, t.readAdded, t.readAround, t.readPadding} {
		if err := step(&f); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *Tokenizer) readModel(f *file) error {
	m := &f.Model
	if m.Type != "WordPiece" {
		return fmt.Errorf("its model is %s, and only WordPiece is supported: use a model that tokenizes its own texts, or put a tokenizer before it on its server", word(m.Type))
	}
	if m.ContinuingSubwordPrefix != nil {
		t.prefix = *m.ContinuingSubwordPrefix
	}
	if m.MaxInputCharsPerWord != nil {
		t.maxChars = *m.MaxInputCharsPerWord
	}
	if len(m.Vocab) == 0 || t.maxChars < 1 || t.maxChars > maxWord {
		return fmt.Errorf("its model has no vocabulary, or words of %d letters: want 1 to %d", t.maxChars, maxWord)
	}
	for _, id := range m.Vocab {
		if id < 0 || id > math.MaxInt32 {
			return fmt.Errorf("its vocabulary has the number %d, and numbers are from 0 to %d", id, math.MaxInt32)
		}
	}
	var ok bool
	if t.unknown, ok = m.Vocab[m.UnknownToken]; !ok {
		return fmt.Errorf("its vocabulary does not have its unk_token")
	}
	return nil
}

func (t *Tokenizer) readNormalizer(f *file) error {
	if f.PreTokenizer == nil || f.PreTokenizer.Type != "BertPreTokenizer" {
		name := ""
		if f.PreTokenizer != nil {
			name = f.PreTokenizer.Type
		}
		return fmt.Errorf("its pre_tokenizer is %s, and only BertPreTokenizer is supported", word(name))
	}
	n := f.Normalizer
	if n == nil {
		return nil
	}
	if n.Type != "BertNormalizer" {
		return fmt.Errorf("its normalizer is %s, and only BertNormalizer is supported", word(n.Type))
	}
	yes := func(b *bool) bool { return b == nil || *b }
	t.clean, t.chinese, t.lower = yes(n.CleanText), yes(n.HandleChineseChars), yes(n.Lowercase)
	t.accents = t.lower // strip_accents goes with lowercase where it is not said
	if n.StripAccents != nil {
		t.accents = *n.StripAccents
	}
	return nil
}

// readAdded refuses added tokens that would have to be found in the text, and adds special ones to the vocabulary's
// names.
func (t *Tokenizer) readAdded(f *file) error {
	for _, a := range f.AddedTokens {
		if !a.Special {
			return fmt.Errorf("it has an added token that is not special (number %d), which is not supported", a.ID)
		}
		if id, ok := t.vocab[a.Content]; ok && id != a.ID {
			return fmt.Errorf("an added token has the number %d and another in the vocabulary", a.ID)
		}
	}
	return nil
}

// readAround reads what stands before and after a sequence.
func (t *Tokenizer) readAround(f *file) error {
	p := f.PostProcessor
	switch {
	case p == nil:
		return nil
	case p.Type == "BertProcessing":
		cls, okBefore := pairID(p.Cls)
		sep, okAfter := pairID(p.Sep)
		if !okBefore || !okAfter {
			return fmt.Errorf("its post_processor has no cls and sep")
		}
		t.before, t.after = []token{{id: cls}}, []token{{id: sep}}
		return nil
	case p.Type != "TemplateProcessing":
		return fmt.Errorf("its post_processor is %s, and only TemplateProcessing and BertProcessing are supported", word(p.Type))
	}
	sequences := 0
	for _, piece := range p.Single {
		switch {
		case piece.Sequence != nil && sequences == 0:
			sequences++
			t.typeID = piece.Sequence.TypeID
		case piece.SpecialToken != nil:
			special, ok := p.SpecialTokens[piece.SpecialToken.ID]
			if !ok {
				return fmt.Errorf("its post_processor names a special token that it does not have")
			}
			for _, id := range special.IDs {
				made := token{id: id, typeID: piece.SpecialToken.TypeID}
				if sequences == 0 {
					t.before = append(t.before, made)
				} else {
					t.after = append(t.after, made)
				}
			}
		default:
			return fmt.Errorf("its post_processor has no template of one sequence")
		}
	}
	if sequences != 1 {
		return fmt.Errorf("its post_processor has no template of one sequence")
	}
	return nil
}

// pairID reads ["[CLS]", 101].
func pairID(pair []any) (int64, bool) {
	if len(pair) != 2 {
		return 0, false
	}
	n, ok := pair[1].(float64)
	return int64(n), ok && n >= 0 && n <= math.MaxInt32 && n == math.Trunc(n)
}

func (t *Tokenizer) readPadding(f *file) error {
	switch pad, ok := t.vocab["[PAD]"]; {
	case f.Padding != nil:
		t.pad, t.padType, t.pads = f.Padding.ID, f.Padding.TypeID, true
	case ok:
		t.pad, t.pads = pad, true
	}
	for _, around := range [][]token{t.before, t.after, {{id: t.pad, typeID: t.padType}, {typeID: t.typeID}}} {
		for _, a := range around {
			if a.id < 0 || a.id > math.MaxInt32 || a.typeID < 0 || a.typeID > math.MaxInt32 {
				return fmt.Errorf("a special token has a number that is not from 0 to %d", math.MaxInt32)
			}
		}
	}
	return nil
}

// word repeats a type's name where it is one, for a message.
func word(name string) string {
	if name == "" {
		return "not said"
	}
	for _, r := range name {
		if r < '0' || r > 'z' || len(name) > 40 {
			return "unknown"
		}
	}
	return name
}

package testmodel

import (
	"bytes"
	_ "embed"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

// Context is how many tokens the model reads and writes in all.
const Context = 4096

// Dimensions is the length of the model's vectors.
const Dimensions = 64

// The model's other sizes.
const (
	layers      = 2
	heads       = 4
	keyHeads    = 2
	headSize    = Dimensions / heads
	feedForward = 2 * Dimensions
)

// chatTemplate is the model's own template, in Jinja: turns as ChatML marks them, tools and their calls as Hermes and
// Qwen write them, which llama-server understands.
//
//go:embed chat.jinja
var chatTemplate string

// Model gives the file of a model in the format GGUF, version 3
// (github.com/ggml-org/ggml/blob/master/docs/gguf.md): a llama of random weights, the same for the same seed, about
// 0.4 MB. Its vocabulary is the 256 bytes, a few pairs and the marks of turns and calls. It answers with printable ASCII
// and never ends its turn of itself: its answers end at the limit on tokens, or where a grammar ends. It often begins to
// call a tool; where nothing holds it to a form, what follows is no call.
func Model(seed uint64) []byte {
	words, kinds, merges := vocabulary()
	var w writer
	w.WriteString("GGUF")
	w.put(uint32(3))
	tensors := weights(rand.New(rand.NewPCG(seed, 2)), words)
	marks := uint32(len(words) - len(special))
	fields := []field{
		{"general.architecture", "llama"},
		{"general.name", fmt.Sprintf("random-%d", seed)},
		{"general.file_type", uint32(0)}, // all numbers are of 32 bits
		{"general.alignment", uint32(alignment)},
		{"llama.block_count", uint32(layers)},
		{"llama.context_length", uint32(Context)},
		{"llama.embedding_length", uint32(Dimensions)},
		{"llama.feed_forward_length", uint32(feedForward)},
		{"llama.attention.head_count", uint32(heads)},
		{"llama.attention.head_count_kv", uint32(keyHeads)},
		{"llama.attention.key_length", uint32(headSize)},
		{"llama.attention.value_length", uint32(headSize)},
		{"llama.attention.layer_norm_rms_epsilon", float32(1e-5)},
		{"llama.rope.dimension_count", uint32(headSize)},
		{"llama.rope.freq_base", float32(10000)},
		{"llama.vocab_size", uint32(len(words))},
		{"tokenizer.ggml.model", "gpt2"},
		{"tokenizer.ggml.pre", "llama-bpe"},
		{"tokenizer.ggml.tokens", words},
		{"tokenizer.ggml.token_type", kinds},
		{"tokenizer.ggml.merges", merges},
		{"tokenizer.ggml.bos_token_id", marks},
		{"tokenizer.ggml.eos_token_id", marks + endOfTurn},
		{"tokenizer.ggml.add_bos_token", true},
		{"tokenizer.chat_template", chatTemplate},
	}
	w.put(uint64(len(tensors)))
	w.put(uint64(len(fields)))
	for _, f := range fields {
		w.text(f.name)
		w.value(f.value)
	}
	w.tensors(tensors)
	return w.Bytes()
}

// The marks that end the vocabulary.
var special = []string{"<|begin_of_text|>", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<tool_call>"}

const (
	endOfTurn = 2
	endOfText = 3
	toolCall  = 4
)

// vocabulary gives the tokens, what kind each is, and which pairs become one. Bytes are written as GPT-2 does, whose
// table gives each a printable character.
func vocabulary() (words []string, kinds []int32, merges []string) {
	const normal, control, shown = 1, 3, 4
	spare := rune(256)
	for b := range rune(256) {
		if b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae {
			words = append(words, string(b))
		} else {
			words = append(words, string(spare))
			spare++
		}
	}
	for _, pair := range [][2]string{{"t", "h"}, {words[' '], "t"}, {"i", "n"}} {
		merges = append(merges, pair[0]+" "+pair[1])
		words = append(words, pair[0]+pair[1])
	}
	for range words {
		kinds = append(kinds, normal)
	}
	for range special {
		kinds = append(kinds, control)
	}
	kinds[len(kinds)-len(special)+toolCall] = shown
	return append(words, special...), kinds, merges
}

// weights makes the model's tensors. The first dimension of each token's vector is the same for all, so that the first
// column of the output's weights is a bias: it is what keeps the answers printable.
func weights(r *rand.Rand, words []string) []tensor {
	random := func(n int, deviation float64) []float32 {
		numbers := make([]float32, n)
		for i := range numbers {
			numbers[i] = float32(r.NormFloat64() * deviation)
		}
		return numbers
	}
	ones := make([]float32, Dimensions)
	for i := range ones {
		ones[i] = 1
	}
	tokens := random(len(words)*Dimensions, 1)
	output := random(len(words)*Dimensions, 0.35)
	marks := len(words) - len(special)
	for t := range words {
		bias := float32(-8)
		switch {
		case t == '\n' || t >= ' ' && t <= '~' || t >= 256 && t < marks:
			bias = 0
		case t == marks+endOfTurn || t == marks+endOfText:
			bias = -6
		case t == marks+toolCall:
			bias = 0.1
		}
		tokens[t*Dimensions], output[t*Dimensions] = 6, bias
	}
	all := []tensor{
		{"token_embd.weight", []uint64{Dimensions, uint64(len(words))}, tokens},
		{"output_norm.weight", []uint64{Dimensions}, ones},
		{"output.weight", []uint64{Dimensions, uint64(len(words))}, output},
	}
	for l := range layers {
		name := func(part string) string { return fmt.Sprintf("blk.%d.%s.weight", l, part) }
		matrix := func(part string, in, out int) tensor {
			return tensor{name(part), []uint64{uint64(in), uint64(out)}, random(in*out, 0.08)}
		}
		all = append(all,
			tensor{name("attn_norm"), []uint64{Dimensions}, ones},
			tensor{name("ffn_norm"), []uint64{Dimensions}, ones},
			matrix("attn_q", Dimensions, Dimensions),
			matrix("attn_k", Dimensions, keyHeads*headSize),
			matrix("attn_v", Dimensions, keyHeads*headSize),
			matrix("attn_output", Dimensions, Dimensions),
			matrix("ffn_gate", Dimensions, feedForward),
			matrix("ffn_up", Dimensions, feedForward),
			matrix("ffn_down", feedForward, Dimensions),
		)
	}
	return all
}

// alignment is what the places of tensors are multiples of, in bytes.
const alignment = 32

// field is a name with a value of one of the types that value knows.
type field struct {
	name  string
	value any
}

// tensor is an array of numbers. Its innermost dimension comes first.
type tensor struct {
	name       string
	dimensions []uint64
	numbers    []float32
}

// writer writes the parts of a GGUF file, whose numbers are little-endian.
type writer struct{ bytes.Buffer }

func (w *writer) put(number any) {
	if err := binary.Write(w, binary.LittleEndian, number); err != nil {
		panic(err) // a type that has no fixed size: a mistake of this file
	}
}

func (w *writer) text(s string) {
	w.put(uint64(len(s)))
	w.WriteString(s)
}

// value writes a value behind the number of its type.
func (w *writer) value(v any) {
	const uint32Type, int32Type, float32Type, boolType, stringType, arrayType = uint32(4), uint32(5), uint32(6), uint32(7), uint32(8), uint32(9)
	switch v := v.(type) {
	case uint32:
		w.put(uint32Type)
		w.put(v)
	case float32:
		w.put(float32Type)
		w.put(v)
	case bool:
		w.put(boolType)
		w.put(v)
	case string:
		w.put(stringType)
		w.text(v)
	case []int32:
		w.put([]uint32{arrayType, int32Type})
		w.put(uint64(len(v)))
		w.put(v)
	case []string:
		w.put([]uint32{arrayType, stringType})
		w.put(uint64(len(v)))
		for _, s := range v {
			w.text(s)
		}
	default:
		panic(fmt.Sprintf("a field of type %T", v))
	}
}

// tensors writes the list of tensors and then their numbers, each at a multiple of the alignment.
func (w *writer) tensors(all []tensor) {
	const float32Numbers = uint32(0)
	at := 0
	for _, t := range all {
		w.text(t.name)
		w.put(uint32(len(t.dimensions)))
		w.put(t.dimensions)
		w.put(float32Numbers)
		w.put(uint64(at))
		at += 4 * len(t.numbers)
		at += padding(at)
	}
	w.Write(make([]byte, padding(w.Len())))
	for _, t := range all {
		w.put(t.numbers)
		w.Write(make([]byte, padding(4*len(t.numbers))))
	}
}

func padding(length int) int { return (alignment - length%alignment) % alignment }

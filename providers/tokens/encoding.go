package tokens

import (
	"strings"
	"sync"

	"github.com/tiktoken-go/tokenizer/codec"
)

// Encoding is a vocabulary with the pattern that cuts texts for it. The empty one is none.
type Encoding string

// The encodings.
const (
	O200k  Encoding = "o200k_base"
	Cl100k Encoding = "cl100k_base"
)

// older are the starts of the names of models that count by Cl100k.
var older = []string{"gpt-4", "gpt-35", "gpt-3.5", "text-embedding-3", "text-embedding-ada-002"}

// newer are those among them that do not.
var newer = []string{"gpt-4o", "gpt-4.1", "gpt-4.5"}

// For gives the encoding of a model by its name. A name that is not known has O200k: for models with a
// vocabulary of their own it is a base to correct, nearer than any rule over bytes.
func For(model string) Encoding {
	name := strings.TrimPrefix(model[strings.LastIndexByte(model, '/')+1:], "ft:")
	starts := func(list []string) bool {
		for _, start := range list {
			if strings.HasPrefix(name, start) {
				return true
			}
		}
		return false
	}
	if starts(older) && !starts(newer) {
		return Cl100k
	}
	return O200k
}

// vocabulary has the rank of each token.
type vocabulary struct {
	ranks map[string]uint32
	cut   func(string) int
}

var (
	o200k = sync.OnceValue(func() *vocabulary {
		return &vocabulary{ranks: ranksOf(codec.NewO200kBase(), 200_000), cut: cutO200k}
	})
	cl100k = sync.OnceValue(func() *vocabulary {
		return &vocabulary{ranks: ranksOf(codec.NewCl100kBase(), 100_300), cut: cutCl100k}
	})
)

func (e Encoding) vocabulary() *vocabulary {
	if e == Cl100k {
		return cl100k()
	}
	return o200k()
}

// ranksOf reads a vocabulary back from the library, which does not show it. An id that stands for nothing
// has no token.
func ranksOf(c *codec.Codec, size uint) map[string]uint32 {
	ranks := make(map[string]uint32, size)
	one := make([]uint, 1)
	for id := range size {
		one[0] = id
		if token, err := c.Decode(one); err == nil {
			ranks[token] = uint32(id)
		}
	}
	return ranks
}

// longest is where a piece is cut that the pattern does not: merging takes the square of a piece's length,
// and only noise has such words. Each cut may add a token.
const longest = 128

// count gives the number of tokens of a text.
func (v *vocabulary) count(text string) (n int) {
	var parts [longest + 1]part
	for len(text) > 0 {
		// What cut sees is bounded, or a word without end would be looked through again for each piece of it.
		end := min(v.cut(text[:min(len(text), longest+8)]), longest)
		piece := text[:end]
		text = text[end:]
		if len(piece) == 1 {
			n++
		} else if _, ok := v.ranks[piece]; ok {
			n++
		} else {
			n += v.merge(piece, parts[:len(piece)+1])
		}
	}
	return n
}

// part is a piece's part: where it starts, and the rank of the token that it makes with the next.
type part struct{ start, rank uint32 }

const noRank = 1<<32 - 1

// merge gives the number of tokens of a piece that is none: the pair with the least rank becomes one, as
// long as there is any.
func (v *vocabulary) merge(piece string, parts []part) int {
	rank := func(i, next int) uint32 {
		if next < len(parts) {
			if r, ok := v.ranks[piece[parts[i].start:parts[next].start]]; ok {
				return r
			}
		}
		return noRank
	}
	for i := range parts {
		parts[i].start = uint32(i)
	}
	for i := range parts {
		parts[i].rank = rank(i, i+2)
	}
	for {
		best := 0
		for i := range parts {
			if parts[i].rank < parts[best].rank {
				best = i
			}
		}
		if parts[best].rank == noRank {
			return len(parts) - 1
		}
		parts = append(parts[:best+1], parts[best+2:]...)
		parts[best].rank = rank(best, best+2)
		if best > 0 {
			parts[best-1].rank = rank(best-1, best+1)
		}
	}
}

package scale

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"fairlead/internal/label"
	"fairlead/retrieval"
)

const (
	vocabulary  = 30_000
	topics      = 400
	topicWords  = 200
	hidden      = 32 // dimensions that count
	perDocument = 10 // passages

	// How far a document is from its topic's centre, which is 1 from the next in each hidden dimension, a passage
	// from its document, a query from its passage; and the noise in each dimension of the vector.
	documentSpread, passageSpread, querySpread, noise = 0.7, 0.4, 0.3, 0.1
	// crowdSpread is how far those that crowd a query are from it: nearer than what it looks for.
	crowdSpread = 0.05
)

// grammar is what texts are held together by.
var grammar = strings.Fields(`the of and to a in is that for it as with on by this are be at from or an which was were not has have their its these
	can will may such than into when where there then they we you our more most some other been through about`)

// Corpus makes passages and queries up. The same seed makes the same. It is safe for concurrent use.
type Corpus struct {
	seed       uint64
	dimensions int
	matrix     [][]float32 // dimensions × hidden
	centres    [topics][hidden]float64
	words      []string
	own        [topics][topicWords]int // places in words
}

// NewCorpus makes a corpus whose vectors have so many dimensions.
func NewCorpus(seed uint64, dimensions int) *Corpus {
	r := rand.New(rand.NewPCG(seed, 0))
	c := &Corpus{seed: seed, dimensions: dimensions, matrix: make([][]float32, dimensions), words: make([]string, vocabulary)}
	for i := range c.matrix {
		c.matrix[i] = make([]float32, hidden)
		for j := range c.matrix[i] {
			c.matrix[i][j] = float32(r.NormFloat64() / math.Sqrt(hidden))
		}
	}
	for i := range c.words {
		c.words[i] = word(i)
	}
	for t := range topics {
		for j := range hidden {
			c.centres[t][j] = r.NormFloat64()
		}
		for j := range topicWords {
			c.own[t][j] = 100 + r.IntN(vocabulary-100)
		}
	}
	return c
}

// word spells a number in syllables. Its last letter keeps a stemmer away.
func word(n int) string {
	var b strings.Builder
	for n += 100; n > 0; n /= 100 {
		b.WriteByte("bcdfghjklmnprstvwxyz"[n%100/5])
		b.WriteByte("aeiou"[n%5])
	}
	return b.String() + "k"
}

// random gives the random numbers of one thing: a kind, a tenant and a number.
func (c *Corpus) random(kind, tenant, n int) *rand.Rand {
	return rand.New(rand.NewPCG(c.seed<<8|uint64(kind), uint64(tenant)<<40|uint64(n)))
}

const (
	aDocument = 1 + iota
	aQuery
	ofCrowd
)

// place is where something is in the hidden dimensions.
type place [hidden]float64

func (p place) near(r *rand.Rand, spread float64) place {
	for i := range p {
		p[i] += spread * r.NormFloat64()
	}
	return p
}

// vector maps a place to a vector of length 1.
func (c *Corpus) vector(r *rand.Rand, p place) []float32 {
	v := make([]float32, c.dimensions)
	sum := 0.0
	for i, row := range c.matrix {
		x := noise * r.NormFloat64()
		for j, m := range row {
			x += float64(m) * p[j]
		}
		v[i] = float32(x)
		sum += x * x
	}
	scale := float32(1 / math.Sqrt(sum))
	for i := range v {
		v[i] *= scale
	}
	return v
}

// piece is a passage as it is made.
type piece struct {
	place   place
	text    string
	content []string // its words without grammar
}

// pieces makes the passages of a document, and leaves r where their vectors begin.
func (c *Corpus) pieces(r *rand.Rand, n int) (topic int, out []piece) {
	topic = r.IntN(topics)
	at := place(c.centres[topic]).near(r, documentSpread)
	common := rand.NewZipf(r, 1.07, 10, vocabulary-1)
	special := rand.NewZipf(r, 1.1, 5, topicWords-1)
	held := rand.NewZipf(r, 1.1, 2, uint64(len(grammar)-1))
	out = make([]piece, n)
	for i := range out {
		p := &out[i]
		p.place = at.near(r, passageSpread)
		var b strings.Builder
		for j := range 80 + r.IntN(80) {
			if j > 0 {
				b.WriteByte(' ')
			}
			var w string
			switch x := r.Float64(); {
			case x < 0.45:
				w = grammar[held.Uint64()]
			case x < 0.75:
				w = c.words[common.Uint64()]
				p.content = append(p.content, w)
			default:
				w = c.words[c.own[topic][special.Uint64()]]
				p.content = append(p.content, w)
			}
			b.WriteString(w)
			if j%12 == 11 {
				b.WriteByte('.')
			}
		}
		p.text = b.String()
	}
	return topic, out
}

// Document makes a document of a tenant with n passages and their vectors. Its metadata are topic, and percent: its number
// modulo 100.
func (c *Corpus) Document(tenant, number, n int) (retrieval.Document, []retrieval.Passage, [][]float32) {
	r := c.random(aDocument, tenant, number)
	topic, pieces := c.pieces(r, n)
	d := retrieval.Document{
		ID: fmt.Sprintf("d%d", number), Collection: collection, URI: fmt.Sprintf("%07d.txt", number), Title: fmt.Sprintf("Document %d", number),
		MediaType: "text/plain", Language: "en", Label: label.Internal, Passages: n,
		Metadata:    map[string]any{"percent": float64(number % 100), "topic": float64(topic)},
		ContentHash: "none", Fingerprint: "none",
	}
	passages, vectors := make([]retrieval.Passage, n), make([][]float32, n)
	var text strings.Builder
	for i, p := range pieces {
		if i > 0 {
			text.WriteString("\n\n")
		}
		start := text.Len()
		text.WriteString(p.text)
		passages[i] = retrieval.Passage{
			ID: fmt.Sprintf("%s-%d", d.ID, i), Collection: collection, DocumentID: d.ID, URI: d.URI, Title: d.Title, Label: d.Label, Ordinal: i, Text: p.text,
			Span: retrieval.Span{ByteStart: start, ByteEnd: text.Len(), LineStart: 1 + 2*i, LineEnd: 1 + 2*i},
		}
		vectors[i] = c.vector(r, p.place)
	}
	d.Text, d.SourceBytes = text.String(), int64(text.Len())
	return d, passages, vectors
}

// Query is a question that a passage answers.
type Query struct {
	Text   string
	Vector []float32
	place  place
}

// Query makes the query of a number for a tenant that has so many passages: 4 to 8 words of one of them, as frequent ones
// as stand in it, and a vector near its.
func (c *Corpus) Query(tenant, number, passages int) Query {
	r := c.random(aQuery, tenant, number)
	document, at := r.IntN(max(passages/perDocument, 1)), r.IntN(min(passages, perDocument))
	_, pieces := c.pieces(c.random(aDocument, tenant, document), at+1) // those before it are the same, however many follow
	p := &pieces[at]
	words := make([]string, 4+r.IntN(5))
	for i := range words {
		words[i] = p.content[r.IntN(len(p.content))]
	}
	q := Query{Text: strings.Join(words, " "), place: p.place.near(r, querySpread)}
	q.Vector = c.vector(r, q.place)
	return q
}

// Crowd makes a document whose passages are nearer to a query than what it looks for.
func (c *Corpus) Crowd(tenant, number, n int, q Query) (retrieval.Document, []retrieval.Passage, [][]float32) {
	d, passages, vectors := c.Document(tenant, number, n)
	r := c.random(ofCrowd, tenant, number)
	for i := range vectors {
		vectors[i] = c.vector(r, q.place.near(r, crowdSpread))
	}
	return d, passages, vectors
}

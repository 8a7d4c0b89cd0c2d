package tfservingtest

import (
	"hash/fnv"
	"math"
	"strings"
)

// Buckets is how many numbers a text becomes.
const Buckets = 256

// Sample is a text with its class.
type Sample struct{ Text, Class string }

// Corpus is what the models of this package learn from: requests to an office, of three kinds.
func Corpus() []Sample {
	var out []Sample
	for _, c := range []struct{ class, texts string }{
		{"billing", "my invoice is wrong|when is the invoice due|I was charged twice|please refund the payment|the payment failed|" +
			"send me the bill again|what does the invoice cost|cancel the charge on my card|refund my card|the bill has an error"},
		{"travel", "book a flight to Oslo|when does the ferry leave|I need a hotel in Rome|change my train ticket|" +
			"the flight was cancelled|is there a bus to the harbour|book the ferry for nine|a hotel near the station|my train is late|ticket for the bus"},
		{"technical", "the server does not start|I forgot my password|the program crashes on start|how do I reset the password|" +
			"the update fails with an error code|the screen stays black|my laptop does not connect|install the printer|the network is slow|the program shows an error code"},
	} {
		for text := range strings.SplitSeq(c.texts, "|") {
			out = append(out, Sample{text, c.class})
		}
	}
	return out
}

// Regressor is a logistic regression of several classes over hashed n-grams. Once trained it may be used by several
// goroutines at once.
type Regressor struct {
	Classes []string
	weights [][]float64 // by class: Buckets and a bias
}

// Features gives the hashed words and character trigrams of a text, of length 1.
func Features(text string) []float32 {
	out := make([]float32, Buckets)
	add := func(gram string) {
		h := fnv.New32a()
		h.Write([]byte(gram))
		out[h.Sum32()%Buckets]++
	}
	text = strings.ToLower(text)
	for word := range strings.FieldsSeq(text) {
		add(word)
	}
	for i := 0; i+3 <= len(text); i++ {
		add(text[i : i+3])
	}
	sum := 0.0
	for _, x := range out {
		sum += float64(x) * float64(x)
	}
	if sum > 0 {
		for i := range out {
			out[i] /= float32(math.Sqrt(sum))
		}
	}
	return out
}

// Train fits a regressor by gradient descent, the same for the same samples.
func Train(samples []Sample) *Regressor {
	r := &Regressor{}
	index := map[string]int{}
	features := make([][]float32, len(samples))
	for i, s := range samples {
		if _, there := index[s.Class]; !there {
			index[s.Class] = len(r.Classes)
			r.Classes = append(r.Classes, s.Class)
			r.weights = append(r.weights, make([]float64, Buckets+1))
		}
		features[i] = Features(s.Text)
	}
	for range 200 {
		for i, s := range samples {
			p := r.probabilities(features[i])
			for c := range r.weights {
				step := p[c]
				if c == index[s.Class] {
					step--
				}
				for j, x := range features[i] {
					r.weights[c][j] -= 0.5 * step * float64(x)
				}
				r.weights[c][Buckets] -= 0.5 * step
			}
		}
	}
	return r
}

// Probabilities gives the probability of each class.
func (r *Regressor) Probabilities(text string) []float32 {
	out := make([]float32, len(r.Classes))
	for i, p := range r.probabilities(Features(text)) {
		out[i] = float32(p)
	}
	return out
}

func (r *Regressor) probabilities(features []float32) []float64 {
	out := make([]float64, len(r.weights))
	sum := 0.0
	for c, w := range r.weights {
		z := w[Buckets]
		for j, x := range features {
			z += w[j] * float64(x)
		}
		out[c] = math.Exp(z)
		sum += out[c]
	}
	for c := range out {
		out[c] /= sum
	}
	return out
}

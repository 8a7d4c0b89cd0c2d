package openinference

import (
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
)

// logit is a logistic regression over hashed n-grams of letters: a model small enough to be trained in a test, and real
// enough that its answers are right for texts that it has not seen.
type logit struct {
	classes []string
	weights [][]float64 // by class, then by feature; the last is the bias
}

const features = 512

// hashed gives the features of a text: how often the n-grams of its words fall on each place, to the length 1.
func hashed(text string) []float64 {
	x := make([]float64, features+1)
	for word := range strings.FieldsSeq(strings.ToLower(text)) {
		word = "<" + word + ">"
		for n := 2; n <= 4; n++ {
			for i := 0; i+n <= len(word); i++ {
				h := fnv.New32a()
				h.Write([]byte(word[i : i+n]))
				x[h.Sum32()%features]++
			}
		}
	}
	sum := 0.0
	for _, v := range x {
		sum += v * v
	}
	for i := range x {
		x[i] /= math.Sqrt(max(sum, 1))
	}
	x[features] = 1
	return x
}

// probabilities is the softmax of the classes.
func (m *logit) probabilities(x []float64) []float64 {
	p := make([]float64, len(m.classes))
	for c, w := range m.weights {
		for i, v := range x {
			p[c] += w[i] * v
		}
	}
	top, sum := slices.Max(p), 0.0
	for c := range p {
		p[c] = math.Exp(p[c] - top)
		sum += p[c]
	}
	for c := range p {
		p[c] /= sum
	}
	return p
}

// best gives the most probable class.
func (m *logit) best(text string) string {
	p := m.probabilities(hashed(text))
	return m.classes[slices.Index(p, slices.Max(p))]
}

// train fits the model by gradient descent.
func train(examples map[string][]string) *logit {
	m := &logit{}
	for class := range examples {
		m.classes = append(m.classes, class)
	}
	slices.Sort(m.classes)
	for range m.classes {
		m.weights = append(m.weights, make([]float64, features+1))
	}
	for range 60 {
		for c, class := range m.classes {
			for _, text := range examples[class] {
				x := hashed(text)
				for k, p := range m.probabilities(x) {
					wrong := -p
					if k == c {
						wrong++
					}
					for i, v := range x {
						m.weights[k][i] += wrong * v
					}
				}
			}
		}
	}
	return m
}

// languages are sentences to learn from and, after the bar, to be tried with.
var languages = map[string][2][]string{
	"de": {{"Der Hund schläft unter dem Tisch", "Wir haben die Rechnung noch nicht bezahlt", "Das Wetter wird morgen wieder besser", "Ich möchte gerne einen Kaffee trinken", "Die Kinder spielen im Garten", "Warum ist der Zug schon wieder zu spät", "Er hat seine Schlüssel im Büro vergessen", "Bitte schreiben Sie mir eine Nachricht"},
		{"Die Katze schläft im Garten", "Das Büro ist morgen nicht geöffnet", "Ich habe die Nachricht geschrieben", "Wir trinken einen Kaffee"}},
	"en": {{"The dog sleeps under the table", "We have not paid the invoice yet", "The weather will be better tomorrow", "I would like to have a coffee please", "The children are playing in the garden", "Why is the train late again today", "He left his keys at the office", "Please write me a short message"},
		{"The cat sleeps in the garden", "The office is not open tomorrow", "I have written the message", "We would like to pay the coffee"}},
	"fr": {{"Le chien dort sous la table", "Nous n'avons pas encore payé la facture", "Le temps sera meilleur demain", "Je voudrais prendre un café", "Les enfants jouent dans le jardin", "Pourquoi le train est encore en retard", "Il a oublié ses clés au bureau", "Veuillez m'écrire un court message"},
		{"Le chat dort dans le jardin", "Le bureau est fermé demain", "Nous avons écrit le message", "Je voudrais payer le café"}},
}

var trained = sync.OnceValue(func() *logit {
	examples := map[string][]string{}
	for class, texts := range languages {
		examples[class] = texts[0]
	}
	return train(examples)
})

func TestTheModelHasLearned(t *testing.T) {
	right, all := 0, 0
	for class, texts := range languages {
		for _, text := range texts[1] {
			if all++; trained().best(text) == class {
				right++
			}
		}
	}
	if right < all-1 {
		t.Errorf("%d of %d texts that it has not seen", right, all)
	}
}

package pipeline

import (
	"context"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"fairlead/providers"
	"fairlead/providers/tensor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func compile(t testing.TB, c Config) *Pipeline {
	t.Helper()
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// tokens is the input of models that read tokens.
func tokens() Input {
	return Input{Tokens: &Tokens{Tokenizer: "wordpiece/testdata/uncased.json", IDs: "input_ids", Mask: "attention_mask", Types: "token_type_ids", Max: 64}}
}

// bag is a model inside the process: a vector for each token or word, which together with fixed weights make logits.
// It knows the inputs input_ids, attention_mask and token_type_ids, or text, and gives the outputs hidden
// [n, length, 8], mixed (the same with the sum of all at the first place), pooled [n, 8], logits [n, 3], scores and
// classes [n, 3], and class [n, 1].
type bag struct {
	// change changes an answer before it is given. Nil: nothing does.
	change func(*providers.Prediction)
	// seen is called with each request. Nil: nothing is.
	seen func(*providers.PredictRequest)
}

const wide = 8

func (b bag) Predict(ctx context.Context, req *providers.PredictRequest) (*providers.Prediction, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if b.seen != nil {
		b.seen(req)
	}
	var hidden [][][]float64
	inputs := map[string]*tensor.Tensor{}
	for i := range req.Inputs {
		inputs[req.Inputs[i].Name] = &req.Inputs[i]
	}
	fail := func() (*providers.Prediction, error) {
		return nil, &providers.Error{Kind: providers.KindInvalid, Backend: "bag"}
	}
	length := 1
	if text := inputs["text"]; text != nil {
		words, err := text.Texts()
		if err != nil || len(text.Shape) != 2 {
			return fail()
		}
		for _, w := range words {
			hidden = append(hidden, [][]float64{sum(w)})
		}
	} else {
		ids, mask, types := inputs["input_ids"], inputs["attention_mask"], inputs["token_type_ids"]
		if ids == nil || mask == nil || types == nil || !slices.Equal(ids.Shape, mask.Shape) || !slices.Equal(ids.Shape, types.Shape) || len(ids.Shape) != 2 {
			return fail()
		}
		numbers, err := ids.Ints()
		kept, err2 := mask.Ints()
		if err != nil || err2 != nil {
			return fail()
		}
		length = int(ids.Shape[1])
		for i := range int(ids.Shape[0]) {
			row := make([][]float64, length)
			for j := range row {
				row[j] = vector(uint64(numbers[i*length+j]))
				if kept[i*length+j] == 0 {
					for k := range row[j] {
						row[j][k] = 1e6 // what must not be looked at
					}
				}
			}
			hidden = append(hidden, row)
		}
	}
	return b.answer(req, hidden, inputs["attention_mask"], length), nil
}

func (b bag) answer(req *providers.PredictRequest, hidden [][][]float64, mask *tensor.Tensor, length int) *providers.Prediction {
	n := int64(len(hidden))
	var all, mixed, pooled, logits []float64
	var names []string
	for i, row := range hidden {
		total, kept := make([]float64, wide), 0.0
		for j, v := range row {
			all = append(all, v...)
			if mask == nil || mask.Data[8*(i*length+j)] == 1 {
				kept++
				for k := range total {
					total[k] += v[k]
				}
			}
		}
		pooled = append(pooled, total...)
		mixed = append(append(mixed, total...), all[(i*length+1)*wide:(i+1)*length*wide]...)
		for c := range 3 {
			logit := 0.0
			for k, w := range vector(uint64(1000 + c)) {
				logit += w * total[k] / kept
			}
			logits = append(logits, logit)
		}
		names = append(names, "travel", "billing", "other")
	}
	scores := slices.Clone(logits)
	for i := range scores {
		scores[i] = sigmoid(scores[i])
	}
	made := func(t tensor.Tensor, err error) tensor.Tensor {
		if err != nil {
			panic(err)
		}
		return t
	}
	var column []float64
	for i := range hidden {
		column = append(column, logits[3*i])
	}
	out := &providers.Prediction{Model: req.Model, Version: "1", Outputs: []tensor.Tensor{
		made(tensor.FromNumbers("hidden", tensor.Float32, []int64{n, int64(length), wide}, all)),
		made(tensor.FromNumbers("mixed", tensor.Float64, []int64{n, int64(length), wide}, mixed)),
		made(tensor.FromNumbers("pooled", tensor.BFloat16, []int64{n, wide}, pooled)),
		made(tensor.FromNumbers("logits", tensor.Float32, []int64{n, 3}, logits)),
		made(tensor.FromNumbers("scores", tensor.Float32, []int64{n, 3}, scores)),
		made(tensor.FromStrings("classes", []int64{n, 3}, names)),
		made(tensor.FromNumbers("class", tensor.Float32, []int64{n, 1}, column)),
	}}
	if b.change != nil {
		b.change(out)
	}
	return out
}

// sum is the vector of a text: the sum of those of its words.
func sum(text string) []float64 {
	out := make([]float64, wide)
	for w := range strings.FieldsSeq(text) {
		h := fnv.New64a()
		_, _ = h.Write([]byte(w))
		for k, v := range vector(h.Sum64()) {
			out[k] += v
		}
	}
	return out
}

// vector gives eight numbers from -1 to 1 for a number.
func vector(seed uint64) []float64 {
	out := make([]float64, wide)
	for k := range out {
		seed = (seed + 0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9
		seed ^= seed >> 29
		out[k] = math.Sin(float64(seed >> 40))
	}
	return out
}

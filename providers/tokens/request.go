package tokens

import (
	"unicode/utf8"

	"fairlead/providers"
)

// What a prompt has beside its texts. OpenAI wraps each message in three tokens and its role, and starts the
// answer with three; tools and pictures are counted by rules that differ by model, so those are round figures.
const (
	perPrompt  = 3
	perMessage = 4
	perTool    = 8
	// PerImage is what a picture counts: a square of 1024 pixels in high detail is 765 tokens for gpt-4o.
	PerImage = 800
)

// Exact is how many bytes of text are counted token by token; of more, as much is counted and the rest is
// reckoned from it.
const Exact = 64 << 10

// Count gives the number of tokens of a text, an estimate when it is longer than Exact.
func (e Encoding) Count(text string) int { return e.CountAll([]string{text}) }

// CountAll gives the number of tokens of all the texts. When they are longer than Exact together, of each
// as much is counted as its share is of them all.
func (e Encoding) CountAll(texts []string) (n int) {
	total := 0
	for _, text := range texts {
		total += len(text)
	}
	if total == 0 {
		return 0
	}
	v := e.vocabulary()
	for _, text := range texts {
		if total <= Exact {
			n += v.count(text)
			continue
		}
		n += v.sample(text, int(float64(len(text))*Exact/float64(total)))
	}
	return n
}

// windows is how many pieces a long text is looked at in, evenly spread: a prompt may be prose at its start
// and tables at its end.
const windows = 16

// sample counts about so many bytes of a text and reckons the rest from them.
func (v *vocabulary) sample(text string, bytes int) int {
	size := max(bytes/windows, 64)
	if len(text) <= size*windows {
		return v.count(text)
	}
	counted, seen := 0, 0
	for i := range windows {
		start := aligned(text, (len(text)-size)/(windows-1)*i)
		end := aligned(text, start+size)
		counted += v.count(text[start:end])
		seen += end - start
	}
	return int(float64(counted) * float64(len(text)) / float64(seen))
}

// aligned gives where the character ends that i is in.
func aligned(text string, i int) int {
	for i < len(text) && !utf8.RuneStart(text[i]) {
		i++
	}
	return min(i, len(text))
}

// Prompt gives the number of tokens of a request's prompt: its messages, its tools, the form that it asks
// for, and PerImage for each picture.
func (e Encoding) Prompt(r *providers.Request) int {
	n := perPrompt
	texts := make([]string, 0, 2*len(r.Messages))
	for _, m := range r.Messages {
		n += perMessage
		if m.Name != "" {
			texts = append(texts, m.Name)
		}
		for _, p := range m.Parts {
			if p.Image == nil {
				texts = append(texts, p.Text)
			} else {
				n += PerImage
			}
		}
		for _, c := range m.ToolCalls {
			n += perTool
			texts = append(texts, c.Name, c.Arguments)
		}
	}
	for _, t := range r.Tools {
		n += perTool
		texts = append(texts, t.Name, t.Description, string(t.Parameters))
	}
	return n + e.CountAll(append(texts, string(r.Format.Schema)))
}

package ollama

import (
	"math/rand/v2"
	"testing"

	"fairlead/providers"
)

func TestAMillionMutationsOfPulls(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 5))
	lines := []string{`{"status":"pulling x","digest":"d","total":9,"completed":4}`, `{"status":"success"}`,
		`{"status":"pulling x","digest":"e","total":9223372036854775807}`, `{"error":"file does not exist"}`}
	p, last, read := &pull{parts: map[string]*part{}}, providers.Pulled{}, 0
	for range mutations {
		text := []byte(lines[random.IntN(len(lines))])
		for range 1 + random.IntN(3) {
			text[random.IntN(len(text))] = "\x00{}[]\":,\n0919e-xd"[random.IntN(17)]
		}
		line, problem := readProgress(text, random.IntN(2) == 0)
		if problem != nil {
			continue
		}
		read++
		now, ok := p.take(line)
		if !ok { // as many parts as any model has: the next pull
			p, last = &pull{parts: map[string]*part{}}, providers.Pulled{}
			continue
		}
		if now.Status == "" || now.Done < last.Done || now.Total < last.Total || now.Done > now.Total {
			t.Fatalf("%q: %+v after %+v", text, now, last)
		}
		last = now
	}
	if read == 0 {
		t.Error("no line was read")
	}
}

package retrieval

import (
	"fmt"
	"math"
	"testing"
)

func lexicalHit(id string, rank int, score float64) Hit {
	return Hit{Passage: Passage{ID: id, URI: id}, LexicalRank: rank, LexicalScore: score}
}

func vectorHit(id string, rank int, score float64) Hit {
	return Hit{Passage: Passage{ID: id, URI: id}, VectorRank: rank, VectorScore: score}
}

func TestFuse(t *testing.T) {
	lexical := []Hit{lexicalHit("a", 1, 10), lexicalHit("b", 2, 6), lexicalHit("c", 3, 2)}
	vector := []Hit{vectorHit("d", 1, 0.9), vectorHit("b", 2, 0.8), vectorHit("a", 3, 0.5)}
	for _, c := range []struct {
		name            string
		lexical, vector []Hit
		weight          float64
		want            string
	}{
		// b: .5·.5 + .5·.75; a: .5·1 + .5·0; d: .5·1; c: 0.
		{"both", lexical, vector, 0.5, "b 0.625 2/2, a 0.500 1/3, d 0.500 0/1, c 0.000 3/0"},
		{"words alone", lexical, vector, 1, "a 1.000 1/0, b 0.500 2/0, c 0.000 3/0"},
		{"vectors alone", lexical, vector, 0, "d 1.000 0/1, b 0.750 0/2, a 0.000 0/3"},
		{"no words found", nil, vector, 0.6, "d 1.000 0/1, b 0.750 0/2, a 0.000 0/3"},
		{"no vectors found", lexical, nil, 0.6, "a 1.000 1/0, b 0.500 2/0, c 0.000 3/0"},
		{"nothing", nil, nil, 0.6, ""},
		{"all equal", []Hit{lexicalHit("y", 1, 3), lexicalHit("x", 2, 3)}, nil, 0.5, "x 1.000 2/0, y 1.000 1/0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			for i, h := range Fuse(c.lexical, c.vector, c.weight) {
				if i > 0 {
					got += ", "
				}
				got += fmt.Sprintf("%s %.3f %d/%d", h.Passage.ID, h.Score, h.LexicalRank, h.VectorRank)
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestMetadataIsNormalised(t *testing.T) {
	got, err := normalMetadata(map[string]any{"a": "x", "b": 3, "c": int64(4), "d": true, "e": []any{"p", "q"}, "f": 1.5, "g": []string{}})
	if err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprint(got); s != "map[a:x b:3 c:4 d:true e:[p q] f:1.5 g:[]]" {
		t.Error(s)
	}
	many := map[string]any{}
	for i := range 65 {
		many[fmt.Sprint(i)] = i
	}
	for name, m := range map[string]map[string]any{
		"many":  many,
		"map":   {"a": map[string]any{}},
		"nil":   {"a": nil},
		"NaN":   {"a": math.NaN()},
		"mixed": {"a": []any{"x", 1}},
		"empty": {"": "x"},
		"long":  {string(make([]byte, 129)): "x"},
		"bad":   {"a": "\xff"},
		"ctrl":  {"a\n": "x"},
	} {
		if _, err := normalMetadata(m); err == nil {
			t.Errorf("%s passed", name)
		}
	}
}

func TestIdentitiesAreStable(t *testing.T) {
	// Stored ids and fingerprints must not change by accident: changing one makes every document be read
	// and embedded again.
	if got := documentID("docs", "a.md"); got != "6e0d50d4e9dbba592e86248807cb0ed6" {
		t.Errorf("document id %s", got)
	}
	if got := passageID("d", 3, "text"); got != "d-3-982d9e3eb996" {
		t.Errorf("passage id %s", got)
	}
	if documentID("a", "bc") == documentID("ab", "c") {
		t.Error("names run together")
	}
}

func TestInputSaysWhatThePassageIsAbout(t *testing.T) {
	p := Passage{Title: "Guide", Heading: []string{"Guide", "Install", "Linux"}, Text: "## Linux\n\nRun it."}
	if got := input(&p); got != "Guide\nInstall\n## Linux\n\nRun it." {
		t.Errorf("%q", got)
	}
}

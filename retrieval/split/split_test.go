package split

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"fairlead/retrieval/read"

	"github.com/google/go-cmp/cmp"
)

func mustRead(t testing.TB, name, text string) *read.Document {
	t.Helper()
	d, err := read.Read(t.Context(), name, "", []byte(text), read.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// check holds what must be true of every split.
func check(t testing.TB, d *read.Document, c Config) []Piece {
	t.Helper()
	c = c.WithDefaults()
	pieces := Split(d, c)
	if again := Split(d, c); !cmp.Equal(pieces, again) {
		t.Fatal("the same document was cut in two ways")
	}
	covered, last := make([]bool, len(d.Text)), 0
	for i, p := range pieces {
		if p.Start < last || p.End <= p.Start || p.End > len(d.Text) {
			t.Fatalf("piece %d [%d,%d) after %d of %d", i, p.Start, p.End, last, len(d.Text))
		}
		last = p.End
		text := d.Text[p.Start:p.End]
		if len(text) > c.MaxBytes {
			t.Fatalf("piece %d has %d bytes, the most is %d", i, len(text), c.MaxBytes)
		}
		if utf8.ValidString(d.Text) && !utf8.ValidString(text) {
			t.Fatalf("piece %d cuts a rune", i)
		}
		if strings.TrimSpace(text) != text || text == "" {
			t.Fatalf("piece %d has space around it: %q", i, text)
		}
		if want := 1 + strings.Count(d.Text[:p.Start], "\n"); p.LineStart != want {
			t.Fatalf("piece %d starts on line %d, want %d", i, p.LineStart, want)
		}
		if want := p.LineStart + strings.Count(text, "\n"); p.LineEnd != want {
			t.Fatalf("piece %d ends on line %d, want %d", i, p.LineEnd, want)
		}
		for at := p.Start; at < p.End; at++ {
			covered[at] = true
		}
	}
	for i, b := range d.Blocks {
		for at, r := range d.Text[b.Start:b.End] {
			if !unicode.IsSpace(r) && !covered[b.Start+at] {
				t.Fatalf("byte %d of block %d is in no piece", at, i)
			}
		}
	}
	return pieces
}

const guide = `---
title: The guide
---
# Guide

Intro.

## Install

Short one.

## Configure

Short two.

` + "```sh\n# not a heading\nrun --it\n```" + `

# Reference

%s

| a | b |
|---|---|
| 1 | 2 |
`

func TestSectionsStayTogetherAndKeepTheirHeadings(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("A sentence of the reference goes here. ", 80))
	d := mustRead(t, "guide.md", fmt.Sprintf(guide, long))
	var got []string
	for _, p := range check(t, d, Config{TargetBytes: 400}) {
		text := d.Text[p.Start:p.End]
		got = append(got, fmt.Sprintf("%s: %.14q", strings.Join(p.Heading, "/"), text))
		if strings.HasPrefix(text, "A sentence") && !strings.HasSuffix(text, ".") {
			t.Errorf("cut within a sentence: %q", text[len(text)-20:])
		}
	}
	// The small sections are one piece under their parent; the reference's heading goes with its text.
	if want := `Guide: "# Guide\n\nIntro"`; got[0] != want {
		t.Errorf("first piece %s, want %s", got[0], want)
	}
	if !strings.HasPrefix(got[1], "Reference: ") || strings.Contains(strings.Join(got, ""), "not a heading/") {
		t.Errorf("pieces: %q", got)
	}
}

func TestHeadingGoesWithWhatFollowsIt(t *testing.T) {
	body := strings.Repeat("word ", 90)
	d := mustRead(t, "a.md", "# One\n\n## Two\n\n"+body+"\n\n# Three\n\n"+body)
	pieces := check(t, d, Config{TargetBytes: 400, MaxBytes: 800})
	if len(pieces) != 2 || !slices.Equal(pieces[0].Heading, []string{"One", "Two"}) || !slices.Equal(pieces[1].Heading, []string{"Three"}) {
		t.Errorf("pieces: %+v", pieces)
	}
}

func TestRecordsAreNotJoined(t *testing.T) {
	d := mustRead(t, "a.csv", "name,city\nana,lyon\nbo,oslo\n")
	pieces := check(t, d, Config{})
	if len(pieces) != 2 || d.Text[pieces[1].Start:pieces[1].End] != "bo,oslo" || pieces[1].LineStart != 3 {
		t.Errorf("pieces: %+v", pieces)
	}
}

func TestLongTextsWithoutStructure(t *testing.T) {
	for name, text := range map[string]string{
		"one word":     strings.Repeat("x", 5000),
		"wide runes":   strings.Repeat("語", 3000),
		"no sentences": strings.Repeat("word ", 2000),
		"ideographs":   strings.Repeat("これは文です。", 400),
		"lines":        strings.Repeat("- an item of the list\n", 400),
		"mixed":        strings.Repeat("y", 900) + ". " + strings.Repeat("z ", 900),
	} {
		t.Run(name, func(t *testing.T) {
			pieces := check(t, mustRead(t, "a.md", text), Config{TargetBytes: 300, MaxBytes: 500})
			if len(pieces) < len(text)/500 {
				t.Errorf("%d pieces of %d bytes", len(pieces), len(text))
			}
		})
	}
}

func TestSentences(t *testing.T) {
	for text, want := range map[string]string{
		"One. Two.":                   "One.",
		"See e.g. this. Then":         "See e.g. this.",
		"By J. Smith et al. in 1958.": "By J. Smith et al. in 1958.",
		"It is 3.5 m long. Yes":       "It is 3.5 m long.",
		`He said "go." She went`:      `He said "go."`,
		"end of it .  next one":       "end of it .",
		"一。二。":                        "一。",
		"a\n\nb":                      "a\n\n",
		"no end":                      "no end",
	} {
		if got := text[:sentence(text)]; got != want {
			t.Errorf("sentence(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestValidate(t *testing.T) {
	if err := (Config{}).Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []Config{{TargetBytes: 1}, {TargetBytes: 500, MaxBytes: 400}, {TargetBytes: -1}, {MaxBytes: 1 << 30}} {
		if c.Validate() == nil {
			t.Errorf("%+v passed", c)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(guide, 100, "a.md")
	f.Add("a,b\n1,2\n", 64, "a.csv")
	f.Add(strings.Repeat("語。", 200), 64, "a.txt")
	f.Add("# A\n\n# B\n\n# C\n", 64, "a.md")
	f.Fuzz(func(t *testing.T, text string, target int, name string) {
		d, err := read.Read(t.Context(), name, "", []byte(text), read.Limits{})
		if err != nil {
			return
		}
		check(t, d, Config{TargetBytes: 64 + max(target, -target)%1000&0xfff})
	})
}

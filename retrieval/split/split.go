// Package split cuts a document into passages that can be found, quoted and shown in their place. It owns
// where to cut; it refuses to change a byte: a piece is a range of the document's text.
//
// The cuts follow the document's structure. Blocks (paragraphs, lists, tables, code) of one section are
// put together up to a target size. A block is cut only when it is larger than a piece may be: code,
// lists and tables at lines, the rest at sentences, then at words, and a word at runes. What is left very
// small joins its neighbour under the same parent heading. A piece never spans two pages, and a record
// is never joined with another.
//
// The splitters of langchaingo lose the places of what they cut, which is why this is our own.
package split

import (
	"slices"
	"strings"

	"fairlead/internal/fault"
	"fairlead/retrieval/read"
)

// Version changes when the same document would be cut differently. It enters the fingerprint of
// documents.
const Version = "1"

// Config says how large pieces are. Zero fields take their defaults.
type Config struct {
	// TargetBytes is the size up to which blocks are put together. Default 1,000.
	TargetBytes int
	// MaxBytes is the most that a piece has. Default twice the target.
	MaxBytes int
}

// WithDefaults gives the configuration with its defaults in place of zeros.
func (c Config) WithDefaults() Config {
	if c.TargetBytes == 0 {
		c.TargetBytes = 1000
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 2 * c.TargetBytes
	}
	return c
}

// Validate says what is wrong with a configuration, as a *fault.Error.
func (c Config) Validate() error {
	c = c.WithDefaults()
	switch {
	case c.TargetBytes < 64 || c.TargetBytes > 1<<20:
		return fault.New(fault.InvalidArgument, fault.ReasonBadConfig, "splitting: the target of %d bytes is not in 64 to 1048576", c.TargetBytes)
	case c.MaxBytes < c.TargetBytes || c.MaxBytes > 1<<21:
		return fault.New(fault.InvalidArgument, fault.ReasonBadConfig, "splitting: the most of %d bytes is not in the target (%d) to 2097152", c.MaxBytes, c.TargetBytes)
	}
	return nil
}

// Piece is a range of a document's text.
type Piece struct {
	// Start and End are the bytes [Start, End). Pieces do not overlap and come in order.
	Start, End int
	// LineStart and LineEnd are lines from 1, both included.
	LineStart, LineEnd int
	// Page is from 1, or 0.
	Page int
	// Heading holds the headings above the piece, outermost first. Pieces share these slices.
	Heading []string
}

// draft is a piece in the making.
type draft struct {
	Piece
	record bool
	// bare is true while there are only headings in it.
	bare bool
}

// Split cuts a document. Every byte of its blocks that is not space is in exactly one piece.
func Split(d *read.Document, c Config) []Piece {
	c = c.WithDefaults()
	drafts := join(pack(units(d, c), c), c)
	pieces := make([]Piece, len(drafts))
	line, at := 1, 0
	for i, p := range drafts {
		line += strings.Count(d.Text[at:p.Start], "\n")
		p.LineStart = line
		line += strings.Count(d.Text[p.Start:p.End], "\n")
		p.LineEnd = line
		at = p.End
		pieces[i] = p.Piece
	}
	return pieces
}

// units gives the blocks, each cut to what a piece may have.
func units(d *read.Document, c Config) []draft {
	out := make([]draft, 0, len(d.Blocks))
	for _, b := range d.Blocks {
		for _, r := range ranges(d.Text, b, c) {
			out = append(out, draft{
				Piece:  Piece{Start: r[0], End: r[1], Page: b.Page, Heading: b.Heading},
				record: b.Kind == read.Record,
				bare:   b.Kind == read.Heading,
			})
		}
	}
	return out
}

// pack puts units of one section together up to the target. A heading takes what follows it with it as
// long as a piece may hold both.
func pack(units []draft, c Config) []draft {
	var out []draft
	for _, u := range units {
		if n := len(out) - 1; n >= 0 && !u.record && !out[n].record && out[n].Page == u.Page && slices.Equal(out[n].Heading, u.Heading) {
			most := c.TargetBytes
			if out[n].bare {
				most = c.MaxBytes
			}
			if u.End-out[n].Start <= most {
				out[n].End = u.End
				out[n].bare = out[n].bare && u.bare
				continue
			}
		}
		out = append(out, u)
	}
	return out
}

// join puts what is very small together with its neighbour, when both have the same parent or one is the
// other's.
func join(drafts []draft, c Config) []draft {
	small := c.TargetBytes / 4
	var out []draft
	for _, b := range drafts {
		if n := len(out) - 1; n >= 0 {
			a := &out[n]
			size := b.End - a.Start
			common := prefix(a.Heading, b.Heading)
			below := len(common) == len(a.Heading)
			related := below || len(a.Heading) == len(b.Heading) && len(common) >= len(a.Heading)-1
			fits := size <= c.TargetBytes && min(a.End-a.Start, b.End-b.Start) < small || a.bare && below && size <= c.MaxBytes
			if !a.record && !b.record && a.Page == b.Page && related && fits {
				if a.bare && below {
					common = b.Heading
				}
				a.End, a.Heading, a.bare = b.End, common, a.bare && b.bare
				continue
			}
		}
		out = append(out, b)
	}
	return out
}

func prefix(a, b []string) []string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[:n:n]
}

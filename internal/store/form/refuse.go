package form

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
)

// BadRequest is a fault of the caller's.
func BadRequest(doing, format string, args ...any) error {
	return fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "%s: %s", doing, fmt.Sprintf(format, args...))
}

// UnknownCollection says that there is no collection of a name.
func UnknownCollection(doing, name string) error {
	return fault.New(fault.NotFound, fault.ReasonUnknownColl, "%s: there is no collection %q: list collections to see those there are", doing, name)
}

// UnknownDocument says that a collection has no such document.
func UnknownDocument(doing string) error {
	return fault.New(fault.NotFound, fault.ReasonUnknownDocument, "%s: there is no such document in the collection", doing)
}

// CheckTenant refuses the empty tenant: it is what a caller has that forgot to ask who is calling.
func CheckTenant(tenant, doing string) error {
	if tenant == "" {
		return BadRequest(doing, "the tenant is empty")
	}
	return nil
}

// Text says whether a string is one that every database keeps to the byte: UTF-8 without U+0000.
func Text(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// CheckCollection refuses a collection whose name is empty or no text, whose vectors are longer than a database
// indexes, or whose label or weight is none.
func CheckCollection(c retrieval.Collection, maxDimensions int, doing string) error {
	switch {
	case c.Name == "":
		return BadRequest(doing, "its name is empty")
	case c.Dimensions < 0 || c.Dimensions > maxDimensions:
		return BadRequest(doing, "its vectors have %d dimensions: use from 0 to %d", c.Dimensions, maxDimensions)
	case c.Label > label.Restricted:
		return BadRequest(doing, "its label is none of the labels")
	case math.IsNaN(c.LexicalWeight) || c.LexicalWeight < 0 || c.LexicalWeight > 1:
		return BadRequest(doing, "its lexical weight is not in [0,1]")
	case !Text(c.Name) || !Text(c.Description) || !Text(c.Embedder) || !Text(c.Identity):
		return BadRequest(doing, notText)
	}
	return nil
}

const notText = "one of its texts is not UTF-8, or holds the character U+0000"

// CheckDocument refuses a document without an id, a URI or a label, passages without ids, and texts that a database
// cannot keep. Its metadata is for EncodeMetadata.
func CheckDocument(d retrieval.Document, passages []retrieval.Passage, doing string) error {
	switch {
	case d.ID == "" || d.URI == "":
		return BadRequest(doing, "its id or its uri is empty")
	case !d.Label.Valid():
		return BadRequest(doing, "it has no label: use one of the four")
	}
	for _, s := range []string{d.ID, d.URI, d.Title, d.MediaType, d.Language, d.ContentHash, d.Fingerprint, d.EmbeddedBy, d.Text} {
		if !Text(s) {
			return BadRequest(doing, notText)
		}
	}
	for i := range passages {
		p := &passages[i]
		if p.ID == "" {
			return BadRequest(doing, "the id of a passage is empty")
		}
		if !Text(p.ID) || !Text(p.Text) {
			return BadRequest(doing, notText)
		}
		for _, h := range p.Heading {
			if !Text(h) {
				return BadRequest(doing, notText)
			}
		}
	}
	return nil
}

// Unit gives a vector at length one, so that cosines are products, and false when a component is not a finite
// number. The zero vector stays zero: its cosine with anything is 0.
func Unit(vector []float32) ([]float32, bool) {
	var sum float64
	for _, x := range vector {
		sum += float64(x) * float64(x)
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return nil, false
	}
	out := make([]float32, len(vector))
	if sum == 0 {
		return out, true
	}
	scale := 1 / math.Sqrt(sum)
	for i, x := range vector {
		out[i] = float32(float64(x) * scale)
	}
	return out, true
}

// CheckSession refuses a conversation whose name or label is none.
func CheckSession(name string, l label.Label, doing string) error {
	if name == "" || !Text(name) || !l.Valid() {
		return BadRequest(doing, "its name or its label is none")
	}
	return nil
}

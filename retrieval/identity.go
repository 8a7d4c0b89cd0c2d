package retrieval

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"

	"fairlead/retrieval/read"
	"fairlead/retrieval/split"
)

// inputVersion changes when input would give another text for the same passage.
const inputVersion = "1"

// fingerprintVersion changes when all documents are to be read again, such as for what is told of a document by its
// content.
const fingerprintVersion = "2"

// digest hashes parts such that no two lists of parts run together.
func digest(parts ...string) string {
	h := sha256.New()
	var length [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(p)))
		h.Write(length[:])
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// documentID is made from the collection and the uri, so it stays when the content changes.
func documentID(collection, uri string) string {
	return digest("document", collection, uri)[:32]
}

// passageID is made from the document, the place among its passages and the text: the same content has
// the same ids, and a passage that changed has another one.
func passageID(document string, ordinal int, text string) string {
	sum := sha256.Sum256([]byte(text))
	return document + "-" + strconv.Itoa(ordinal) + "-" + hex.EncodeToString(sum[:6])
}

func contentHash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// fingerprint is made of all that the stored passages depend on, but for the model of their vectors, which is the
// collection's. Two that are equal are no work.
func (s *Service) fingerprint(d *Document, src *Source) string {
	// Maps are written with their keys in order.
	metadata, _ := json.Marshal(d.Metadata)
	c := s.config.Split
	return digest("fingerprint", fingerprintVersion, d.ContentHash, src.Title, src.MediaType, src.Language, d.Label.String(), string(metadata),
		read.Version, split.Version, strconv.Itoa(c.TargetBytes), strconv.Itoa(c.MaxBytes), inputVersion)
}

// input is the text of a passage as the embedder sees it: with its document's title and its headings,
// because a passage alone often does not say what it is about.
func input(p *Passage) string {
	var b strings.Builder
	b.Grow(len(p.Title) + len(p.Text) + 64)
	b.WriteString(p.Title)
	for i, h := range p.Heading {
		// The title is often the first heading too, and headings are often in the text.
		if i == 0 && h == p.Title || strings.Contains(p.Text, h) {
			continue
		}
		b.WriteString("\n" + h)
	}
	b.WriteString("\n" + p.Text)
	return b.String()
}

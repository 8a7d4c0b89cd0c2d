package retrieval

import (
	"context"
	"path"
	"strings"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval/read"
	"fairlead/retrieval/split"
)

// job is one document on its way into the store.
type job struct {
	source *Source
	result *Result
	// doc and passages are set by prepare, vectors by embed.
	doc      Document
	passages []Passage
	vectors  [][]float32
	// stored is true when there is a document of that uri.
	stored bool
}

// open says whether there is still work to do.
func (j *job) open() bool { return j.result.Status == "" }

// fail ends the job. What was stored before stays.
func (j *job) fail(err error) {
	j.result.Status, j.result.Err = Failed, fault.From(err)
}

// about puts the document's name before the text of an error about it.
func about(uri string, err error) error {
	e := *fault.From(err)
	if e.Code != fault.Internal && !strings.Contains(e.Text, uri) {
		e.Text = "ingesting " + quote(uri) + ": " + e.Text
	}
	return &e
}

func quote(uri string) string {
	return `"` + strings.Map(func(c rune) rune {
		if c < 0x20 || c == '"' {
			return '?'
		}
		return c
	}, uri) + `"`
}

// prepare checks a source, and reads and splits it unless it is stored already. An error is one of the
// store or of the context; what is wrong with the document goes to its result.
func (s *Service) prepare(ctx context.Context, tenant string, c *Collection, e Embedder, ceiling label.Label, j *job) error {
	src := j.source
	if err := s.describe(c, ceiling, j); err != nil {
		j.fail(err)
		return nil
	}
	if err := admits(c, e); err != nil {
		j.fail(about(src.URI, err))
		return nil
	}
	j.doc.EmbeddedBy = e.Identity
	j.doc.Fingerprint = s.fingerprint(&j.doc, src)
	stored, passages, err := s.store.DocumentFingerprint(ctx, tenant, c.Name, j.doc.ID)
	if err != nil {
		return err
	}
	if stored == j.doc.Fingerprint {
		j.result.Status, j.result.Passages = Unchanged, passages
		return nil
	}
	if j.stored = stored != ""; j.stored && (ceiling < label.Restricted || src.Label == label.Unset) {
		old, err := s.store.DocumentGet(ctx, tenant, c.Name, j.doc.ID)
		switch {
		case err != nil && fault.CodeOf(err) != fault.NotFound:
			return err
		case err == nil && old.Label > ceiling:
			// Who may not read a document may not destroy it either.
			j.fail(fault.New(fault.PermissionDenied, fault.ReasonNone,
				"ingesting %s: what is stored there is above the caller's ceiling %s", quote(src.URI), ceiling))
			return nil
		case err == nil && src.Label == label.Unset && old.Label > j.doc.Label:
			// A label is lowered by saying so, never by leaving it out.
			j.doc.Label = old.Label
			j.doc.Fingerprint = s.fingerprint(&j.doc, src)
			if stored == j.doc.Fingerprint {
				j.result.Status, j.result.Passages = Unchanged, passages
				return nil
			}
		}
	}
	d, err := read.Read(ctx, src.URI, src.MediaType, src.Content, s.config.Read)
	if err != nil {
		if ctx.Err() != nil {
			return fault.From(ctx.Err())
		}
		j.fail(about(src.URI, err))
		return nil
	}
	pieces := split.Split(d, s.config.Split)
	if len(pieces) > s.config.Passages {
		j.fail(fault.New(fault.InvalidArgument, fault.ReasonTooLarge,
			"ingesting %s: it has %d passages, the limit is %d: split it", quote(src.URI), len(pieces), s.config.Passages))
		return nil
	}
	s.fill(j, d, pieces)
	return nil
}

// describe sets what is known of a document before it is read.
func (s *Service) describe(c *Collection, ceiling label.Label, j *job) error {
	src := j.source
	if src.URI == "" || len(src.URI) > 2048 || !plain(src.URI) {
		return badRequest("ingesting a document: its uri is not 1 to 2048 bytes of printable text")
	}
	if len(src.Title) > 1024 || !plain(src.Title) {
		return badRequest("ingesting %s: its title is not at most 1024 bytes of printable text", quote(src.URI))
	}
	if src.Language != "" && !isLanguage(src.Language) {
		return badRequest("ingesting %s: its language is not a code of ISO 639-1, such as de", quote(src.URI))
	}
	if src.Label != label.Unset && !src.Label.Valid() {
		return badRequest("ingesting %s: its label is not one of the four", quote(src.URI))
	}
	metadata, err := normalMetadata(src.Metadata)
	if err != nil {
		return about(src.URI, err)
	}
	l := label.Join(src.Label, c.Label)
	if l > ceiling {
		return fault.New(fault.PermissionDenied, fault.ReasonNone,
			"ingesting %s: its label %s is above the caller's ceiling %s", quote(src.URI), l, ceiling)
	}
	j.doc = Document{
		ID: documentID(c.Name, src.URI), Collection: c.Name, URI: src.URI, Title: src.Title, Label: l, Metadata: metadata,
		ContentHash: contentHash(src.Content), SourceBytes: int64(len(src.Content)),
	}
	j.result.DocumentID = j.doc.ID
	return nil
}

// fill makes the document and its passages out of what was read.
func (s *Service) fill(j *job, d *read.Document, pieces []split.Piece) {
	doc := &j.doc
	doc.Text, doc.MediaType, doc.Passages = d.Text, d.MediaType, len(pieces)
	doc.Metadata = withRead(doc.Metadata, d.Metadata)
	doc.Language = LanguageOf(j.source.Language, doc.Metadata, d.Text)
	if doc.Title == "" {
		doc.Title = d.Title
	}
	if doc.Title == "" {
		doc.Title = path.Base(doc.URI)
	}
	doc.CreatedAt = s.config.Now()
	doc.UpdatedAt = doc.CreatedAt
	j.passages = make([]Passage, len(pieces))
	for i, p := range pieces {
		text := d.Text[p.Start:p.End]
		j.passages[i] = Passage{
			ID: passageID(doc.ID, i, text), Collection: doc.Collection, DocumentID: doc.ID,
			URI: doc.URI, Title: doc.Title, Label: doc.Label, Ordinal: i, Heading: p.Heading, Text: text,
			Span: Span{ByteStart: p.Start, ByteEnd: p.End, LineStart: p.LineStart, LineEnd: p.LineEnd, Page: p.Page},
		}
	}
	j.vectors = make([][]float32, len(pieces))
}

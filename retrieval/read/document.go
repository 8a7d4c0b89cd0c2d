package read

import (
	"context"
	"mime"
	"path"
	"strings"
	"time"

	"fairlead/internal/fault"
)

// Version changes when any reader would read the same bytes differently. It enters the fingerprint of
// documents, so that they are read again.
const Version = "1"

// Kind says what a block is.
type Kind uint8

// The kinds.
const (
	Paragraph Kind = iota
	Heading
	List
	Table
	Code
	// Record is a row or a line that means something by itself: it is not joined with its neighbours.
	Record
)

// Block is a piece of a document that belongs together.
type Block struct {
	// Start and End are the bytes [Start, End) of the document's text. Blocks do not overlap and come in
	// order; what lies between them is space, markup or front matter.
	Start, End int
	Kind       Kind
	// Heading holds the headings above the block, outermost first; for a Heading, itself too. Blocks
	// share these slices: they are not to be changed.
	Heading []string
	// Page is from 1, or 0 where there are no pages.
	Page int
}

// Document is what was read.
type Document struct {
	Text string
	// Title is empty when the content tells none.
	Title string
	// MediaType is the type that it was read as, without parameters.
	MediaType string
	// Metadata is what the document says of itself: text, float64, bool and lists of text. It may be nil.
	Metadata map[string]any
	// Blocks are never empty: a document without text is an error.
	Blocks []Block
}

// Limits bound the work on one document. Zero fields take their defaults.
type Limits struct {
	// SourceBytes is the most that a source may have. Default 64 MiB.
	SourceBytes int
	// TextBytes is the most text that may be read out of one. Default 64 MiB.
	TextBytes int
	// UnpackedBytes is the most that the compressed parts of a PDF or DOCX may unpack to, together.
	// Default 256 MiB for PDF and 64 MiB for DOCX.
	UnpackedBytes int
	// Pages is the most pages that a PDF may have. Default 10,000.
	Pages int
	// Time is the most time for one document. Default 60 s.
	Time time.Duration
}

func (l Limits) withDefaults() Limits {
	const mib = 1 << 20
	if l.SourceBytes <= 0 {
		l.SourceBytes = 64 * mib
	}
	if l.TextBytes <= 0 {
		l.TextBytes = 64 * mib
	}
	if l.Pages <= 0 {
		l.Pages = 10_000
	}
	if l.Time <= 0 {
		l.Time = time.Minute
	}
	return l
}

// reading is one document on its way.
type reading struct {
	ctx     context.Context
	name    string
	media   string // without parameters, in lower case; "" when nothing was said
	charset string
	content []byte
	limits  Limits
}

// fail makes the error of a document that cannot be read.
func (r *reading) fail(format string, args ...any) error {
	return fault.New(fault.InvalidArgument, fault.ReasonUnreadable, "reading %q: "+format, append([]any{r.name}, args...)...)
}

// tooLarge makes the error of a document that is over a limit.
func (r *reading) tooLarge(format string, args ...any) error {
	return fault.New(fault.InvalidArgument, fault.ReasonTooLarge, "reading %q: "+format, append([]any{r.name}, args...)...)
}

// Read reads a document. The name is its uri: its extension tells the type when mediaType is empty, and
// the bytes do when that tells nothing. Errors are *fault.Error: InvalidArgument with ReasonUnreadable,
// ReasonUnsupported or ReasonTooLarge, or that of the context.
func Read(ctx context.Context, name, mediaType string, content []byte, limits Limits) (*Document, error) {
	r := &reading{name: name, content: content, limits: limits.withDefaults()}
	var cancel context.CancelFunc
	r.ctx, cancel = context.WithTimeout(ctx, r.limits.Time)
	defer cancel()
	if len(content) > r.limits.SourceBytes {
		return nil, r.tooLarge("it has %d bytes, the limit is %d: split it", len(content), r.limits.SourceBytes)
	}
	if len(content) == 0 {
		return nil, r.fail("it is empty")
	}
	if mediaType != "" {
		media, params, err := mime.ParseMediaType(mediaType)
		if err != nil {
			return nil, r.fail("its media type is malformed: use a form such as text/markdown")
		}
		r.media, r.charset = media, params["charset"]
	}
	f, err := r.format()
	if err != nil {
		return nil, err
	}
	r.media = f.media
	d, err := f.read(r)
	if ended := r.ctx.Err(); ended != nil {
		if ctx.Err() != nil {
			return nil, fault.From(ctx.Err())
		}
		return nil, r.fail("it took more than %s: split it", r.limits.Time)
	}
	if err != nil {
		return nil, err
	}
	if len(d.Blocks) == 0 {
		return nil, r.fail("there is no text in it%s", f.hint)
	}
	if len(d.Text) > r.limits.TextBytes {
		return nil, r.tooLarge("its text has %d bytes, the limit is %d: split it", len(d.Text), r.limits.TextBytes)
	}
	d.MediaType = f.media
	d.Title = clip(strings.Join(strings.Fields(d.Title), " "), 512)
	return d, nil
}

// extension gives a name's extension in lower case, without a query or fragment as a URL has them.
func extension(name string) string {
	if i := strings.IndexAny(name, "?#"); i >= 0 && strings.Contains(name[:i], "://") {
		name = name[:i]
	}
	return strings.ToLower(path.Ext(name))
}

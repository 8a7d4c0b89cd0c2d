package read

import (
	"bytes"
	"net/http"
	"strings"

	"fairlead/internal/fault"
)

// The media types that documents are read as.
const (
	Markdown  = "text/markdown"
	PlainText = "text/plain"
	HTML      = "text/html"
	PDF       = "application/pdf"
	DOCX      = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	CSV       = "text/csv"
	TSV       = "text/tab-separated-values"
	JSONLines = "application/jsonl"
)

// format is a file format.
type format struct {
	media string
	read  func(*reading) (*Document, error)
	// hint is put after "there is no text in it".
	hint string
}

var (
	markdownFormat = format{media: Markdown, read: readMarkdown}
	textFormat     = format{media: PlainText, read: readText}
	htmlFormat     = format{media: HTML, read: readHTML}
	pdfFormat      = format{media: PDF, read: readPDF, hint: ": when its pages are pictures, have their text recognised first"}
	docxFormat     = format{media: DOCX, read: readDOCX}
	csvFormat      = format{media: CSV, read: readCSV, hint: " below its header"}
	tsvFormat      = format{media: TSV, read: readCSV, hint: " below its header"}
	jsonlFormat    = format{media: JSONLines, read: readJSONLines}
)

var byMedia = map[string]format{
	Markdown: markdownFormat, "text/x-markdown": markdownFormat,
	PlainText: textFormat, "application/json": textFormat, "application/xml": textFormat,
	"application/yaml": textFormat, "application/x-yaml": textFormat, "application/toml": textFormat,
	HTML: htmlFormat, "application/xhtml+xml": htmlFormat,
	PDF: pdfFormat, DOCX: docxFormat,
	CSV: csvFormat, TSV: tsvFormat,
	JSONLines: jsonlFormat, "application/x-ndjson": jsonlFormat, "application/ndjson": jsonlFormat,
	"application/x-jsonlines": jsonlFormat, "application/jsonlines": jsonlFormat,
}

var byExtension = map[string]format{
	".md": markdownFormat, ".markdown": markdownFormat, ".mdx": markdownFormat, ".mkd": markdownFormat,
	".txt": textFormat, ".text": textFormat, ".log": textFormat, ".rst": textFormat, ".adoc": textFormat, ".org": textFormat,
	".html": htmlFormat, ".htm": htmlFormat, ".xhtml": htmlFormat,
	".pdf": pdfFormat, ".docx": docxFormat,
	".csv": csvFormat, ".tsv": tsvFormat,
	".jsonl": jsonlFormat, ".ndjson": jsonlFormat,
}

// format finds the format: what was said, then the name's extension, then the bytes.
func (r *reading) format() (format, error) {
	unsupported := func(what string) error {
		return fault.New(fault.InvalidArgument, fault.ReasonUnsupported,
			"reading %q: %s is not supported: give Markdown, text, HTML, PDF, DOCX, CSV or JSON Lines", r.name, what)
	}
	switch f, known := byMedia[r.media]; {
	case known:
		return f, nil
	case strings.HasPrefix(r.media, "text/"):
		return textFormat, nil
	case r.media != "" && r.media != "application/octet-stream":
		return format{}, unsupported("its media type")
	}
	if f, known := byExtension[extension(r.name)]; known {
		return f, nil
	}
	switch {
	case bytes.HasPrefix(r.content, []byte("%PDF-")):
		return pdfFormat, nil
	case bytes.HasPrefix(r.content, []byte("PK\x03\x04")):
		if isDOCX(r.content) {
			return docxFormat, nil
		}
		return format{}, unsupported("an archive")
	}
	media, _, _ := strings.Cut(http.DetectContentType(r.content), ";")
	switch {
	case media == HTML:
		return htmlFormat, nil
	case strings.HasPrefix(media, "text/") || media == "application/json":
		return textFormat, nil
	case media == "application/octet-stream":
		// It may be text with a stray control character: the reader of text looks at all of it.
		return textFormat, nil
	default:
		return format{}, unsupported("its content")
	}
}

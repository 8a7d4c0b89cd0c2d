package read

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/net/html/charset"
)

// page reads an HTML tree into blocks.
type page struct {
	builder
	inline strings.Builder
}

// readHTML reads what a person would read on the page: the <main> part where there is one, without
// scripts, styles, navigation and forms' controls.
func readHTML(r *reading) (*Document, error) {
	content, err := r.decodeHTML()
	if err != nil {
		return nil, err
	}
	root, err := html.Parse(bytes.NewReader(content))
	if err != nil {
		return nil, r.fail("its HTML cannot be parsed: it is nested too deeply")
	}
	title, metadata := head(root)
	p := &page{}
	from := first(root, func(n *html.Node) bool { return n.DataAtom == atom.Main || attribute(n, "role") == "main" })
	if from == nil || strings.TrimSpace(flat(from)) == "" {
		from = first(root, func(n *html.Node) bool { return n.DataAtom == atom.Body })
	}
	if from != nil {
		p.walk(from)
		p.flush(Paragraph)
	}
	if r.ctx.Err() != nil {
		return nil, r.ctx.Err()
	}
	d := p.document()
	d.Title, d.Metadata = title, metadata
	if strings.TrimSpace(d.Title) == "" {
		if h1 := first(root, func(n *html.Node) bool { return n.DataAtom == atom.H1 }); h1 != nil {
			d.Title = clean(flat(h1))
		}
	}
	return d, nil
}

// decodeHTML gives the page in UTF-8. Unlike other text it may say what else it is in.
func (r *reading) decodeHTML() ([]byte, error) {
	if b := r.content; !bytes.HasPrefix(b, []byte{0xff, 0xfe}) && !bytes.HasPrefix(b, []byte{0xfe, 0xff}) && !utf8.Valid(b) {
		said := r.charset != "" || bytes.Contains(bytes.ToLower(b[:min(len(b), 1024)]), []byte("charset"))
		if said {
			contentType := ""
			if r.charset != "" {
				contentType = "text/html; charset=" + r.charset
			}
			encoding, name, _ := charset.DetermineEncoding(b[:min(len(b), 1024)], contentType)
			if name != "utf-8" {
				if converted, err := encoding.NewDecoder().Bytes(b); err == nil {
					return converted, r.checkText(converted)
				}
			}
		}
	}
	text, err := r.decode()
	return []byte(text), err
}

// head gives the title and what the page says of itself.
func head(root *html.Node) (title string, metadata map[string]any) {
	values := map[string]any{}
	for n := range root.Descendants() {
		switch n.DataAtom {
		case atom.Title:
			if title == "" && (n.Parent == nil || n.Parent.Data != "svg") {
				title = clean(flat(n))
			}
		case atom.Meta:
			switch name := strings.ToLower(attribute(n, "name")); name {
			case "author", "description", "date":
				if text := strings.Join(strings.Fields(clean(attribute(n, "content"))), " "); text != "" {
					values[name] = text
				}
			}
		case atom.Html:
			if lang := clean(attribute(n, "lang")); lang != "" {
				values["language"] = lang
			}
		case atom.Body:
			return title, tidy(values)
		}
	}
	return title, tidy(values)
}

func first(root *html.Node, is func(*html.Node) bool) *html.Node {
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && is(n) {
			return n
		}
	}
	return nil
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name && a.Namespace == "" {
			return a.Val
		}
	}
	return ""
}

// dropped says whether nobody would read the element.
func dropped(n *html.Node) bool {
	switch n.DataAtom {
	case atom.Script, atom.Style, atom.Noscript, atom.Template, atom.Nav, atom.Svg, atom.Iframe, atom.Object, atom.Embed,
		atom.Canvas, atom.Audio, atom.Video, atom.Button, atom.Select, atom.Textarea, atom.Input, atom.Head, atom.Dialog:
		return true
	case atom.Header, atom.Footer, atom.Aside:
		// Those of the page are about the site; those of an article belong to it.
		return n.Parent != nil && n.Parent.DataAtom == atom.Body
	}
	for _, a := range n.Attr {
		if a.Key == "hidden" || a.Key == "aria-hidden" && a.Val == "true" || a.Key == "role" && a.Val == "navigation" {
			return true
		}
	}
	return false
}

func (p *page) walk(n *html.Node) {
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		p.node(c)
	}
}

func (p *page) node(n *html.Node) {
	if n.Type == html.TextNode {
		p.inline.WriteString(n.Data)
		return
	}
	if n.Type != html.ElementNode || dropped(n) {
		return
	}
	switch n.DataAtom {
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		p.flush(Paragraph)
		p.add(Heading, int(n.Data[1]-'0'), strings.Join(strings.Fields(flat(n)), " "))
	case atom.Br:
		p.inline.WriteString("\n")
	case atom.Hr:
		p.flush(Paragraph)
	case atom.Pre:
		p.flush(Paragraph)
		p.add(Code, 0, flat(n))
	case atom.Ul, atom.Ol, atom.Dl:
		if holds(n, true) {
			p.block(n)
			return
		}
		p.flush(Paragraph)
		var items strings.Builder
		list(&items, n, 0)
		p.add(List, 0, items.String())
	case atom.Table:
		if holds(n, false) {
			p.block(n)
			return
		}
		p.flush(Paragraph)
		p.add(Table, 0, rows(n))
	case atom.P, atom.Div, atom.Section, atom.Article, atom.Main, atom.Aside, atom.Header, atom.Footer, atom.Blockquote,
		atom.Li, atom.Dt, atom.Dd, atom.Figure, atom.Figcaption, atom.Form, atom.Fieldset, atom.Address, atom.Details,
		atom.Summary, atom.Center, atom.Td, atom.Th, atom.Tr, atom.Tbody, atom.Thead, atom.Caption, atom.Legend:
		p.block(n)
	default:
		p.walk(n)
	}
}

// block reads an element that stands on lines of its own.
func (p *page) block(n *html.Node) {
	p.flush(Paragraph)
	p.walk(n)
	p.flush(Paragraph)
}

// flush ends the paragraph being read.
func (p *page) flush(kind Kind) {
	if p.inline.Len() > 0 {
		p.add(kind, 0, squeeze(p.inline.String()))
		p.inline.Reset()
	}
}

// holds says whether a list or a table is there for the layout: headings and code are inside, or for a
// table another table.
func holds(n *html.Node, isList bool) bool {
	for c := range n.Descendants() {
		switch c.DataAtom {
		case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Pre:
			return true
		case atom.Table:
			return true
		case atom.Ul, atom.Ol:
			if !isList {
				return true
			}
		}
	}
	return false
}

// list writes the items of a list, one a line, those of lists inside it indented.
func list(out *strings.Builder, n *html.Node, depth int) {
	number := 0
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		if c.Type != html.ElementNode || dropped(c) {
			continue
		}
		number++
		var text strings.Builder
		var inner []*html.Node
		collect(&text, c, &inner)
		mark := "- "
		switch n.DataAtom {
		case atom.Dl:
			mark = ""
			if c.DataAtom == atom.Dd {
				mark = "  "
			}
		case atom.Ol:
			mark = itoa(number) + ". "
		}
		if line := strings.Join(strings.Fields(text.String()), " "); line != "" {
			out.WriteString(strings.Repeat("  ", depth) + mark + line + "\n")
		}
		if c.DataAtom == atom.Ul || c.DataAtom == atom.Ol {
			inner = append(inner, c)
		}
		for _, l := range inner {
			list(out, l, depth+1)
		}
	}
}

// collect writes the text of an element without the lists inside it, which it gives.
func collect(out *strings.Builder, n *html.Node, inner *[]*html.Node) {
	if n.DataAtom == atom.Ul || n.DataAtom == atom.Ol {
		return
	}
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		switch {
		case c.Type == html.TextNode:
			out.WriteString(c.Data)
		case c.Type != html.ElementNode || dropped(c):
		case c.DataAtom == atom.Ul || c.DataAtom == atom.Ol:
			*inner = append(*inner, c)
		default:
			collect(out, c, inner)
			if c.DataAtom == atom.P || c.DataAtom == atom.Div || c.DataAtom == atom.Br {
				out.WriteByte(' ')
			}
		}
	}
}

// rows writes a table, one row a line, its cells parted by bars.
func rows(table *html.Node) string {
	var out strings.Builder
	for n := range table.Descendants() {
		switch n.DataAtom {
		case atom.Caption:
			out.WriteString(strings.Join(strings.Fields(flat(n)), " ") + "\n")
		case atom.Tr:
			var cells []string
			for c := n.FirstChild; c != nil; c = c.NextSibling {
				if c.DataAtom == atom.Td || c.DataAtom == atom.Th {
					cells = append(cells, strings.Join(strings.Fields(flat(c)), " "))
				}
			}
			if strings.Join(cells, "") != "" {
				out.WriteString(strings.Join(cells, " | ") + "\n")
			}
		}
	}
	return out.String()
}

// flat gives the text of an element as it is, without what nobody would read.
func flat(n *html.Node) string {
	var out strings.Builder
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			switch {
			case c.Type == html.TextNode:
				out.WriteString(c.Data)
			case c.Type == html.ElementNode && c.DataAtom == atom.Br:
				out.WriteByte('\n')
			case c.Type == html.ElementNode && !dropped(c):
				walk(c)
				if c.DataAtom == atom.P || c.DataAtom == atom.Div || c.DataAtom == atom.Li {
					out.WriteByte(' ')
				}
			}
		}
	}
	walk(n)
	return out.String()
}

// squeeze makes one space of each run of it; a line break of the page's own stays.
func squeeze(s string) string {
	parts := strings.Split(s, "\n")
	kept := parts[:0]
	for _, part := range parts {
		if line := strings.Join(strings.Fields(part), " "); line != "" {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	fairleadv1 "fairlead/gen/fairlead/v1"
)

// style paints text for a terminal, and leaves it as it is elsewhere.
type style struct{ on bool }

func (p *program) style() style {
	return style{isTerminal(p.out) && p.getenv("NO_COLOR") == "" && p.getenv("TERM") != "dumb"}
}

func (s style) paint(code, text string) string {
	if !s.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) bold(text string) string  { return s.paint("1", text) }
func (s style) faint(text string) string { return s.paint("2", text) }
func (s style) red(text string) string   { return s.paint("31", text) }

// visible gives a text of a document, a model or a server as a terminal may have it: with a sign in place of each
// control character, which the terminal would obey.
func visible(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) && c != '\n' && c != '\t' {
			return unicode.ReplacementChar
		}
		return c
	}, text)
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// table writes rows under a heading, aligned.
func table(w io.Writer, s style, heading []string, rows [][]string) {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, strings.Join(heading, "\t"))
	for _, row := range rows {
		fmt.Fprintln(tw, visible(strings.Join(row, "\t")))
	}
	_ = tw.Flush() // into memory
	head, rest, _ := strings.Cut(b.String(), "\n")
	fmt.Fprintln(w, s.faint(strings.TrimRight(head, " ")))
	for line := range strings.Lines(rest) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}

// printJSON writes a message of the API as it travels in Connect's JSON, on one line.
func printJSON(w io.Writer, m proto.Message) error {
	data, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	// protojson varies its spacing on purpose; scripts and tests want one form.
	var compact json.RawMessage
	if err := json.Unmarshal(data, &compact); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	if data, err = json.Marshal(compact); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	_, err = fmt.Fprintln(w, string(data))
	return err
}

func money(m *fairleadv1.Money) string {
	if m == nil {
		return "unknown"
	}
	if m.GetNanoUsd() == 0 {
		return "$0"
	}
	return fmt.Sprintf("$%.6f", float64(m.GetNanoUsd())/1e9)
}

func millis(ms float64) string {
	d := time.Duration(ms * float64(time.Millisecond))
	switch {
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < 10*time.Second:
		return d.Round(time.Millisecond).String()
	default:
		return d.Round(100 * time.Millisecond).String()
	}
}

func labelName(l fairleadv1.Label) string {
	return strings.ToLower(strings.TrimPrefix(l.String(), "LABEL_"))
}

// parseLabel reads a label's name; the empty one is unspecified.
func parseLabel(name string) (fairleadv1.Label, error) {
	if name == "" {
		return fairleadv1.Label_LABEL_UNSPECIFIED, nil
	}
	if v, ok := fairleadv1.Label_value["LABEL_"+strings.ToUpper(name)]; ok && v != 0 {
		return fairleadv1.Label(v), nil
	}
	return 0, &usageError{fmt.Errorf("reading the label %q: use public, internal, confidential or restricted", name)}
}

// clip shortens a text to so many characters, visible and on one line.
func clip(text string, width int) string {
	text = visible(strings.Join(strings.Fields(text), " "))
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}

// place gives a citation or a passage as "docs/quickstart.md:12-18".
func place(uri string, s *fairleadv1.Span) string {
	uri = visible(uri)
	if s.GetPage() > 0 {
		return fmt.Sprintf("%s page %d", uri, s.GetPage())
	}
	if s.GetLineStart() == s.GetLineEnd() {
		return fmt.Sprintf("%s:%d", uri, s.GetLineStart())
	}
	return fmt.Sprintf("%s:%d-%d", uri, s.GetLineStart(), s.GetLineEnd())
}

package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	fairleadv1 "fairlead/gen/fairlead/v1"
)

// hostile is a text that would set a terminal's title, clear it and begin a sequence of C1.
const hostile = "\x1b]0;pwned\a\x1b[2J\u009b31m\x7f"

// unseen fails where a text would make a terminal do something.
func unseen(t *testing.T, what, text string) {
	t.Helper()
	if i := strings.IndexFunc(text, func(c rune) bool { return unicode.IsControl(c) && c != '\n' && c != '\t' }); i >= 0 {
		t.Errorf("%s: a terminal would obey %q", what, text)
	}
}

// What documents, models and files' names hold is shown, and no terminal obeys it.
func TestNoTerminalObeysContent(t *testing.T) {
	dir, data := filepath.Join(t.TempDir(), "docs"), t.TempDir()
	write(t, filepath.Join(dir, "a.md"), "# Title "+hostile+"\n\nThe text "+hostile+"\n\tgoes on.\n")
	succeed(t, "ingest", dir, "--data", data)
	for _, args := range [][]string{{"search", "text", "--explain"}, {"documents"}, {"documents", "show", "docs/a.md"}} {
		out := succeed(t, append(args, "--data", data)...)
		unseen(t, strings.Join(args, " "), out)
		if !strings.Contains(out, "pwned") {
			t.Errorf("%v: what can be seen is not there: %q", args, out)
		}
	}
	// Such a name is refused, and that is told.
	write(t, filepath.Join(dir, "b"+hostile+".md"), "Another.")
	failed := command(t, "", "ingest", dir, "--data", data)
	unseen(t, "ingest", failed.out+failed.err)
	if failed.status == 0 || !strings.Contains(failed.err, "pwned") {
		t.Errorf("status %d: %s", failed.status, failed.err)
	}
}

func TestNoTerminalObeysAnswers(t *testing.T) {
	var out bytes.Buffer
	r := &renderer{out: &out, err: &out}
	for _, ev := range []*fairleadv1.Event{
		{Kind: &fairleadv1.Event_TextDelta{TextDelta: &fairleadv1.TextDelta{Text: "one \x1b", Output: true}}},
		{Kind: &fairleadv1.Event_TextDelta{TextDelta: &fairleadv1.TextDelta{Text: "[2Jtwo\n\tthree", Output: true}}},
		{Kind: &fairleadv1.Event_ToolCallDelta{ToolCallDelta: &fairleadv1.ToolCallDelta{Name: "call" + hostile, Arguments: hostile}}},
		{Kind: &fairleadv1.Event_Retracted{Retracted: &fairleadv1.Retracted{Reason: hostile}}},
		{Kind: &fairleadv1.Event_Citation{Citation: &fairleadv1.Citation{Number: 1, Uri: "uri" + hostile, Heading: []string{"head" + hostile}}}},
		{Step: "s", Kind: &fairleadv1.Event_AttemptFailed{AttemptFailed: &fairleadv1.AttemptFailed{Target: "t", Message: "said" + hostile}}},
		{Step: "s", Kind: &fairleadv1.Event_RouteDecided{RouteDecided: &fairleadv1.RouteDecided{Plan: &fairleadv1.Plan{Policy: "p"}}}},
		{Kind: &fairleadv1.Event_RunFinished{RunFinished: &fairleadv1.RunFinished{Output: hostile}}},
	} {
		if err := r.event(ev); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.end(); err != nil {
		t.Fatal(err)
	}
	r.table()
	r.explain()
	unseen(t, "a run", out.String())
	for _, want := range []string{"one ", "two\n\tthree", "call", "uri", "head", "said"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not shown: %q", want, out.String())
		}
	}
}

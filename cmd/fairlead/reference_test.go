package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

const referenceFile = "../../docs/cli.md"

// reference is docs/cli.md: a section for each command that does something.
func reference() string {
	var b strings.Builder
	all := commands()
	b.WriteString(`# Command line

<!-- This page is written by cmd/fairlead (go test ./cmd/fairlead -run Reference -update). Do not edit it. -->

A command runs on its own, with a store in the working folder, or talks to a running server when --server names one.
The exit status is 0 when it did its work, 1 when it failed, 2 when the command line was not understood, and 130 when it
was interrupted. Errors and logs go to standard error. "fairlead completion SHELL" writes completions for bash, zsh, fish and PowerShell.

## Flags of every command

`)
	flags(&b, all[0].PersistentFlags())
	for _, c := range all[1:] {
		switch strings.Join(strings.Fields(c.CommandPath())[1:], " ") {
		case "help", "completion", "completion bash", "completion fish", "completion powershell", "completion zsh":
			continue // cobra's own
		case "route", "policy", "config", "bench", "collections list", "documents list":
			continue // they only hold others, or are what the command above them does
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n", c.CommandPath(), strings.TrimSuffix(c.Short, "."))
		if c.Long != "" {
			fmt.Fprintf(&b, "\n%s\n", strings.TrimSpace(c.Long))
		}
		fmt.Fprintf(&b, "\n```text\n%s\n```\n", c.UseLine())
		if c.HasExample() {
			b.WriteString("\nFor example:\n\n```text\n")
			for line := range strings.Lines(c.Example) {
				b.WriteString(strings.TrimPrefix(line, "  "))
			}
			b.WriteString("\n```\n")
		}
		if own := c.NonInheritedFlags(); own.HasAvailableFlags() {
			b.WriteString("\n")
			flags(&b, own)
		}
	}
	return b.String()
}

// flags writes a table of flags, by name.
func flags(b *strings.Builder, set *pflag.FlagSet) {
	b.WriteString("| flag | value | meaning |\n|---|---|---|\n")
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		kind := map[string]string{
			"string": "text", "stringArray": "text", "bool": "", "duration": "duration", "int": "number", "int32": "number", "uint64": "number", "float64": "number",
		}[f.Value.Type()]
		meaning := f.Usage
		switch f.DefValue {
		case "", "0", "0s", "false", "[]":
		default:
			meaning += fmt.Sprintf(" (default: %s)", f.DefValue)
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", name, kind, strings.ReplaceAll(meaning, "|", "\\|"))
	})
}

func TestReferenceIsUpToDate(t *testing.T) {
	got := reference()
	if *update {
		if err := os.WriteFile(referenceFile, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("docs/cli.md differs (-want +got); -update writes it anew:\n%s", diff)
	}
}

// A flag without a word of what it means helps nobody.
func TestFlagsAreDescribed(t *testing.T) {
	for _, c := range commands() {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s does not say what it means", c.CommandPath(), f.Name)
			}
		})
	}
}

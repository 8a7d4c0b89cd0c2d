//go:build unix

package score

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/providers"
)

func TestMain(m *testing.M) {
	// The test's own binary is the program that scorers run.
	if mode := os.Getenv("SCORER_MODE"); mode != "" {
		scorerProgram(mode)
		return
	}
	goleak.VerifyTestMain(m)
}

// scorerProgram scores a case by whether its text is "good".
func scorerProgram(mode string) {
	d := json.NewDecoder(os.Stdin)
	fmt.Fprintln(os.Stderr, "started")
	for n := 0; ; n++ {
		var r request
		if d.Decode(&r) != nil {
			return
		}
		id, text := r.Case.ID, r.Outcome.Text
		say := func(format string, args ...any) {
			b, _ := json.Marshal(id)
			fmt.Printf(`{"id": %s, `+format+"}\n", append([]any{b}, args...)...)
		}
		switch {
		case text == "crash":
			fmt.Fprintln(os.Stderr, "the secret of "+id)
			os.Exit(3)
		case text == "hang":
			time.Sleep(time.Hour)
		case text == "long":
			fmt.Println(strings.Repeat("x", 100_000))
		case text == "nonsense":
			fmt.Println("hello")
		case text == "elsewhere":
			fmt.Println(`{"id": "another", "value": 1}`)
		case text == "anonymous":
			fmt.Println(`{"value": 1}`)
		case text == "two":
			say(`"value": 1`)
			say(`"value": 1`)
		case text == "too much":
			say(`"value": 1.5`)
		case text == "skip":
			say(`"skipped": "nothing to see"`)
		case text == "unsure":
			say(`"error": "cannot tell"`)
		case text == "environment":
			b, _ := json.Marshal(strings.Join(os.Environ(), " "))
			say(`"value": 1, "detail": %s`, b)
		case text == "child" || text == "child, then hang":
			// A child that outlives its parent, and holds its output. Both hold a named pipe open, so that its reader sees
			// when the last of them is gone.
			pipe, err := os.OpenFile(mode, os.O_WRONLY, 0)
			if err != nil {
				return
			}
			c := exec.Command("sleep", "1000")
			c.Stdout, c.ExtraFiles = os.Stdout, []*os.File{pipe}
			if err := c.Start(); err != nil {
				return
			}
			fmt.Fprint(pipe, "x")
			if text == "child" {
				say(`"value": 1`)
			} else {
				time.Sleep(time.Hour)
			}
		default:
			value := 0.0
			if text == "good" {
				value = 1
			}
			say(`"value": %v, "pass": %v, "detail": "number %d"`, value, value == 1, n)
		}
	}
}

func program(t *testing.T, mode string) *Command {
	t.Helper()
	t.Setenv("SCORER_MODE", mode)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &Command{Run: []string{self}, Env: []string{"SCORER_MODE"}, MaxLine: 64 << 10, Timeout: time.Minute}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestCommandServesManyCases(t *testing.T) {
	s := program(t, "on")
	t.Setenv("SOME_PROVIDERS_KEY", "secret")
	for i, text := range []string{"good", "bad", "good"} {
		got, err := s.Score(t.Context(), &Case{ID: fmt.Sprint(i)}, &Outcome{Text: text})
		if err != nil || got.Passed() != (text == "good") || got.Detail != fmt.Sprintf("number %d", i) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	if got, err := s.Score(t.Context(), &Case{ID: "x"}, &Outcome{Text: "skip"}); err != nil || got.Skipped != "nothing to see" {
		t.Errorf("%+v, %v", got, err)
	}
	got, err := s.Score(t.Context(), &Case{ID: "x"}, &Outcome{Text: "environment"})
	if err != nil || strings.Contains(got.Detail, "SOME_PROVIDERS_KEY") {
		t.Errorf("%+v, %v", got, err)
	}
	// It goes on after a case that it cannot tell.
	var failure *CommandError
	if _, err := s.Score(t.Context(), &Case{ID: "x"}, &Outcome{Text: "unsure"}); !errors.As(err, &failure) {
		t.Errorf("%v", err)
	}
	if got, err := s.Score(t.Context(), &Case{ID: "x"}, &Outcome{Text: "good"}); err != nil || got.Detail != "number 6" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.Score(t.Context(), &Case{ID: "x"}, &Outcome{Text: "good"}); err == nil {
		t.Error("it scores after it was closed")
	}
}

func TestCommandFailsTheCaseAtHand(t *testing.T) {
	for text, why := range map[string]string{
		"crash": "it ended: exit status 3", "long": "a line that is too long", "nonsense": "a line that is no score",
		"elsewhere": "for another case", "anonymous": `repeat the case's "id"`, "too much": "a value is from 0 to 1",
	} {
		t.Run(text, func(t *testing.T) {
			s := program(t, "on")
			_, err := s.Score(t.Context(), &Case{ID: "c-17"}, &Outcome{Text: text})
			var failure *CommandError
			if !errors.As(err, &failure) || failure.Case != "c-17" || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), "c-17") {
				t.Fatalf("%v", err)
			}
			if strings.Contains(err.Error(), "secret") || text == "crash" && !strings.Contains(failure.Stderr, "the secret of c-17") {
				t.Errorf("%v, stderr %q", err, failure.Stderr)
			}
			// A new program serves the next.
			if got, err := s.Score(t.Context(), &Case{ID: "next"}, &Outcome{Text: "good"}); err != nil || got.Detail != "number 0" {
				t.Errorf("next: %+v, %v", got, err)
			}
		})
	}
}

// TestDoubledLineIsNoAnswer: a line too many fails a case at the latest when the next is asked, and is never its answer.
func TestDoubledLineIsNoAnswer(t *testing.T) {
	s := program(t, "on")
	_, first := s.Score(t.Context(), &Case{ID: "a"}, &Outcome{Text: "two"})
	got, second := s.Score(t.Context(), &Case{ID: "b"}, &Outcome{Text: "bad"})
	if first == nil && second == nil || second == nil && got.Value != 0 {
		t.Errorf("%v, %+v, %v", first, got, second)
	}
}

func TestCommandIsEndedWithItsChildren(t *testing.T) {
	// scorer runs one whose children hold a pipe. started is closed when they are there, gone when none of them is left.
	scorer := func(t *testing.T) (s *Command, started, gone chan struct{}) {
		pipe := filepath.Join(t.TempDir(), "pipe")
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		started, gone = make(chan struct{}), make(chan struct{})
		go func() {
			defer close(gone)
			r, err := os.Open(pipe)
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			_, _ = r.Read(make([]byte, 1))
			close(started)
			_, _ = io.ReadAll(r)
		}()
		return program(t, pipe), started, gone
	}
	t.Run("when the context is over", func(t *testing.T) {
		s, started, gone := scorer(t)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-started
			cancel()
		}()
		_, err := s.Score(ctx, &Case{ID: "c"}, &Outcome{Text: "child, then hang"})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		<-gone
	})
	t.Run("when it is closed", func(t *testing.T) {
		s, _, gone := scorer(t)
		if _, err := s.Score(t.Context(), &Case{ID: "c"}, &Outcome{Text: "child"}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		<-gone
	})
	t.Run("when it takes too long", func(t *testing.T) {
		s := program(t, "on")
		s.Timeout = 50 * time.Millisecond
		_, err := s.Score(t.Context(), &Case{ID: "c"}, &Outcome{Text: "hang"})
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "50ms") {
			t.Errorf("%v", err)
		}
	})
	t.Run("when there is no program", func(t *testing.T) {
		s := &Command{Run: []string{filepath.Join(t.TempDir(), "none")}}
		if _, err := s.Score(t.Context(), &Case{ID: "c"}, &Outcome{}); err == nil || !strings.Contains(err.Error(), "started") {
			t.Errorf("%v", err)
		}
	})
}

// TestRequestOfCommand: what a program is told.
func TestRequestOfCommand(t *testing.T) {
	b, err := line(
		&Case{ID: "1", Input: map[string]any{"q": "?"}, Expected: "a", Tags: []string{"t"}, Label: label.Confidential, Locale: "de"},
		&Outcome{Text: "b", JSON: json.RawMessage(`{"a": 1}`), ToolCalls: []providers.ToolCall{{ID: "x", Name: "f", Arguments: "{}"}},
			Passages: []Passage{{"p", "d", "t"}}, Citations: []Citation{{1, "q"}}, Target: "m", CostKnown: true, Latency: 1500 * time.Microsecond,
			Err: fault.New(fault.Unavailable, fault.ReasonUpstreamDown, "x")})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"case":{"id":"1","input":{"q":"?"},"expected":"a","tags":["t"],"label":"confidential","locale":"de"},` +
		`"outcome":{"text":"b","json":{"a":1},"tool_calls":[{"name":"f","arguments":"{}"}],"passages":[{"id":"p","document":"d","text":"t"}],` +
		`"citations":[{"number":1,"quote":"q"}],"target":"m","cost_usd":0,"latency_ms":1.5,"error":"upstream_unavailable"}}` + "\n"
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{`{"id":"a","value":0.5,"pass":true,"detail":"x"}`, `{"id":"a","skipped":"x"}`, `{"id":"a","error":"x"}`, `{"value":2}`, `[]`, "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		got, err := parseReply(line, "a")
		if err != nil {
			return
		}
		if !(got.Value >= 0 && got.Value <= 1) || len(got.Detail) > 1300 || got.Error == "" && got.Skipped != "" && got.Value != 0 {
			t.Errorf("%q: %+v", line, got)
		}
	})
}

func FuzzReadLine(f *testing.F) {
	f.Add([]byte("a\nb\r\n\nc"))
	f.Add(bytes.Repeat([]byte("x"), 300))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(data), 16)
		total := 0
		for {
			line, err := readLine(r, 200)
			if err != nil {
				return
			}
			if len(line) > 201 || bytes.ContainsRune(line, '\n') {
				t.Fatalf("%q", line)
			}
			if total += len(line); total > len(data) {
				t.Fatal("more than there was")
			}
		}
	})
}

package cassette

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestForgetAndPrune(t *testing.T) {
	tape := New()
	record := target(&Deck{Tape: tape, Mode: Record}, &backend{})
	for _, name := range []string{"a", "b", "c"} {
		if _, err := ask(t, record, &Session{Case: name}, "q"); err != nil {
			t.Fatal(err)
		}
	}
	tape = again(t, tape)
	tape.Forget("a")
	if _, err := ask(t, target(&Deck{Tape: tape}, &backend{}), &Session{Case: "b"}, "q"); err != nil {
		t.Fatal(err)
	}
	if n := tape.Prune(nil); n != 1 || tape.Len() != 1 || !tape.Changed() {
		t.Errorf("pruned %d, left %d", n, tape.Len())
	}
}

// What was recorded of some cases leaves the calls of others alone.
func TestPruneOfSomeCases(t *testing.T) {
	tape := New()
	d := &Deck{Tape: tape, Mode: Record}
	for _, name := range []string{"one", "two"} {
		if _, err := ask(t, target(d, &backend{}), &Session{Case: name}, "x"); err != nil {
			t.Fatal(err)
		}
	}
	tape = again(t, tape)
	if n := tape.Prune(func(name string) bool { return name == "two" }); n != 1 || tape.Len() != 1 || tape.Failed() != 0 {
		t.Errorf("%d are gone, %d are left", n, tape.Len())
	}
}

func TestBadFilesNameTheirLine(t *testing.T) {
	whole := `{"case":"c","key":"` + strings.Repeat("a", 64) + `","target":"t","took_ms":1,"answer":{"text":"x"}}`
	for text, want := range map[string]string{
		"{}":                          "line 1",
		"hello":                       "line 1",
		`{"cassette":2}`:              "version 2",
		"{\"cassette\":1}\n{":         "line 2",
		"{\"cassette\":1}\n{\"x\":1}": "line 2",
		"{\"cassette\":1}\n\n" + whole + "\n" + whole:                                                                "line 4",
		"{\"cassette\":1}\n" + strings.Replace(whole, `"took_ms":1`, `"took_ms":-1`, 1):                              "line 2",
		"{\"cassette\":1}\n" + strings.Replace(whole, `"answer":{"text":"x"}`, `"ttft_ms":1`, 1):                     "line 2",
		"{\"cassette\":1}\n" + strings.Replace(whole, `"answer"`, `"vectors":{"vectors":[],"usage":{}},"answer"`, 1): "line 2",
	} {
		if _, err := Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want it to name %q", text, err, want)
		}
	}
	if tape, err := Open(filepath.Join(t.TempDir(), "none")); err != nil || tape.Len() != 0 {
		t.Error("a file that is not there is no empty tape", err)
	}
	file := filepath.Join(t.TempDir(), "bad.jsonl")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("{\"cassette\":1}\n{\"case\":\"c\",\"key\":\"" + strings.Repeat("a", 64) + "\",\"target\":\"t\",\"took_ms\":1,\"answer\":{\"text\":\"x\",\"usage\":{\"input\":1}}}"))
	f.Add([]byte("{\"cassette\":1}\n{\"case\":\"c\",\"key\":\"" + strings.Repeat("a", 64) + "\",\"target\":\"t\",\"took_ms\":1,\"prediction\":{\"outputs\":[{\"name\":\"y\",\"type\":\"FP32\",\"shape\":[4294967296,4294967296],\"data\":\"AAAA\"}],\"usage\":{}}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tape, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		for p, c := range tape.calls {
			if c.Prediction != nil {
				_, _ = tensors(c.Prediction.Outputs)
			}
			if c.place() != p {
				t.Error("a call is in another's place")
			}
		}
		var once, twice bytes.Buffer
		if err := tape.Write(&once); err != nil {
			t.Fatal(err)
		}
		back, err := Read(bytes.NewReader(once.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if err := back.Write(&twice); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Error("the same tape has two forms")
		}
	})
}

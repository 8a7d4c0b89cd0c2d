package wholefile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func TestWrite(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "a")
	for _, want := range []string{"one", "another"} {
		if err := Write(file, text(want)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	half := errors.New("half way")
	if err := Write(file, func(w io.Writer) error { return errors.Join(text("half")(w), half) }); !errors.Is(err, half) {
		t.Errorf("got %v", err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "another" {
		t.Errorf("after a failure it is %q, %v", got, err)
	}
	if about, err := os.Stat(file); err != nil || about.Mode().Perm() != 0o644 {
		t.Errorf("its mode is %v, %v", about.Mode(), err)
	}
	// A folder in its place cannot be replaced.
	if err := os.MkdirAll(filepath.Join(folder, "b", "c"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(folder, "b"), text("x")); err == nil {
		t.Error("a folder was replaced")
	}
	if err := Write(filepath.Join(folder, "none", "x"), text("x")); err == nil {
		t.Error("a folder was made")
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 2 {
		t.Errorf("left are %v, %v", left, err)
	}
}

package sqlite

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"fairlead/internal/fault"
)

func TestLookAndCheck(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a b#.db")
	if v, err := Look(t.Context(), file); v != 0 || err != nil {
		t.Errorf("no file: %d, %v", v, err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("looking made the file")
	}
	s, err := Open(t.Context(), Config{Path: file})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if v, err := Look(t.Context(), file); v != SchemaVersion() || err != nil {
		t.Errorf("got %d, %v, want %d", v, err, SchemaVersion())
	}
	if wrong, err := Check(t.Context(), file); wrong != "" || err != nil {
		t.Errorf("got %q, %v", wrong, fault.Cause(err))
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(content) / 2; i < len(content); i += 512 {
		copy(content[i:], bytes.Repeat([]byte{0xA5}, 64))
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if wrong, err := Check(t.Context(), file); wrong == "" && err == nil {
		t.Error("a broken file is called whole")
	}
}

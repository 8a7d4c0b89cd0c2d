package keys

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"fairlead/internal/fault"
)

func TestPepperFileIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fairlead.db.pepper")
	var wg sync.WaitGroup
	got := make([][]byte, 16)
	for i := range got {
		wg.Go(func() {
			p, err := PepperFile(path)
			if err != nil {
				t.Error(fault.Cause(err))
			}
			got[i] = p
		})
	}
	wg.Wait()
	for _, p := range got {
		if !bytes.Equal(p, got[0]) || CheckPepper(p) != nil {
			t.Fatalf("two of them have different ones: %d and %d bytes", len(p), len(got[0]))
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	again, err := PepperFile(path)
	if err != nil || !bytes.Equal(again, got[0]) {
		t.Errorf("another on the next start: %v", err)
	}
}

func TestPepperFileRefuses(t *testing.T) {
	dir := t.TempDir()
	short := filepath.Join(dir, "short")
	if err := os.WriteFile(short, []byte("abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, path := range map[string]string{"cut short": short, "no folder": filepath.Join(dir, "none", "pepper"), "a folder": dir} {
		p, err := PepperFile(path)
		wantFault(t, what, err, fault.FailedPrecondition, fault.ReasonBadConfig)
		if p != nil || strings.Contains(fault.Cause(err), "abcdef") {
			t.Errorf("%s: %q, %v", what, p, fault.Cause(err))
		}
	}
}

// Package wholefile writes files that readers see as they were or as they are, and never in between. It owns that and
// nothing else: it makes no folders, and refuses to know what it writes.
package wholefile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// Write puts what write gives into a file for all to read, in the place of what was there. When something goes wrong,
// that stays, and nothing else is left. Errors of write come as they are.
func Write(file string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".whole-*")
	if err != nil {
		return err
	}
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

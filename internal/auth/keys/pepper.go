package keys

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"fairlead/internal/fault"
)

// minPepper is the least length of a pepper, in bytes.
const minPepper = 32

// CheckPepper refuses a pepper that is too short.
func CheckPepper(pepper []byte) error {
	if len(pepper) < minPepper {
		return fault.New(fault.FailedPrecondition, fault.ReasonBadConfig,
			"reading the pepper of keys: it has %d bytes, and %d are the least: make one with openssl rand -hex 32", len(pepper), minPepper)
	}
	return nil
}

// PepperFile reads a pepper from a file, and makes the file where it is not there: whole or not at all, readable for its
// owner alone. Of several processes that make it at once one does, and all get the same.
func PepperFile(path string) ([]byte, error) {
	pepper, err := readPepper(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makePepper(path); err == nil {
			pepper, err = readPepper(path)
		}
	}
	if err != nil {
		if f, ok := errors.AsType[*fault.Error](err); ok {
			return nil, f
		}
		return nil, fault.Wrap(err, fault.FailedPrecondition, fault.ReasonBadConfig,
			"reading the pepper of keys: the file %s can be neither read nor made: check its owner and mode, or set auth.pepper", path)
	}
	return pepper, nil
}

func readPepper(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pepper := []byte(strings.TrimSpace(string(text)))
	if err := CheckPepper(pepper); err != nil {
		return nil, fault.Wrap(err, fault.FailedPrecondition, fault.ReasonBadConfig,
			"reading the pepper of keys: the file %s was cut short: restore it from a backup; without it no key works", path)
	}
	return pepper, nil
}

// makePepper makes the file. The link gives it its name once it is whole, and fails where another was first.
func makePepper(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // it has its other name, or is of no use
	random := make([]byte, minPepper)
	rand.Read(random)
	_, err = f.WriteString(hex.EncodeToString(random) + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync() // keys are hashed with it from now on: a crash must not lose it
}

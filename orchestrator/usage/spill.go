package usage

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"

	"fairlead/internal/fault"
)

// A file of records has a name of its own, so that servers may share a folder, and gets it when it is whole.
const (
	spillPrefix = "usage-spill-"
	spillSuffix = ".jsonl"
)

// spill puts records into a new file, a JSON object in each line. What cannot be put there is lost.
func (r *Recorder) spill(records []Record) {
	if len(records) == 0 {
		return
	}
	if r.config.Spill == "" {
		r.lost(len(records), "the store did not take it before the end, and there is no folder for it")
		return
	}
	file, err := spillTo(r.config.Spill, records)
	if err != nil {
		r.config.Logger.Error("usage cannot be put into a file", "error", err)
		r.lost(len(records), "neither the store nor a file took it before the end")
		return
	}
	r.config.Logger.Warn("the store did not take usage before the end: the next start with this folder reads it back", "records", len(records), "file", file)
}

func spillTo(folder string, records []Record) (_ string, err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(folder, ".usage-*") // with mode 0600
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	w := bufio.NewWriter(f)
	encoder := json.NewEncoder(w)
	for i := range records {
		if err := encoder.Encode(&records[i]); err != nil {
			return "", err
		}
	}
	if err := w.Flush(); err != nil {
		return "", err
	}
	if err := f.Sync(); err != nil {
		return "", err
	}
	if err := f.Close(); err != nil {
		return "", err
	}
	name := filepath.Join(folder, spillPrefix+id.String()+spillSuffix)
	return name, os.Rename(f.Name(), name)
}

// readBack writes what is in the folder's files into the store, and removes them. A store counts a record once, so
// servers that read the same file at the same time do no harm. What the store does not take stays in its file.
func (r *Recorder) readBack() {
	if r.config.Spill == "" {
		return
	}
	entries, err := os.ReadDir(r.config.Spill)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			r.config.Logger.Warn("the folder of left usage cannot be read", "error", err)
		}
		return
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), spillPrefix) || !strings.HasSuffix(e.Name(), spillSuffix) {
			continue
		}
		file := filepath.Join(r.config.Spill, e.Name())
		records, err := readSpill(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // another server was faster
		}
		if err != nil {
			r.config.Logger.Error("a file of left usage cannot be read: it stays where it is", "file", file, "error", err)
			continue
		}
		for list := range slices.Chunk(records, batch) {
			if r.running.Err() != nil || len(r.keep(list)) > 0 {
				return // the file is still there
			}
		}
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.config.Logger.Warn("a file of usage was read back and cannot be removed", "file", file, "error", err)
		}
		r.config.Logger.Info("usage that an earlier server left was read back", "records", len(records), "file", file)
	}
}

// readSpill reads a file of records. The error says where it is wrong, and not what is there.
func readSpill(file string) ([]Record, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var records []Record
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var one Record
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return nil, fault.Wrap(err, fault.DataLoss, fault.ReasonNone, "line %d is not a record", len(records)+1)
		}
		if err := one.Check(); err != nil {
			return nil, fault.Wrap(err, fault.DataLoss, fault.ReasonNone, "line %d is not a record", len(records)+1)
		}
		records = append(records, one)
	}
	return records, lines.Err()
}

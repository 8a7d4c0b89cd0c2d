package cassette

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"fairlead/internal/fault"
	"fairlead/internal/wholefile"
)

// format is the version of the file's form.
const format = 1

// maxLine is the most bytes of one recorded call.
const maxLine = 64 << 20

// Tape is recorded calls. It is safe for concurrent use.
type Tape struct {
	mu    sync.Mutex
	calls map[place]*Call
	// played are those that were asked for since the tape was opened.
	played map[place]bool
	dirty  bool
}

// place is where a call is kept.
type place struct {
	Case  string
	Epoch int
	Key   string
	Take  int
}

// header is the first line of a file.
type header struct {
	Cassette int `json:"cassette"`
}

// New gives an empty tape.
func New() *Tape { return &Tape{calls: map[place]*Call{}, played: map[place]bool{}} }

// Open reads a tape's file. One that is not there is an empty tape. The error is a *fault.Error that names the file and
// the line.
func Open(file string) (*Tape, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return New(), nil
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.NotFound, fault.ReasonBadRequest, "opening the cassette %s: it cannot be read", file)
	}
	defer f.Close()
	t, err := Read(f)
	if err != nil {
		return nil, fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadRequest, "reading the cassette %s: %s", file, err.Error())
	}
	return t, nil
}

// Read reads a tape. Its errors name the line.
func Read(r io.Reader) (*Tape, error) {
	t := New()
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	for n := 1; lines.Scan(); n++ {
		line := lines.Bytes()
		if n == 1 {
			var h header
			if err := json.Unmarshal(line, &h); err != nil || h.Cassette == 0 {
				return nil, errors.New("line 1: it is no cassette: its first line must be such as {\"cassette\":1}")
			}
			if h.Cassette != format {
				return nil, fmt.Errorf("line 1: its form is version %d, and this program reads version %d: record it again", h.Cassette, format)
			}
			continue
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		c := &Call{}
		if err := decode(line, c); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if t.calls[c.place()] != nil {
			return nil, fmt.Errorf("line %d: case %q has this call twice", n, c.Case)
		}
		t.calls[c.place()] = c
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("a line is longer than %d bytes, or cannot be read", maxLine)
	}
	return t, nil
}

// decode reads a line strictly and checks it.
func decode(line []byte, c *Call) error {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		return errors.New("it is not a recorded call: " + jsonProblem(err))
	}
	if d.More() {
		return errors.New("it holds more than one call")
	}
	return c.check()
}

// jsonProblem gives what is wrong without what was read.
func jsonProblem(err error) string {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return "the field " + wrong.Field + " has the wrong type"
	}
	if wrong, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("no JSON at byte %d", wrong.Offset)
	}
	return "a field is not known"
}

// Len gives the number of calls.
func (t *Tape) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.calls)
}

// Changed says whether something was recorded since it was opened.
func (t *Tape) Changed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dirty
}

// Unplayed gives how many calls nobody asked for since it was opened: of cases that are gone or have changed.
func (t *Tape) Unplayed() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.calls) - len(t.played)
}

// Failed gives how many of the calls that were asked for did not go well, as recorded.
func (t *Tape) Failed() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for p := range t.played {
		if c := t.calls[p]; c != nil && c.Failure != nil {
			n++
		}
	}
	return n
}

// Forget drops the calls of a case, all its repetitions, so that it can be recorded anew.
func (t *Tape) Forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for p := range t.calls {
		if p.Case == name {
			delete(t.calls, p)
			delete(t.played, p)
			t.dirty = true
		}
	}
}

// Prune drops the calls of cases that nobody asked for, and gives how many they were. A nil of is for after a run of all
// cases.
func (t *Tape) Prune(of func(name string) bool) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for p := range t.calls {
		if !t.played[p] && (of == nil || of(p.Case)) {
			delete(t.calls, p)
			n++
		}
	}
	t.dirty = t.dirty || n > 0
	return n
}

func (t *Tape) find(p place) *Call {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.calls[p]
	if c != nil {
		t.played[p] = true
	}
	return c
}

func (t *Tape) put(c *Call) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls[c.place()], t.played[c.place()], t.dirty = c, true, true
}

// Write writes the tape: the same calls give the same bytes.
func (t *Tape) Write(w io.Writer) error {
	t.mu.Lock()
	calls := make([]*Call, 0, len(t.calls))
	for _, c := range t.calls {
		calls = append(calls, c)
	}
	t.mu.Unlock()
	slices.SortFunc(calls, func(a, b *Call) int {
		return cmp.Or(cmp.Compare(a.Case, b.Case), cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.Target, b.Target),
			cmp.Compare(a.Key, b.Key), cmp.Compare(a.Take, b.Take))
	})
	out := bufio.NewWriter(w)
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	if err := e.Encode(header{format}); err != nil {
		return err
	}
	for _, c := range calls {
		if err := e.Encode(c); err != nil {
			return err
		}
	}
	return out.Flush()
}

// Save writes the tape into a file, all or nothing.
func (t *Tape) Save(file string) (err error) {
	defer func() {
		if err != nil {
			err = fault.Wrap(err, fault.FailedPrecondition, fault.ReasonBadRequest, "writing the cassette %s: the file cannot be written", file)
		}
	}()
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return err
	}
	return wholefile.Write(file, t.Write)
}

package score

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

const (
	defaultMaxLine = 1 << 20
	// keptStderr is how much of the end of a program's standard error is kept, in bytes.
	keptStderr = 4 << 10
	// afterKill is how long the pipes of a program that was ended may stay open: a grandchild that left its group may hold
	// them.
	afterKill = 2 * time.Second
)

// inherited are the variables that every command sees.
var inherited = []string{"PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT"}

// process is a program that runs.
type process struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     io.ReadCloser
	stderr  *tail
	replies chan reply
	written chan error
	// done is closed when nobody reads replies any more, gone when the program has ended.
	done, gone chan struct{}
	status     error

	mu sync.Mutex
	// reaped: the system may give the program's number to another.
	reaped bool
}

// reply is a line of the program, or why there is none.
type reply struct {
	line []byte
	err  error
}

var errTooLong = errors.New("the line is too long")

func (s *Command) start() (*process, error) {
	cmd := exec.Command(s.Run[0], s.Run[1:]...) //nolint:gosec // running the user's own program is what this scorer is for
	cmd.Dir = s.Dir
	cmd.Env = []string{}
	for _, name := range append(append([]string{}, inherited...), s.Env...) {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	group(cmd)
	p := &process{cmd: cmd, stderr: &tail{}, replies: make(chan reply), written: make(chan error, 1), done: make(chan struct{}), gone: make(chan struct{})}
	cmd.Stderr, cmd.WaitDelay = p.stderr, afterKill
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if p.out, err = cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	most := s.MaxLine
	if most == 0 {
		most = defaultMaxLine
	}
	go p.read(most)
	return p, nil
}

func (p *process) write(request []byte) error {
	_, err := p.in.Write(request)
	return err
}

// read gives the program's lines until it ends; then it waits for it.
func (p *process) read(most int) {
	defer close(p.gone)
	r := bufio.NewReaderSize(p.out, 64<<10)
	for {
		line, err := readLine(r, most)
		select {
		case p.replies <- reply{line, err}:
		case <-p.done:
			err = io.EOF
		}
		if err != nil {
			break
		}
	}
	// It has ended, or has nothing more to say. Its children go with it.
	p.end(true)
	// Wait closes the pipe, so nothing may be read after it.
	p.status = p.cmd.Wait()
}

// readLine reads a line without its end. The last one may lack it.
func readLine(r *bufio.Reader, most int) ([]byte, error) {
	var line []byte
	for {
		piece, err := r.ReadSlice('\n')
		if len(line)+len(piece) > most+1 {
			return nil, errTooLong
		}
		line = append(line, piece...)
		switch {
		case err == nil:
			return bytes.TrimRight(line, "\r\n"), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(line) > 0:
			return line, nil
		default:
			return nil, err
		}
	}
}

// describe says why there is no reply.
func (p *process) describe(err error) string {
	if errors.Is(err, errTooLong) {
		return "it wrote a line that is too long"
	}
	return p.ended()
}

// ended says how the program ended, where it does so soon.
func (p *process) ended() string {
	p.stop()
	select {
	case <-p.gone:
		if exit, ok := errors.AsType[*exec.ExitError](p.status); ok {
			return "it ended: " + exit.String()
		}
		return "it ended before it answered"
	case <-time.After(time.Second):
		return "it closed its output"
	}
}

// end ends the program and its children, once at most after it has ended by itself.
func (p *process) end(last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		endGroup(p.cmd)
	}
	p.reaped = p.reaped || last
}

// stop lets the reader end.
func (p *process) stop() {
	select {
	case <-p.done:
	default:
		close(p.done)
	}
}

// kill ends the program and its children, and gives the end of its standard error.
func (p *process) kill() string {
	p.stop()
	p.end(false)
	_ = p.in.Close()
	select {
	case <-p.gone:
	case <-time.After(afterKill):
		// A grandchild that left the group holds the output.
		_ = p.out.Close()
		<-p.gone
	}
	return p.stderr.String()
}

// finish closes the program's input and gives it some time to end.
func (p *process) finish(patience time.Duration) {
	p.stop()
	_ = p.in.Close()
	timer := time.AfterFunc(patience, func() {
		p.end(false)
		_ = p.out.Close()
	})
	defer timer.Stop()
	<-p.gone
}

// parsed is what a program may write.
type parsed struct {
	Score
	Error string
}

// parseReply reads a program's line. The error says what is wrong, and holds nothing of the line.
func parseReply(line []byte, id string) (parsed, error) {
	var r struct {
		ID      *string  `json:"id"`
		Value   *float64 `json:"value"`
		Pass    *bool    `json:"pass"`
		Detail  string   `json:"detail"`
		Skipped string   `json:"skipped"`
		Error   string   `json:"error"`
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return parsed{}, errors.New("it wrote a line that is no score")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return parsed{}, errors.New("it wrote more than a score on a line")
	}
	given := 0
	for _, is := range []bool{r.Value != nil, r.Skipped != "", r.Error != ""} {
		if is {
			given++
		}
	}
	switch {
	case r.ID == nil:
		return parsed{}, errors.New(`it did not repeat the case's "id"`)
	case *r.ID != id:
		return parsed{}, errors.New("it answered for another case")
	case given != 1:
		return parsed{}, errors.New(`it must write one of "value", "skipped" and "error"`)
	case r.Value != nil && !(*r.Value >= 0 && *r.Value <= 1):
		return parsed{}, fmt.Errorf("it wrote %v, and a value is from 0 to 1", *r.Value)
	}
	out := parsed{Score: Score{Detail: clip(r.Detail), Skipped: clip(r.Skipped)}, Error: r.Error}
	if r.Value != nil {
		out.Value, out.Pass = *r.Value, r.Pass
	}
	return out, nil
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b[max(0, len(b)-keptStderr):]...)
	t.kept = append(t.kept[:0], t.kept[max(0, len(t.kept)-keptStderr):]...)
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.ToValidUTF8(t.kept, []byte("\ufffd")))
}

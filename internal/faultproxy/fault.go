package faultproxy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Kind names what goes wrong.
type Kind string

// The kinds.
const (
	// None: nothing goes wrong.
	None Kind = "none"
	// Delay waits before the headers, and goes on.
	Delay Kind = "delay"
	// Hang never answers. The headers do not come.
	Hang Kind = "hang"
	// Stall goes silent at a place of the body, and leaves the connection open. At 0 only the headers come.
	Stall Kind = "stall"
	// Cut ends the body at a place in good order, as if it were whole.
	Cut Kind = "cut"
	// Close closes the connection at a place of the body.
	Close Kind = "close"
	// Reset resets the connection at a place of the body.
	Reset Kind = "reset"
	// Drip sends the body byte by byte, with a pause after each.
	Drip Kind = "drip"
	// Garble sends the first half of one frame of a stream as if it were the whole frame, and goes on.
	Garble Kind = "garble"
	// Flood repeats a frame of a stream without end; a body without frames goes on in spaces.
	Flood Kind = "flood"
	// Status refuses with a status, and with Retry-After where a wait is given.
	Status Kind = "status"
	// HTML answers with a web page and status 200.
	HTML Kind = "html"
	// Error sends an error in the place of one frame of a stream, which then ends in good order; a body without
	// frames is the error. The status is that of a success.
	Error Kind = "error"
)

// value says what may stand behind a kind.
type value uint8

const (
	noValue value = iota
	offset        // a place of the body in bytes; none: anywhere
	pause         // a duration
	status        // a status, and perhaps a duration
)

var values = map[Kind]value{
	None: noValue, Hang: noValue, HTML: noValue,
	Delay: pause, Drip: pause,
	Stall: offset, Cut: offset, Close: offset, Reset: offset, Garble: offset, Flood: offset, Error: offset,
	Status: status,
}

// Kinds lists all kinds, in the order of the documentation.
func Kinds() []Kind {
	return []Kind{None, Delay, Hang, Stall, Cut, Close, Reset, Drip, Garble, Flood, Status, HTML, Error}
}

// Anywhere, as a Fault's place, is one that the seed and the request's number choose.
const Anywhere = -1

// The pauses of faults that name none.
const (
	DefaultDelay = time.Second
	DefaultDrip  = 20 * time.Millisecond
)

// Fault is one thing that goes wrong. The zero Fault is none.
type Fault struct {
	Kind Kind
	// At is a place of the response's body in bytes, from 0, or Anywhere.
	At int64
	// Wait is the wait of Delay, the pause of Drip, and what Status asks for in Retry-After.
	Wait time.Duration
	// Status is the status of Status.
	Status int
}

// Parse reads a fault: KIND or KIND:VALUE. The value is a place in bytes ("cut:200"), a duration
// ("delay:300ms", "drip:20ms"), or a status with or without a wait ("status:503", "status:429/2s").
func Parse(text string) (Fault, error) {
	kind, arg, given := strings.Cut(text, ":")
	return parse(text, Kind(kind), arg, given)
}

func parse(text string, kind Kind, arg string, given bool) (Fault, error) {
	f := Fault{Kind: kind}
	takes, known := values[kind]
	if !known {
		return Fault{}, fmt.Errorf("reading the fault %q: there is no kind %q: there are %s", text, kind, names())
	}
	var err error
	switch takes {
	case noValue:
		if given {
			err = fmt.Errorf("%s takes no value", kind)
		}
	case offset:
		f.At = Anywhere
		if given {
			f.At, err = strconv.ParseInt(arg, 10, 64)
		}
	case pause:
		f.Wait = DefaultDelay
		if kind == Drip {
			f.Wait = DefaultDrip
		}
		if given {
			f.Wait, err = time.ParseDuration(arg)
		}
	case status:
		code, wait, waits := strings.Cut(arg, "/")
		if f.Status, err = strconv.Atoi(code); err == nil && waits {
			f.Wait, err = time.ParseDuration(wait)
		}
	}
	if err == nil {
		err = f.Validate()
		if err == nil && given && takes == offset && f.At == Anywhere {
			err = errors.New("a place in the body is not negative")
		}
	}
	if err != nil {
		return Fault{}, fmt.Errorf("reading the fault %q: %w: write it as %s", text, err, usage(kind))
	}
	return f, nil
}

// usage shows how a kind is written.
func usage(kind Kind) string {
	switch values[kind] {
	case offset:
		return fmt.Sprintf("%s or %s:BYTES", kind, kind)
	case pause:
		return fmt.Sprintf("%s:DURATION, such as %s:300ms", kind, kind)
	case status:
		return "status:CODE or status:CODE/WAIT, such as status:429/2s"
	default:
		return string(kind)
	}
}

func names() string {
	var all []string
	for _, k := range Kinds() {
		all = append(all, string(k))
	}
	return strings.Join(all, ", ")
}

// String writes the fault as Parse reads it.
func (f Fault) String() string {
	switch values[f.Kind] {
	case offset:
		if f.At == Anywhere {
			return string(f.Kind)
		}
		return fmt.Sprintf("%s:%d", f.Kind, f.At)
	case pause:
		return fmt.Sprintf("%s:%s", f.Kind, f.Wait)
	case status:
		if f.Wait > 0 {
			return fmt.Sprintf("status:%d/%s", f.Status, f.Wait)
		}
		return fmt.Sprintf("status:%d", f.Status)
	default:
		if f.Kind == "" {
			return string(None)
		}
		return string(f.Kind)
	}
}

// Validate says what is wrong with a fault.
func (f Fault) Validate() error {
	if _, known := values[f.Kind]; !known && f.Kind != "" {
		return fmt.Errorf("there is no kind %q: there are %s", f.Kind, names())
	}
	switch {
	case f.At < Anywhere:
		return errors.New("a place in the body is not negative")
	case f.Wait < 0:
		return errors.New("a wait is not negative")
	case f.Kind == Status && (f.Status < 400 || f.Status > 599):
		return errors.New("the status of a refusal is from 400 to 599")
	}
	return nil
}

// Share is a fault that hits some requests.
type Share struct {
	Fault
	// P is the part of the requests that it hits, in (0, 1].
	P float64
}

// ParseShare reads a share: KIND=PART or KIND=PART:VALUE, such as "cut=0.1" and "status=0.05:429".
func ParseShare(text string) (Share, error) {
	head, arg, given := strings.Cut(text, ":")
	kind, part, ok := strings.Cut(head, "=")
	if !ok {
		return Share{}, fmt.Errorf("reading the fault %q: say how many requests it hits, from 0 to 1: write it as KIND=PART, such as cut=0.1 or status=0.05:429", text)
	}
	p, err := strconv.ParseFloat(part, 64)
	if err != nil || !(p > 0 && p <= 1) {
		return Share{}, fmt.Errorf("reading the fault %q: the part of the requests is a number above 0 and up to 1", text)
	}
	f, err := parse(text, Kind(kind), arg, given)
	return Share{Fault: f, P: p}, err
}

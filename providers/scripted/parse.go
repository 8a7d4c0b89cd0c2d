package scripted

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"fairlead/providers"
	"fairlead/providers/internal/wire"
)

// Script is a parsed model name.
type Script struct {
	kind string
	// text is the answer's text; it counts when hasText.
	text    string
	hasText bool

	ttft time.Duration
	// tps is words in a second. 0: no limit.
	tps float64
	// in and out replace the counted tokens when not negative.
	in, out int64
	silent  bool

	code       int
	retryAfter time.Duration
	errorCode  string
	p          float64
	seed       uint64
	after      int
	overrun    bool

	tool, args string
	calls      int
	dims       int
	label      string
	other      string
}

// spec is what a kind can do and which parameters it takes.
type spec struct {
	does   providers.Capability
	params []string
	// preset is applied before the parameters.
	preset string
}

var (
	pace   = []string{"ttft", "tps", "in", "out", "report"}
	calls  = []string{"ttft", "in", "out", "report"}
	fails  = []string{"code", "retry_after", "error"}
	all    = providers.Chat | providers.Embed | providers.Classify
	kindOf = map[string]spec{
		"echo":     {providers.Chat, slices.Concat(pace, []string{"text"}), ""},
		"fixed":    {providers.Chat, slices.Concat(pace, []string{"text"}), "text=This+is+a+fixed+answer."},
		"slow":     {providers.Chat, slices.Concat(pace, []string{"text"}), "ttft=200ms&tps=50"},
		"json":     {providers.Chat | providers.JSON, slices.Concat(pace, []string{"value"}), "value={}"},
		"status":   {all, slices.Concat([]string{"ttft"}, fails), "code=503"},
		"flaky":    {all, slices.Concat(pace, fails, []string{"p", "seed", "text", "dims", "label"}), "code=503&p=0.5&seed=1&dims=8&label=yes"},
		"cut":      {providers.Chat, slices.Concat(pace, []string{"after", "text"}), "after=5"},
		"hang":     {all, slices.Concat(pace, []string{"after", "text"}), ""},
		"garbage":  {providers.Chat, slices.Concat(pace, []string{"after", "text"}), "after=3"},
		"infinite": {providers.Chat, slices.Concat(pace, []string{"overrun", "text"}), ""},
		"tool":     {providers.Chat | providers.Tools, slices.Concat(pace, []string{"name", "args", "n"}), "name=lookup&args={}&n=1"},
		"obedient": {providers.Chat | providers.Tools, pace, ""},
		"embed":    {providers.Embed, slices.Concat(calls, []string{"dims"}), "dims=8"},
		"classify": {providers.Classify, slices.Concat(calls, []string{"label", "other", "p"}), "label=yes&other=no&p=0.9"},
	}
)

// Kinds gives the kinds of models, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(kindOf)) }

// Parse reads a model's name. The error says what is allowed.
func Parse(model string) (*Script, error) {
	kind, query, _ := strings.Cut(model, "?")
	k, ok := kindOf[kind]
	if !ok {
		return nil, fmt.Errorf("reading scripted model: there is no kind %q: use one of %s", kind, strings.Join(Kinds(), ", "))
	}
	s := &Script{kind: kind, in: -1, out: -1, calls: 1, other: "no", p: 1}
	for _, q := range []string{k.preset, query} {
		values, err := url.ParseQuery(q)
		if err != nil {
			return nil, fmt.Errorf("reading scripted model %s: its parameters must be name=value, joined by \"&\" and URL-encoded: %w", kind, err)
		}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			switch {
			case !slices.Contains(k.params, name):
				return nil, fmt.Errorf("reading scripted model %s: it has no parameter %q: use %s", kind, name, strings.Join(k.params, ", "))
			case len(values[name]) > 1:
				return nil, fmt.Errorf("reading scripted model %s: the parameter %s is there twice", kind, name)
			}
			if err := s.set(name, values[name][0]); err != nil {
				return nil, fmt.Errorf("reading scripted model %s: the parameter %s must be %w", kind, name, err)
			}
		}
	}
	return s, nil
}

// Does says what the model can do.
func (s *Script) Does() providers.Capability { return kindOf[s.kind].does }

// set takes one parameter. The error completes the sentence "the parameter must be".
func (s *Script) set(name, value string) (err error) {
	switch name {
	case "text":
		s.text, s.hasText = value, true
	case "value":
		s.text, s.hasText = value, true
		if !json.Valid([]byte(value)) {
			err = errors.New("JSON")
		}
	case "ttft":
		s.ttft, err = duration(value)
	case "retry_after":
		s.retryAfter, err = duration(value)
	case "tps":
		s.tps, err = number(value, 0.001, 1e6)
	case "p":
		s.p, err = number(value, 0, 1)
	case "in":
		s.in, err = integer[int64](value, 0, 1e12)
	case "out":
		s.out, err = integer[int64](value, 0, 1e12)
	case "code":
		s.code, err = integer(value, 400, 599)
	case "after":
		s.after, err = integer(value, 0, 1_000_000)
	case "n":
		s.calls, err = integer(value, 1, 16)
	case "dims":
		s.dims, err = integer(value, 1, maxDimensions)
	case "seed":
		if s.seed, err = strconv.ParseUint(value, 10, 64); err != nil {
			err = errors.New("a whole number")
		}
	case "report":
		var report bool
		report, err = boolean(value)
		s.silent = !report
	case "overrun":
		s.overrun, err = boolean(value)
	case "error":
		if s.errorCode = providers.SafeCode(value); s.errorCode == "" {
			err = errors.New(`a short word of letters, digits and "_.-"`)
		}
	case "name":
		if s.tool = value; value == "" {
			err = errors.New("a tool's name")
		}
	case "args":
		if s.args = value; !json.Valid([]byte(value)) {
			err = errors.New("JSON")
		}
	case "label":
		s.label, err = value, notEmpty(value)
	case "other":
		s.other, err = value, notEmpty(value)
	}
	return err
}

// maxDimensions is the most numbers in a vector.
const maxDimensions = 8192

func notEmpty(value string) error {
	if value == "" {
		return errors.New("a name")
	}
	return nil
}

// duration reads a number of seconds or a Go duration, of at most an hour.
func duration(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if seconds, ferr := strconv.ParseFloat(value, 64); ferr == nil && seconds >= 0 && seconds <= 3600 {
		d, err = time.Duration(seconds*float64(time.Second)), nil
	}
	if err != nil || d < 0 || d > time.Hour {
		return 0, errors.New("a duration such as 200ms, or seconds, of at most 1h")
	}
	return d, nil
}

func number(value string, least, most float64) (float64, error) {
	x, err := strconv.ParseFloat(value, 64)
	if err != nil || !(x >= least && x <= most) {
		return 0, fmt.Errorf("a number from %g to %g", least, most)
	}
	return x, nil
}

func integer[T int | int64](value string, least, most T) (T, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < int64(least) || n > int64(most) {
		return 0, fmt.Errorf("a whole number from %d to %d", least, most)
	}
	return T(n), nil
}

func boolean(value string) (bool, error) {
	switch value {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errors.New("true or false")
}

// failure is the error that the script's status stands for. It is not billed.
func (s *Script) failure() *providers.Error {
	e := &providers.Error{Status: s.code, Code: s.errorCode, RetryAfter: s.retryAfter}
	switch s.errorCode {
	case "context_length_exceeded":
		e.Kind = providers.KindContextLength
	case "insufficient_quota":
		e.Kind = providers.KindQuota
	case "content_filter", "content_policy_violation":
		e.Kind = providers.KindContentFilter
	case "model_not_found":
		e.Kind = providers.KindNotFound
	default:
		e.Kind = wire.StatusKind(s.code)
	}
	return e
}

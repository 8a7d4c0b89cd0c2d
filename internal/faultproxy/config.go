package faultproxy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// FaultHeader names the fault of one request, where Config.Header allows it. Its value is as Parse reads it.
const FaultHeader = "Fairlead-Fault"

// Defaults of Config.
const (
	DefaultReach   = 2 << 10
	DefaultMaxBody = 64 << 20
)

// Config says what stands behind the proxy and what goes wrong.
type Config struct {
	// Upstream is the address of a model server, without the path. Empty: the proxy answers by itself.
	Upstream string

	// Script lists the faults of the first requests, in order. Further ones have Shares, or, with Repeat, the
	// script anew.
	Script []Fault
	Repeat bool
	// Shares hit requests by chance; their parts add up to 1 at most.
	Shares []Share
	// Seed decides which requests Shares hit, and where Anywhere is.
	Seed uint64
	// Choose, if given, decides in place of Script and Shares. It is called by several goroutines at once.
	Choose func(Request) Fault
	// Header lets a request name its own fault in FaultHeader, which then counts before all else.
	Header bool
	// Only are the paths whose requests can have faults; a path covers what lies below it. Empty: all.
	Only []string

	// Reach is the number of bytes, from the start of a body of unknown length, within which Anywhere is. 0: 2 KiB.
	Reach int64
	// MaxBody is the most bytes of a request's body. 0: 64 MiB.
	MaxBody int64
	// Answer is the text that the proxy answers with by itself. Empty: DefaultAnswer.
	Answer string
	// Pace is the time between two pieces of an answer of its own. 0: none.
	Pace time.Duration
	// Observe, if given, is told of each request when it is over, before its connection is cut. It is called by
	// several goroutines at once.
	Observe func(Exchange)
	// Transport calls the upstream. Nil: one of its own, with the environment's proxy.
	Transport http.RoundTripper
}

// Request is what is known of a request when its fault is chosen.
type Request struct {
	// Number counts the requests that can have faults, from 1.
	Number int64
	Method string
	Path   string
}

// Validate says all that is wrong with the configuration.
func (c *Config) Validate() error {
	var problems []error
	problem := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("fault proxy: "+format, args...))
	}
	if c.Upstream != "" {
		switch u, err := url.Parse(c.Upstream); {
		case err != nil: // the cause would repeat it, with a password that may stand there
			problem("the upstream must be an address such as http://127.0.0.1:8000")
		case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
			problem("the upstream must be an address such as http://127.0.0.1:8000")
		case u.User != nil || u.RawQuery != "" || u.Fragment != "":
			problem("the upstream holds more than scheme, host and path")
		}
		if c.Answer != "" || c.Pace != 0 {
			problem("an answer and its pace are for a proxy without an upstream")
		}
	}
	for i, f := range c.Script {
		if err := f.Validate(); err != nil {
			problem("fault %d of the script: %w", i+1, err)
		}
	}
	if c.Repeat && len(c.Script) == 0 {
		problem("there is no script to repeat")
	}
	sum := 0.0
	for _, s := range c.Shares {
		if err := s.Validate(); err != nil {
			problem("share %s: %w", s.Fault, err)
		}
		if !(s.P > 0 && s.P <= 1) {
			problem("share %s: its part of the requests is above 0 and up to 1", s.Fault)
		}
		sum += s.P
	}
	if sum > 1+1e-9 {
		problem("the shares add up to %.4g: 1 is all requests", sum)
	}
	for _, path := range c.Only {
		if !strings.HasPrefix(path, "/") {
			problem("the path %q must begin with a slash", path)
		}
	}
	if c.Reach < 0 || c.MaxBody < 0 || c.Pace < 0 {
		problem("limits and times are not negative")
	}
	return errors.Join(problems...)
}

// concerns says whether requests of a path can have faults.
func (c *Config) concerns(path string) bool {
	for _, only := range c.Only {
		if path == only || strings.HasPrefix(path, strings.TrimSuffix(only, "/")+"/") {
			return true
		}
	}
	return len(c.Only) == 0
}

// pick gives the fault of a request, and a number in [0,1) that says where Anywhere is.
func (c *Config) pick(r Request) (f Fault, where float64) {
	// A source for each request: which one hits does not depend on what ran beside it.
	rng := rand.New(rand.NewPCG(c.Seed, uint64(r.Number)))
	chance, where := rng.Float64(), rng.Float64()
	n := int64(len(c.Script))
	switch {
	case c.Choose != nil:
		return c.Choose(r), where
	case c.Repeat:
		return c.Script[(r.Number-1)%n], where
	case r.Number <= n:
		return c.Script[r.Number-1], where
	}
	for _, s := range c.Shares {
		if chance < s.P {
			return s.Fault, where
		}
		chance -= s.P
	}
	return Fault{Kind: None}, where
}

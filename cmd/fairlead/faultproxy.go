package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"fairlead/internal/faultproxy"
)

func (p *program) faultproxyCommand() *cobra.Command {
	var (
		listen, script string
		shares         []string
		c              faultproxy.Config
	)
	cmd := &cobra.Command{
		Use:   "faultproxy",
		Short: "Break the streams of a model server, to see what its clients do",
		Long: `Stands before a model server, or answers by itself in OpenAI's and Ollama's formats, and breaks what passes through:
by chance with --fault KIND=PART[:VALUE], where PART is the part of the requests from 0 to 1, or request by request with
--script KIND[:VALUE],…. The same --seed hits the same requests in the same way. The kinds:

  delay[:DURATION]     waits before it answers (1s)
  hang                 never answers
  stall[:BYTES]        goes silent within the body; at 0 after the headers
  cut[:BYTES]          ends the body in good order, as if it were whole
  close[:BYTES]        closes the connection within the body
  reset[:BYTES]        resets the connection within the body
  drip[:DURATION]      sends byte by byte, with a pause after each (20ms)
  garble[:BYTES]       sends half a frame as if it were a whole one, and goes on
  flood[:BYTES]        repeats a frame without end
  status:CODE[/WAIT]   refuses, with Retry-After where a wait is given
  html                 answers with a web page and status 200
  error[:BYTES]        sends an error within a stream of status 200
  none                 nothing; for scripts

BYTES is a place of the response's body; without it the seed chooses one. Each request is told when it is over, without
its content, and the counts at the end. It listens on loopback unless told otherwise, and asks nobody who they are:
whoever reaches it reaches the model server.`,
		Example: `  fairlead faultproxy --upstream http://127.0.0.1:8000 --fault cut=0.1 --fault status=0.05:429/2s --seed 1
  fairlead faultproxy --script cut:200,none,status:503`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, text := range shares {
				share, err := faultproxy.ParseShare(text)
				if err != nil {
					return &usageError{err}
				}
				c.Shares = append(c.Shares, share)
			}
			for text := range strings.SplitSeq(script, ",") {
				if script == "" {
					break
				}
				f, err := faultproxy.Parse(strings.TrimSpace(text))
				if err != nil {
					return &usageError{err}
				}
				c.Script = append(c.Script, f)
			}
			return p.faultproxy(cmd.Context(), listen, c)
		},
	}
	f := cmd.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:9001", "address to listen on; port 0 takes a free one")
	f.StringVar(&c.Upstream, "upstream", "", "address of the model server, such as http://127.0.0.1:8000, without the path; without one the proxy answers by itself")
	f.StringArrayVar(&shares, "fault", nil, "a fault by chance, KIND=PART or KIND=PART:VALUE; may be given several times")
	f.StringVar(&script, "script", "", "the faults of the first requests, in order, with commas between them")
	f.BoolVar(&c.Repeat, "repeat", false, "when the script is over, begin it anew")
	f.Uint64Var(&c.Seed, "seed", 1, "what decides about chances and places")
	f.StringArrayVar(&c.Only, "only", nil, "a path whose requests can have faults, such as /v1/chat; may be given several times; without one all can")
	f.BoolVar(&c.Header, "header", false, "let a request name its own fault in the header "+faultproxy.FaultHeader)
	f.DurationVar(&c.Pace, "pace", 0, "time between two pieces of an answer of its own")
	return cmd
}

// faultproxy runs the proxy until it is interrupted, which is its good end.
func (p *program) faultproxy(ctx context.Context, listen string, c faultproxy.Config) error {
	var mu sync.Mutex // requests end side by side
	c.Observe = func(x faultproxy.Exchange) {
		mu.Lock()
		defer mu.Unlock()
		p.showExchange(&x)
	}
	proxy, err := faultproxy.New(c)
	if err != nil {
		return &usageError{err}
	}
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return errors.New(strings.ReplaceAll(listenError(listen, err).Error(), "--set server.listen=HOST:PORT", "--listen HOST:PORT"))
	}
	behind := c.Upstream
	if behind == "" {
		behind = "its own answers"
	}
	fmt.Fprintf(p.err, "breaking %s at http://%s\n", behind, ln.Addr())
	if err := proxy.Serve(ctx, ln); err != nil {
		return fmt.Errorf("serving %s: %w", ln.Addr(), err)
	}
	return p.showFaults(proxy.Stats())
}

// showExchange tells of one request: a line, or an object with --json.
func (p *program) showExchange(x *faultproxy.Exchange) {
	if p.json {
		_ = json.NewEncoder(p.out).Encode(struct { // who reads may be gone; the proxy goes on
			Number     int64   `json:"number"`
			Method     string  `json:"method"`
			Path       string  `json:"path"`
			Fault      string  `json:"fault"`
			Hit        bool    `json:"hit"`
			Status     int     `json:"status"`
			Sent       int64   `json:"sent"`
			Left       bool    `json:"left"`
			Failed     bool    `json:"failed"`
			DurationMS float64 `json:"duration_ms"`
		}{x.Number, x.Method, x.Path, x.Fault.String(), x.Hit, x.Status, x.Sent, x.Left, x.Failed, float64(x.Duration) / float64(time.Millisecond)})
		return
	}
	end := fmt.Sprintf("status %d", x.Status)
	if x.Status == 0 {
		end = "no answer"
	}
	switch {
	case x.Failed:
		end += ", the upstream failed"
	case x.Left:
		end += ", the caller left"
	case !x.Hit && x.Fault.Kind != faultproxy.None:
		end += ", over before the fault's place"
	}
	fmt.Fprintf(p.out, "%d %s %q: %s → %s, %d bytes, %s\n", x.Number, x.Method, x.Path, x.Fault, end, x.Sent, millis(float64(x.Duration)/float64(time.Millisecond)))
}

// showFaults tells what was done in all.
func (p *program) showFaults(s faultproxy.Stats) error {
	if p.json {
		return json.NewEncoder(p.out).Encode(s)
	}
	rows := [][]string{{"requests", fmt.Sprint(s.Requests)}}
	for _, kind := range slices.Sorted(maps.Keys(s.Hits)) {
		rows = append(rows, []string{string(kind), fmt.Sprint(s.Hits[kind])})
	}
	rows = append(rows, []string{"over before the fault's place", fmt.Sprint(s.Missed)},
		[]string{"left by the caller", fmt.Sprint(s.Left)}, []string{"failed by the upstream", fmt.Sprint(s.Failed)})
	fmt.Fprintln(p.out)
	table(p.out, p.style(), []string{"WHAT", "COUNT"}, rows)
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"time"

	fairleadv1 "fairlead/gen/fairlead/v1"
)

// fetcher gets documents that are named by their address, from the machine where the command runs.
type fetcher struct{ http *http.Client }

func newFetcher() *fetcher {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = 30 * time.Second
	return &fetcher{http: &http.Client{
		Transport: t,
		Timeout:   5 * time.Minute,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > 5 {
				return errors.New("it is redirected more than five times")
			}
			if via[0].URL.Scheme == "https" && r.URL.Scheme != "https" {
				return errors.New("it is redirected from https to http")
			}
			return nil
		},
	}}
}

// fetch gives a document, or why it cannot be had, once trying again does not help. The error is the context's.
func (f *fetcher) fetch(ctx context.Context, address string, retry func(context.Context, int) error) (src *fairleadv1.Source, why string, err error) {
	for try := 1; ; try++ {
		var passing bool
		src, why, passing = f.get(ctx, address)
		if why == "" || ctx.Err() != nil || !passing || try == sends {
			return src, why, ctx.Err()
		}
		if err := retry(ctx, try); err != nil {
			return nil, "", err
		}
	}
}

// get asks once. passing says whether asking again may help.
func (f *fetcher) get(ctx context.Context, address string) (src *fairleadv1.Source, why string, passing bool) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, "fetching it: the address cannot be used", false
	}
	r.Header.Set("User-Agent", "fairlead")
	resp, err := f.http.Do(r)
	if err != nil {
		why, passing := unfetched(err)
		return nil, "fetching it: " + why, passing
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		again := resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500
		return nil, fmt.Sprintf("fetching it: the server answers %d %s", resp.StatusCode, http.StatusText(resp.StatusCode)), again
	}
	content, err := io.ReadAll(io.LimitReader(resp.Body, maxFile+1))
	switch {
	case err != nil:
		return nil, "fetching it: the connection broke before it was whole", true
	case len(content) > maxFile:
		return nil, fmt.Sprintf("it has more than %d MiB, the most that a document may have", maxFile>>20), false
	}
	return &fairleadv1.Source{Uri: address, Content: content, MediaType: mediaType(resp.Header.Get("Content-Type"))}, "", false
}

// mediaType gives the type that a server states, without its parameters; none where it only says that it does not know.
func mediaType(header string) string {
	t, _, err := mime.ParseMediaType(header)
	if err != nil || t == "application/octet-stream" || len(t) > 127 {
		return ""
	}
	return t
}

// unfetched says in words why a call failed.
func unfetched(err error) (why string, passing bool) {
	var name *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return "its name cannot be found", false
	case errors.As(err, &timeout) && timeout.Timeout():
		return "the server takes too long", true
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return "the server cannot be reached", true
	}
	if inner := errors.Unwrap(err); inner != nil && op == nil {
		return inner.Error(), false
	}
	return "the connection broke", true
}

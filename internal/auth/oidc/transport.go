package oidc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// fetchTimeout is the most time for one answer of the provider.
	fetchTimeout = 5 * time.Second
	// maxAnswer is the most bytes of one.
	maxAnswer = 1 << 20
	// keepGood and keepBad are how long an answer, or the lack of one, stands for the next: callers who send made-up
	// tokens must not make us call the provider for each.
	keepGood = 5 * time.Second
	keepBad  = time.Second
)

// errOutage is what everything is that keeps the provider's documents from us.
var errOutage = errors.New("the provider's documents cannot be had")

// transport fetches the provider's documents: whole, of bounded size, from safe addresses alone, and each at most once
// in a while. Its answers are JSON with status 200; all else is errOutage.
type transport struct {
	next http.RoundTripper
	now  func() time.Time

	mu   sync.Mutex
	kept map[string]*kept
}

// kept is what came of the last fetch of a document. Its lock makes those who want the same wait.
type kept struct {
	mu    sync.Mutex
	body  []byte
	err   error
	until time.Time
}

func newTransport(next http.RoundTripper, now func() time.Time) *transport {
	return &transport{next: next, now: now, kept: map[string]*kept{}}
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	at := req.URL.String()
	t.mu.Lock()
	k := t.kept[at]
	if k == nil {
		k = &kept{}
		t.kept[at] = k
	}
	t.mu.Unlock()

	k.mu.Lock()
	defer k.mu.Unlock()
	if now := t.now(); !now.Before(k.until) {
		k.body, k.err = t.fetch(req)
		if k.until = now.Add(keepGood); k.err != nil {
			k.until = now.Add(keepBad)
		}
	}
	if k.err != nil {
		return nil, k.err
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(k.body)), ContentLength: int64(len(k.body)),
	}, nil
}

func (t *transport) fetch(req *http.Request) ([]byte, error) {
	if !safeURL(req.URL.String()) {
		return nil, fmt.Errorf("%w: one is at an address without TLS", errOutage)
	}
	res, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errOutage, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errOutage, err)
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%w: status %d", errOutage, res.StatusCode)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("%w: one is larger than %d bytes", errOutage, maxAnswer)
	case !json.Valid(body):
		return nil, fmt.Errorf("%w: one is not JSON", errOutage)
	}
	return body, nil
}

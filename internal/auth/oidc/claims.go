package oidc

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"
)

// claims is what a token says, once its signature was checked.
type claims struct{ all map[string]json.RawMessage }

// has says whether there is a claim that is not null.
func (c *claims) has(name string) bool {
	value, ok := c.all[name]
	return ok && string(value) != "null"
}

// text gives a claim that is a text. False: it is none.
func (c *claims) text(name string) (s string, ok bool) {
	if !c.has(name) || json.Unmarshal(c.all[name], &s) != nil {
		return "", false
	}
	return s, true
}

// list gives a claim that is a list of texts, or text parted by spaces. One that is not there is empty.
func (c *claims) list(name string) (values []string, err error) {
	if !c.has(name) {
		return nil, nil
	}
	if s, ok := c.text(name); ok {
		return strings.Fields(s), nil
	}
	if err := json.Unmarshal(c.all[name], &values); err != nil {
		return nil, errors.New("the claim of its scopes is neither text nor a list of texts")
	}
	return values, nil
}

// second gives a claim that is a time, in seconds since 1970 (RFC 7519, section 2: NumericDate).
func (c *claims) second(name string) (at float64, err error) {
	if err := json.Unmarshal(c.all[name], &at); err != nil || math.IsNaN(at) || math.IsInf(at, 0) {
		return 0, errors.New("a time in it is none")
	}
	return at, nil
}

// timely says whether a token is good at a time.
func (c *claims) timely(now time.Time) error {
	at, skew := float64(now.UnixMilli())/1000, Skew.Seconds()
	if !c.has("exp") {
		return errors.New("it never expires")
	}
	exp, err := c.second("exp")
	if err != nil {
		return err
	}
	if at >= exp+skew {
		return errors.New("it has expired")
	}
	for _, name := range []string{"nbf", "iat"} {
		if !c.has(name) {
			continue
		}
		from, err := c.second(name)
		if err != nil {
			return err
		}
		if from > at+skew {
			return errors.New("it is not valid yet")
		}
	}
	return nil
}

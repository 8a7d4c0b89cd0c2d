package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"fairlead/internal/config"
)

// maxAuthorities is the most bytes of a file of authorities: the system's own are a quarter of it.
const maxAuthorities = 1 << 20

// authorities gives what a backend's server is trusted by. Nil: the system's authorities.
func authorities(b config.Backend) (*tls.Config, error) {
	if b.CA == "" {
		return nil, nil //nolint:nilnil // nothing to set is no error
	}
	about, err := os.Stat(b.CA)
	if err != nil {
		return nil, fmt.Errorf("ca: the file %s cannot be read: check its name and who may read it", b.CA)
	}
	if about.Size() > maxAuthorities {
		return nil, fmt.Errorf("ca: %s is too large for a file of authorities", b.CA)
	}
	text, err := os.ReadFile(b.CA)
	if err != nil {
		return nil, fmt.Errorf("ca: the file %s cannot be read: check who may read it", b.CA)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("ca: %s holds no certificate in PEM", b.CA)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

package server

import (
	"crypto/tls"
	"log/slog"
	"os"
	"sync"
	"time"

	"fairlead/internal/fault"
)

// certificateAge is how long a certificate is used before its files are looked at again.
const certificateAge = 10 * time.Second

// certificate is a key pair that is read again when its files change. A pair that cannot be read leaves
// the good one in use.
type certificate struct {
	certFile, keyFile string
	logger            *slog.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	stamp   [2]time.Time
	checked time.Time
}

func newCertificate(certFile, keyFile string, logger *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, logger: logger, checked: time.Now()}
	stamp, err := c.modified()
	if err == nil {
		err = c.load(stamp)
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadConfig,
			"server: reading the TLS certificate %s with its key %s", certFile, keyFile)
	}
	return c, nil
}

func (c *certificate) modified() (stamp [2]time.Time, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return stamp, err
		}
		stamp[i] = info.ModTime()
	}
	return stamp, nil
}

func (c *certificate) load(stamp [2]time.Time) error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.pair, c.stamp = &pair, stamp
	return nil
}

// get is tls.Config.GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.checked) >= certificateAge {
		c.checked = now
		stamp, err := c.modified()
		if err == nil && stamp != c.stamp {
			err = c.load(stamp)
		}
		if err != nil {
			c.logger.Error("tls certificate kept: its files cannot be read", "error", err)
		}
	}
	return c.pair, nil
}

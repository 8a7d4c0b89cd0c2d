package postgres_test

import (
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"fairlead/internal/fault"
	"fairlead/internal/store/postgres"
	"fairlead/internal/testdb"
)

// pipe forwards connections to a database until it is stopped; then they stay open and nothing comes through.
type pipe struct {
	listener net.Listener
	target   string
	mu       sync.Mutex
	conns    []net.Conn
	wg       sync.WaitGroup
	silent   chan struct{}
}

func newPipe(t *testing.T, target string) *pipe {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &pipe{listener: l, target: target, silent: make(chan struct{})}
	p.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", target)
			if err != nil {
				conn.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, conn, up)
			p.mu.Unlock()
			p.wg.Go(func() { p.copy(up, conn) })
			p.wg.Go(func() { p.copy(conn, up) })
		}
	})
	t.Cleanup(p.end)
	return p
}

func (p *pipe) end() {
	p.listener.Close()
	p.mu.Lock()
	for _, conn := range p.conns {
		conn.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *pipe) copy(to, from net.Conn) {
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		select {
		case <-p.silent:
			_, _ = io.Copy(io.Discard, from) // takes everything, and passes nothing on
			return
		default:
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			to.Close()
			return
		}
	}
}

// A transaction whose network falls silent gives its caller back, who may have no deadline.
func TestRollbackIntoSilence(t *testing.T) {
	defer postgres.RollbackWithin(50 * time.Millisecond)()
	d := testdb.PostgresDatabase(t)
	u, err := url.Parse(d.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	p := newPipe(t, u.Host)
	u.Host = p.listener.Addr().String()
	s := testdb.OpenPostgres(t, d, postgres.Config{URL: u.String(), Pool: 1})
	err = s.Write(t.Context(), "acme", "falling silent", func(pgx.Tx) error {
		close(p.silent)
		return errOurs
	})
	if !errors.Is(err, errOurs) {
		t.Errorf("got %v", fault.Cause(err))
	}
	p.end() // else closing the store waits for the network
}

// Package catch is the mail server of development and tests: it takes every
// message, delivers none, and keeps the newest as files in a folder, with a page to
// read them on. It listens on the machine's own loopback only. It writes no table
// and knows no other package of the house.
package catch

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

const (
	kept       = 500      // messages in the folder, the newest
	maxMessage = 10 << 20 // bytes
)

var fileName = regexp.MustCompile(`^\d{8}T\d{6}\.\d{9}-[0-9a-f]{8}\.eml$`)

// Catcher takes mail into a folder.
type Catcher struct {
	dir  string
	smtp *smtp.Server
	mu   sync.Mutex
}

// New returns a catcher that keeps messages in dir, and makes dir.
func New(dir string) (*Catcher, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("mail catcher: %w", err)
	}
	c := &Catcher{dir: dir}
	c.smtp = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return session{c}, nil }))
	c.smtp.Domain = "localhost"
	c.smtp.MaxMessageBytes, c.smtp.MaxRecipients = maxMessage, 1000
	c.smtp.ReadTimeout, c.smtp.WriteTimeout = time.Minute, time.Minute
	c.smtp.EnableSMTPUTF8 = true
	// Its log would quote what clients say.
	c.smtp.ErrorLog = log.New(io.Discard, "", 0)
	return c, nil
}

// Listen opens an address of this machine, such as localhost:1025, and refuses
// any other.
func Listen(addr string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil || !loopback(host) {
		return nil, fmt.Errorf("mail catcher: address %q: it listens on localhost alone", addr)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("mail catcher: %w", err)
	}
	return l, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Serve takes mail from l until Close.
func (c *Catcher) Serve(l net.Listener) error {
	if a, ok := l.Addr().(*net.TCPAddr); !ok || !a.IP.IsLoopback() {
		return fmt.Errorf("mail catcher: %s is not this machine's own", l.Addr())
	}
	if err := c.smtp.Serve(l); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
		return fmt.Errorf("mail catcher: %w", err)
	}
	return nil
}

// Close stops Serve.
func (c *Catcher) Close() error { return c.smtp.Close() }

// session takes the messages of one connection.
type session struct{ c *Catcher }

func (session) Reset()                               {}
func (session) Logout() error                        { return nil }
func (session) Mail(string, *smtp.MailOptions) error { return nil }
func (session) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (s session) Data(r io.Reader) error             { return s.c.keep(r) }

// keep writes a message whole or not at all.
func (c *Catcher) keep(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	var salt [4]byte
	rand.Read(salt[:])
	name := time.Now().UTC().Format("20060102T150405.000000000") + "-" + hex.EncodeToString(salt[:]) + ".eml"
	c.mu.Lock()
	defer c.mu.Unlock()
	file := filepath.Join(c.dir, name)
	if err := os.WriteFile(file+".new", b, 0o600); err != nil {
		return err
	}
	if err := os.Rename(file+".new", file); err != nil {
		return err
	}
	names, err := c.names()
	for _, old := range names[min(kept, len(names)):] {
		err = errors.Join(err, os.Remove(filepath.Join(c.dir, old)))
	}
	return err
}

// names returns the messages' files, the newest first.
func (c *Catcher) names() ([]string, error) {
	all, err := os.ReadDir(c.dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range all {
		if fileName.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	slices.Reverse(names)
	return names, nil
}

// read returns a message; ok is false when there is none of that name.
func (c *Catcher) read(name string) (b []byte, ok bool, err error) {
	if !fileName.MatchString(name) {
		return nil, false, nil
	}
	b, err = os.ReadFile(filepath.Join(c.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	return b, err == nil, err
}

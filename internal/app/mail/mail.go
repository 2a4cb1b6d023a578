// Package mail hands plain-text messages to a mail server. It writes no table,
// knows no other package of the house, and no address is in its errors: they go
// to logs.
package mail

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"strings"
	"time"
)

// patience is how long one message may take.
const patience = 30 * time.Second

// ErrUnreachable says that nobody answers at the server's address.
var ErrUnreachable = errors.New("the mail server cannot be reached")

// Message is one mail.
type Message struct {
	To            []mail.Address
	Subject, Body string
	ID            string // of letters, digits and hyphens: the same for what may be sent twice; "" makes one
}

// Server is where mail is handed in, and who sends it.
type Server struct {
	Addr string // host:port
	From mail.Address
}

// Send returns once the server has taken the message, with the number of
// recipients whom it refused; when it refuses all, nothing is sent. The
// connection is encrypted where the server offers it.
func (s Server) Send(ctx context.Context, m Message) (refused int, err error) {
	raw, err := s.compose(m, time.Now())
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	refused, err = s.converse(conn, m.To, raw)
	if err != nil && ctx.Err() != nil {
		return refused, fmt.Errorf("mail server: %w", context.Cause(ctx))
	}
	return refused, err
}

func (s Server) converse(conn net.Conn, to []mail.Address, raw []byte) (refused int, err error) {
	host, _, _ := net.SplitHostPort(s.Addr)
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		_ = conn.Close()
		return 0, said("greeting", err)
	}
	defer func() { _ = c.Close() }()
	if err := c.Hello(s.domain()); err != nil {
		return 0, said("greeting", err)
	}
	if ok, _ := c.Extension("STARTTLS"); ok {
		if err := c.StartTLS(&tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}); err != nil {
			return 0, said("encryption", err)
		}
	}
	if err := c.Mail(s.From.Address); err != nil {
		return 0, said("sender", err)
	}
	var last error
	for _, a := range to {
		switch err := c.Rcpt(a.Address); {
		case err != nil && !permanent(err):
			return 0, said("recipient", err)
		case err != nil:
			refused, last = refused+1, err
		}
	}
	if refused == len(to) {
		return refused, said("every recipient", last)
	}
	w, err := c.Data()
	if err == nil {
		if _, err = w.Write(raw); err == nil {
			err = w.Close()
		}
	}
	if err != nil {
		return refused, said("message", err)
	}
	_ = c.Quit() // it was taken already
	return refused, nil
}

func permanent(err error) bool {
	var answer *textproto.Error
	return errors.As(err, &answer) && answer.Code >= 500
}

// said leaves of a server's answer the code alone: the words tend to repeat addresses.
func said(what string, err error) error {
	var answer *textproto.Error
	if errors.As(err, &answer) {
		return fmt.Errorf("mail server: %s: answer %d", what, answer.Code)
	}
	var broken *net.OpError
	var cert *tls.CertificateVerificationError
	if errors.As(err, &broken) || errors.As(err, &cert) {
		return fmt.Errorf("mail server: %s: %w", what, err)
	}
	return fmt.Errorf("mail server: %s: the conversation broke off", what)
}

func (s Server) domain() string {
	_, domain, _ := strings.Cut(s.From.Address, "@")
	return domain
}

// compose writes the message as it travels.
func (s Server) compose(m Message, at time.Time) ([]byte, error) {
	if len(m.To) == 0 {
		return nil, errors.New("mail: nobody to write to")
	}
	var to []string
	for _, a := range m.To {
		if strings.ContainsAny(a.Address, "\r\n<> ") || !strings.Contains(a.Address, "@") {
			return nil, errors.New("mail: a recipient's address is none")
		}
		to = append(to, a.String())
	}
	var b bytes.Buffer
	for _, h := range [][2]string{
		{"From", s.From.String()},
		{"To", strings.Join(to, ",\r\n ")},
		{"Subject", mime.QEncoding.Encode("utf-8", m.Subject)},
		{"Date", at.Format(time.RFC1123Z)},
		{"Message-ID", "<" + cmp.Or(m.ID, rand.Text()) + "@" + s.domain() + ">"},
		{"Auto-Submitted", "auto-generated"},
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "quoted-printable"},
	} {
		b.WriteString(h[0] + ": " + h[1] + "\r\n")
	}
	b.WriteString("\r\n")
	w := quotedprintable.NewWriter(&b)
	if _, err := w.Write([]byte(m.Body)); err != nil {
		return nil, err
	}
	return b.Bytes(), w.Close()
}

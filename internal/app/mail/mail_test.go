package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"digione/internal/app/mail/catch"
)

var (
	from = mail.Address{Name: "DigiOne", Address: "ei-vastausta@digione.test"}
	maja = mail.Address{Name: "Mäja Åberg", Address: "maja@kunta.test"}
)

func TestSend(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mail")
	c, err := catch.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := catch.Listen("localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = c.Serve(l) }()
	t.Cleanup(func() { _ = c.Close() })
	s := Server{l.Addr().String(), from}
	const body = "Hyvää päivää\n.\n.piste\nGod dag, Åbo\n"
	if n, err := s.Send(context.Background(), Message{To: []mail.Address{maja}, Subject: "Määräpäivä\r\nBcc: x@y.test", Body: body}); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.eml"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	m, err := mail.ReadMessage(strings.NewReader(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	if to, err := m.Header.AddressList("To"); err != nil || len(to) != 1 || *to[0] != maja || m.Header.Get("Bcc") != "" || m.Header.Get("Message-Id") == "" {
		t.Errorf("header %v, %v", m.Header, err)
	}
	w := httptest.NewRecorder()
	c.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/"+filepath.Base(files[0]), nil))
	page, err := io.ReadAll(w.Body)
	if text := strings.ReplaceAll(string(page), "\r\n", "\n"); err != nil || !strings.Contains(text, strings.TrimSpace(body)) || !strings.Contains(text, "Määräpäivä") {
		t.Errorf("%s, %v", page, err)
	}
	for _, address := range []string{"", "maja", "a@b.test>\r\nRCPT TO:<c@d.test"} {
		if _, err := s.Send(context.Background(), Message{[]mail.Address{{Address: address}}, "s", "b", ""}); err == nil || strings.Contains(err.Error(), "b.test") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// fussy refuses some recipients, and repeats their addresses as servers do.
type fussy struct{ smtp.Session }

func (fussy) Reset()                               {}
func (fussy) Logout() error                        { return nil }
func (fussy) Mail(string, *smtp.MailOptions) error { return nil }
func (fussy) Data(r io.Reader) error               { _, err := io.Copy(io.Discard, r); return err }
func (fussy) Rcpt(to string, _ *smtp.RcptOptions) error {
	switch {
	case strings.HasPrefix(to, "gone"):
		return &smtp.SMTPError{Code: 550, Message: "no " + to}
	case strings.HasPrefix(to, "later"):
		return &smtp.SMTPError{Code: 450, Message: "not now " + to}
	}
	return nil
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	serve := func(cert *tls.Config) string {
		srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return fussy{}, nil }))
		srv.TLSConfig = cert
		l, err := net.Listen("tcp", "localhost:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = srv.Serve(l) }()
		t.Cleanup(func() { _ = srv.Close() })
		return l.Addr().String()
	}
	tlsOf := httptest.NewTLSServer(nil)
	t.Cleanup(tlsOf.Close)
	plain, encrypted := serve(nil), serve(tlsOf.TLS)
	for _, c := range []struct {
		addr, to string
		refused  int
		err      string
	}{
		{plain, "a@k.test", 0, ""},
		{plain, "a@k.test gone@k.test", 1, ""},
		{plain, "gone@k.test", 1, "every recipient: answer 550"},
		{plain, "a@k.test later@k.test", 0, "recipient: answer 450"},
		{encrypted, "a@k.test", 0, "encryption: "}, // a certificate that nobody vouches for
	} {
		var to []mail.Address
		for a := range strings.FieldsSeq(c.to) {
			to = append(to, mail.Address{Address: a})
		}
		n, err := Server{c.addr, from}.Send(context.Background(), Message{to, "s", "b", ""})
		if n != c.refused || (err == nil) != (c.err == "") || err != nil && (!strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "k.test")) {
			t.Errorf("%s: %d, %v", c.to, n, err)
		}
	}
	if _, err := (Server{"127.0.0.1:1", from}).Send(context.Background(), Message{[]mail.Address{maja}, "s", "b", ""}); !errors.Is(err, ErrUnreachable) {
		t.Errorf("nobody there: %v", err)
	}
}

// TestSilence: a server that says nothing does not hold us for ever.
func TestSilence(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := (Server{l.Addr().String(), from}).Send(ctx, Message{[]mail.Address{maja}, "s", "b", ""}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("silence: %v", err)
	}
}

package catch

import (
	"fmt"
	"io"
	"net/http/httptest"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jba/templatecheck"

	"digione/internal/app/web/htmlcheck"
)

func start(t *testing.T) (*Catcher, string) {
	t.Helper()
	c, err := New(filepath.Join(t.TempDir(), "mail"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := Listen("localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Serve(l) }()
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return c, l.Addr().String()
}

func get(t *testing.T, c *Catcher, path string) (int, htmlcheck.Doc, string) {
	t.Helper()
	w := httptest.NewRecorder()
	c.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	b, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, htmlcheck.Parse(t, string(b)), string(b)
}

const message = "From: DigiOne <ei-vastausta@digione.test>\r\nTo: =?utf-8?q?M=C3=A4kinen?= <m@digione.test>\r\nSubject: =?utf-8?q?Hei_=3Cb=3E_=C3=A4?=\r\n" +
	"MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n" +
	"--x\r\nContent-Type: text/html\r\n\r\n<script>alert(1)</script>\r\n" +
	"--x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<i>P=C3=A4iv=C3=A4=C3=A4</i>\r\n--x--\r\n"

func TestCatch(t *testing.T) {
	t.Parallel()
	c, addr := start(t)
	if _, doc, _ := get(t, c, "/"); len(doc.Texts("li")) != 0 {
		t.Error("mail before any was sent")
	}
	if err := smtp.SendMail(addr, nil, "a@digione.test", []string{"m@digione.test"}, []byte(message)); err != nil {
		t.Fatal(err)
	}
	_, doc, _ := get(t, c, "/")
	doc.Sound()
	doc.Says("li a", "Hei <b> ä")
	doc.Says("li", "Mäkinen")
	names, err := c.names()
	if err != nil || len(names) != 1 {
		t.Fatalf("%v, %v", names, err)
	}
	_, doc, raw := get(t, c, "/"+names[0])
	doc.Sound()
	doc.Says("h1", "Hei <b> ä")
	doc.Says("pre", "<i>Päivää</i>")
	if strings.Contains(raw, "<script") || strings.Contains(raw, "<i>") {
		t.Error("mail is shown as markup")
	}
	for _, path := range []string{"/nope.eml", "/..%2f..%2fetc%2fpasswd", "/" + names[0] + ".new"} {
		if code, _, _ := get(t, c, path); code != 404 {
			t.Errorf("%s: %d", path, code)
		}
	}
}

func TestKeepsTheNewest(t *testing.T) {
	t.Parallel()
	c, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for i := range kept + 3 {
		if err := c.keep(strings.NewReader(fmt.Sprintf("Subject: n%d\r\n\r\n.", i))); err != nil {
			t.Fatal(err)
		}
	}
	names, err := c.names()
	if err != nil || len(names) != kept {
		t.Fatalf("%d messages, %v", len(names), err)
	}
	b, err := os.ReadFile(filepath.Join(c.dir, names[len(names)-1]))
	if err != nil || !strings.Contains(string(b), "n3\r") {
		t.Errorf("the oldest is %q, %v", b, err)
	}
}

func TestListensOnThisMachineAlone(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "mail.example:25", "x"} {
		if l, err := Listen(addr); err == nil {
			l.Close()
			t.Errorf("listens on %s", addr)
		}
	}
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	if err := templatecheck.CheckHTML(page, Page{}); err != nil {
		t.Error(err)
	}
}

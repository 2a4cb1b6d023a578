package catch

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/mail"
	"net/textproto"
	"strings"
)

//go:embed pages.html
var pagesHTML string

var page = template.Must(template.New("pages").Parse(pagesHTML))

// Message is what a page shows of a message; all of it is text.
type Message struct {
	Name, Date, From, To, Subject string
	Body                          string // the plain text, or the source where there is none
}

// Page is all that pages.html may use.
type Page struct {
	List []Message
	One  *Message
}

const listed = 100

// Handler lists the messages at / and shows one at /<name>, below wherever it
// is mounted with http.StripPrefix.
func (c *Catcher) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", c.list)
	mux.HandleFunc("GET /{name}", c.one)
	return mux
}

func (c *Catcher) list(w http.ResponseWriter, _ *http.Request) {
	names, err := c.names()
	if err != nil {
		http.Error(w, "the folder cannot be read", http.StatusInternalServerError)
		return
	}
	var p Page
	for _, name := range names[:min(listed, len(names))] {
		if b, ok, _ := c.read(name); ok {
			m := parse(name, b)
			m.Body = ""
			p.List = append(p.List, m)
		}
	}
	show(w, p)
}

func (c *Catcher) one(w http.ResponseWriter, r *http.Request) {
	b, ok, err := c.read(r.PathValue("name"))
	if err != nil || !ok {
		http.NotFound(w, r)
		return
	}
	m := parse(r.PathValue("name"), b)
	show(w, Page{One: &m})
}

func show(w http.ResponseWriter, p Page) {
	var b bytes.Buffer
	if err := page.Execute(&b, p); err != nil {
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(b.Bytes())
}

func parse(name string, b []byte) Message {
	m := Message{Name: name, Body: string(b)}
	msg, err := mail.ReadMessage(bytes.NewReader(b))
	if err != nil {
		return m
	}
	word := func(key string) string {
		s := msg.Header.Get(key)
		if plain, err := new(mime.WordDecoder).DecodeHeader(s); err == nil {
			return plain
		}
		return s
	}
	m.Date, m.From, m.To, m.Subject = word("Date"), word("From"), word("To"), word("Subject")
	if text, ok := plainText(textproto.MIMEHeader(msg.Header), msg.Body, 0); ok {
		m.Body = text
	}
	return m
}

// plainText returns the first text/plain part.
func plainText(h textproto.MIMEHeader, body io.Reader, depth int) (string, bool) {
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	switch {
	case h.Get("Content-Type") == "" || err == nil && kind == "text/plain":
		b, err := io.ReadAll(decoded(h.Get("Content-Transfer-Encoding"), body))
		return string(b), err == nil
	case err == nil && strings.HasPrefix(kind, "multipart/") && depth < 5:
		parts := multipart.NewReader(body, params["boundary"])
		for {
			part, err := parts.NextRawPart()
			if err != nil {
				return "", false
			}
			if text, ok := plainText(part.Header, part, depth+1); ok {
				return text, true
			}
		}
	}
	return "", false
}

func decoded(encoding string, r io.Reader) io.Reader {
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		return quotedprintable.NewReader(r)
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, r)
	}
	return r
}

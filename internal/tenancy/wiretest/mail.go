package wiretest

import (
	"bufio"
	"net"
	"strings"
	"testing"
)

// Mail leads to a mail server through the wire: a message that is handed over is an
// effect, named "mail".
func (w *Wire) Mail(t testing.TB, addr string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	w.listeners = append(w.listeners, l)
	w.mu.Unlock()
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", addr)
			if err != nil {
				_ = client.Close()
				return
			}
			w.mu.Lock()
			w.conns = append(w.conns, client, server)
			w.mu.Unlock()
			go w.converse(client, server)
		}
	}()
	return l.Addr().String()
}

// converse passes a conversation on, in turns, as it is held.
func (w *Wire) converse(client, server net.Conn) {
	defer func() { _, _ = client.Close(), server.Close() }()
	asks, answers := bufio.NewReader(client), bufio.NewReader(server)
	var said []byte
	say := func() (err error) { said, err = answer(answers); return err }
	err := say()
	for err == nil {
		if _, err = client.Write(said); err != nil {
			return
		}
		content := strings.HasPrefix(string(said), "354")
		var asked []byte
		if asked, err = question(asks, content); err != nil {
			return
		}
		turn := func() error {
			if _, err := server.Write(asked); err != nil {
				return err
			}
			return say()
		}
		if content {
			err = w.Step("mail", turn)
		} else {
			err = turn()
		}
	}
}

// question reads what the program says: a line, or a whole message.
func question(r *bufio.Reader, content bool) (asked []byte, err error) {
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		if asked = append(asked, line...); !content || string(line) == ".\r\n" {
			return asked, nil
		}
	}
}

// answer reads an answer, of one line or several.
func answer(r *bufio.Reader) (said []byte, err error) {
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		if said = append(said, line...); len(line) < 4 || line[3] != '-' {
			return said, nil
		}
	}
}

package wiretest

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
)

// How round trips are named that run no statement.
const (
	prepared = "prepare: "
	copied   = "copy done"
)

// half is one connection through the wire.
type half struct {
	w              *Wire
	client, server net.Conn
	names          map[string]string // prepared statement -> its text
	mu             sync.Mutex
	mute           bool
	idle           chan struct{}
}

func message(r io.Reader) (kind byte, whole []byte, err error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, err
	}
	whole = make([]byte, 1+binary.BigEndian.Uint32(head[1:]))
	copy(whole, head)
	_, err = io.ReadFull(r, whole[5:])
	return head[0], whole, err
}

func cstring(b []byte) (string, []byte) {
	s, rest, _ := strings.Cut(string(b), "\x00")
	return s, []byte(rest)
}

// begin reads a connection's first message, which has no kind.
func (h *half) begin() ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(h.client, size[:]); err != nil {
		return nil, err
	}
	startup := make([]byte, binary.BigEndian.Uint32(size[:])-4)
	_, err := io.ReadFull(h.client, startup)
	return append(size[:], startup...), err
}

// group reads what the program sends until it waits for an answer, and says what
// that does, "" for nothing.
func (h *half) group(buf []byte) (group []byte, what string, err error) {
	var texts []string
	parsed := ""
	for {
		kind, whole, err := message(h.client)
		if err != nil {
			return nil, "", err
		}
		buf = append(buf, whole...)
		switch kind {
		case 'P': // parse: name, text
			name, rest := cstring(whole[5:])
			h.names[name], _ = cstring(rest)
			parsed = prepared + h.names[name]
		case 'B': // bind: portal, statement
			_, rest := cstring(whole[5:])
			name, _ := cstring(rest)
			texts = append(texts, h.names[name])
		case 'Q':
			text, _ := cstring(whole[5:])
			return buf, text, nil
		case 'c':
			return buf, copied, nil
		case 'S':
			if len(texts) == 0 {
				return buf, parsed, nil
			}
			return buf, strings.Join(texts, "; "), nil
		case 'p', 'X', 'H', 'd', 'f':
			return buf, "", nil
		}
	}
}

// requests passes on what the program sends, a group of messages at a time.
func (h *half) requests() {
	defer func() { _ = h.server.Close() }()
	group, err := h.begin()
	for err == nil {
		if _, err = h.server.Write(group); err != nil {
			return
		}
		var what string
		if group, what, err = h.group(group[:0]); err != nil {
			return
		}
		struck, dead := h.w.note(what)
		switch {
		case dead:
			return
		case struck && h.w.Mode == Cancel:
			h.w.Cancel()
		case struck:
			h.strike(group)
			return
		}
	}
}

// strike ends the connection, or the program, at a group.
func (h *half) strike(group []byte) {
	h.mu.Lock()
	h.mute = true
	h.mu.Unlock()
	if h.w.Mode != Before {
		_, _ = h.server.Write(group)
		<-h.idle
	}
	if h.w.Mode == Unheard {
		_ = h.client.Close()
		return
	}
	h.w.Kill()
}

// replies passes on what PostgreSQL answers, but not to a program that is dying.
func (h *half) replies() {
	defer func() { _ = h.client.Close() }()
	for {
		kind, whole, err := message(h.server)
		if err != nil {
			select {
			case h.idle <- struct{}{}:
			default:
			}
			return
		}
		h.mu.Lock()
		mute := h.mute
		h.mu.Unlock()
		switch {
		case mute && (kind == 'Z' || kind == 'G'): // it has answered, or waits for rows that will not come
			h.idle <- struct{}{}
			return
		case mute:
		default:
			if _, err := h.client.Write(whole); err != nil {
				return
			}
		}
	}
}

package seal_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"digione/internal/app/audit/seal"
)

type signer struct{ ed25519.PrivateKey }

func (s signer) Sign(m []byte) ([]byte, error) { return ed25519.Sign(s.PrivateKey, m), nil }
func (s signer) PublicKey() []byte             { return s.PrivateKey.Public().(ed25519.PublicKey) }

func newSigner(t *testing.T) signer {
	t.Helper()
	_, k, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return signer{k}
}

var t0 = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func events(n int) []seal.Event {
	out := make([]seal.Event, n)
	for i := range out {
		out[i] = seal.Event{ID: uuid.New(), At: t0.Add(time.Duration(i) * time.Microsecond), Actor: uuid.New(), ActorKind: "person", Action: "person.read", Target: uuid.New(), TargetKind: "person", Request: "r"}
	}
	return out
}

// file is a chain of three heads and one event that waits.
func file(t *testing.T, s seal.Signer) (string, []seal.Head) {
	t.Helper()
	var b bytes.Buffer
	w, err := seal.NewWriter(&b, seal.Title{Tenant: "tnt_a", Name: "Alfala", Exported: t0})
	if err != nil {
		t.Fatal(err)
	}
	var last seal.Head
	var heads []seal.Head
	for _, n := range []int{1, 5, 8} {
		ev := events(n)
		if last, err = seal.Next(last, "tnt_a", ev, t0, s); err != nil {
			t.Fatal(err)
		}
		heads = append(heads, last)
		if err := w.Batch(last, ev); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Pending(events(1)[0]), w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String(), heads
}

func TestVerify(t *testing.T) {
	t.Parallel()
	s, other := newSigner(t), newSigner(t)
	text, heads := file(t, s)
	r, err := seal.Verify(strings.NewReader(text), seal.Trust{Keys: [][]byte{s.PublicKey()}, Heads: map[int][]byte{2: heads[1].Hash}})
	if err != nil || r.Heads != 3 || r.Events != 14 || r.Pending != 1 || r.Last.Seq != 3 || len(r.Keys) != 1 || r.Tenant != "tnt_a" {
		t.Fatalf("%+v, %v", r, err)
	}
	lines := strings.SplitAfter(text, "\n") // 0 file, 1 head, 2 event, 3 head, 4-8 events, 9 head, 10-17, 18 pending, 19 end
	without := func(i int) string { return strings.Join(append(append([]string{}, lines[:i]...), lines[i+1:]...), "") }
	change := func(i int, old, new string) string {
		if !strings.Contains(lines[i], old) {
			t.Fatalf("line %d has no %s", i, old)
		}
		return strings.Join(append(append(append([]string{}, lines[:i]...), strings.Replace(lines[i], old, new, 1)), lines[i+1:]...), "")
	}
	swap := func(i, j int) string {
		l := append([]string{}, lines...)
		l[i], l[j] = l[j], l[i]
		return strings.Join(l, "")
	}
	foreign, _ := file(t, other)
	for name, c := range map[string]struct {
		text  string
		trust seal.Trust
		want  error // nil is any
	}{
		"an event's action changed":  {text: change(5, "person.read", "person.look"), want: seal.ErrEvents},
		"an event's time changed":    {text: change(5, ".000001Z", ".000002Z"), want: seal.ErrEvents},
		"an event taken away":        {text: without(5), want: seal.ErrEvents},
		"an event added":             {text: strings.Join(append(append(append([]string{}, lines[:6]...), lines[5]), lines[6:]...), ""), want: seal.ErrEvents},
		"two events changed places":  {text: swap(5, 6), want: seal.ErrEvents},
		"a batch taken away":         {text: strings.Join(append(append([]string{}, lines[:3]...), lines[9:]...), ""), want: seal.ErrChain},
		"the first batch taken away": {text: strings.Join(append(append([]string{}, lines[:1]...), lines[3:]...), ""), want: seal.ErrChain},
		"the last batch taken away":  {text: strings.Join(append(append([]string{}, lines[:9]...), lines[18:]...), "")},
		"a head's number changed":    {text: change(3, `"seq":2`, `"seq":3`), want: seal.ErrChain},
		"another tenant in a head":   {text: change(3, "tnt_a", "tnt_b"), want: seal.ErrHash},
		"the time of a head changed": {text: change(3, "08:00:00Z", "09:00:00Z"), want: seal.ErrHash},
		"cut":                        {text: strings.Join(lines[:12], "")},
		"cut before its end":         {text: without(19)},
		"a field that is not known":  {text: change(2, `"id"`, `"x":1,"id"`)},
		"another key":                {text: foreign, trust: seal.Trust{Keys: [][]byte{s.PublicKey()}}, want: seal.ErrKey},
		"another chain":              {text: foreign, trust: seal.Trust{Heads: map[int][]byte{2: heads[1].Hash}}, want: seal.ErrPinned},
		"an older file":              {text: text, trust: seal.Trust{Heads: map[int][]byte{4: heads[1].Hash}}},
		"nothing":                    {text: ""},
	} {
		if _, err := seal.Verify(strings.NewReader(c.text), c.trust); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// A head that is signed anew by another key, hash and all, verifies by itself; the
// key that is trusted tells.
func TestForged(t *testing.T) {
	t.Parallel()
	s, ev := newSigner(t), events(3)
	h, err := seal.Next(seal.Head{}, "tnt_a", ev, t0, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Check(seal.Head{}, ev); err != nil {
		t.Error(err)
	}
	h.PublicKey = newSigner(t).PublicKey()
	if err := h.Check(seal.Head{}, ev); !errors.Is(err, seal.ErrSignature) {
		t.Error(err)
	}
}

// Package seal makes audit events evident against change: batches of events under
// a Merkle root (RFC 6962), chained by their heads and signed by the tenant. It
// knows no database and nothing of the product, so that a file of events is
// verified anywhere, by a program of a few lines.
//
// A leaf is the event's fields in one order: id, time in microseconds, actor and
// target as fixed bytes (all zero where there is none), then each text with its
// length in front. A head is the SHA-256 of a few lines of text, which are also
// what is signed:
//
//	digione audit head 1
//	tenant:  tnt_…
//	seq:     12
//	events:  340
//	root:    hex of the Merkle root
//	before:  hex of the head before, zeros for the first
//	sealed:  2026-11-23T08:00:00Z
package seal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
)

// Event is one audit event as it is sealed.
type Event struct {
	ID         uuid.UUID `json:"id"`
	At         time.Time `json:"at"` // whole microseconds
	Actor      uuid.UUID `json:"actor"`
	ActorKind  string    `json:"actor_kind"`
	ActorRole  string    `json:"actor_role"`
	Action     string    `json:"action"`
	Target     uuid.UUID `json:"target"`
	TargetKind string    `json:"target_kind"`
	Reason     string    `json:"reason"`
	Request    string    `json:"request"`
}

// Leaf returns the hash of the event's place in the tree.
func (e Event) Leaf() []byte {
	var b bytes.Buffer
	b.Write(e.ID[:])
	_ = binary.Write(&b, binary.BigEndian, e.At.UnixMicro())
	b.Write(e.Actor[:])
	b.Write(e.Target[:])
	for _, s := range []string{e.ActorKind, e.ActorRole, e.Action, e.TargetKind, e.Reason, e.Request} {
		_ = binary.Write(&b, binary.BigEndian, uint32(len(s)))
		b.WriteString(s)
	}
	return rfc6962.DefaultHasher.HashLeaf(b.Bytes())
}

// Head is one link of a tenant's chain. Hashes are 32 bytes, PublicKey 32,
// Signature 64.
type Head struct {
	Tenant    string    `json:"tenant"`
	Seq       int       `json:"seq"` // from 1
	Events    int       `json:"events"`
	Root      []byte    `json:"root"`
	Before    []byte    `json:"before"`
	Sealed    time.Time `json:"sealed"` // whole microseconds
	Hash      []byte    `json:"hash"`
	PublicKey []byte    `json:"public_key"`
	Signature []byte    `json:"signature"`
}

// Text is what is hashed and signed.
func (h Head) Text() []byte {
	return fmt.Appendf(nil, "digione audit head 1\ntenant:  %s\nseq:     %d\nevents:  %d\nroot:    %x\nbefore:  %x\nsealed:  %s\n",
		h.Tenant, h.Seq, h.Events, h.Root, h.Before, h.Sealed.UTC().Format(time.RFC3339Nano))
}

// Signer signs for one tenant.
type Signer interface {
	Sign(message []byte) ([]byte, error)
	PublicKey() []byte
}

// Next seals events, in their order, after the head before; the zero Head for the
// first.
func Next(before Head, tenant string, events []Event, now time.Time, s Signer) (Head, error) {
	h := Head{Tenant: tenant, Seq: before.Seq + 1, Events: len(events), Before: before.Hash, Sealed: now.UTC().Truncate(time.Microsecond), PublicKey: s.PublicKey()}
	if before.Seq == 0 {
		h.Before = make([]byte, sha256.Size)
	}
	var err error
	if h.Root, err = Root(events); err != nil {
		return Head{}, err
	}
	sum := sha256.Sum256(h.Text())
	h.Hash = sum[:]
	h.Signature, err = s.Sign(h.Text())
	return h, err
}

// Root returns the Merkle root over the events' leaves.
func Root(events []Event) ([]byte, error) {
	r := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	for _, e := range events {
		if err := r.Append(e.Leaf(), nil); err != nil {
			return nil, fmt.Errorf("merkle tree: %w", err)
		}
	}
	if len(events) == 0 {
		return rfc6962.DefaultHasher.EmptyRoot(), nil
	}
	return r.GetRootHash(nil)
}

// What verification can find. Each is wrapped with the head's number.
var (
	ErrEvents    = errors.New("its events are not those that were sealed")
	ErrChain     = errors.New("it does not follow the head before it")
	ErrHash      = errors.New("its hash is not that of its text")
	ErrSignature = errors.New("its signature is not by its key")
	ErrKey       = errors.New("it is signed by a key that is not trusted")
	ErrPinned    = errors.New("it is not the head that was noted down")
)

// Check returns what is wrong with a head that follows before and seals events.
func (h Head) Check(before Head, events []Event) error {
	want := before.Hash
	if before.Seq == 0 {
		want = make([]byte, sha256.Size)
	}
	root, err := Root(events)
	sum := sha256.Sum256(h.Text())
	switch {
	case err != nil:
		return err
	case h.Seq != before.Seq+1 || !bytes.Equal(h.Before, want):
		err = ErrChain
	case h.Events != len(events) || !bytes.Equal(root, h.Root):
		err = ErrEvents
	case !bytes.Equal(sum[:], h.Hash):
		err = ErrHash
	case len(h.PublicKey) != ed25519.PublicKeySize || !ed25519.Verify(h.PublicKey, h.Text(), h.Signature):
		err = ErrSignature
	}
	if err != nil {
		return fmt.Errorf("head %d: %w", h.Seq, err)
	}
	return nil
}

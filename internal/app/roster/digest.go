package roster

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math/bits"
	"slices"
	"strings"

	"golang.org/x/crypto/blake2b"

	"digione/internal/app/roster/oneroster"
	"digione/internal/tenancy/keys"
)

// key stands for a sourcedId in the maps of a run: 128 bits without pointers, so
// that hundreds of thousands cost the garbage collector nothing.
type key [16]byte

func keyOf(id string) (k key) {
	sum := sha256.Sum256([]byte(id))
	copy(k[:], sum[:])
	return k
}

// rowHash is a row's keyed hash. It is keyed by the tenant: a plain hash would
// let anyone with the table try out every hetu.
type rowHash [16]byte

// digest sums hashes without regard to order: what is read from the database in
// any order has one digest.
type digest struct{ lo, hi uint64 }

func (d *digest) add(parts ...[]byte) {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	var sum [32]byte
	h.Sum(sum[:0])
	d.sum(digest{binary.LittleEndian.Uint64(sum[:8]), binary.LittleEndian.Uint64(sum[8:16])})
}

func (d *digest) sum(o digest) {
	var carry uint64
	d.lo, carry = bits.Add64(d.lo, o.lo, 0)
	d.hi, _ = bits.Add64(d.hi, o.hi, carry)
}

func (d digest) bytes() []byte {
	b := binary.LittleEndian.AppendUint64(nil, d.lo)
	return binary.LittleEndian.AppendUint64(b, d.hi)
}

func (d digest) String() string { return hex.EncodeToString(d.bytes()) }

func digestOf(b []byte) (d digest) {
	if len(b) == 16 {
		d.lo, d.hi = binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:])
	}
	return d
}

// hasher computes row hashes; one per run, not for concurrent use.
type hasher struct {
	keyed hash.Hash
	buf   []byte
}

// newHasher derives the key of row hashes from the tenant's: it never rotates,
// or every row would look changed.
func newHasher(k *keys.Keyset) (hasher, error) {
	var key []byte
	for _, part := range []string{"roster row 1", "roster row 2"} {
		b, err := k.Hash([]byte(part))
		if err != nil {
			return hasher{}, fmt.Errorf("derive key of row hashes: %w", err)
		}
		key = append(key, b...)
	}
	h, err := blake2b.New(len(rowHash{}), key)
	return hasher{keyed: h}, err
}

// row hashes what a record says, without its id, status and date: those are the
// state of the record, not its content.
func (h *hasher) row(r *oneroster.Record) (out rowHash) {
	b := append(h.buf[:0], r.Table.Type...)
	for _, f := range r.Fields {
		b = append(append(b, 0), f...)
	}
	for _, m := range sortedMeta(r.Meta) {
		if m.Value != "" {
			b = append(append(append(append(b, 1), m.Name...), 2), m.Value...)
		}
	}
	h.keyed.Reset()
	_, _ = h.keyed.Write(b) // a hash never fails
	h.buf = b
	h.keyed.Sum(out[:0])
	return out
}

// sortedMeta gives metadata in the order of names: their order in the file says
// nothing.
func sortedMeta(m []oneroster.Meta) []oneroster.Meta {
	byName := func(a, b oneroster.Meta) int { return strings.Compare(a.Name, b.Name) }
	if slices.IsSortedFunc(m, byName) {
		return m
	}
	m = slices.Clone(m)
	slices.SortFunc(m, byName)
	return m
}

package oneroster

import "hash/maphash"

// key stands for an id: 128 bits without pointers, so that a map of a million
// costs little and the garbage collector passes over it. The seeds are new in
// every process; nobody can prepare two ids with one key.
type key [2]uint64

var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func keyOf(s string) key {
	return key{maphash.String(seeds[0], s), maphash.String(seeds[1], s)}
}

// keyOfAll stands for several keys in their order.
func keyOfAll(keys ...key) key {
	var b [64]byte
	out := b[:0]
	for _, k := range keys {
		for _, half := range k {
			out = append(out, byte(half), byte(half>>8), byte(half>>16), byte(half>>24),
				byte(half>>32), byte(half>>40), byte(half>>48), byte(half>>56))
		}
	}
	return key{maphash.Bytes(seeds[0], out), maphash.Bytes(seeds[1], out)}
}

// seen is what is kept of every row. A row that cannot be trusted is kept too:
// what refers to it is not to be reported again.
type seen struct {
	line  uint32
	kind  uint8 // a place in checker.kinds, 0 for none or not known
	flags uint8
}

const (
	flagDeleted = 1 << iota // status tobedeleted
	flagBroken              // the row has errors of its form
)

// session is kept of every academic session; there are few.
type session struct {
	parent   string
	from, to string
}

// class is kept of every class, for its enrollments.
type class struct {
	school   string
	from, to string // from the first term's begin to the last one's end; empty when not known
	primary  []span // of its primary teachers
}

type span struct{ from, to string }

func (s span) meets(o span) bool {
	return (s.to == "" || o.from == "" || o.from < s.to) && (o.to == "" || s.from == "" || s.from < o.to)
}

// Package fault gives an error the one thing that an HTTP answer, a CLI exit
// code and a retry need to know: its kind. Everything else stays ordinary Go.
// It writes no table and knows no other package of the house.
package fault

import (
	"errors"
	"fmt"
)

// Kind is what went wrong, as seen from the caller.
type Kind uint8

// The kinds. The zero kind is Internal, so that what nobody classified is never
// shown to a user.
const (
	Internal  Kind = iota // ours; the user sees no detail
	Invalid               // the input; the user can fix it
	NotFound              // absent, or not for this actor to see
	Forbidden             // known, and not allowed
	Conflict              // it changed meanwhile, or is in use now
)

type fault struct {
	kind Kind
	key  string
	err  error
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// New returns an error of a kind. key names the sentence in i18n that the user
// sees; the formatted text is for the log and the CLI.
func New(kind Kind, key, format string, args ...any) error {
	return &fault{kind, key, fmt.Errorf(format, args...)}
}

// KindOf returns the kind of the outermost classified error in the chain, and
// Internal when there is none.
func KindOf(err error) Kind {
	if f := (*fault)(nil); errors.As(err, &f) {
		return f.kind
	}
	return Internal
}

// Key returns the message key, "error.internal" for unclassified errors.
func Key(err error) string {
	if f := (*fault)(nil); errors.As(err, &f) {
		return f.key
	}
	return "error.internal"
}

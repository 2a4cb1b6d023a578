package identity

import "net/http"

// refusal is a sign-in that ended without a session, as the person is told it.
type refusal struct {
	code        string // in the log and the audit event; nothing of a person
	status      int
	title, help string // keys
	again       bool   // whether the same provider is worth another try
	other       bool   // whether another account may do better
	cause       error  // for the log; never holds a token or a claim
}

func (r *refusal) Error() string {
	if r.cause != nil {
		return "sign-in refused: " + r.code + ": " + r.cause.Error()
	}
	return "sign-in refused: " + r.code
}

func (r *refusal) Unwrap() error { return r.cause }

func because(r refusal, cause error) error {
	r.cause = cause
	return &r
}

// Unlisted refuses somebody whom the provider vouches for and the realm does not
// list.
func Unlisted() error { return because(notListed, nil) }

// The refusals.
var (
	stateUnknown = refusal{
		code: "state", status: http.StatusBadRequest,
		title: "identity.state", help: "identity.state.help",
	}
	cancelled = refusal{
		code: "cancelled", status: http.StatusForbidden, again: true,
		title: "identity.cancelled", help: "identity.cancelled.help",
	}
	providerError = refusal{
		code: "provider", status: http.StatusForbidden, again: true,
		title: "identity.provider", help: "identity.provider.help",
	}
	untrusted = refusal{
		code: "token", status: http.StatusForbidden, again: true,
		title: "identity.untrusted", help: "identity.untrusted.help",
	}
	outage = refusal{
		code: "outage", status: http.StatusServiceUnavailable, again: true,
		title: "identity.outage", help: "identity.outage.help",
	}
	nobody = refusal{
		code: "nobody", status: http.StatusForbidden, other: true,
		title: "identity.nobody", help: "identity.nobody.help",
	}
	several = refusal{
		code: "several", status: http.StatusForbidden, other: true,
		title: "identity.several", help: "identity.several.help",
	}
	notOpen = refusal{
		code: "notopen", status: http.StatusForbidden, other: true,
		title: "identity.notopen", help: "identity.notopen.help",
	}
	elsewhere = refusal{
		code: "elsewhere", status: http.StatusForbidden, other: true,
		title: "identity.elsewhere", help: "identity.elsewhere.help",
	}
	notMeant = refusal{
		code: "notmeant", status: http.StatusForbidden,
		title: "identity.notmeant", help: "identity.notmeant.help",
	}
	notListed = refusal{
		code: "unlisted", status: http.StatusForbidden, other: true,
		title: "identity.unlisted", help: "identity.unlisted.help",
	}
	withoutRole = refusal{
		code: "norole", status: http.StatusForbidden, other: true,
		title: "identity.norole", help: "identity.norole.help",
	}
)

package identity

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"digione/internal/tenancy"
)

const tokenLen = 43 // 32 bytes in base64

// newToken returns 256 random bits as text.
func newToken() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// hashOf is what the database keeps of a token or a state.
func hashOf(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// newState makes a state that only the browser with this secret can bring back:
// the provider and whoever reads the address see the state, never the secret.
func newState(browser string, tenant tenancy.ID) string {
	salt := newToken()
	return salt + "." + seal(browser, tenant, salt)
}

func stateOf(browser string, tenant tenancy.ID, state string) bool {
	salt, sum, ok := strings.Cut(state, ".")
	return ok && len(browser) == tokenLen && hmac.Equal([]byte(sum), []byte(seal(browser, tenant, salt)))
}

func seal(browser string, tenant tenancy.ID, salt string) string {
	m := hmac.New(sha256.New, []byte(browser))
	m.Write([]byte(string(tenant) + "\x00" + salt))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

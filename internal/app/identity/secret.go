package identity

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

const tokenLen = 43 // 32 bytes in base64

// NewToken returns 256 random bits as text.
func NewToken() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// HashOf is what the database keeps of a token or a state.
func HashOf(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// newState makes a state that only the browser with this secret can bring back:
// the provider and whoever reads the address see the state, never the secret.
func newState(browser string, realm string) string {
	salt := NewToken()
	return salt + "." + seal(browser, realm, salt)
}

func stateOf(browser string, realm string, state string) bool {
	salt, sum, ok := strings.Cut(state, ".")
	return ok && len(browser) == tokenLen && hmac.Equal([]byte(sum), []byte(seal(browser, realm, salt)))
}

func seal(browser string, realm string, salt string) string {
	m := hmac.New(sha256.New, []byte(browser))
	m.Write([]byte(realm + "\x00" + salt))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

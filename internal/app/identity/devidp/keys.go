package devidp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// KeyFile is the file in Config.Dir: a JSON web key set with private keys, the
// first of which signs.
const KeyFile = "devidp-keys.json"

// keyring holds the key that signs and the one before it.
type keyring struct {
	file string
	mu   sync.Mutex
	set  jose.JSONWebKeySet
}

func openKeys(dir string) (*keyring, error) {
	k := &keyring{file: filepath.Join(dir, KeyFile)}
	b, err := os.ReadFile(k.file)
	if errors.Is(err, fs.ErrNotExist) {
		return k, k.rotate()
	}
	if err == nil {
		err = json.Unmarshal(b, &k.set)
	}
	if err == nil && (len(k.set.Keys) == 0 || k.set.Keys[0].IsPublic()) {
		err = errors.New("no private key in it")
	}
	if err != nil {
		return nil, fmt.Errorf("read keys: %w; delete %s to make new ones", err, KeyFile)
	}
	return k, nil
}

func (k *keyring) rotate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	var id [8]byte
	rand.Read(id[:])
	k.mu.Lock()
	defer k.mu.Unlock()
	next := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: hex.EncodeToString(id[:]), Algorithm: string(jose.ES256), Use: "sig"}}}
	if len(k.set.Keys) > 0 {
		next.Keys = append(next.Keys, k.set.Keys[0])
	}
	if err := write(k.file, next); err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	k.set = next
	return nil
}

func write(file string, set jose.JSONWebKeySet) error {
	b, err := json.Marshal(set)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

func (k *keyring) current() signingKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	return signingKey{k.set.Keys[0]}
}

func (k *keyring) public() []op.Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []op.Key
	for _, key := range k.set.Keys {
		out = append(out, publicKey{key.Public()})
	}
	return out
}

// signingKey and publicKey are the keys as the library wants them.
type signingKey struct{ key jose.JSONWebKey }

func (s signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (s signingKey) Key() any                                    { return s.key.Key }
func (s signingKey) ID() string                                  { return s.key.KeyID }

type publicKey struct{ key jose.JSONWebKey }

func (p publicKey) ID() string                         { return p.key.KeyID }
func (p publicKey) Algorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (p publicKey) Use() string                        { return "sig" }
func (p publicKey) Key() any                           { return p.key.Key }

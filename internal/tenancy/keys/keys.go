// Package keys keeps one keyset per tenant: for values (AEAD), for files
// (streaming AEAD), for keyed hashes and for signatures (Ed25519). A keyset is
// stored only wrapped by the installation's master key with the tenant as
// associated data, so that another tenant's keyset never opens in its place. It
// writes no table.
package keys

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/signature"
	"github.com/tink-crypto/tink-go/v2/signature/ed25519"
	"github.com/tink-crypto/tink-go/v2/streamingaead"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Master wraps and unwraps keysets: a key file in development, AWS KMS in
// production. The associated data is the tenant's id.
type Master interface {
	Encrypt(plaintext, associated []byte) ([]byte, error)
	Decrypt(ciphertext, associated []byte) ([]byte, error)
}

// Keyset holds a tenant's opened keys. It is safe for concurrent use.
type Keyset struct {
	handles handles
	values  tink.AEAD
	files   tink.StreamingAEAD
	hashes  *prf.Set
	signs   tink.Signer
	public  []byte
}

type handles [4]*keyset.Handle

// wrapped is the stored form: each keyset encrypted by the master key.
type wrapped struct {
	Values []byte `json:"values"`
	Files  []byte `json:"files"`
	Hashes []byte `json:"hashes"`
	Signs  []byte `json:"signs"`
}

// A signature has no prefix of the library's: whoever verifies needs nothing but Ed25519.
func templates() [4]*tinkpb.KeyTemplate {
	return [4]*tinkpb.KeyTemplate{aead.AES256GCMKeyTemplate(), streamingaead.AES256GCMHKDF1MBKeyTemplate(), prf.HMACSHA256PRFKeyTemplate(),
		signature.ED25519KeyWithoutPrefixTemplate()}
}

// New makes a fresh keyset.
func New() (*Keyset, error) {
	var hs handles
	for i, t := range templates() {
		h, err := keyset.NewHandle(t)
		if err != nil {
			return nil, fmt.Errorf("make keyset: %w", err)
		}
		hs[i] = h
	}
	return open(hs)
}

// Rotate returns a keyset that encrypts with new keys and still reads what the
// old ones wrote. The hash key stays: what was found by hash must be found again.
func (k *Keyset) Rotate() (*Keyset, error) {
	hs := k.handles
	for i, t := range templates() {
		if i == 2 {
			continue
		}
		m := keyset.NewManager()
		if hs[i] != nil {
			m = keyset.NewManagerFromHandle(hs[i])
		}
		id, err := m.Add(t)
		if err == nil {
			err = m.SetPrimary(id)
		}
		if err == nil {
			hs[i], err = m.Handle()
		}
		if err != nil {
			return nil, fmt.Errorf("rotate keyset: %w", err)
		}
	}
	return open(hs)
}

// HashKey returns the key of hashes, unwrapped: for an export alone, which holds
// all that it hides anyway.
func (k *Keyset) HashKey() ([]byte, error) {
	var b bytes.Buffer
	if err := insecurecleartextkeyset.Write(k.handles[2], keyset.NewBinaryWriter(&b)); err != nil {
		return nil, fmt.Errorf("export hash key: %w", err)
	}
	return b.Bytes(), nil
}

// WithHashKey returns a keyset that hashes by another one's key, so that what was
// found by a hash is found again in a restored tenant.
func (k *Keyset) WithHashKey(b []byte) (*Keyset, error) {
	hs := k.handles
	var err error
	if hs[2], err = insecurecleartextkeyset.Read(keyset.NewBinaryReader(bytes.NewReader(b))); err != nil {
		return nil, fmt.Errorf("read hash key: %w", err)
	}
	return open(hs)
}

func open(hs handles) (*Keyset, error) {
	k := &Keyset{handles: hs}
	var err error
	if k.values, err = aead.New(hs[0]); err != nil {
		return nil, fmt.Errorf("open keyset: %w", err)
	}
	if k.files, err = streamingaead.New(hs[1]); err != nil {
		return nil, fmt.Errorf("open keyset: %w", err)
	}
	if k.hashes, err = prf.NewPRFSet(hs[2]); err != nil {
		return nil, fmt.Errorf("open keyset: %w", err)
	}
	if hs[3] == nil {
		return k, nil
	}
	if k.signs, err = signature.NewSigner(hs[3]); err != nil {
		return nil, fmt.Errorf("open keyset: %w", err)
	}
	k.public, err = publicKey(hs[3])
	return k, err
}

func publicKey(h *keyset.Handle) ([]byte, error) {
	e, err := h.Primary()
	if err != nil {
		return nil, fmt.Errorf("open keyset: %w", err)
	}
	private, ok := e.Key().(*ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("open keyset: no Ed25519 key for signatures")
	}
	public, err := private.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("open keyset: %w", err)
	}
	return public.(*ed25519.PublicKey).KeyBytes(), nil
}

// Wrap returns the stored form for a tenant.
func (k *Keyset) Wrap(m Master, tenant string) ([]byte, error) {
	var out [4][]byte
	for i, h := range k.handles {
		if h == nil {
			continue
		}
		var b bytes.Buffer
		if err := h.WriteWithAssociatedData(keyset.NewBinaryWriter(&b), m, []byte(tenant)); err != nil {
			return nil, fmt.Errorf("wrap keyset: %w", err)
		}
		out[i] = b.Bytes()
	}
	return json.Marshal(wrapped{out[0], out[1], out[2], out[3]})
}

// Unwrap opens the stored form; it fails for another tenant or another master key.
func Unwrap(m Master, tenant string, stored []byte) (*Keyset, error) {
	var w wrapped
	if err := json.Unmarshal(stored, &w); err != nil {
		return nil, fmt.Errorf("read keyset of %s: %w", tenant, err)
	}
	var hs handles
	for i, b := range [][]byte{w.Values, w.Files, w.Hashes, w.Signs} {
		if i == 3 && len(b) == 0 { // stored before keysets could sign
			continue
		}
		h, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(b)), m, []byte(tenant))
		if err != nil {
			return nil, fmt.Errorf("open keyset of %s: %w; is this the master key it was made with?", tenant, err)
		}
		hs[i] = h
	}
	return open(hs)
}

// Seal encrypts a small value; context (table and column) must be given again to open it.
func (k *Keyset) Seal(plain []byte, context string) ([]byte, error) {
	return k.values.Encrypt(plain, []byte(context))
}

// Open decrypts what Seal made with the same context.
func (k *Keyset) Open(sealed []byte, context string) ([]byte, error) {
	return k.values.Decrypt(sealed, []byte(context))
}

// Writer encrypts a file; Close it to finish the file.
func (k *Keyset) Writer(w io.Writer, context string) (io.WriteCloser, error) {
	return k.files.NewEncryptingWriter(w, []byte(context))
}

// Reader decrypts a file; any tampering ends in an error while reading.
func (k *Keyset) Reader(r io.Reader, context string) (io.Reader, error) {
	return k.files.NewDecryptingReader(r, []byte(context))
}

// Hash returns 16 bytes by which equal values of this tenant are found without
// being readable: the same value has another hash in another tenant.
func (k *Keyset) Hash(value []byte) ([]byte, error) {
	return k.hashes.ComputePrimaryPRF(value, 16)
}

// Sign returns the 64 bytes of an Ed25519 signature.
func (k *Keyset) Sign(message []byte) ([]byte, error) {
	if k.signs == nil {
		return nil, ErrUnsigned
	}
	return k.signs.Sign(message)
}

// ErrUnsigned says that a keyset was made before keysets could sign.
var ErrUnsigned = errors.New("the tenant has no key for signatures: tenantctl tenant rotate-keys makes one")

// PublicKey returns the 32 bytes by which signatures of Sign are verified, until the
// keys are rotated.
func (k *Keyset) PublicKey() []byte { return bytes.Clone(k.public) }

package keys

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/subtle/random"
)

// File returns the master key in a file, making it when there is none. It is
// for development and small installations: who reads the file reads everything.
func File(path string) (Master, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		b, err = makeFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read master key: %w", err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(key) != 32 {
		return nil, fmt.Errorf("master key %s: want 32 bytes in base64; restore the file from its backup", path)
	}
	return subtle.NewAESGCM(key)
}

// makeFile writes beside and links into place: of two that race one wins, and
// both read the winner's key.
func makeFile(path string) ([]byte, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".key-*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	if _, err := tmp.WriteString(base64.StdEncoding.EncodeToString(random.GetRandomBytes(32)) + "\n"); err != nil {
		return nil, err
	}
	if err := errors.Join(tmp.Sync(), tmp.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.ReadFile(path)
}

// KMSClient is the part of AWS KMS that wraps keysets.
type KMSClient interface {
	Encrypt(ctx context.Context, in *kms.EncryptInput, o ...func(*kms.Options)) (*kms.EncryptOutput, error)
	Decrypt(ctx context.Context, in *kms.DecryptInput, o ...func(*kms.Options)) (*kms.DecryptOutput, error)
}

// KMS returns the master key that AWS KMS holds under an id, ARN or alias. The
// tenant goes along as encryption context, so that it stands in CloudTrail too.
func KMS(c KMSClient, key string) Master { return kmsMaster{c, key} }

type kmsMaster struct {
	client KMSClient
	key    string
}

const kmsTimeout = 10 * time.Second

func (m kmsMaster) Encrypt(plain, associated []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), kmsTimeout)
	defer cancel()
	out, err := m.client.Encrypt(ctx, &kms.EncryptInput{KeyId: &m.key, Plaintext: plain, EncryptionContext: tenantContext(associated)})
	if err != nil {
		return nil, m.explain("Encrypt", err)
	}
	return out.CiphertextBlob, nil
}

func (m kmsMaster) Decrypt(sealed, associated []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), kmsTimeout)
	defer cancel()
	out, err := m.client.Decrypt(ctx, &kms.DecryptInput{KeyId: &m.key, CiphertextBlob: sealed, EncryptionContext: tenantContext(associated)})
	if err != nil {
		return nil, m.explain("Decrypt", err)
	}
	return out.Plaintext, nil
}

func (m kmsMaster) explain(call string, err error) error {
	return fmt.Errorf("kms:%s with key %s: %w; check that KMS can be reached and that the role may use the key, then try again", call, m.key, err)
}

func tenantContext(associated []byte) map[string]string {
	return map[string]string{"digione:tenant": string(associated)}
}

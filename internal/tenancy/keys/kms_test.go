package keys_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"digione/internal/tenancy/keys"
)

// kmsStand speaks the part of the KMS protocol that wraps keys, and holds to the
// encryption context as KMS does.
type kmsStand struct {
	down  atomic.Bool
	calls atomic.Int64
}

type kmsMessage struct {
	KeyId             string //nolint:revive // the wire's name
	Plaintext         []byte
	CiphertextBlob    []byte
	EncryptionContext map[string]string
}

type kmsSealed struct {
	Key     string
	Context map[string]string
	Plain   []byte
}

func (s *kmsStand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.calls.Add(1)
	fail := func(status int, kind, text string) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": kind, "message": text})
	}
	if s.down.Load() {
		fail(http.StatusServiceUnavailable, "KMSInternalException", "no")
		return
	}
	var in kmsMessage
	if json.NewDecoder(r.Body).Decode(&in) != nil || !strings.Contains(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKTEST/") {
		fail(http.StatusBadRequest, "ValidationException", "bad request")
		return
	}
	var out kmsMessage
	switch r.Header.Get("X-Amz-Target") {
	case "TrentService.Encrypt":
		if len(in.Plaintext) > 4096 {
			fail(http.StatusBadRequest, "ValidationException", "plaintext is longer than 4096 bytes")
			return
		}
		blob, _ := json.Marshal(kmsSealed{in.KeyId, in.EncryptionContext, in.Plaintext})
		out = kmsMessage{KeyId: in.KeyId, CiphertextBlob: blob}
	case "TrentService.Decrypt":
		var sealed kmsSealed
		if json.Unmarshal(in.CiphertextBlob, &sealed) != nil || sealed.Key != in.KeyId || !maps.Equal(sealed.Context, in.EncryptionContext) {
			fail(http.StatusBadRequest, "InvalidCiphertextException", "")
			return
		}
		out = kmsMessage{KeyId: in.KeyId, Plaintext: sealed.Plain}
	default:
		fail(http.StatusBadRequest, "UnknownOperationException", r.Header.Get("X-Amz-Target"))
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_ = json.NewEncoder(w).Encode(out)
}

// kmsMaster is the real client, pointed at the stand-in.
func kmsMaster(t *testing.T, key string) (keys.Master, *kmsStand) {
	t.Helper()
	stand := &kmsStand{}
	server := httptest.NewServer(stand)
	t.Cleanup(server.Close)
	cfg, err := config.LoadDefaultConfig(context.Background(), config.WithRegion("eu-north-1"), config.WithBaseEndpoint(server.URL),
		config.WithRetryMaxAttempts(2), config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("AKTEST", "secret", "")))
	if err != nil {
		t.Fatal(err)
	}
	return keys.KMS(kms.NewFromConfig(cfg), key), stand
}

func TestKMS(t *testing.T) {
	t.Parallel()
	m, stand := kmsMaster(t, "alias/digione")
	k := fresh(t)
	for range 12 { // a keyset that has been rotated for years still fits
		var err error
		if k, err = k.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := k.Wrap(m, "tnt_a")
	if err != nil {
		t.Fatal(err)
	}
	back, err := keys.Unwrap(m, "tnt_a", stored)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := back.Open(seal(t, k, "secret", "c"), "c"); err != nil || string(got) != "secret" {
		t.Errorf("%q, %v", got, err)
	}
	if n := stand.calls.Load(); n != 8 {
		t.Errorf("%d calls, want four to wrap and four to unwrap", n)
	}
	if _, err := keys.Unwrap(m, "tnt_b", stored); err == nil || !strings.Contains(err.Error(), "InvalidCiphertext") {
		t.Errorf("another tenant's context: %v", err)
	}
	foreign, _ := kmsMaster(t, "alias/other")
	if _, err := keys.Unwrap(foreign, "tnt_a", stored); err == nil {
		t.Error("another key opened it")
	}
}

func TestKMSOutage(t *testing.T) {
	t.Parallel()
	m, stand := kmsMaster(t, "alias/digione")
	stored, err := fresh(t).Wrap(m, "tnt_a")
	if err != nil {
		t.Fatal(err)
	}
	stand.down.Store(true)
	_, wrap := fresh(t).Wrap(m, "tnt_a")
	_, unwrap := keys.Unwrap(m, "tnt_a", stored)
	for _, err := range []error{wrap, unwrap} {
		if err == nil || !strings.Contains(err.Error(), "alias/digione") || !strings.Contains(err.Error(), "try again") || !strings.Contains(err.Error(), "kms:") {
			t.Errorf("an outage: %v", err)
		}
	}
	stand.down.Store(false)
	if _, err := keys.Unwrap(m, "tnt_a", stored); err != nil {
		t.Errorf("after it: %v", err)
	}
}

package keys_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"digione/internal/tenancy/keys"
)

func fileMaster(t *testing.T) keys.Master {
	t.Helper()
	m, err := keys.File(filepath.Join(t.TempDir(), "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func fresh(t *testing.T) *keys.Keyset {
	t.Helper()
	k, err := keys.New()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func seal(t *testing.T, k *keys.Keyset, plain, context string) []byte {
	t.Helper()
	b, err := k.Seal([]byte(plain), context)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func encryptFile(t *testing.T, k *keys.Keyset, plain []byte, context string) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := k.Writer(&b, context)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decryptFile(k *keys.Keyset, sealed []byte, context string) ([]byte, error) {
	r, err := k.Reader(bytes.NewReader(sealed), context)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

func TestWrap(t *testing.T) {
	t.Parallel()
	m := fileMaster(t)
	k := fresh(t)
	stored, err := k.Wrap(m, "tnt_a")
	if err != nil {
		t.Fatal(err)
	}
	back, err := keys.Unwrap(m, "tnt_a", stored)
	if err != nil {
		t.Fatal(err)
	}
	sealed := seal(t, k, "010101-123N", "person.hetu")
	if plain, err := back.Open(sealed, "person.hetu"); err != nil || string(plain) != "010101-123N" {
		t.Errorf("opened by the unwrapped keyset: %q, %v", plain, err)
	}
	for name, try := range map[string]func() error{
		"another tenant":     func() error { _, err := keys.Unwrap(m, "tnt_b", stored); return err },
		"no tenant":          func() error { _, err := keys.Unwrap(m, "", stored); return err },
		"another master key": func() error { _, err := keys.Unwrap(fileMaster(t), "tnt_a", stored); return err },
		"a damaged keyset":   func() error { _, err := keys.Unwrap(m, "tnt_a", stored[:len(stored)-9]); return err },
		"none":               func() error { _, err := keys.Unwrap(m, "tnt_a", nil); return err },
	} {
		if err := try(); err == nil || !strings.Contains(err.Error(), "keyset of tnt_") && name != "no tenant" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if bytes.Contains(stored, []byte("AesGcm")) && bytes.Contains(stored, []byte("key_value")) {
		t.Error("the stored form shows key material")
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	k, other := fresh(t), fresh(t)
	sealed := seal(t, k, "secret", "person.hetu")
	if again := seal(t, k, "secret", "person.hetu"); bytes.Equal(sealed, again) {
		t.Error("equal values are sealed equally")
	}
	flipped := bytes.Clone(sealed)
	flipped[len(flipped)/2] ^= 1
	for name, err := range map[string]error{
		"another column": second(k.Open(sealed, "person.phone")),
		"another tenant": second(other.Open(sealed, "person.hetu")),
		"tampered":       second(k.Open(flipped, "person.hetu")),
		"cut":            second(k.Open(sealed[:8], "person.hetu")),
	} {
		if err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

func second(_ []byte, err error) error { return err }

func TestFiles(t *testing.T) {
	t.Parallel()
	k, other := fresh(t), fresh(t)
	plain := bytes.Repeat([]byte("abcdefgh"), 300_000) // more than two segments
	sealed := encryptFile(t, k, plain, "import/1")
	if got, err := decryptFile(k, sealed, "import/1"); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("read back %d bytes: %v", len(got), err)
	}
	flipped := bytes.Clone(sealed)
	flipped[len(flipped)-20] ^= 1
	for name, try := range map[string]func() ([]byte, error){
		"another file":   func() ([]byte, error) { return decryptFile(k, sealed, "import/2") },
		"another tenant": func() ([]byte, error) { return decryptFile(other, sealed, "import/1") },
		"tampered":       func() ([]byte, error) { return decryptFile(k, flipped, "import/1") },
		"cut":            func() ([]byte, error) { return decryptFile(k, sealed[:len(sealed)-1<<20], "import/1") },
	} {
		if _, err := try(); err == nil {
			t.Errorf("%s: read to its end", name)
		}
	}
	if got, err := decryptFile(k, encryptFile(t, k, nil, "x"), "x"); err != nil || len(got) != 0 {
		t.Errorf("an empty file: %d bytes, %v", len(got), err)
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	k, other := fresh(t), fresh(t)
	a, err := k.Hash([]byte("010101-123N"))
	if err != nil || len(a) != 16 {
		t.Fatalf("%x, %v", a, err)
	}
	again, _ := k.Hash([]byte("010101-123N"))
	b, _ := k.Hash([]byte("010101-123P"))
	foreign, _ := other.Hash([]byte("010101-123N"))
	plain := sha256.Sum256([]byte("010101-123N"))
	if !bytes.Equal(a, again) || bytes.Equal(a, b) || bytes.Equal(a, foreign) || bytes.Equal(a, plain[:16]) {
		t.Error("a hash must be the same for one value of one tenant, and for nothing else")
	}
}

func TestRotate(t *testing.T) {
	t.Parallel()
	m := fileMaster(t)
	k := fresh(t)
	value, file := seal(t, k, "secret", "c"), encryptFile(t, k, []byte("a file"), "f")
	hash, _ := k.Hash([]byte("v"))
	now := k
	for range 3 {
		var err error
		if now, err = now.Rotate(); err != nil {
			t.Fatal(err)
		}
		stored, err := now.Wrap(m, "tnt_a")
		if err != nil {
			t.Fatal(err)
		}
		if now, err = keys.Unwrap(m, "tnt_a", stored); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := now.Open(value, "c"); err != nil || string(got) != "secret" {
		t.Errorf("an old value: %q, %v", got, err)
	}
	if got, err := decryptFile(now, file, "f"); err != nil || string(got) != "a file" {
		t.Errorf("an old file: %q, %v", got, err)
	}
	if got, err := now.Hash([]byte("v")); err != nil || !bytes.Equal(got, hash) {
		t.Errorf("a hash changed: %v", err)
	}
	if _, err := k.Open(seal(t, now, "new", "c"), "c"); err == nil {
		t.Error("the old keyset opens what the new key sealed: nothing was rotated")
	}
	if _, err := decryptFile(k, encryptFile(t, now, []byte("new"), "f"), "f"); err == nil {
		t.Error("the old keyset reads a new file")
	}
}

func TestMasterFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "master.key")
	var wg sync.WaitGroup
	sealed := make([][]byte, 12)
	for i := range sealed {
		wg.Go(func() {
			m, err := keys.File(path)
			if err != nil {
				t.Error(err)
				return
			}
			if sealed[i], err = m.Encrypt([]byte("x"), nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	m, err := keys.File(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sealed {
		if _, err := m.Decrypt(s, nil); err != nil {
			t.Fatal("racing makers got different keys")
		}
	}
	fi, err := os.Stat(path)
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("files are left over: %v", left)
	}
	for name, text := range map[string]string{"empty": "", "short": base64.StdEncoding.EncodeToString([]byte("abc")), "no base64": "!!!", "long": base64.StdEncoding.EncodeToString(make([]byte, 33))} {
		p := filepath.Join(t.TempDir(), "k")
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.File(p); err == nil || !strings.Contains(err.Error(), p) || !strings.Contains(err.Error(), "restore the file from its backup") {
			t.Errorf("%s: %v", name, err)
		}
		if b, _ := os.ReadFile(p); string(b) != text {
			t.Errorf("%s: the file was overwritten", name)
		}
	}
}

package onboarding

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"digione/internal/app/fault"
	"digione/internal/app/objects"
	"digione/internal/tenancy"
	"digione/internal/tenancy/joining"
	"digione/internal/tenancy/keys"
)

// MaxEvidence is how large a file of evidence may be, in bytes.
const MaxEvidence = 20 << 20

// Evidence keeps the files that people hand in while joining: in the tenant's own
// object store, encrypted by its key, found by the hash of the content.
type Evidence struct {
	DB     *tenancy.DB
	Store  objects.Store
	Keyset func(tenancy.Tenant) (*keys.Keyset, error)
}

// evidenceType is the type of a file that may be evidence: a PDF with at least a page,
// a picture, or a signed container (ASiC), which is what signature services make.
func evidenceType(b []byte) (kind string, ok bool) {
	switch kind, _, _ = mime.ParseMediaType(http.DetectContentType(b)); kind {
	case "image/png", "image/jpeg":
		return kind, true
	case "application/pdf":
		tail := b[max(0, len(b)-1024):]
		return kind, bytes.Contains(tail, []byte("startxref")) && bytes.Contains(tail, []byte("%%EOF")) && pageObject.Match(b)
	case "application/zip":
		return container(b)
	}
	return kind, false
}

// pageObject is a page of a PDF, or a stream that holds its objects, packed.
var pageObject = regexp.MustCompile(`/Type\s*/(Page[^s]|ObjStm)`)

// container tells whether a zip is a signed container: its first entry says so, and
// there is a signature in it.
func container(b []byte) (kind string, ok bool) {
	const kindZip, most = "application/zip", 100
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil || len(z.File) == 0 || z.File[0].Name != "mimetype" {
		return kindZip, false
	}
	f, err := z.File[0].Open()
	if err != nil {
		return kindZip, false
	}
	defer func() { _ = f.Close() }()
	said, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil || !slices.Contains([]string{"application/vnd.etsi.asic-e+zip", "application/vnd.etsi.asic-s+zip"}, string(bytes.TrimSpace(said))) {
		return kindZip, false
	}
	return string(bytes.TrimSpace(said)), slices.ContainsFunc(z.File, func(f *zip.File) bool {
		return strings.HasPrefix(f.Name, "META-INF/") && strings.Contains(strings.ToLower(f.Name), "signature")
	})
}

// Keep checks and stores a file. The same content kept twice is one object. Without
// a Store it is only checked.
func (e Evidence) Keep(ctx context.Context, t tenancy.Tenant, name string, r io.Reader) (*joining.Evidence, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxEvidence+1))
	if err != nil {
		return nil, fmt.Errorf("read evidence: %w", err)
	}
	name = filepath.Base(strings.ReplaceAll(name, "\\", "/"))
	kind, fits := evidenceType(b)
	switch {
	case len(b) > MaxEvidence:
		return nil, fault.New(fault.Invalid, "onboarding.toolarge", "%s is larger than %d MB; deliver a smaller file", name, MaxEvidence>>20)
	case len(b) == 0:
		return nil, fault.New(fault.Invalid, "onboarding.empty", "%s is empty", name)
	case !fits:
		return nil, fault.New(fault.Invalid, "onboarding.type", "%s is no whole file of a type that is taken, but %s; evidence is a PDF, a PNG or JPEG picture, or a signed container (asice, asics)", name, kind)
	}
	ks, err := e.Keyset(t)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	key := "joining/" + hex.EncodeToString(sum[:])
	if e.Store == nil {
		return &joining.Evidence{Name: name, Key: key, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(b)), Type: kind}, nil
	}
	info, err := objects.For(e.Store, t.ID, ks).Put(ctx, key, bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("keep evidence: %w", err)
	}
	if err := e.DB.Write(ctx, t.ID, func(tx tenancy.Write) error { return objects.Record(ctx, tx, info) }); err != nil {
		return nil, fmt.Errorf("keep evidence: %w", err)
	}
	return &joining.Evidence{Name: name, Key: key, SHA256: hex.EncodeToString(info.SHA256[:]), Size: info.Size, Type: kind}, nil
}

// Open returns a kept file.
func (e Evidence) Open(ctx context.Context, t tenancy.Tenant, file joining.Evidence) (io.ReadCloser, error) {
	ks, err := e.Keyset(t)
	if err != nil {
		return nil, err
	}
	want, err := hex.DecodeString(file.SHA256)
	if err != nil || len(want) != sha256.Size {
		return nil, fmt.Errorf("evidence %s has no hash", file.Name)
	}
	return objects.For(e.Store, t.ID, ks).Get(ctx, file.Key, [32]byte(want))
}

package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"path"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/gofiber/fiber/v2"
)

//go:embed static
var staticFiles embed.FS

const assetPath = "/static/"

// styles are joined in this order into one file. The design system's parts go
// into its own layers, as its own index does; ours lies above all layers.
var styles = []struct{ file, layer string }{
	{"vendor/designsystemet/theme.css", ""},
	{"vendor/designsystemet/base.css", "ds.base"},
	{"vendor/designsystemet/heading.css", "ds.base"},
	{"vendor/designsystemet/label.css", "ds.base"},
	{"vendor/designsystemet/paragraph.css", "ds.base"},
	{"vendor/designsystemet/link.css", "ds.components"},
	{"vendor/designsystemet/button.css", "ds.components"},
	{"vendor/designsystemet/input.css", "ds.components"},
	{"vendor/designsystemet/field.css", "ds.components"},
	{"vendor/designsystemet/tag.css", "ds.components"},
	{"vendor/designsystemet/alert.css", "ds.components"},
	{"vendor/designsystemet/skip-link.css", "ds.components"},
	{"house.css", ""},
}

// assets are the static files under names that change with their content, so
// that browsers may keep them for ever.
type assets struct {
	byName map[string]string // name -> hashed name
	files  map[string]*asset // hashed name -> file
}

type asset struct {
	kind    string
	raw     []byte
	squeeze func() (br, gz []byte) // made at the first use
}

var loadAssets = sync.OnceValue(func() *assets {
	a := &assets{map[string]string{}, map[string]*asset{}}
	font := mustRead("static/vendor/inter/inter-latin-wght-normal.woff2")
	hashed := a.add("inter.woff2", font)
	a.add("live.js", mustRead("static/live.js"))
	a.add("passkey.js", mustRead("static/passkey.js"))
	a.add("table.js", mustRead("static/table.js"))
	a.add("upload.js", mustRead("static/upload.js"))
	a.add("mark.svg", mustRead("static/mark.svg"))
	css := []byte("@layer ds.theme, ds.base, ds.components;\n")
	for _, part := range styles {
		b := bytes.TrimPrefix(mustRead("static/"+part.file), []byte("@charset \"UTF-8\";\n"))
		if part.layer != "" {
			b = fmt.Appendf(nil, "@layer %s{%s}", part.layer, b)
		}
		css = append(append(css, b...), '\n')
	}
	a.add("digione.css", bytes.ReplaceAll(css, []byte("url(inter.woff2)"), []byte("url("+hashed+")")))
	return a
})

func mustRead(name string) []byte {
	b, err := fs.ReadFile(staticFiles, name)
	if err != nil {
		panic(err)
	}
	return b
}

func (a *assets) add(name string, b []byte) string {
	sum := sha256.Sum256(b)
	ext := path.Ext(name)
	hashed := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
	kind := mime.TypeByExtension(ext)
	if ext == ".woff2" {
		kind = "font/woff2"
	}
	a.byName[name] = hashed
	a.files[hashed] = &asset{kind, b, sync.OnceValues(func() ([]byte, []byte) { return squeeze(ext, b) })}
	return hashed
}

func (a *assets) path(name string) string {
	hashed, ok := a.byName[name]
	if !ok {
		panic("no static file " + name)
	}
	return assetPath + hashed
}

func squeeze(ext string, b []byte) (br, gz []byte) {
	if ext == ".woff2" { // is brotli inside
		return nil, nil
	}
	var bb, gb bytes.Buffer
	bw := brotli.NewWriterLevel(&bb, brotli.BestCompression)
	_, _ = bw.Write(b) // into memory: it cannot fail
	_ = bw.Close()
	gw, _ := gzip.NewWriterLevel(&gb, gzip.BestCompression)
	_, _ = gw.Write(b)
	_ = gw.Close()
	return bb.Bytes(), gb.Bytes()
}

func (r *Router) asset(c *fiber.Ctx) error {
	f, ok := r.assets.files[c.Params("*")]
	if !ok {
		return fiber.ErrNotFound
	}
	c.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
	c.Set(fiber.HeaderVary, fiber.HeaderAcceptEncoding)
	c.Set(fiber.HeaderContentType, f.kind)
	br, gz := f.squeeze()
	accepts := c.Get(fiber.HeaderAcceptEncoding)
	switch {
	case br != nil && strings.Contains(accepts, "br"):
		c.Set(fiber.HeaderContentEncoding, "br")
		return c.Send(br)
	case gz != nil && strings.Contains(accepts, "gzip"):
		c.Set(fiber.HeaderContentEncoding, "gzip")
		return c.Send(gz)
	}
	return c.Send(f.raw)
}

// Look is a mark of the layout and the styles: it changes when they do.
func Look() string {
	layout, err := fs.ReadFile(coreFiles, "templates/layout.html")
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(append(layout, loadAssets().byName["digione.css"]...))
	return hex.EncodeToString(sum[:6])
}

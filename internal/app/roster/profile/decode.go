package profile

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

var utf8BOM = []byte{0xEF, 0xBB, 0xBF}

// badText says where a file is not in the encoding that the profile declares.
type badText struct {
	line           int
	what, expected string
}

// decode turns the bytes of a file into UTF-8. It follows the declaration and
// refuses what contradicts it: a wrong guess would change names for good.
func decode(b []byte, encoding string) ([]byte, *badText) {
	if encoding != utf8Name && encoding != utf16Name && looksUTF8(b) {
		return nil, &badText{firstWide(b), "the bytes are UTF-8, the profile says " + encoding, "encoding: utf-8 in the profile"}
	}
	switch encoding {
	case utf16Name:
		return decodeUTF16(b)
	case cp1252Name:
		return single(b, charmap.Windows1252, encoding)
	case latin1Name:
		return single(b, charmap.ISO8859_1, encoding)
	case latin9Name:
		return single(b, charmap.ISO8859_15, encoding)
	}
	return decodeUTF8(b)
}

func decodeUTF8(b []byte) ([]byte, *badText) {
	if bytes.HasPrefix(b, []byte{0xFF, 0xFE}) || bytes.HasPrefix(b, []byte{0xFE, 0xFF}) {
		return nil, &badText{1, "the file begins like UTF-16", "encoding: utf-16 in the profile"}
	}
	b = bytes.TrimPrefix(b, utf8BOM)
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return nil, &badText{lineOf(b, i), fmt.Sprintf("the byte %#x is not UTF-8", b[i]), "encoding: windows-1252 in the profile, if the file comes from Excel"}
		}
		i += n
	}
	return b, nil
}

func decodeUTF16(b []byte) ([]byte, *badText) {
	if len(b)%2 != 0 {
		return nil, &badText{1, "an odd number of bytes, which UTF-16 never has", "the whole file, or another encoding in the profile"}
	}
	// Without a mark the little end comes first, as Windows writes it.
	out, err := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder().Bytes(b)
	if i := bytes.IndexRune(out, utf8.RuneError); err != nil || i >= 0 {
		return nil, &badText{lineOf(out, max(i, 0)), "not UTF-16", "another encoding in the profile"}
	}
	return out, nil
}

// single decodes one byte a letter. The codes 0x80-0x9F are letters only in
// Windows-1252, and even there five of them are none.
func single(b []byte, m *charmap.Charmap, name string) ([]byte, *badText) {
	out := make([]byte, 0, len(b)+len(b)/16)
	for i, c := range b {
		if c < utf8.RuneSelf {
			out = append(out, c)
			continue
		}
		r := m.DecodeByte(c)
		if r == utf8.RuneError || r >= 0x80 && r <= 0x9F {
			return nil, &badText{lineOf(b, i), fmt.Sprintf("the byte %#x is no letter in %s", c, name), "the encoding that the export really has"}
		}
		out = utf8.AppendRune(out, r)
	}
	return out, nil
}

// looksUTF8: text in another encoding is almost never valid UTF-8 once it has
// letters beyond ASCII.
func looksUTF8(b []byte) bool {
	return bytes.HasPrefix(b, utf8BOM) || firstWide(b) > 0 && utf8.Valid(b)
}

// firstWide is the line of the first byte beyond ASCII, 0 when there is none.
func firstWide(b []byte) int {
	for i, c := range b {
		if c >= utf8.RuneSelf {
			return lineOf(b, i)
		}
	}
	return 0
}

func lineOf(b []byte, at int) int { return 1 + bytes.Count(b[:at], []byte{'\n'}) }

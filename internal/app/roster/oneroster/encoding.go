package oneroster

import (
	"fmt"
	"unicode/utf8"
)

func hexByte(b byte) string { return fmt.Sprintf("0x%02X", b) }

// badUTF8 names the first byte of a row that is not UTF-8 and what the file
// probably is. It only says so: a guessed encoding turns names into others.
func badUTF8(row []byte, line int) scanFault {
	at := firstBad(row)
	f := faultAt(row, at, line, "E201", "")
	f.message = fmt.Sprintf("byte %s (byte %d of the row) is not UTF-8%s", hexByte(row[at]), at+1, likely(row, at, line))
	return f
}

func firstBad(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return 0
}

// likely names the encoding that the bad byte speaks for.
func likely(row []byte, at, line int) string {
	b := row[at]
	switch {
	case line == 1 && at == 0 && len(row) > 1 && (b == 0xff && row[1] == 0xfe || b == 0xfe && row[1] == 0xff):
		return "; the file is probably UTF-16"
	case isLatin(b):
		return fmt.Sprintf("; the file is probably Windows-1252, where this byte is %q", latin(b))
	}
	return ""
}

// isLatin: the letters and signs that Windows-1252 has above ASCII. Five bytes
// mean nothing there.
func isLatin(b byte) bool {
	switch b {
	case 0x81, 0x8d, 0x8f, 0x90, 0x9d:
		return false
	}
	return b >= 0x80
}

// latin gives the letter for the bytes that matter in names; above 0xA0
// Windows-1252 is Unicode.
func latin(b byte) rune {
	switch b {
	case 0x80:
		return '€'
	case 0x8a:
		return 'Š'
	case 0x8e:
		return 'Ž'
	case 0x9a:
		return 'š'
	case 0x9e:
		return 'ž'
	}
	if b >= 0xa0 {
		return rune(b)
	}
	return '?'
}

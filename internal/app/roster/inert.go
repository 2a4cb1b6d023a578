package roster

import (
	"strings"
	"unicode/utf8"
)

// Inert is a cell that a spreadsheet shows as it is: what it could take for a
// formula, in whichever width it is written, is marked as text.
func Inert(cell string) string {
	if first, n := utf8.DecodeRuneInString(cell); n > 0 && strings.ContainsRune("=+-@\t\r\n|＝＋－＠", first) {
		return "'" + cell
	}
	return cell
}

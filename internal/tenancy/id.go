package tenancy

import (
	"encoding/base32"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/uuid"
)

// ID names a tenant for good: "tnt_" and 26 characters. The zero ID is no
// tenant. Slugs and hosts may change, an ID never does.
type ID string

var (
	crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)
	idForm    = regexp.MustCompile(`^tnt_[0-9a-hjkmnp-tv-z]{26}$`)
	slugForm  = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	hostForm  = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)
	cellForm  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)
	codeForm  = regexp.MustCompile(`^[0-9]{3}$`)
	bidForm   = regexp.MustCompile(`^[0-9]{7}-[0-9]$`)
	orgForm   = regexp.MustCompile(`^1\.2\.246\.562\.(10|99|199)\.([0-9]{11,24})$`)
)

// NewID makes an ID; ids made later sort later.
func NewID() (ID, error) {
	u, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make tenant id: %w", err)
	}
	return ID("tnt_" + crockford.EncodeToString(u[:])), nil
}

// ParseID accepts what NewID makes.
func ParseID(s string) (ID, error) {
	if !idForm.MatchString(s) {
		return "", fmt.Errorf("tenant id %q: want tnt_ and 26 characters", s)
	}
	return ID(s), nil
}

// tail is the random end of an ID: it keeps role names of tenants apart that
// carry one slug in several databases of a cluster.
func (id ID) tail() string { return string(id[len(id)-6:]) }

// CheckSlug accepts 2-30 of a-z, 0-9 and inner hyphens, beginning with a letter.
func CheckSlug(s string) error {
	if !slugForm.MatchString(s) || len(s) < 2 || len(s) > 30 {
		return fmt.Errorf("slug %q: use 2-30 of a-z, 0-9 and single hyphens, beginning with a letter", s)
	}
	if s == OperatorSlug {
		return fmt.Errorf("slug %q is kept for the operators' own host; choose another", s)
	}
	if s == FamilySlug {
		return fmt.Errorf("slug %q is kept for the guardians' own host; choose another", s)
	}
	return nil
}

// OperatorSlug begins the name of the operators' own host, and FamilySlug that of the
// guardians' one; no tenant can have them.
const (
	OperatorSlug = "operator"
	FamilySlug   = "koti"
)

// CheckHost accepts a lower-case host name without port.
func CheckHost(s string) error {
	if !hostForm.MatchString(s) || len(s) > 253 || strings.Contains(s, "..") {
		return fmt.Errorf("host %q: use a lower-case host name without port, such as vantaa.digione.fi", s)
	}
	return nil
}

// CheckMunicipalityCode accepts three digits with leading zeros.
func CheckMunicipalityCode(s string) error {
	if !codeForm.MatchString(s) {
		return fmt.Errorf("municipality code %q: use three digits, such as 092", s)
	}
	return nil
}

// CheckBusinessID checks form and check digit of a Y-tunnus.
func CheckBusinessID(s string) error {
	if !bidForm.MatchString(s) {
		return fmt.Errorf("business id %q: use seven digits, a hyphen and a check digit, such as 0124610-9", s)
	}
	sum := 0
	for i, w := range []int{7, 9, 10, 5, 8, 4, 2} {
		sum += w * int(s[i]-'0')
	}
	r := sum % 11
	want := byte('0')
	if r > 1 {
		want = byte('0' + 11 - r)
	}
	if r == 1 || s[8] != want {
		return fmt.Errorf("business id %q: the check digit is wrong; copy it anew from the YTJ register", s)
	}
	return nil
}

// CheckOrganisationOID checks the form of an organisation OID and, for the
// eleven-digit ones, the Luhn digit. Real ones exist that an old generator
// numbered wrongly (all end in 10, with twelve digits): longer bodies pass by
// form alone.
func CheckOrganisationOID(s string) error {
	m := orgForm.FindStringSubmatch(s)
	if m == nil {
		return fmt.Errorf("organisation OID %q: use 1.2.246.562.10. and 11 digits", s)
	}
	if d := m[2]; len(d) == 11 && luhn(d[:10]) != d[10] {
		return fmt.Errorf("organisation OID %q: the check digit is wrong; copy it anew from Organisaatiopalvelu", s)
	}
	return nil
}

// luhn returns the check digit of a body, doubling every second digit from the
// right, the last one included.
func luhn(body string) byte {
	sum := 0
	for i := range len(body) {
		d := int(body[len(body)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return byte('0' + (10-sum%10)%10)
}

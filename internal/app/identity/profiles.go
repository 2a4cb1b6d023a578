package identity

import (
	"errors"
	"fmt"

	"digione/internal/app/authz"
)

// Claims of MPASSid and of Suomi.fi, as their documentation names them.
const (
	claimLearnerID = "urn:oid:1.3.6.1.4.1.16161.1.1.27" // oppijanumero, of learners
	claimUID       = "urn:mpass.id:uid"                 // stable within the directory that it comes from
	claimOrganiser = "urn:mpass.id:educationProviderInfo"
	claimHetu      = "urn:oid:1.2.246.21"
)

// Apply sets what a well-known service needs; "" is none and changes nothing.
// MPASSid serves all of Finland: only whom it names as of the organisation may come
// in, and learners are linked by their national number. Suomi.fi is strong.
func (p *Provider) Apply(profile, organisationOID string) error {
	switch profile {
	case "":
	case "mpassid":
		if organisationOID == "" {
			return errors.New("the tenant has no organisation OID, by which MPASSid names it: set organisation_oid in its manifest")
		}
		p.LinkClaim, p.LinkTo, p.Also = claimLearnerID, ToOppijanumero, []Link{{claimUID, ToUsername}}
		p.RequireClaim, p.RequireValue = claimOrganiser, organisationOID
		p.For = []authz.Kind{authz.Learners, authz.Staff}
	case "suomifi":
		p.LinkClaim, p.LinkTo, p.Also = claimHetu, ToHetu, nil
		p.For, p.Strong = []authz.Kind{authz.Guardians, authz.Learners}, true
	default:
		return fmt.Errorf("%q is none that is known: use mpassid or suomifi", profile)
	}
	return nil
}

package cli

import (
	"sync"

	"digione/cmd/internal/installation"
	"digione/internal/app"
	"digione/internal/app/identity/devidp"
	"digione/internal/app/roster/generate"
	"digione/internal/tenancy"
)

// The guardians' client at the local provider, as that of the operators.
const (
	familyClient = "digione-" + tenancy.FamilySlug
	familySecret = "development"
)

func devFamily(in *installation.Installation, p ports) app.Family {
	return app.Family{Host: in.Settings.FamilyHost, Issuer: p.issuer(), ClientID: familyClient, Secret: familySecret}
}

const hetuClaim = "urn:oid:1.2.246.21"

// familyUsers are guardians with a hetu: one with children in two of the demo
// municipalities, and one whom no roster knows.
var familyUsers = sync.OnceValue(func() []devidp.User {
	nobody := devidp.User{Subject: "koti-outi", Username: "outi.ulkopuolinen", Name: "Outi Ulkopuolinen", Note: "ei huoltaja", Claims: map[string]any{hetuClaim: "010180-999A"}}
	s, ok, err := generate.FindShared(thisYear(demos[shared]))
	if err != nil || !ok {
		return []devidp.User{nobody}
	}
	both := devidp.User{Subject: "koti-" + s.There.SourcedID, Username: s.There.Username, Name: s.There.GivenName + " " + s.There.FamilyName,
		Note: "lapsia: " + demos[0].NameFi + ", " + demos[shared].NameFi, Claims: map[string]any{hetuClaim: s.Hetu}}
	return []devidp.User{both, nobody}
})
